"""The raw tables of a DuckDB file, from the statements that make PostgreSQL's."""

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from python_scoring import config
from python_scoring.errors import BadInput

if TYPE_CHECKING:
    from python_scoring.duck.connection import Connection

_POSTGRES = Path(__file__).parents[1] / "raw_tables.sql"
_WORDS = Path(__file__).with_name("postgres_words.sql")

# Of the rest (indexes, functions, changes to older tables), DuckDB needs none.
_SHARED = re.compile(
    r"^create (?:schema|table|or replace view) .*?;$", re.DOTALL | re.MULTILINE
)
_TABLE = re.compile(r"^create table if not exists (raw\.\w+)")
_SAID_OTHERWISE = {
    " jsonb": " json",
    "clock_timestamp()": "now()",
    " with (security_invoker = true)": "",
}
_REFERENCE = re.compile(r" references raw\.\w+ \(\w+\)(?: on delete cascade)?")
_IDENTITY = re.compile(r"(\w+) bigint generated always as identity")
_KEY = re.compile(r",\s+primary key \([^)]+\)")

# DuckDB holds the index of a key in memory, whole; data tests say that these are keys.
LARGE = {
    *("raw.cohort_patients", "raw.cohort_outcomes"),
    *("raw.cms_beneficiaries", "raw.cms_inpatient_claims", "raw.cms_outpatient_claims"),
    *("raw.predictions", "raw.scored_features"),
}

_NOTE = """
select comment from duckdb_tables()
where database_name = current_database() and schema_name = 'raw'
    and table_name = 'loads'
"""

_COLUMNS = """
select table_name, column_name
from duckdb_columns()
where database_name = current_database() and schema_name = 'raw'
"""


def prepare(connection: "Connection") -> None:
    """Make the tables that Python writes and dbt reads, if they are not there.

    What was applied is noted on one of them, so that a command that only reads writes
    nothing: not to a full disk either.

    Raises
    ------
    BadInput
        An older riskmart made them, without a column that they have by now.
    """
    statements = _statements()
    note = f"Tables as of {hashlib.sha256(statements.encode()).hexdigest()[:16]}"
    with connection.transaction():
        noted = connection.execute(_NOTE).fetchone()
        if noted != (note,):
            connection.execute(statements)
            if noted:
                _check_columns(connection, statements)
            connection.execute(f"comment on table raw.loads is '{note}'")


def _check_columns(connection: "Connection", statements: str) -> None:
    """Refuse tables that lack a column: DuckDB adds none with a constraint."""
    with duckdb.connect() as fresh:
        fresh.execute(statements)
        expected = set(fresh.execute(_COLUMNS).fetchall())
    lacking = expected - set(connection.execute(_COLUMNS).fetchall())
    if lacking:
        table, column = min(lacking)
        raise BadInput(
            f"{config.duckdb_file()}: made by an older riskmart: raw.{table} has no "
            f"column {column}; expected a file of this version: build into another one "
            "(RISKMART_DUCKDB)"
        )


def _statements() -> str:
    """Return what makes the tables where they are not there.

    Without foreign keys and the large tables' keys (data tests cover both), without
    roles and policies: nobody but their owner opens the file.
    """
    shared = _SHARED.findall(_POSTGRES.read_text(encoding="utf-8"))
    schema, *others = shared
    made = [line for one in others for line in _as_duckdb(one)]
    return "\n".join([schema, _WORDS.read_text(encoding="utf-8"), *made])


def _as_duckdb(statement: str) -> list[str]:
    """Write a statement as DuckDB takes it, behind the sequences that it counts by."""
    for theirs, ours in _SAID_OTHERWISE.items():
        statement = statement.replace(theirs, ours)
    statement = _REFERENCE.sub("", statement)
    table = _TABLE.match(statement)
    if not table:
        return [statement]
    if table[1] in LARGE:
        statement = _KEY.sub("", statement)
    sequences = [f"{table[1]}_{name}_seq" for name in _IDENTITY.findall(statement)]
    numbered = _IDENTITY.sub(
        rf"\1 bigint not null default nextval('{table[1]}_\1_seq')", statement
    )
    return [*(f"create sequence if not exists {one};" for one in sequences), numbered]
