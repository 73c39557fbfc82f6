"""The cohort layout: which columns a cohort file and its outcomes file have.

The list is `seeds/reference/features.csv`; the base fields are asked for, the
derived features may come along and are kept as what the file reported.
"""

import csv
import difflib
import math
from collections import Counter
from collections.abc import Sequence
from datetime import date

from python_scoring import config
from python_scoring.cohorts.values import Column, either
from python_scoring.errors import BadInput
from python_scoring.readmission.features import FEATURES, Feature

RACES_FILE = config.PROJECT_DIR / "seeds" / "reference" / "races.csv"
LAST_OUTCOME_DAY = 90

_EXTERNAL_ID = Column(
    "external_id",
    "external_id",
    "identifier",
    "expected an identifier of 1 to 200 printable characters",
    identifies="person",
)
_EXAMPLE = {
    "external_id": "A-0001",
    "age": "78",
    "is_female": "1",
    "race_code": "1",
    "has_chf": "1",
    "has_diabetes": "1",
    "total_admissions": "2",
    "total_hospital_days": "9",
    "days_since_last_admission": "41",
    "total_outpatient_visits": "12",
    "annual_cost": "24310.50",
    "inpatient_cost": "16800.00",
}


def cohort_columns(org: str, as_of: date) -> list[Column]:
    """Columns of a cohort file: identifier, base fields, and what may come along."""
    base = [_feature_column(f, f.name) for f in FEATURES if f.is_base_field]
    reported = [_reported_column(f) for f in FEATURES if not f.is_base_field]
    return [_EXTERNAL_ID, *base, *reported, *_origin_columns(org, as_of)]


def outcome_columns(org: str, as_of: date) -> list[Column]:
    """Columns of an outcomes file."""
    days = Column(
        "days_to_readmission",
        "days_to_readmission",
        "integer",
        f"expected a whole number from 1 to {LAST_OUTCOME_DAY}, or nothing if no "
        "readmission came in that time",
        minimum=1,
        maximum=LAST_OUTCOME_DAY,
        may_be_blank=True,
    )
    return [_EXTERNAL_ID, days, *_origin_columns(org, as_of)]


def match_columns(
    file: str,
    header: Sequence[str],
    columns: Sequence[Column],
    *,
    is_strict: bool = True,
    is_masked: bool = False,
) -> list[tuple[str, Column]]:
    """Find the columns in a file's header, by name.

    Parameters
    ----------
    is_strict
        Refuse columns that are not in the layout: a mistyped name would
        otherwise lose a column without a word. If not, other columns are left
        unread and the names' case does not matter.
    is_masked
        Say where an unknown column stands, and not what it is called: of a file
        without a header, the first row is taken for one.

    Returns
    -------
    list of (str, Column)
        The name in the file beside the column that it is.

    Raises
    ------
    BadInput
        A required column is missing, one is there twice, or one is unknown.
    """
    names = list(header) if is_strict else [name.strip().upper() for name in header]
    known = [column.name for column in columns]
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if not is_strict:
        repeated = [name for name in repeated if name in known]
    missing = [c.name for c in columns if c.is_required and c.name not in names]
    unknown = [name for name in names if name not in known] if is_strict else []
    faults = [
        *(
            f"{_say_column(name, names, is_masked and name not in known)} is there "
            "more than once"
            for name in repeated
        ),
        *_explain_unknown(
            unknown, [n for n in known if n not in names], names, is_masked
        ),
    ]
    if missing:
        faults.append(f"missing: {', '.join(missing)}")
    if len(header) == 1:
        _refuse_delimiter(file, header[0])
    if faults:
        expected = ", ".join(c.name for c in columns if c.is_required)
        faults.append(f"expected, separated by commas, the columns {expected}")
        raise BadInput(f"{file}, header: " + "; ".join(faults))
    places = {name: header[place] for place, name in enumerate(names)}
    return [(places[c.name], c) for c in columns if c.name in places]


