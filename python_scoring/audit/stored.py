"""Read the chain as the database has it: as of one moment, in steady memory."""

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import IsolationLevel, sql

from python_scoring.audit.chain import Anchor, Entry
from python_scoring.warehouse import Connection

_FETCHED_AT_ONCE = 5000

# All as text, as `audit.digest` has it.
ENTRIES = """
select entry_id, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    who, role, os_user, program, action, object, row_count::text, build_id::text,
    detail::text, previous_hash, hash
from audit.audit_log
"""
_OF_MONTH = """
where at >= {first}::timestamp at time zone 'UTC'
    and at < ({first}::timestamp + interval '1 month') at time zone 'UTC'
"""
_ANCHORS = """
select to_char(month, 'YYYY-MM'), first_entry_id, previous_hash
from audit.anchors order by 1
"""


@contextmanager
def snapshot(conn: Connection) -> Iterator[None]:
    """See the database as of one moment, for as long as the block runs.

    Parameters
    ----------
    conn
        In autocommit mode.
    """
    before = conn.isolation_level
    conn.isolation_level = IsolationLevel.REPEATABLE_READ
    try:
        with conn.transaction():
            yield
    finally:
        conn.isolation_level = before


def anchors(conn: Connection) -> dict[str, Anchor]:
    """Read where each month begins in the chain, by month."""
    return {month: Anchor(month, *of) for month, *of in conn.execute(_ANCHORS.encode())}


def entries(conn: Connection, month: str | None = None) -> Iterator[Entry]:
    """Read entries by number, a few thousand at a time; in a transaction.

    Parameters
    ----------
    month
        Those of one month only, 2026-11.
    """
    where = sql.SQL(_OF_MONTH if month else "").format(first=f"{month}-01")
    with conn.cursor("audit_entries") as cursor:
        cursor.itersize = _FETCHED_AT_ONCE
        cursor.execute(sql.SQL(ENTRIES) + where + sql.SQL(" order by entry_id, at"))
        yield from map(Entry._make, cursor)
