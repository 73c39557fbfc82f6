"""One load, one transaction: registered, written in batches, or not at all."""

import csv
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Literal

import psycopg

from python_scoring import config
from python_scoring.audit import store as trail
from python_scoring.cohorts.intake import Cursor, Intake
from python_scoring.cohorts.layout import LAST_OUTCOME_DAY
from python_scoring.cohorts.rejects import KEPT_FOR_DISPLAY, Reject, Rejects
from python_scoring.cohorts.tables import Table
from python_scoring.errors import BadInput
from python_scoring.identities import vault
from python_scoring.identities.pseudonyms import Pseudonyms

Source = Literal["cms", "cohort", "synth"]
Purpose = Literal["cohort", "training"]
Connection = psycopg.Connection[tuple[Any, ...]]

ORGANIZATIONS_FILE = config.PROJECT_DIR / "seeds" / "rules" / "organizations.csv"
DEFAULT_MAX_REJECT_SHARE = 0.01

# Where the people and claims of a load are.
LOADED_TABLES = (
    "raw.cohort_patients",
    "raw.cohort_outcomes",
    "raw.cms_beneficiaries",
    "raw.cms_inpatient_claims",
    "raw.cms_outpatient_claims",
)

# Class of our advisory locks; the object is the organization.
_LOCK = 0x10AD


@dataclass(frozen=True)
class Request:
    """What is to be loaded: whose, as of when, for what, and how strictly."""

    source: Source
    org: str
    as_of: date
    purpose: Purpose = "cohort"
    max_reject_share: float = DEFAULT_MAX_REJECT_SHARE
    replace: bool = False

    def check(self) -> None:
        """Check what the request says of itself.

        Raises
        ------
        BadInput
            The organization or the purpose is unknown, the share is none.
        """
        known = organization_codes()
        if self.org not in known:
            raise BadInput(
                f"--org {self.org}: unknown organization; expected one of "
                f"{', '.join(known)}, or add a line to seeds/rules/organizations.csv"
            )
        if self.purpose not in ("cohort", "training"):
            raise BadInput(f"purpose {self.purpose!r}; expected cohort or training")
        if not 0 <= self.max_reject_share <= 1:
            share = self.max_reject_share
            raise BadInput(f"--max-reject-share {share}; expected a share from 0 to 1")


@dataclass(frozen=True)
class LoadResult:
    """What a load did.

    Attributes
    ----------
    rows
        People loaded.
    rejected
        Rows rejected, in all files.
    unchanged
        Whether the same content was there already, so that nothing was written.
    rejects
        The first few faults.
    has_outcomes
        Whether it is known what happened in the 90 days after.
    tables
        Rows written, by raw table.
    replaced_rows
        People of the earlier load, of the same organization and day, that made
        way for this one; None if there was none.
    warnings
        What is no fault and yet may not be what was meant.
    """

    load_id: int
    source: str
    purpose: str
    org: str
    as_of: date
    rows: int
    rejected: int
    unchanged: bool
    rejects: tuple[Reject, ...]
    has_outcomes: bool
    tables: Mapping[str, int] = field(default_factory=dict)
    replaced_rows: int | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Removed:
    """What the removal of a load took away.

    Attributes
    ----------
    rows
        People of the load.
    tables
        Rows deleted, by raw table; tables that held none are left out.
    """

    load_id: int
    source: str
    purpose: str
    org: str
    as_of: date
    rows: int
    tables: Mapping[str, int]


@dataclass(frozen=True)
class Written:
    """What the writing of a load came to."""

    rows: int
    has_outcomes: bool


def organization_codes() -> list[str]:
    """Codes of `seeds/rules/organizations.csv`, as they stand there."""
    with ORGANIZATIONS_FILE.open(newline="", encoding="utf-8") as lines:
        return [row["org_code"] for row in csv.DictReader(lines)]


