"""Let the names lead to another build, in one transaction over one file."""

import time

from psycopg import sql

from python_scoring.errors import BadInput, GateFailed
from python_scoring.intake import world
from python_scoring.publication import builds, first_rules, names
from python_scoring.publication.builds import BuildRecord
from python_scoring.publication.relations import Relation, relations
from python_scoring.publication.swap import Swapped, our_names
from python_scoring.warehouse import Connection


def swap(
    conn: Connection, build: BuildRecord, *, allow_breaking: bool = False
) -> Swapped:
    """Let all names lead to a build: the candidate, or an earlier one.

    Nobody else has the file open, so that nobody is waited for.

    Raises
    ------
    GateFailed
        The change would break readers and was not asked for.
    BadInput
        The build is not there any more.
    """
    began = time.perf_counter()
    with conn.transaction():
        previous, count = _swap(conn, build, allow_breaking)
    seconds = time.perf_counter() - began
    return Swapped(build.build_id, previous, count, seconds, seconds, 1)


def _swap(
    conn: Connection, build: BuildRecord, allow_breaking: bool
) -> tuple[int | None, int]:
    current = builds.published(conn)
    tables = relations(conn, build.schema)
    if not tables:
        raise BadInput(
            f"build {build.build_id}: its tables are gone; expected schema "
            f"{build.schema}"
        )
    world.catch_up(world.of(conn, build))
    conn.execute(f"create schema if not exists {names.SCHEMA}")
    present = our_names(conn, tables)
    is_candidate = build.status == "candidate"
    _check_names(tables, present, is_candidate and not allow_breaking)
    for name in sorted(set(tables) | set(present)):
        table, view = tables.get(name), present.get(name)
        if table is None and allow_breaking:
            conn.execute(
                sql.SQL("drop view {}").format(sql.Identifier(names.SCHEMA, name))
            )
            continue
        columns = names.target_columns(table, None if allow_breaking else view)
        conn.execute(names.view_statement(name, build.build_id, table, columns))
        if table is not None:
            for comment in names.comment_statements(name, table, None, columns):
                conn.execute(comment)
    if is_candidate:
        first_rules.keep(conn, build.build_id)
    builds.note_published(conn, build, current.build_id if current else None)
    return current.build_id if current else None, len(tables)


def _check_names(
    tables: dict[str, Relation], present: dict[str, Relation], is_strict: bool
) -> None:
    broken = {
        name: names.breaks(tables.get(name), view, fill=not is_strict)
        for name, view in present.items()
    }
    lines = [
        f"  {names.SCHEMA}.{name}: {'; '.join(faults)}"
        for name, faults in broken.items()
        if faults
    ]
    if lines and is_strict:
        raise GateFailed(
            "\n".join(
                [
                    "the columns that readers have would change:",
                    *lines,
                    "Nothing was published; --allow-breaking asks for it all the same.",
                ]
            )
        )
