"""Readers in the way of a publication: who they are, and waiting for them."""

import time
from collections.abc import Callable
from datetime import datetime

from python_scoring.publication.names import SCHEMA
from python_scoring.warehouse import Connection

_PAUSE_SECONDS = 0.1
_MOST_NAMED = 5

# Of other roles' sessions only members of pg_read_all_stats see more than the user.
_WHO = """
format('process %%s (user %%s, %%s, %%s for %%s s)', a.pid, a.usename,
    coalesce(nullif(a.application_name, ''), 'no application name'),
    coalesce(a.state, 'state unknown to us'),
    coalesce(extract(epoch from clock_timestamp() - a.xact_start)::integer::text, '?'))
"""
_HOLDERS = f"""
select distinct {_WHO}, a.xact_start
from pg_locks as l
inner join pg_class as c on l.relation = c.oid
inner join pg_stat_activity as a on l.pid = a.pid
where c.relnamespace = to_regnamespace(%s) and c.relkind = 'v' and l.granted
    and l.database = (select oid from pg_database where datname = current_database())
    and l.pid <> pg_backend_pid()
order by a.xact_start
"""
# Who holds a snapshot; whose transaction's start we may not see may be of any age.
# Autovacuum, which has no user, reads no mart.
_OLD_SNAPSHOTS = f"""
select l.virtualtransaction, {_WHO}
from pg_stat_activity as a
inner join pg_locks as l on a.pid = l.pid
where a.datname = current_database() and a.usename is not null
    and a.pid <> pg_backend_pid() and a.backend_xmin is not null
    and coalesce(a.xact_start < %s, true)
    and l.locktype = 'virtualxid' and l.virtualtransaction = l.virtualxid
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
    first: set[str] | None = None
    while True:
        rows = conn.execute(_OLD_SNAPSHOTS.encode(), (since,)).fetchall()
        if first is None:
            first = {transaction for transaction, _ in rows}
        # What began after our first look is no older than that.
        old = [who for transaction, who in rows if transaction in first]
        if not old or give_up():
            return old[:_MOST_NAMED]
        time.sleep(_PAUSE_SECONDS)