def run(
    connection: Connection,
    request: Request,
    tables: Mapping[str, Table],
    write: Callable[[Intake], Written],
) -> LoadResult:
    """Load tables in one transaction, unless their content is there already.

    Parameters
    ----------
    connection
        If it is in a transaction already, the load becomes part of that.
    tables
        What is read, by the part it plays.
    write
        Takes the tables in.

    Raises
    ------
    BadInput
        The files are not what they should be, too many rows are bad, another
        cohort of the same organization and day is there and `replace` is not
        asked for, or the key is not the one in force. Nothing was written.
    """
    request.check()
    digest, at_most = _digest(request, tables)
    with connection.transaction(), connection.cursor() as cursor:
        _lock(cursor, request.org)
        names = vault.in_force(connection)
        known = _find_same(cursor, request, digest, names)
        if known:
            return known
        replaced = _make_way(cursor, request)
        files = [table.name for table in tables.values()]
        load_id = _register(cursor, request, digest, files)
        rejects = Rejects(request.max_reject_share)
        intake = Intake(cursor, load_id, request.org, names, rejects, at_most)
        written = write(intake)
        rejects.enforce()
        _complete(cursor, load_id, written, rejects.rejected)
        if replaced:
            _record(connection, "load_removal", request, *replaced)
        _record(connection, "load", request, load_id, written.rows, digest)
    return LoadResult(
        load_id=load_id,
        source=request.source,
        purpose=request.purpose,
        org=request.org,
        as_of=request.as_of,
        rows=written.rows,
        rejected=rejects.rejected,
        unchanged=False,
        rejects=tuple(rejects.first),
        has_outcomes=written.has_outcomes,
        tables=dict(intake.taken),
        replaced_rows=replaced[1] if replaced else None,
        warnings=_warn(request, load_id, written.has_outcomes),
    )


def _record(
    connection: Connection,
    action: str,
    request: Request,
    load_id: int,
    rows: int,
    digest: str | None = None,
) -> None:
    detail = {
        "org_code": request.org,
        "as_of_date": request.as_of.isoformat(),
        "purpose": request.purpose,
        "source": request.source,
        "content_sha256": digest,
    }
    trail.record(connection, action, f"load {load_id}", rows, detail=detail)


def remove(connection: Connection, load_id: int) -> Removed:
    """Delete a load with all its rows, in one transaction.

    Scores that were given stay in the ledger, and people in the registry: they
    get the same number when they come again.

    Raises
    ------
    BadInput
        There is no such load; the message lists those there are.
    """
    with connection.transaction(), connection.cursor() as cursor:
        # Locked, so that of two removals at once one finds nothing.
        cursor.execute(
            "select source, purpose, org_code, as_of_date, row_count from raw.loads"
            " where load_id = %s for update",
            (load_id,),
        )
        row = cursor.fetchone()
        if not row:
            raise BadInput(f"load {load_id}: no such load; {_list_loads(cursor)}")
        source, purpose, org, as_of, rows = row
        deleted = _delete(cursor, load_id)
        detail = {"org_code": org, "as_of_date": as_of.isoformat(), "purpose": purpose}
        trail.record(connection, "load_removal", f"load {load_id}", rows, detail=detail)
    return Removed(load_id, source, purpose, org, as_of, rows, deleted)


def _delete(cursor: Cursor, load_id: int) -> dict[str, int]:
    """Delete a load's rows and its line; how many, by table that held any."""
    deleted = {}
    for table in (*LOADED_TABLES, "raw.rejected_rows", "raw.loads"):
        cursor.execute(f"delete from {table} where load_id = %s", (load_id,))
        if cursor.rowcount:
            deleted[table] = cursor.rowcount
    return deleted


def _list_loads(cursor: Cursor) -> str:
    cursor.execute(
        "select load_id, org_code, as_of_date, purpose from raw.loads order by load_id"
    )
    known = [f"{i} ({org} as of {day}, {what})" for i, org, day, what in cursor]
    return f"expected one of {', '.join(known)}" if known else "nothing is loaded"


def _warn(request: Request, load_id: int, has_outcomes: bool) -> tuple[str, ...]:
    """Warn of a day to come, and of outcomes that cannot all be known yet."""
    warnings = []
    if request.purpose == "cohort" and request.as_of > date.today():
        # It would outrank every true one.
        warnings.append(
            f"--as-of {request.as_of} is still to come: this is {request.org}'s "
            "current cohort now, until one of a later day is loaded; if it is a "
            f"mistake, `riskmart load remove {load_id}` takes it out"
        )
    closed = request.as_of + timedelta(days=LAST_OUTCOME_DAY)
    if has_outcomes and closed >= date.today():
        warnings.append(
            f"the {LAST_OUTCOME_DAY} days after {request.as_of} end on {closed}: until "
            "then an empty outcome does not mean that no admission came, and figures "
            "made from it are too low; load the outcomes again after that day"
        )
    return tuple(warnings)


