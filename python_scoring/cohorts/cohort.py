"""Cohort files: base fields of people at an index date, outcomes beside them."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from python_scoring import warehouse
from python_scoring.cohorts import layout
from python_scoring.cohorts.files import FrameTable, find_lines, open_table
from python_scoring.cohorts.intake import Intake, Target
from python_scoring.cohorts.loads import (
    DEFAULT_MAX_REJECT_SHARE,
    Connection,
    LoadResult,
    Purpose,
    Request,
    Source,
    Written,
    run,
)
from python_scoring.cohorts.rejects import Reject
from python_scoring.cohorts.tables import SUFFIXES, Table, suffix
from python_scoring.errors import BadInput

template = layout.template

_PATIENTS = "raw.cohort_patients"
_OUTCOMES = "raw.cohort_outcomes"
_NOBODY = "expected a person of the cohort file"
_LISTED_PEOPLE = 5


def load(
    conn: Connection,
    file: Path,
    *,
    org: str,
    as_of: date,
    outcomes: Path | None = None,
    purpose: Purpose = "cohort",
    max_reject_share: float = DEFAULT_MAX_REJECT_SHARE,
    replace: bool = False,
) -> LoadResult:
    """Load a cohort file, and its outcomes if there are any.

    Parameters
    ----------
    file
        .csv, .csv.gz or .parquet in the layout that `template` describes, or a
        folder of .parquet files.
    org, as_of
        Whose cohort, and the index date of its fields.
    outcomes
        Outcomes, of any such kind; without them, NAME_outcomes beside NAME is taken
        if it is there.
    purpose
        `training` for a labelled history, whose people enter no mart.
    max_reject_share
        Share of a file's rows that may be bad.
    replace
        Put it in the place of another cohort of the same organization and day.

    Raises
    ------
    BadInput
        Nothing was loaded; the message says what was found and expected.
    """
    request = Request("cohort", org, as_of, purpose, max_reject_share, replace)
    request.check()
    patients = open_table(file)
    beside = outcomes or _find_outcomes(file)
    labels = open_table(beside) if beside else None
    return _load(conn, request, patients, labels)


def load_frame(
    conn: Connection,
    patients: pd.DataFrame,
    outcomes: pd.DataFrame | None = None,
    *,
    org: str,
    as_of: date,
    purpose: Purpose = "cohort",
    source: Source = "synth",
    max_reject_share: float = 0.0,
    replace: bool = False,
) -> LoadResult:
    """Load a cohort from memory, by the same checks as from a file.

    Parameters
    ----------
    patients, outcomes
        Frames in the layout that `template` describes; missing is NaN or None.

    Raises
    ------
    BadInput
        As `load`.
    """
    request = Request(source, org, as_of, purpose, max_reject_share, replace)
    people = FrameTable(f"{source} patients", patients)
    labels = None if outcomes is None else FrameTable(f"{source} outcomes", outcomes)
    return _load(conn, request, people, labels)


def _load(
    conn: Connection, request: Request, patients: Table, outcomes: Table | None
) -> LoadResult:
    if request.purpose == "training" and outcomes is None:
        raise BadInput(
            f"{patients.name}: no outcomes; expected an outcomes file for training "
            "(--outcomes, or NAME_outcomes beside it)"
        )
    tables = {"patients": patients}
    if outcomes is not None:
        tables["outcomes"] = outcomes
        if outcomes.name == patients.name:
            raise BadInput(f"{outcomes.name}: given as the cohort and as its outcomes")

    def write(intake: Intake) -> Written:
        columns = layout.cohort_columns(request.org, request.as_of)
        rows = intake.take(patients, Target(_PATIENTS, columns, ("external_id",)))
        if outcomes is not None:
            _take_outcomes(intake, request, patients, outcomes)
        return Written(rows, has_outcomes=outcomes is not None)

    return run(conn, request, tables, write)


def _find_outcomes(file: Path) -> Path | None:
    """NAME_outcomes beside NAME, in any kind of file that we read, or a folder."""
    file = file.resolve() if file.is_dir() else file
    stem = file.name[: len(file.name) - len(suffix(file))]
    kinds = ("", *SUFFIXES) if file.is_dir() else SUFFIXES
    beside = [file.with_name(f"{stem}_outcomes{kind}") for kind in kinds]
    found = [path for path in beside if path.exists()]
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise BadInput(f"{file.name}: more than one outcomes file beside it: {names}")
    return found[0] if found else None


def _take_outcomes(
    intake: Intake, request: Request, patients: Table, outcomes: Table
) -> None:
    """Take outcomes in and hold them against the people that were taken."""
    columns = layout.outcome_columns(request.org, request.as_of)
    intake.take(
        outcomes, Target(_OUTCOMES, columns, ("external_id",), brings_people=False)
    )
    if intake.rejects.is_hopeless:
        return
    # Nothing is known of rows this new, and a plan that guesses takes long.
    warehouse.analyze(intake.cursor.connection, _PATIENTS, _OUTCOMES)
    _reject_strangers(intake, patients.name, outcomes)
    _require_everybody(intake, patients, outcomes.name)


def _reject_strangers(intake: Intake, patients_file: str, outcomes: Table) -> None:
    """Reject outcomes of people who are not in the cohort file at all.

    Outcomes of people whose own row was rejected go without a word: the fault is
    told already.
    """
    intake.cursor.execute(
        f"delete from {_OUTCOMES} as outcomes where load_id = %s and not exists"
        f" (select 1 from {_PATIENTS} as patients"
        " where patients.load_id = outcomes.load_id"
        " and patients.external_id = outcomes.external_id) returning external_id",
        (intake.load_id,),
    )
    deleted = {external_id for (external_id,) in intake.cursor.fetchall()}
    intake.taken[_OUTCOMES] -= len(deleted)
    strangers = deleted - _rejected(intake, patients_file)
    if strangers:
        lines = find_lines(outcomes, "external_id", strangers, _called(intake))
        intake.reject(
            [
                Reject(
                    *(outcomes.name, line, "external_id"),
                    *(intake.shown(stranger), _NOBODY),
                )
                for stranger, line in lines.items()
            ]
        )


def _called(intake: Intake) -> Callable[[Any], Any]:
    return lambda external_ids: intake.names.of_people(intake.org, external_ids)


def _rejected(intake: Intake, file: str) -> set[str]:
    """People whose rows were rejected, by what they would be called here."""
    return {intake.names.of(intake.org, one) for one in intake.rejected_keys[file]}


def _require_everybody(intake: Intake, patients: Table, file: str) -> None:
    """Refuse outcomes that leave somebody out.

    A missing row could mean no readmission, or that nobody knows.
    """
    intake.cursor.execute(
        f"select external_id from {_PATIENTS} as patients where load_id = %s"
        f" and not exists (select 1 from {_OUTCOMES} as outcomes where"
        " outcomes.load_id = patients.load_id"
        " and outcomes.external_id = patients.external_id) order by external_id",
        (intake.load_id,),
    )
    rejected = _rejected(intake, file)
    missing = [i for (i,) in intake.cursor.fetchall() if i not in rejected]
    if missing:
        shown = missing[:_LISTED_PEOPLE]
        names = ", ".join(_say_who(intake, patients, shown))
        more = len(missing) - len(shown)
        names += f" and {more:,} more" if more > 0 else ""
        raise BadInput(
            f"{file}, column external_id: no row for {len(missing):,} people of the "
            f"cohort: {names}; expected one for everybody, with days_to_readmission "
            "empty where there was none"
        )


def _say_who(intake: Intake, patients: Table, people: list[str]) -> list[str]:
    """Name people as they came; under a key, say where they stand in the file."""
    if not intake.names.are_on:
        return [repr(person) for person in people]
    lines = find_lines(patients, "external_id", set(people), _called(intake))
    places = map(patients.place, sorted(lines.values()))
    return [
        f"the one of line {line}" + (f" of {file}" if file != patients.name else "")
        for file, line in places
    ]