def template() -> str:
    """Describe the cohort layout, with an example that loads as it stands."""
    base = [f for f in FEATURES if f.is_base_field]
    derived = [f for f in FEATURES if not f.is_base_field]
    rows = [
        ("external_id", "text", "", "1-200 characters", "the person, in your system"),
        *(_describe(feature) for feature in base),
    ]
    names = ["external_id", *(feature.name for feature in base)]
    example = [_EXAMPLE.get(name, "0") for name in names]
    return "\n".join(
        [
            "A cohort file is .csv, .csv.gz or .parquet, a row a person, with header;",
            "a folder of .parquet files is read as one:",
            "",
            *_aligned([("column", "type", "unit", "allowed", "meaning"), *rows]),
            "",
            "May come along: org_code and index_date (YYYY-MM-DD), which must be those",
            "of the load, and the derived features, which are recomputed and compared:",
            *_aligned([_describe(feature) for feature in derived]),
            "",
            "An outcomes file beside it, NAME_outcomes.csv for NAME.csv, makes it fit",
            "for training: external_id and days_to_readmission, 1 to "
            f"{LAST_OUTCOME_DAY} or empty",
            "if none came in that time, with a row for every person.",
            "",
            "Example:",
            ",".join(names),
            ",".join(example),
        ]
    )


def races() -> dict[str, str]:
    """Codes and names of `seeds/reference/races.csv`."""
    with RACES_FILE.open(newline="", encoding="utf-8") as lines:
        return {row["race_code"]: row["race"] for row in csv.DictReader(lines)}


def _feature_column(feature: Feature, target: str) -> Column:
    codes = tuple(races()) if feature.data_type == "code" else ()
    lowest, highest = feature.minimum, feature.maximum
    return Column(
        feature.name,
        target,
        "number" if feature.data_type == "number" else "integer",
        f"expected {_words(feature)}",
        minimum=-math.inf if lowest is None else lowest,
        maximum=math.inf if highest is None else highest,
        codes=codes,
        may_be_blank=feature.is_nullable,
    )


def _reported_column(feature: Feature) -> Column:
    column = _feature_column(feature, f"reported_{feature.name}")
    expected = f"{column.expected}, or nothing"
    return Column(
        column.name,
        column.target,
        column.kind,
        expected,
        minimum=column.minimum,
        maximum=column.maximum,
        is_required=False,
        may_be_blank=True,
    )


def _origin_columns(org: str, as_of: date) -> list[Column]:
    """Columns that say whose cohort it is and as of when: no row may differ."""
    origin = {"org_code": (org, "--org"), "index_date": (as_of.isoformat(), "--as-of")}
    return [
        Column(
            name,
            "",
            "word",
            f"expected {value}, as {option} says",
            codes=(value,),
            is_required=False,
        )
        for name, (value, option) in origin.items()
    ]


def _words(feature: Feature) -> str:
    if feature.data_type == "flag":
        return "0 or 1"
    if feature.data_type == "code":
        return either(tuple(races()))
    kind = "a number" if feature.data_type == "number" else "a whole number"
    bounds = f"{kind} from {feature.minimum:.0f} to {feature.maximum:.0f}"
    empty = ", or nothing if there was none" if feature.is_nullable else ""
    return f"{bounds}{empty}"


def _describe(feature: Feature) -> tuple[str, ...]:
    kind = {"number": "number", "flag": "0/1", "code": "code"}
    allowed = _words(feature).split(" from ")[-1].removesuffix(" if there was none")
    name = kind.get(feature.data_type, "integer")
    unit = feature.unit if feature.unit not in ("0/1", "code") else ""
    return feature.name, name, unit, allowed, _meaning(feature)


def _meaning(feature: Feature) -> str:
    if feature.data_type == "code":
        named = ", ".join(f"{code} {name}" for code, name in races().items())
        return f"{feature.label}: {named}"
    none = "; 999 = none" if feature.is_nullable else ""
    return f"{feature.label}{none}"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    lines = (
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows
    )
    return [f"  {line.rstrip()}" for line in lines]


def _refuse_delimiter(file: str, header: str) -> None:
    """Refuse a header in one piece, without listing every column as missing."""
    for delimiter, name in ((";", "';'"), ("\t", "a tab")):
        if delimiter in header:
            raise BadInput(
                f"{file}, header: one column only; is the delimiter {name}? "
                "expected a comma"
            )


def _say_column(name: str, names: Sequence[str], is_masked: bool) -> str:
    """Name a column; or say where it stands, from 1 on."""
    return f"column {names.index(name) + 1}" if is_masked else f"column {name!r}"


def _explain_unknown(
    unknown: Sequence[str], free: Sequence[str], names: Sequence[str], is_masked: bool
) -> list[str]:
    faults = []
    for name in unknown:
        folded = {candidate.lower(): candidate for candidate in free}
        close = difflib.get_close_matches(name.strip().lower(), folded, n=1)
        hint = f", did you mean {folded[close[0]]}?" if close else ""
        what = f"unknown {_say_column(name, names, is_masked)}"
        what = what if name else "a column without a name"
        faults.append(f"{what}{hint}")
    return faults