def _digest(
    request: Request, tables: Mapping[str, Table]
) -> tuple[str, dict[str, int]]:
    """SHA-256 of what is loaded, whatever its files are called."""
    content: list[Sequence[str]] = [
        (request.source, request.purpose, request.org, request.as_of.isoformat())
    ]
    at_most = {}
    for part, table in sorted(tables.items()):
        digest, at_most[table.name] = table.digest()
        content.append((part, digest))
    return hashlib.sha256(json.dumps(content).encode()).hexdigest(), at_most


def _lock(cursor: Cursor, org: str) -> None:
    """Let loads of one organization wait for one another."""
    cursor.execute("select pg_advisory_xact_lock(%s, hashtext(%s))", (_LOCK, org))


def _find_same(
    cursor: Cursor, request: Request, digest: str, names: Pseudonyms
) -> LoadResult | None:
    cursor.execute(
        "select load_id, source, row_count, rejected_count, has_outcomes"
        " from raw.loads where org_code = %s and as_of_date = %s and purpose = %s"
        " and content_sha256 = %s",
        (request.org, request.as_of, request.purpose, digest),
    )
    row = cursor.fetchone()
    if not row:
        return None
    load_id, source, rows, rejected, has_outcomes = row
    return LoadResult(
        load_id=load_id,
        source=source,
        purpose=request.purpose,
        org=request.org,
        as_of=request.as_of,
        rows=rows,
        rejected=rejected,
        unchanged=True,
        rejects=_first_rejects(cursor, load_id, names),
        has_outcomes=has_outcomes,
        warnings=_warn(request, load_id, has_outcomes),
    )


def _first_rejects(
    cursor: Cursor, load_id: int, names: Pseudonyms
) -> tuple[Reject, ...]:
    cursor.execute(
        "select file, line, column_name, value, reason from raw.rejected_rows"
        " where load_id = %s order by file, line, column_name limit %s",
        (load_id, KEPT_FOR_DISPLAY),
    )
    found = [Reject(*row) for row in cursor.fetchall()]
    return tuple(one.masked() if names.are_on else one for one in found)


def _make_way(cursor: Cursor, request: Request) -> tuple[int, int] | None:
    """Delete an earlier cohort of the same day, if asked to; its number and rows."""
    if request.purpose != "cohort":
        return None
    cursor.execute(
        "select load_id, row_count, files, loaded_at from raw.loads"
        " where org_code = %s and as_of_date = %s and purpose = 'cohort'",
        (request.org, request.as_of),
    )
    row = cursor.fetchone()
    if not row:
        return None
    load_id, rows, files, loaded_at = row
    if not request.replace:
        raise BadInput(
            f"{request.org} has another cohort as of {request.as_of}: load {load_id} "
            f"with {rows:,} people from {', '.join(files)}, loaded on "
            f"{loaded_at:%Y-%m-%d}; expected another --as-of, or --replace to put "
            "this one in its place"
        )
    _delete(cursor, load_id)
    return int(load_id), int(rows)


def _register(
    cursor: Cursor, request: Request, digest: str, files: Sequence[str]
) -> int:
    """Enter the load; its numbers follow at the end of the same transaction."""
    cursor.execute(
        "insert into raw.loads (source, purpose, org_code, as_of_date,"
        " content_sha256, files, row_count, rejected_count, has_outcomes)"
        " values (%s, %s, %s, %s, %s, %s, 0, 0, false) returning load_id",
        (
            request.source,
            request.purpose,
            request.org,
            request.as_of,
            digest,
            list(files),
        ),
    )
    row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def _complete(cursor: Cursor, load_id: int, written: Written, rejected: int) -> None:
    cursor.execute(
        "update raw.loads set row_count = %s, rejected_count = %s,"
        " has_outcomes = %s where load_id = %s",
        (written.rows, rejected, written.has_outcomes, load_id),
    )
