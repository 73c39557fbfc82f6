"""Readers of the marts, each in its own way, while somebody publishes.

A reader is a process with a connection of its own, as a role that owns nothing. It
polls until its standard input closes, and then writes what it saw as JSON.
"""

import json
import random
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import IsolationLevel, sql

from benchmarks.publication_builds import MAY_BE_EMPTY
from python_scoring.warehouse import Connection

ROLES = ("reader", "analyst")

SETUP = """
create role reader login;
create role analyst;
grant riskmart_reader to reader, analyst;
insert into access.memberships (member, org_code)
select member, org_code
from (values ('reader'), ('analyst')) as members (member)
cross join marts.organizations
on conflict do nothing;
create schema bi authorization analyst;
grant usage on schema marts to reader, analyst;
grant select on all tables in schema marts to reader, analyst;
set role analyst;
create view bi.board as
select
    predictions.build_id as predictions_build,
    projections.build_id as projections_build,
    patients.build_id as patients_build,
    count(*) as row_count
from marts.predictions as predictions
inner join marts.financial_projections as projections
    using (patient_id, prediction_window)
inner join marts.patients as patients using (patient_id)
group by 1, 2, 3;
grant usage on schema bi to reader;
grant select on bi.board to reader;
reset role
"""
TEARDOWN = "drop owned by reader, analyst cascade; drop role reader, analyst"

# The identity of what others built and of what was granted to them.
_IDENTITY = """
select 'bi.board'::regclass::oid, 'bi.board'::regclass::oid::regclass::text,
    (select relacl::text from pg_class where oid = 'bi.board'::regclass),
    (select string_agg(relname || oid || (
        -- what riskmart's own roles have is declared anew by each build
        select coalesce(string_agg(a::text, ' '), '') from unnest(relacl) as a
        where not starts_with(a::text, 'riskmart_')
     ), ' ' order by relname)
     from pg_class where relnamespace = 'marts'::regnamespace and relkind = 'v')
"""

_BOARD = "select * from bi.board"
_OWN_BUILD_IDS = "builds"
_REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass
class Seen:
    """What one reader saw.

    Parameters
    ----------
    seconds
        Of every statement, from asking to the last row.
    mixed
        Statements, or transactions, that saw rows of more than one build.
    empty
        Statements that found a mart without rows.
    """

    style: str
    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    mixed: int = 0
    empty: int = 0
    builds: set[int] = field(default_factory=set)

    def note(self, began: float, rows: list[tuple[Any, ...]]) -> set[int]:
        """Note a statement's time, and its rows of build ids and a count."""
        self.seconds.append(time.perf_counter() - began)
        if not rows or not all(row[-1] for row in rows):
            self.empty += 1
        found = {build for row in rows for build in row[:-1] if build is not None}
        self.mixed += len(found) > 1
        self.builds |= found
        return found


def identity(conn: Connection) -> tuple[Any, ...]:
    """Oids and grants of the names and of the board: to be the same for ever."""
    row = conn.execute(_IDENTITY.encode()).fetchone()
    assert row is not None
    return row


@contextmanager
def reading(conninfo: str, styles: tuple[str, ...]) -> Iterator[list[Seen]]:
    """Let one reader of each style poll; what they saw is there at the end."""
    seen: list[Seen] = []
    processes = [_start(style, conninfo) for style in styles]
    try:
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
        yield seen
    finally:
        for process in processes:
            text, _ = process.communicate(timeout=120)
            content = json.loads(text)
            seen.append(Seen(**{**content, "builds": set(content["builds"])}))


def _start(style: str, conninfo: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.publication_readers", style, conninfo],
        cwd=_REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def main() -> None:
    """Poll in one style until standard input closes."""
    style, conninfo = sys.argv[1:]
    seen = Seen(style)
    with psycopg.connect(conninfo, autocommit=True) as conn:
        found = [name for (name,) in conn.execute(_NAMES)]
        names = [name for name in found if name not in MAY_BE_EMPTY]
        STYLES[style](conn, names, seen)
        print("ready", flush=True)
        while not select.select([sys.stdin], [], [], 0)[0]:
            try:
                STYLES[style](conn, names, seen)
            except psycopg.Error as error:
                seen.errors.append(f"{type(error).__name__}: {error}")
                conn.rollback()
            time.sleep(random.uniform(0.02, 0.1))
    print(json.dumps({**asdict(seen), "builds": sorted(seen.builds)}))


_NAMES = b"select viewname from pg_views where schemaname = 'marts' order by 1"


def _autocommit(conn: Connection, names: list[str], seen: Seen) -> None:
    for name in names:
        _read(conn, name, seen)


def _transaction(conn: Connection, names: list[str], seen: Seen) -> None:
    """Read in any order and stay a little: a deadlock waiting to happen."""
    with conn.transaction():
        _read_all(conn, names, seen)


def _prepared(conn: Connection, names: list[str], seen: Seen) -> None:
    """Prepare statements, and fetch the largest mart by a cursor in parts."""
    for name in names:
        _read(conn, name, seen, prepare=True)
    with conn.transaction(), conn.cursor("parts") as cursor:
        began = time.perf_counter()
        cursor.execute("select build_id, 1 from marts.predictions")
        rows = cursor.fetchmany(100)
        pause = random.uniform(0, 0.05)
        time.sleep(pause)
        rows += cursor.fetchall()
        seen.note(began + pause, list(set(rows)))


def _repeatable_read(conn: Connection, names: list[str], seen: Seen) -> None:
    """Take the snapshot first and read afterwards, what may be published by then."""
    conn.isolation_level = IsolationLevel.REPEATABLE_READ
    with conn.transaction():
        conn.execute("select 1")
        time.sleep(random.uniform(0, 0.2))
        _read_all(conn, names, seen)


def _board(conn: Connection, names: list[str], seen: Seen) -> None:
    began = time.perf_counter()
    seen.note(began, conn.execute(_BOARD).fetchall())


STYLES: dict[str, Callable[[Connection, list[str], Seen], None]] = {
    "autocommit": _autocommit,
    "transaction": _transaction,
    "prepared": _prepared,
    "repeatable read": _repeatable_read,
    "board": _board,
}


def _read_all(conn: Connection, names: list[str], seen: Seen) -> None:
    chosen = random.sample(names, random.randint(2, len(names)))
    found = set()
    for name in chosen:
        found |= _read(conn, name, seen)
        time.sleep(random.uniform(0, 0.01))
    time.sleep(random.uniform(0, 0.05))
    found |= _read(conn, chosen[0], seen)
    seen.mixed += len(found) > 1


def _read(
    conn: Connection, name: str, seen: Seen, prepare: bool | None = None
) -> set[int]:
    # The mart of builds tells of all of them.
    builds = "null" if name == _OWN_BUILD_IDS else "build_id"
    query = sql.SQL("select min({0}), max({0}), count(*) from {1}").format(
        sql.SQL(builds), sql.Identifier("marts", name)
    )
    began = time.perf_counter()
    return seen.note(began, conn.execute(query, prepare=prepare).fetchall())


if __name__ == "__main__":
    main()
