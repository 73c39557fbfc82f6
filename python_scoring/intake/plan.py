"""What a new patient passes through: the models' own SQL, kept with each build.

dbt compiles the models; which of them, their tags say. Here the relations that they
read are exchanged, so that the same SQL runs over the people just handed in alone:

- models tagged ``intake`` have a row, or some, for each person. They read and fill
  temporary tables of a session (`world`).
- models tagged ``intake_sums`` are counts and sums by group; what people add to them
  or take from them is added to the build's rows.
- models tagged ``intake_summaries`` are made anew from those, for the organizations
  of these people.
- whatever else they read is copied beside the build, since the next build replaces it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from psycopg import sql

from python_scoring import warehouse
from python_scoring.access import protection
from python_scoring.warehouse import Connection

Kind = Literal["stand_in", "input", "view", "table", "mart", "sums", "summary", "test"]

# In a statement, in the place of the schema that a build is in by then.
BUILD = "@build@"
FEATURES = "int_patient_features"


@dataclass(frozen=True)
class Step:
    """One relation of the path, or one data test over it.

    Parameters
    ----------
    relation
        Where the build has its rows; of stand-ins and inputs, what is copied.
    columns, key_columns
        As the model declares them, and which of them tell one row from another.
    statement
        The model's or test's SQL over temporary tables and copies.
    """

    name: str
    kind: Kind
    relation: str = ""
    columns: tuple[str, ...] = ()
    key_columns: tuple[str, ...] = ()
    statement: str = ""


def schema_of(build_id: int) -> str:
    """Return the schema of the copies that belong to a build."""
    return f"intake_{build_id}"


def keep(
    conn: Connection, build_id: int, steps: Sequence[Step], feature_version: str
) -> None:
    """Write down the path as it is in a build, and the version of its features."""
    rows = [
        (
            *(build_id, position, step.name, step.kind, step.relation),
            *(list(step.columns), list(step.key_columns), step.statement),
        )
        for position, step in enumerate(steps)
    ]
    with conn.transaction(), conn.cursor() as cursor:
        cursor.execute("delete from raw.intake_steps where build_id = %s", (build_id,))
        cursor.executemany(
            "insert into raw.intake_steps (build_id, position, name, kind, relation,"
            " columns, key_columns, statement)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s)",
            rows,
        )
        cursor.execute(
            "update raw.builds set feature_version = %s where build_id = %s",
            (feature_version, build_id),
        )


def read(conn: Connection, build_id: int) -> list[Step]:
    """Return a build's steps, each after all that it reads."""
    return warehouse.fetch_as(
        conn,
        Step,
        "select name, kind, relation, columns, key_columns, statement"
        " from raw.intake_steps where build_id = %s order by position",
        (build_id,),
    )


def freeze(conn: Connection, build_id: int) -> None:
    """Copy what the path reads beside a build, before the next one replaces it."""
    schema = schema_of(build_id)
    with conn.transaction():
        drop(conn, build_id)
        conn.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))
        steps = read(conn, build_id)
        copied = [s for s in steps if s.kind in ("input", "stand_in")]
        for step in copied:
            _copy(conn, schema, step)
        kept = [s.name for s in steps if s.kind == "sums"]
        protection.protect_copies(conn, schema, [s.name for s in copied], kept)


def _copy(conn: Connection, schema: str, step: Step) -> None:
    rows = sql.SQL("data" if step.kind == "input" else "no data")
    table = sql.Identifier(schema, step.name)
    conn.execute(
        sql.SQL("create table {} as select * from {} with {}").format(
            table, sql.SQL(step.relation), rows
        )
    )
    if step.kind == "input" and step.key_columns and not warehouse.is_duckdb(conn):
        keys = sql.SQL(", ").join(map(sql.Identifier, step.key_columns))
        conn.execute(
            sql.SQL("create unique index on {} ({})").format(table, keys),
        )
    warehouse.analyze(conn, table.as_string())


def drop(conn: Connection, build_id: int) -> None:
    """Drop a build's copies; nobody but intake reads them."""
    schema = sql.Identifier(schema_of(build_id))
    if not warehouse.is_duckdb(conn):
        conn.execute("set local client_min_messages = warning")
    conn.execute(sql.SQL("drop schema if exists {} cascade").format(schema))


def forget(conn: Connection, build_id: int) -> None:
    """Drop a build's copies and steps: nobody is taken into it any more."""
    drop(conn, build_id)
    conn.execute("delete from raw.intake_steps where build_id = %s", (build_id,))


def drop_stale(conn: Connection) -> None:
    """Drop the copies of builds that were never published and never will be."""
    stale = conn.execute(
        "select build_id from raw.builds where status in ('failed', 'abandoned')"
        " and to_regnamespace('intake_' || build_id) is not null"
    ).fetchall()
    for (build_id,) in stale:
        with conn.transaction():
            forget(conn, build_id)
