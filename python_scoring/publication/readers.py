"""Readers in the way of a publication: who they are, and waiting for them."""

import time
from collections.abc import Callable
from datetime import datetime

from python_scoring.publication.names import SCHEMA
from python_scoring.warehouse import Connection

_PAUSE_SECONDS = 0.1
_MOST_NAMED = 5

_WHO = """
format('process %%s (user %%s, %%s, %%s for %%s s)', a.pid, a.usename,
    coalesce(nullif(a.application_name, ''), 'no application name'), a.state,
    extract(epoch from clock_timestamp() - a.xact_start)::integer)
"""
_HOLDERS = f"""
select distinct {_WHO}, a.xact_start
from pg_locks as l
inner join pg_class as c on l.relation = c.oid
inner join pg_stat_activity as a on l.pid = a.pid
where c.relnamespace = to_regnamespace(%s) and c.relkind = 'v' and l.granted
    and l.database = (select oid from pg_database where datname = current_database())
    and l.pid <> pg_backend_pid() and a.xact_start is not null
order by a.xact_start
"""
_OLD_SNAPSHOTS = f"""
select {_WHO}, a.xact_start
from pg_stat_activity as a
where a.datname = current_database() and a.backend_type = 'client backend'
    and a.pid <> pg_backend_pid() and a.backend_xmin is not null
    and a.xact_start < %s
order by a.xact_start
"""


def holders(conn: Connection) -> list[str]:
    """Say who reads the names just now, the longest first, in words."""
    rows = conn.execute(_HOLDERS.encode(), (SCHEMA,)).fetchall()
    return [row[0] for row in rows[:_MOST_NAMED]]


def wait_for_old_snapshots(
    conn: Connection, since: datetime, give_up: Callable[[], bool]
) -> list[str]:
    """Wait until nobody reads as of before the new tables were there.

    To such a snapshot (a long statement, a repeatable-read transaction) they are
    empty tables, whatever name leads there.

    Parameters
    ----------
    since
        When the last of the tables was committed.
    give_up
        Asked between two looks.

    Returns
    -------
    Who is still in the way, in words; nobody where it is done.
    """
    while True:
        rows = conn.execute(_OLD_SNAPSHOTS.encode(), (since,)).fetchall()
        if not rows or give_up():
            return [row[0] for row in rows[:_MOST_NAMED]]
        time.sleep(_PAUSE_SECONDS)
