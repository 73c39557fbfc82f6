"""Hostile rows and identifiers, and whether each is loaded unchanged or refused."""

import csv
import io
import json
import unicodedata
from dataclasses import dataclass, field
from datetime import date
from operator import itemgetter
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from python_scoring.cohorts import cohort
from python_scoring.errors import BadInput
from python_scoring.intake import documents
from python_scoring.intake.adding import Intake
from python_scoring.warehouse import Connection

AT_ONCE = 25

# What has broken programs of this kind: SQL, COPY's own signs, templates, shells,
# spreadsheets, encodings, length.
_KNOWN = (
    "'; drop table raw.new_patients; --",
    "x'); truncate raw.predictions; --",
    "$$; select pg_sleep(9); $$",
    "\\.",
    "\\N",
    "\\x00",
    "{{ env_var('RISKMART_KEY') }}",
    "{% raw %}",
    "%s %(name)s {0} {}",
    "$(touch hostile) `id` ; | & >",
    "=cmd|'/c calc'!A1",
    "../../etc/passwd",
    'a,b"c;d\te',
    "line\nbreak\r\n",
    "[red]markup[/]",
    "\x1b[2J",
    "\u202eabc",
    "\ufeffbom",
    "Zoë",
    "Zoe\u0308",
    "𝔊𝔯𝔢𝔱𝔢𝔩",
    "\ud800",
    "null",
    "NaN",
    "0x1F",
    " leading and trailing ",
    "",
    "x" * 5_000,
)
_SAID = st.one_of(st.sampled_from(_KNOWN), st.text(max_size=60))
# Where a line is a row: what breaks lines or bytes refuses the whole file, and is in
# files of its own.
_IN_A_LINE = st.one_of(
    st.sampled_from([k for k in _KNOWN if k.isprintable() or k.isspace()]),
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=60),
)
_NUMBERS = st.one_of(
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.sampled_from([True, None, [], {}, "7", "1e5", "-0", "Infinity", "１"]),
)
PATIENT = {
    "org_code": "BASELINE",
    "source_system": "API",
    "index_date": "2026-01-15",
    "age": 71,
    "gender": "female",
    "race": "White",
    "conditions": ["chf"],
    "has_esrd": False,
    "total_admissions": 1,
    "total_hospital_days": 3,
    "last_admission_date": "2025-12-20",
    "total_outpatient_visits": 4,
    "annual_cost": 24500,
    "inpatient_cost": 15000,
}
_ROW = {
    **{"age": 71, "is_female": 1, "race_code": 1, "has_esrd": 0},
    **dict.fromkeys(
        [f"has_{name}" for name in ("alzheimers", "chf", "ckd", "cancer", "copd")], 0
    ),
    **dict.fromkeys(
        [f"has_{name}" for name in ("depression", "diabetes", "ischemic_heart")], 1
    ),
    **{"has_ra_oa": 0, "has_stroke": 0, "total_admissions": 1},
    **{"total_hospital_days": 3, "days_since_last_admission": 20},
    **{"total_outpatient_visits": 4, "annual_cost": 24500, "inpatient_cost": 15000},
}


@dataclass
class Storm:
    """What became of hostile records; ``wrong`` says what should not have been."""

    given: int = 0
    unchanged: int = 0
    refused: int = 0
    wrong: list[str] = field(default_factory=list)

    def note(self, is_refused: bool) -> None:
        """Count one."""
        self.given += 1
        self.refused += is_refused
        self.unchanged += not is_refused


def _some(
    model: dict[str, Any], said: st.SearchStrategy[str], fields: st.SearchStrategy[Any]
) -> Any:
    """Draw records: mostly sound but for who it is, some with a field or two spoilt."""
    spoilt = st.dictionaries(st.sampled_from(sorted(model)), fields, max_size=2)
    record = st.builds(
        lambda external_id, changes, is_spoilt: {
            **model,
            **(changes if is_spoilt else {}),
            "external_id": external_id,
        },
        *(said, spoilt, st.integers(0, 3).map(bool).map(lambda some: not some)),
    )
    whose = itemgetter("external_id")
    return st.lists(record, min_size=AT_ONCE, max_size=AT_ONCE, unique_by=whose)


