"""The stable names: views in `marts` over the tables of one build.

A name is a `security_invoker` view, replaced in place: what others built on it or
granted on it stays, and what protects the tables protects the name.
"""

from collections.abc import Iterator

from psycopg import sql

from python_scoring import config
from python_scoring.publication.relations import Column, Relation

SCHEMA = "marts"
BUILD_ID = "build_id"

_BUILD_ID_COLUMN = Column(
    "bigint", "Build that the row is of; `marts.builds` tells about it."
)


def target_columns(table: Relation | None, name: Relation | None) -> dict[str, Column]:
    """Columns of a name over a table: `build_id`, the name's own, then new ones.

    A view's columns stay where they are when it is replaced. What the table lacks
    (an earlier build's) stays as null.

    Parameters
    ----------
    table
        The build's table; None where the build has none.
    name
        The name as it is now; None where it is new.
    """
    old = name.columns if name else {}
    new = table.columns if table else {}
    # A dict keeps the place of what comes first and the value of what comes last.
    return {BUILD_ID: _BUILD_ID_COLUMN, **old, **new}


def breaks(table: Relation | None, name: Relation, *, fill: bool = False) -> list[str]:
    """Say what of a name its readers would miss over this table.

    Parameters
    ----------
    fill
        For an earlier build: what it does not have yet is null rather than missed.
    """
    if table is None:
        return [] if fill else ["there is no such mart any more"]
    found = []
    for column, old in name.columns.items():
        new = table.columns.get(column)
        if new is not None and new.data_type != old.data_type:
            found.append(f"{column} is {new.data_type}, was {old.data_type}")
        elif new is None and column != BUILD_ID and not fill:
            found.append(f"no column {column} any more")
    return found


def view_statement(
    name: str, build_id: int, table: Relation | None, columns: dict[str, Column]
) -> sql.Composed:
    """Write the view of a name: the table's columns, null for what it lacks."""
    given = table.columns if table else {}
    items = []
    for column, described in columns.items():
        source: sql.Composable = sql.Identifier(column)
        if column not in given:
            value = sql.Literal(build_id) if column == BUILD_ID else sql.SQL("null")
            source = sql.SQL("cast({} as {}) as {}").format(
                value, sql.SQL(described.data_type), source
            )
        items.append(source)
    # Without a table nothing is shown: rows of another build would be a mix.
    source_table = (
        sql.SQL(" from {}").format(sql.Identifier(f"build_{build_id}", name))
        if table
        else sql.SQL(" where false")
    )
    return sql.SQL("create or replace view {} {} as select {}{}").format(
        sql.Identifier(SCHEMA, name),
        # Readers are told apart where there are roles; a DuckDB file has none.
        sql.SQL("" if config.is_duckdb() else "with (security_invoker = true)"),
        sql.SQL(", ").join(items),
        source_table,
    )


def comment_statements(
    name: str, table: Relation, view: Relation | None, columns: dict[str, Column]
) -> Iterator[sql.Composed]:
    """Write the comments of a name that are not the table's yet."""
    where = sql.Identifier(SCHEMA, name)
    if table.comment != (view.comment if view else None):
        yield sql.SQL("comment on view {} is {}").format(
            where, sql.Literal(table.comment)
        )
    for column, described in columns.items():
        old = view.columns.get(column) if view else None
        if described.comment != (old.comment if old else None):
            yield sql.SQL("comment on column {} is {}").format(
                sql.Identifier(SCHEMA, name, column), sql.Literal(described.comment)
            )
