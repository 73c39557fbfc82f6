"""A folder of CMS DE-SynPUF files, as CMS publishes them."""

import re
from dataclasses import dataclass
from dataclasses import replace as with_changes
from datetime import date, timedelta
from pathlib import Path

from python_scoring.cohorts import cms_layout
from python_scoring.cohorts.files import open_table
from python_scoring.cohorts.intake import Intake
from python_scoring.cohorts.layout import LAST_OUTCOME_DAY
from python_scoring.cohorts.loads import (
    DEFAULT_MAX_REJECT_SHARE,
    Connection,
    LoadResult,
    Request,
    Written,
    run,
)
from python_scoring.cohorts.tables import Table
from python_scoring.errors import BadInput

_SUMMARY = "Beneficiary_Summary_File"
_INPATIENT = "Inpatient_Claims"
_OUTPATIENT = "Outpatient_Claims"
_NEEDED = {part.lower() for part in (_SUMMARY, _INPATIENT, _OUTPATIENT)}
_NAME = re.compile(
    r"DE1_0_(?P<year>[0-9]{4})(?:_to_[0-9]{4})?_(?P<part>[A-Za-z_]+?)"
    r"_Sample_(?P<sample>[0-9]+)(?P<piece>[A-Z]?)\.csv(?:\.gz)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Found:
    """A file that is one of CMS's by its name: `part` is Inpatient_Claims, ..."""

    path: Path
    part: str
    year: int
    sample: int
    piece: str


def load(
    conn: Connection,
    directory: Path,
    *,
    org: str,
    as_of: date,
    max_reject_share: float = DEFAULT_MAX_REJECT_SHARE,
    replace: bool = False,
) -> LoadResult:
    """Load the beneficiary summary of the as-of year, and the claims.

    Parameters
    ----------
    directory
        Holds the files of one DE-SynPUF sample: the summary of the year,
        inpatient and outpatient claims, .csv or .csv.gz. Carrier claims and
        prescriptions are not needed: the summary has their reimbursement.
    org, as_of
        Whose cohort, and the index date.
    max_reject_share
        Share of a file's rows that may be bad.
    replace
        Put it in the place of another cohort of the same organization and day.

    Raises
    ------
    BadInput
        Nothing was loaded; the message says what was found and expected.
    """
    request = Request("cms", org, as_of, "cohort", max_reject_share, replace)
    request.check()
    tables = _open_tables(directory, as_of.year)

    def write(intake: Intake) -> Written:
        summary = cms_layout.beneficiaries(as_of)
        people = intake.take(tables["beneficiaries"], summary)
        intake.take(tables["inpatient"], cms_layout.inpatient_claims())
        intake.take(tables["outpatient"], cms_layout.outpatient_claims())
        return Written(people, has_outcomes=_reach_outcomes(intake, as_of))

    result = run(conn, request, tables, write)
    return with_changes(result, warnings=(*result.warnings, *_warn(as_of)))


def _warn(as_of: date) -> tuple[str, ...]:
    """Warn where the year that CMS summarizes is not the one that is looked back on."""
    if (as_of.month, as_of.day) == (12, 31):
        return ()
    return (
        f"the beneficiary summary covers the whole of {as_of.year}: its costs and "
        f"condition flags include what came after {as_of}; expected --as-of "
        f"{as_of.year}-12-31",
    )


def _open_tables(directory: Path, year: int) -> dict[str, Table]:
    found = _find_files(directory)
    samples = sorted({file.sample for file in found})
    if len(samples) > 1:
        raise BadInput(
            f"{directory}: files of samples {', '.join(map(str, samples))}; expected "
            "one sample in a folder"
        )
    _refuse_doubles(directory, found)
    summaries = {f.year: f.path for f in found if f.part == _SUMMARY.lower()}
    claims = {f.part: f.path for f in found if f.part != _SUMMARY.lower()}
    missing = _explain_missing(summaries, claims, year, samples)
    if missing:
        raise BadInput(f"{directory}: missing {'; '.join(missing)}")
    return {
        "beneficiaries": open_table(summaries[year]),
        "inpatient": open_table(claims[_INPATIENT.lower()]),
        "outpatient": open_table(claims[_OUTPATIENT.lower()]),
    }


def _find_files(directory: Path) -> list[_Found]:
    """CMS's files by their names; whatever else lies there is no concern."""
    if not directory.is_dir():
        what = "is a file" if directory.exists() else "no such folder"
        raise BadInput(f"{directory}: {what}; expected a folder of DE-SynPUF files")
    try:
        paths = sorted(directory.iterdir())
    except OSError as error:
        raise BadInput(f"{directory}: cannot be read ({error.strerror})") from None
    matches = ((path, _NAME.fullmatch(path.name)) for path in paths)
    return [
        _Found(
            path,
            match["part"].lower(),
            int(match["year"]),
            int(match["sample"]),
            match["piece"].upper(),
        )
        for path, match in matches
        if match
    ]


def _refuse_doubles(directory: Path, found: list[_Found]) -> None:
    """Refuse a needed file that is there twice, as .csv and as .csv.gz."""
    known: dict[tuple[str, int, str], Path] = {}
    for file in found:
        if file.part not in _NEEDED:
            continue
        twin = known.setdefault((file.part, file.year, file.piece), file.path)
        if twin != file.path:
            raise BadInput(
                f"{directory}: {twin.name} and {file.path.name}; expected one of them"
            )


def _explain_missing(
    summaries: dict[int, Path], claims: dict[str, Path], year: int, samples: list[int]
) -> list[str]:
    number = samples[0] if samples else "N"
    missing = []
    if year not in summaries:
        years = ", ".join(map(str, sorted(summaries))) or "no year"
        missing.append(
            f"DE1_0_{year}_{_SUMMARY}_Sample_{number}.csv[.gz] for the as-of year "
            f"(there are summaries of {years})"
        )
    missing.extend(
        f"DE1_0_2008_to_2010_{part}_Sample_{number}.csv[.gz]"
        for part in (_INPATIENT, _OUTPATIENT)
        if part.lower() not in claims
    )
    return missing


def _reach_outcomes(intake: Intake, as_of: date) -> bool:
    """Whether the claims go on for 90 days, so that outcomes are known."""
    intake.cursor.execute(
        "select coalesce(max(clm_from_dt) >= %(last)s, false) from ("
        " select clm_from_dt from raw.cms_inpatient_claims where load_id = %(load)s"
        " union all"
        " select clm_from_dt from raw.cms_outpatient_claims where load_id = %(load)s"
        ") as claims",
        {"load": intake.load_id, "last": as_of + timedelta(days=LAST_OUTCOME_DAY)},
    )
    row = intake.cursor.fetchone()
    return bool(row and row[0])
