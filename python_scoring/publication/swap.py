"""The swap: all names lead to another build, in one short transaction.

A reader holds the names it has read until its transaction ends, and may want
another one that we hold already. We are the one to give way: our `lock_timeout`
is shorter than the server's `deadlock_timeout`, and we try again.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from psycopg import sql

from python_scoring.access import catalogue, members
from python_scoring.audit import store as trail
from python_scoring.errors import BadInput, GateFailed
from python_scoring.intake import plan, world
from python_scoring.publication import (
    builds,
    dependants,
    first_rules,
    grants,
    names,
    readers,
)
from python_scoring.publication.builds import CANDIDATE_SCHEMA, BuildRecord
from python_scoring.publication.relations import Relation, relations
from python_scoring.warehouse import Connection

WAIT_SECONDS = 60.0

_LONGEST_LOCK_WAIT = 200
_PAUSE_SECONDS = 0.2

# Less than half of what the server takes to look for a deadlock, for all locks of
# one message together: each of them has what is left when its turn comes. Whoever
# waits for a name that we hold never waits for longer than that.
_QUIET = "set local client_min_messages = warning"
_LOCK_TIMEOUT = f"""
select set_config('lock_timeout', greatest(1, least({_LONGEST_LOCK_WAIT},
    extract(epoch from current_setting('deadlock_timeout')::interval) * 500
) - extract(epoch from clock_timestamp() - statement_timestamp()) * 1000
)::integer::text, true)
"""

_OUTSIDE = """
select distinct v.relname, d.refobjid::regclass::text
from pg_class as v
inner join pg_rewrite as r on v.oid = r.ev_class
inner join pg_depend as d
    on r.oid = d.objid and d.classid = 'pg_rewrite'::regclass
    and d.refclassid = 'pg_class'::regclass
inner join pg_class as c on d.refobjid = c.oid
where v.relnamespace = to_regnamespace(quote_ident(%s)) and v.relkind = 'v'
    and c.relnamespace <> v.relnamespace