def _examples(count: int, seed: int) -> Any:
    return settings(
        max_examples=max(1, count // AT_ONCE),
        database=None,
        deadline=None,
        derandomize=seed == 0,
        suppress_health_check=list(HealthCheck),
        phases=settings().phases[1:3],
    )


def hand_in(intake: Intake, count: int, seed: int = 0) -> Storm:
    """Hand hostile records in as JSON: each is kept as it says, or has its fault.

    Parameters
    ----------
    count
        Of records, in submissions of `AT_ONCE`.
    """
    done = Storm()

    @_examples(count, seed)
    @given(_some(PATIENT, _SAID, st.one_of(_SAID, _NUMBERS)))
    def one(records: list[dict[str, Any]]) -> None:
        received = json.dumps(records).encode()
        answer = intake.add(list(documents.split(received)))
        assert len(answer.entries) == len(records)
        for entry, record in zip(answer.entries, records, strict=True):
            done.note(entry.outcome == "rejected")
            if entry.outcome == "rejected":
                if not entry.faults or not all(f.expected for f in entry.faults):
                    done.wrong.append(f"no reason for {record!r}")
                continue
            said = _identifier(record["external_id"])
            if _kept(intake.conn, entry.input_id) not in (said, None):
                done.wrong.append(f"not as it came: {record['external_id']!r}")

    one()
    return done


def _identifier(text: str) -> str:
    """Blanks around an identifier are no part of it, and letters are composed."""
    return unicodedata.normalize("NFC", text.strip())


def _kept(conn: Connection, input_id: int) -> str | None:
    """Return who it is in the warehouse; None where the record changed nothing."""
    row = conn.execute(
        "select external_id from raw.new_patients where input_id = %s", (input_id,)
    ).fetchone()
    return row[0] if row else None


def load_files(
    conn: Connection, folder: Path, count: int, seed: int = 0, org: str = "SYNTH"
) -> Storm:
    """Load hostile files: each row is there as it came, or rejected with a reason."""
    done = Storm()

    in_lines = _some(_ROW, _IN_A_LINE, st.one_of(_IN_A_LINE, _NUMBERS))
    any_bytes = _some(_ROW, _SAID, _SAID)

    @_examples(count, seed)
    @given(st.integers(0, 4).flatmap(lambda n: in_lines if n else any_bytes))
    def one(records: list[dict[str, Any]]) -> None:
        file = folder / "hostile.csv"
        file.write_bytes(_as_csv(records))
        try:
            result = cohort.load(
                conn,
                file,
                org=org,
                as_of=date(2025, 6, 30),
                max_reject_share=1.0,
                replace=True,
            )
        except BadInput as error:
            # All of a file that cannot be told apart into rows, or has no good one.
            for _ in records:
                done.note(True)
            if "hostile.csv" not in str(error):
                done.wrong.append(f"no file in: {error}")
            return
        ids = [_identifier(row["external_id"]) for row in records]
        loaded = conn.execute(
            "select external_id from raw.cohort_patients where load_id = %s",
            (result.load_id,),
        ).fetchall()
        if result.rows + result.rejected < len(records) and not result.unchanged:
            done.wrong.append(f"{result.rows} and {result.rejected} of {len(records)}")
        for (external_id,) in loaded:
            done.note(False)
            if external_id not in ids:
                done.wrong.append(f"not as it came: {external_id!r}")
        for _ in range(len(records) - len(loaded)):
            done.note(True)

    one()
    return done


def _as_csv(records: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    columns = ["external_id", *_ROW]
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows({name: row[name] for name in columns} for row in records)
    return text.getvalue().encode("utf-8", "surrogatepass")
