"""Turns: one build at a time, and no load while one runs.

A build reads the same raw tables several times over; a cohort that came in between
would be half in it. The lock belongs to a connection of its own, so that whoever is
killed lets go of it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from psycopg import sql

from python_scoring import config, warehouse
from python_scoring.publication import provenance
from python_scoring.warehouse import Connection

Tell = Callable[[str], None]

_LOCK = 0xB111D
_PAUSE_SECONDS = 0.2

_HOLDER = """
select a.application_name, a.usename, a.pid,
    date_trunc('second', now() - a.backend_start)
from pg_locks as l
inner join pg_database as d on l.database = d.oid
inner join pg_stat_activity as a on l.pid = a.pid
where l.locktype = 'advisory' and l.granted and l.objid = %s
    and d.datname = current_database()
limit 1
"""


@contextmanager
def take(
    what: str, *, shared: bool = False, tell: Tell | None = None
) -> Iterator[None]:
    """Wait until it is our turn, and keep it for as long as the block runs.

    Parameters
    ----------
    what
        What is done, as others are told who wait for it.
    shared
        For loads: several at once, but none beside a build.
    tell
        Called with who is at work, if we have to wait.
    """
    if config.is_duckdb():
        # Whoever has the file open is the only one.
        yield
        return
    kind = sql.SQL("_shared" if shared else "")
    with warehouse.connect(autocommit=True) as conn:
        conn.execute(
            "select set_config('application_name', %s, false)",
            (f"riskmart {what} by {provenance.user()}"[:63],),
        )
        attempt = sql.SQL("select pg_try_advisory_lock{}({})").format(kind, _LOCK)
        is_told = False
        # Asked again and again: to wait in one statement would hold a snapshot, for
        # which the build that we wait for would wait in turn before it publishes.
        while not _is_true(conn, attempt):
            if tell and not is_told:
                tell(f"waiting for {_holder(conn)}")
                is_told = True
            time.sleep(_PAUSE_SECONDS)
        yield


def _is_true(conn: Connection, query: sql.Composed) -> bool:
    row = conn.execute(query).fetchone()
    return bool(row and row[0])


def _holder(conn: Connection) -> str:
    row = conn.execute(_HOLDER.encode(), (_LOCK,)).fetchone()
    if row is None:
        return "somebody who is about to finish"
    name, user, pid, age = row
    return f"{name} (database user {user}, process {pid}, since {age})"