order by 1, 2
"""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Swapped:
    """What a publication did.

    Parameters
    ----------
    previous
        The build that readers had before, if any.
    seconds
        From the start of the successful transaction to its end.
    locked_seconds
        Of these, from the first name locked to the end: what readers may have
        waited for.
    attempts
        How often it was tried; all but the last gave way to readers.
    """

    build_id: int
    previous: int | None
    name_count: int
    seconds: float
    locked_seconds: float
    attempts: int


def swap(
    conn: Connection,
    build: BuildRecord,
    *,
    allow_breaking: bool = False,
    wait_seconds: float = WAIT_SECONDS,
    tell: Tell | None = None,
) -> Swapped:
    """Let all names lead to a build: the candidate, or an earlier one.

    Parameters
    ----------
    conn
        In autocommit mode.
    allow_breaking
        Whether columns may go or change their type.
    wait_seconds
        How long readers are waited for.
    tell
        Called with who is in the way, when we begin to wait.

    Raises
    ------
    GateFailed
        The change would break readers and was not asked for; naming who depends.
    BadInput
        A reader kept us waiting for too long, or the build is not there any more.
    """
    deadline = time.monotonic() + wait_seconds
    attempts = 0
    _wait_for_snapshots(conn, build, deadline, tell)
    while True:
        attempts += 1
        try:
            with world.turn(conn, deadline, tell):
                began = time.perf_counter()
                with conn.transaction():
                    previous, count, locked = _swap(conn, build, allow_breaking)
                ended = time.perf_counter()
            times = (ended - began, ended - locked)
            return Swapped(build.build_id, previous, count, *times, attempts)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            _pause(conn, deadline, tell if attempts == 1 else None)
        except psycopg.errors.DuplicateSchema as error:
            raise BadInput(
                f"{str(error).splitlines()[0]}; expected the name of this build's "
                "schema to be free: rename or drop it"
            ) from None
        except psycopg.errors.InsufficientPrivilege as error:
            raise BadInput(
                f"{str(error).splitlines()[0]}; publish as the role that owns the "
                f"views in schema {names.SCHEMA}"
            ) from None


def _swap(
    conn: Connection, build: BuildRecord, allow_breaking: bool
) -> tuple[int | None, int, float]:
    builds.lock(conn)
    conn.execute(_QUIET.encode())
    conn.execute(_LOCK_TIMEOUT.encode())
    current = builds.published(conn)
    _check_still_there(conn, build)
    caught_up = world.catch_up(world.of(conn, build))
    is_candidate = build.status == "candidate"
    if is_candidate:
        rename = sql.SQL("alter schema {} rename to {}")
        conn.execute(
            rename.format(*map(sql.Identifier, (CANDIDATE_SCHEMA, build.schema)))
        )
    conn.execute(f"create schema if not exists {names.SCHEMA}".encode())
    tables = relations(conn, build.schema)
    _check_self_contained(conn, build.schema)
    catalogue.check_protected(conn, build.schema, plan.schema_of(build.build_id))
    present = our_names(conn, tables)
    broken = _broken(tables, present, fill=not is_candidate)
    if broken and not allow_breaking:
        raise GateFailed(_refusal(conn, broken))
    # All that can be done before it, for from here on readers have to wait.
    if is_candidate:
        first_rules.keep(conn, build.build_id)
    builds.note_published(conn, build, current.build_id if current else None)
    locked = time.perf_counter()
    saved, regrants = _drop(conn, tables, present, list(broken))
    _point(conn, build.build_id, tables, present)
    for statement in regrants:
        conn.execute(statement.encode())
    dependants.put_back(conn, saved)
    grants.carry(conn, build.schema, from_tables=is_candidate)
    members.follow(conn, build.schema)
    conn.execute(_LOCK_TIMEOUT.encode())
    trail.record(
        conn,
        "publish" if is_candidate else "rollback",
        names.SCHEMA,
        sum(count or 0 for count in (build.row_counts or {}).values()),
        build_id=build.build_id,
        detail={
            "instead_of": current.build_id if current else None,
            "caught_up": caught_up,
        },
    )
    return current.build_id if current else None, len(tables), locked


def _check_self_contained(conn: Connection, schema: str) -> None:
    """Refuse a view over what the next build replaces, and itself with it."""
    outside = conn.execute(_OUTSIDE.encode(), (schema,)).fetchall()
    if outside:
        raise GateFailed(
            "not published: a mart that is a view may read marts alone, for the next "
            "build replaces everything else; expected a table: "
            + "; ".join(f"{view} reads {what}" for view, what in outside)
        )


def our_names(conn: Connection, tables: dict[str, Relation]) -> dict[str, Relation]:
    """Names in `marts` that are ours; what others keep there is theirs.

    Raises
    ------
    BadInput
        Somebody else has a relation where a name of ours should be.
    """
    ours = builds.ever_published(conn)
    present = relations(conn, names.SCHEMA)
    for name in sorted(set(tables) & set(present)):
        if not _is_ours(name, present[name], ours):
            raise BadInput(
                f"{names.SCHEMA}.{name} is a relation that riskmart did not make; "
                "expected to put a view there: rename or drop it first"
            )
    return {
        name: relation
        for name, relation in present.items()
        if _is_ours(name, relation, ours)
    }


def _is_ours(name: str, relation: Relation, ours: set[str]) -> bool:
    first = next(iter(relation.columns), None)
    return relation.kind == "v" and name in ours and first == names.BUILD_ID


def _broken(
    tables: dict[str, Relation], present: dict[str, Relation], fill: bool
) -> dict[str, list[str]]:
    found = {
        name: names.breaks(tables.get(name), relation, fill=fill)
        for name, relation in present.items()
    }
    return {name: faults for name, faults in found.items() if faults}


def _refusal(conn: Connection, broken: dict[str, list[str]]) -> str:
    lines = [
        f"  {names.SCHEMA}.{name}: {'; '.join(faults)}"
        for name, faults in broken.items()
    ]
    above = dependants.dependants(conn, list(broken))
    whom = (
        f"Depending on them: {', '.join(above)}."
        if above
        else (
            "No view in this database depends on them; who else reads them, the "
            "database cannot know."
        )
    )
    return "\n".join(
        [
            "the columns that readers have would change:",
            *lines,
            whom,
            "Nothing was published; --allow-breaking asks for it all the same.",
        ]
    )


def _drop(
    conn: Connection,
    tables: dict[str, Relation],
    present: dict[str, Relation],
    broken: list[str],
) -> tuple[list[dependants.SavedView], list[str]]:
    """Drop the names that cannot be replaced in place; what to do afterwards."""
    if not broken:
        return [], []
    saved = dependants.save(conn, broken)
    regrants = [
        statement
        for name in broken
        for statement, column in dependants.grants_on(conn, name)
        if name in tables
        and (column is None or column in (names.BUILD_ID, *tables[name].columns))
    ]
    drop = sql.SQL("drop view {} cascade")
    statements: list[sql.Composable] = []
    for name in broken:
        statements.append(sql.SQL(_LOCK_TIMEOUT))
        statements.append(drop.format(sql.Identifier(names.SCHEMA, name)))
        del present[name]
    conn.execute(sql.SQL("; ").join(statements))
    return saved, regrants


def _point(
    conn: Connection,
    build_id: int,
    tables: dict[str, Relation],
    present: dict[str, Relation],
) -> None:
    """Replace the views, in order of their names: one order for every publisher."""
    statements: list[sql.Composable] = [
        # A view among a build's relations must not show more than its reader may see.
        sql.SQL("alter view {} set (security_invoker = true)").format(
            sql.Identifier(f"build_{build_id}", name)
        )
        for name, table in tables.items()
        if table.kind == "v"
    ]
    for name in sorted(set(tables) | set(present)):
        table, view = tables.get(name), present.get(name)
        columns = names.target_columns(table, view)
        statements.append(sql.SQL(_LOCK_TIMEOUT))
        statements.append(names.view_statement(name, build_id, table, columns))
        if table:
            statements += names.comment_statements(name, table, view, columns)
    conn.execute(sql.SQL("; ").join(statements))


def _check_still_there(conn: Connection, build: BuildRecord) -> None:
    row = conn.execute(
        "select status from raw.builds where build_id = %s for update",
        (build.build_id,),
    ).fetchone()
    if row is None or row[0] != build.status:
        raise BadInput(
            f"build {build.build_id} is {row[0] if row else 'gone'} by now; expected "
            f"it to be {build.status}"
        )


def _wait_for_snapshots(
    conn: Connection, build: BuildRecord, deadline: float, tell: Tell | None
) -> None:
    if build.finished_at is None:
        raise RuntimeError(f"build {build.build_id} has no end")
    in_the_way = readers.wait_for_old_snapshots(conn, build.finished_at, lambda: True)
    if in_the_way and tell:
        tell(f"waiting for {', '.join(in_the_way)}")
    in_the_way = readers.wait_for_old_snapshots(
        conn, build.finished_at, lambda: time.monotonic() > deadline
    )
    if in_the_way:
        raise BadInput(
            "not published: these still read as of before this build and would find "
            f"its tables empty: {'; '.join(in_the_way)}. `riskmart publish` tries again"
        )


def _pause(conn: Connection, deadline: float, tell: Tell | None) -> None:
    in_the_way = readers.holders(conn)
    if time.monotonic() > deadline:
        who = "; ".join(in_the_way) or "nobody any more"
        raise BadInput(
            f"not published: the names are being read by {who}. "
            "`riskmart publish` tries again"
        )
    if in_the_way and tell:
        tell(f"waiting for {', '.join(in_the_way)}")
    # Not in step with whoever reads at regular intervals.
    time.sleep(_PAUSE_SECONDS * random.uniform(0.5, 1.5))
