"""Files that say who is in a care programme, since when and until when.

A file is a statement about days: who is in it again with another last day has that
one from then on, and what is said twice changes nothing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow.compute as pc

from python_scoring import holdout
from python_scoring.audit import store as trail
from python_scoring.cohorts.checks import CheckedBatch
from python_scoring.cohorts.files import find_lines, open_table
from python_scoring.cohorts.intake import Cursor, Intake, Target
from python_scoring.cohorts.loads import (
    DEFAULT_MAX_REJECT_SHARE,
    Connection,
    organization_codes,
)
from python_scoring.cohorts.rejects import Reject, Rejects
from python_scoring.cohorts.tables import Table
from python_scoring.cohorts.values import Column, Mask, as_mask
from python_scoring.errors import BadInput
from python_scoring.identities import vault

_CODE = re.compile(r"[A-Z][A-Z0-9_-]{0,39}")
_GIVEN = "pg_temp.given_enrolments"
# Class of our advisory locks; the object is the organization.
_LOCK = 0x0E14
_LISTED = 5
_NOBODY = (
    "expected a person of the organization: load a cohort with them, and build, before "
    "their enrolment"
)
_ORDER = "expected a day on or after enrolled_on"

_MAKE = f"""
drop table if exists {_GIVEN};
create temporary table given_enrolments (
    load_id bigint, external_id text, enrolled_on date, left_on date
) on commit drop
"""
_STRANGERS = f"""
delete from {_GIVEN} as given where not exists (
    select 1 from raw.patient_registry as registry
    where registry.org_code = %s and registry.external_id = given.external_id
) returning external_id
"""
_PEOPLE = f"""
select registry.external_id, registry.patient_uuid::text
from raw.patient_registry as registry
where registry.org_code = %s
    and registry.external_id in (select external_id from {_GIVEN})
