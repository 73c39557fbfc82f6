"""Room on the disk for a candidate, beside what readers have.

A full disk stops the embedded server until there is room again, so it is asked for
before, not found out.
"""

from python_scoring import config, server
from python_scoring.errors import BadInput
from python_scoring.publication import builds
from python_scoring.warehouse import Connection

# Its write-ahead log, indexes while they are sorted, and dbt's temporary tables.
_TIMES_THE_LAST = 2
_AT_LEAST_BYTES = 128 * 1024**2

_SIZE = """
select coalesce(sum(pg_total_relation_size(oid)), 0)
from pg_class
where relnamespace = to_regnamespace(%s) and relkind = 'r'
"""


def check_room(conn: Connection) -> None:
    """Refuse a build for which the embedded server's disk has no room.

    Raises
    ------
    BadInput
        Saying how much is free, and how much is expected to be needed.
    """
    if config.is_duckdb() or config.is_team_server():
        return
    needed, free = _needed(conn), server.free_bytes()
    if free < needed:
        raise BadInput(
            f"no room for another build: {_mib(free)} free where the warehouse is "
            f"({config.state_dir()}), expected at least {_mib(needed)}; free some, or "
            "keep fewer builds (builds_kept in dbt_project.yml)"
        )


def _needed(conn: Connection) -> int:
    current = builds.published(conn)
    row = conn.execute(_SIZE.encode(), (current.schema if current else "",)).fetchone()
    return max(_AT_LEAST_BYTES, _TIMES_THE_LAST * int(row[0]) if row else 0)


def _mib(size: int) -> str:
    return f"{size / 1024**2:,.0f} MiB"