"""
_REMOVE = f"""
delete from raw.programme_enrolments as kept
where kept.org_code = %s and kept.programme_code = %s and not exists (
    select 1 from {_GIVEN} as given
    where given.external_id = kept.external_id
        and given.enrolled_on = kept.enrolled_on
)
"""
_REGISTER = """
insert into raw.enrolment_loads (
    org_code, programme_code, content_sha256, file, row_count, rejected_count
) values (%s, %s, %s, %s, %s, %s) returning load_id
"""
_NEW = f"""
select count(*) from {_GIVEN} as given where not exists (
    select 1 from raw.programme_enrolments as kept
    where kept.org_code = %s and kept.programme_code = %s
        and kept.external_id = given.external_id
        and kept.enrolled_on = given.enrolled_on
)
"""
_PUT = f"""
insert into raw.programme_enrolments as kept (
    org_code, external_id, programme_code, enrolled_on, left_on, load_id
)
select %s, external_id, %s, enrolled_on, left_on, %s from {_GIVEN}
on conflict (org_code, external_id, programme_code, enrolled_on) do update
set left_on = excluded.left_on, load_id = excluded.load_id
where kept.left_on is distinct from excluded.left_on
"""


@dataclass(frozen=True)
class EnrolmentResult:
    """What a file of enrolments changed.

    Attributes
    ----------
    load_id
        None where nothing changed.
    rows
        Good rows of the file.
    added, changed, removed
        Enrolments that are new, have another last day, or are there no more.
    rejected
        Rows left out; ``rejects`` are the first few.
    controls
        People of the file whom programmes were to leave alone.
    warnings
        What is no fault and yet may not be what was meant.
    """

    load_id: int | None
    org: str
    programme: str
    rows: int
    added: int
    changed: int
    removed: int
    rejected: int
    rejects: tuple[Reject, ...]
    controls: int
    warnings: tuple[str, ...]


def load(
    conn: Connection,
    file: Path,
    *,
    programme: str,
    org: str | None = None,
    max_reject_share: float = DEFAULT_MAX_REJECT_SHARE,
    replace: bool = False,
) -> EnrolmentResult:
    """Take in who is in a programme.

    Parameters
    ----------
    file
        .csv, .csv.gz or .parquet as `template` describes.
    org
        Whose people; without it the file's column org_code says so.
    replace
        The file is all there is of this programme: what it leaves out goes.

    Raises
    ------
    BadInput
        Nothing was loaded; the message says what was found and expected.
    """
    table = open_table(file)
    code = org or _organization_in(table)
    _check(code, programme, max_reject_share)
    digest, at_most = table.digest()
    with conn.transaction(), conn.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s, hashtext(%s))", (_LOCK, code))
        _require_people(cursor, code)
        cursor.execute(_MAKE.encode())
        rejects = Rejects(max_reject_share)
        intake = Intake(
            *(cursor, 0, code, vault.in_force(conn), rejects, {table.name: at_most}),
            keeps_rejects=False,
        )
        columns = _columns(code, programme)
        key = ("external_id", "enrolled_on")
        intake.take(
            table, Target(_GIVEN, columns, key, _faults_of_order, brings_people=False)
        )
        if not rejects.is_hopeless:
            _reject_strangers(intake, table)
        rejects.enforce()
        result = _write(intake, table, programme, digest, replace)
        if result.load_id is not None:
            _record(conn, result, digest)
    return result


def template() -> str:
    """Describe the layout, with an example."""
    return "\n".join(
        [
            "A file of enrolments is .csv, .csv.gz or .parquet, a row an enrolment:",
            "",
            "  column          type  allowed",
            "  external_id     text  the person, as in the cohort file",
            "  enrolled_on     date  YYYY-MM-DD, the first day in the programme",
            "  left_on         date  YYYY-MM-DD, the first day out of it; empty for",
            "                        who is still in; the column may be left out",
            "  org_code        text  may come along: the organization, if --org is not",
            "                        given; one in a file",
            "  programme_code  text  may come along: what --programme says",
            "",
            "A person may be enrolled again on another day. The same person and day",
            "with another left_on is a correction. Enrolments that a file leaves out",
            "stay, unless --replace is given.",
            "",
            "Example:",
            "external_id,enrolled_on,left_on",
            "A-0001,2026-01-12,2026-03-31",
            "A-0002,2026-01-15,",
        ]
    )


def _check(org: str, programme: str, max_reject_share: float) -> None:
    known = organization_codes()
    if org not in known:
        raise BadInput(f"--org {org}: unknown; expected one of {', '.join(known)}")
    if not _CODE.fullmatch(programme):
        raise BadInput(
            f"--programme {programme}: expected a capital letter, and up to 39 more "
            "capitals, digits, - or _"
        )
    if not 0 <= max_reject_share <= 1:
        raise BadInput(
            f"--max-reject-share {max_reject_share}; expected a share from 0 to 1"
        )


def _organization_in(table: Table) -> str:
    """Find the one organization that a file names."""
    if "org_code" not in table.columns:
        raise BadInput(
            f"{table.name}: whose people? Expected --org or a column org_code"
        )
    found = {
        str(code).strip()
        for batch in table.batches(["org_code"])
        for code in batch.columns["org_code"].unique().to_pylist()
    }
    if len(found) != 1:
        named = ", ".join(sorted(found)) or "none"
        raise BadInput(
            f"{table.name}, column org_code: {named}; expected one organization in a "
            "file"
        )
    return found.pop()


def _columns(org: str, programme: str) -> list[Column]:
    expected = "expected an identifier of 1 to 200 printable characters"
    return [
        Column(
            *("external_id", "external_id", "identifier", expected),
            identifies="person",
        ),
        Column("enrolled_on", "enrolled_on", "day", "expected a day, YYYY-MM-DD"),
        Column(
            *("left_on", "left_on", "day", "expected a day, YYYY-MM-DD, or nothing"),
            is_required=False,
            may_be_blank=True,
        ),
        _origin("org_code", org, "--org"),
        _origin("programme_code", programme, "--programme"),
    ]


def _origin(name: str, value: str, option: str) -> Column:
    expected = f"expected {value}, as {option} says"
    return Column(name, "", "word", expected, codes=(value,), is_required=False)


def _faults_of_order(checked: CheckedBatch) -> Iterator[tuple[str, str, Mask]]:
    if "left_on" in checked.parsed:
        # Arrow's comparison with nothing is nothing, which is no fault
        enrolled, left = checked.parsed["enrolled_on"], checked.parsed["left_on"]
        yield "left_on", _ORDER, as_mask(pc.less(left, enrolled))


def _require_people(cursor: Cursor, org: str) -> None:
    cursor.execute("select to_regclass('raw.patient_registry') is not null")
    row = cursor.fetchone()
    if row and row[0]:
        cursor.execute(
            "select exists (select 1 from raw.patient_registry where org_code = %s)",
            (org,),
        )
        row = cursor.fetchone()
    if not row or not row[0]:
        raise BadInput(
            f"{org}: nobody is known there yet; expected a cohort and a build first"
        )


def _reject_strangers(intake: Intake, table: Table) -> None:
    """Reject enrolments of people whom no build has seen."""
    intake.cursor.execute(_STRANGERS.encode(), (intake.org,))
    deleted = [external_id for (external_id,) in intake.cursor.fetchall()]
    intake.taken[_GIVEN] -= len(deleted)
    lines = _lines(intake, table, set(deleted))
    intake.reject(
        [
            Reject(table.name, line, "external_id", intake.shown(person), _NOBODY)
            for person, line in lines.items()
        ]
    )
    # each further row of theirs
    intake.rejects.count_rows(table.name, 0, len(deleted) - len(lines))


def _lines(intake: Intake, table: Table, people: set[str]) -> dict[str, int]:
    def called(external_ids: object) -> object:
        return intake.names.of_people(intake.org, external_ids)

    return find_lines(table, "external_id", people, called) if people else {}


def _write(
    intake: Intake, table: Table, programme: str, digest: str, replace: bool
) -> EnrolmentResult:
    cursor, org, rejects = intake.cursor, intake.org, intake.rejects
    rows = intake.taken[_GIVEN]
    warnings, controls = _warn(intake, table)
    removed = 0
    if replace:
        removed = cursor.execute(_REMOVE.encode(), (org, programme)).rowcount
    row = cursor.execute(_NEW.encode(), (org, programme)).fetchone()
    assert row
    added = int(row[0])
    given = (org, programme, digest, table.name, rows, rejects.rejected)
    row = cursor.execute(_REGISTER.encode(), given).fetchone()
    assert row
    load_id: int | None = row[0]
    put = cursor.execute(_PUT.encode(), (org, programme, load_id)).rowcount
    if not put and not removed:
        cursor.execute("delete from raw.enrolment_loads where load_id = %s", row)
        load_id = None
    return EnrolmentResult(
        *(load_id, org, programme, rows, added, put - added, removed),
        *(rejects.rejected, tuple(rejects.first), controls, tuple(warnings)),
    )


def _warn(intake: Intake, table: Table) -> tuple[list[str], int]:
    """Say who should have been left alone, and which days are still to come."""
    warnings = []
    cursor = intake.cursor
    cursor.execute(_PEOPLE.encode(), (intake.org,))
    salt, share = holdout.salt(), holdout.share()
    controls = {person for person, uuid in cursor if holdout.draw(salt, uuid) < share}
    if controls:
        lines = sorted(_lines(intake, table, controls).values())
        shown = ", ".join(map(str, lines[:_LISTED]))
        more = f" and {len(lines) - _LISTED:,} more" if len(lines) > _LISTED else ""
        warnings.append(
            f"{len(controls):,} of these people are controls (column is_control of "
            f"marts.programme_holdout), first in line {shown}{more}. They stay in the "
            "control arm, so that the measured effect comes out smaller than it is: "
            "call from the target list where not is_control"
        )
    cursor.execute(
        f"select count(*), max(enrolled_on) from {_GIVEN}"
        " where enrolled_on > %s".encode(),
        (date.today(),),
    )
    row = cursor.fetchone()
    if row and row[0]:
        warnings.append(
            f"{row[0]:,} enrolments are on days still to come, up to {row[1]}"
        )
    return warnings, len(controls)


def _record(conn: Connection, result: EnrolmentResult, digest: str) -> None:
    trail.record(
        conn,
        "enrolment_load",
        f"enrolment load {result.load_id}",
        result.added + result.changed + result.removed,
        detail={
            "org_code": result.org,
            "programme_code": result.programme,
            "added": result.added,
            "changed": result.changed,
            "removed": result.removed,
            "controls": result.controls,
            "content_sha256": digest,
        },
    )
