"""Make the tables of the trail, and add entries to it."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from psycopg.types.json import Jsonb

from python_scoring.errors import BadInput
from python_scoring.publication import provenance
from python_scoring.warehouse import Connection, is_duckdb

# "audit", for an advisory lock of ours; to add to the trail is another one.
_PREPARE_LOCK = 0xA0D18

_TABLES = Path(__file__).with_name("tables.sql").read_text(encoding="utf-8")
_HAND_OVER = Path(__file__).with_name("hand_over.sql").read_text(encoding="utf-8")

# Whose the tables are, or will be.
_OWNER = """
select pg_get_userbyid(nspowner), pg_has_role(nspowner, 'usage')
from pg_namespace where nspname = 'audit'
"""
_APPEND = "select audit.append(%s, %s, %s, %s, %s, %s)"

# Whether this process has added anything: then the head is to be noted outside.
_has_recorded = False


def prepare(conn: Connection) -> None:
    """Make the tables of the trail, if they are not there as this version has them.

    To be called in a transaction. Any number of callers at once are safe.

    Raises
    ------
    BadInput
        They are of another version, and belong to somebody whom we cannot be.
    """
    digest = hashlib.sha256((_TABLES + _HAND_OVER).encode()).hexdigest()[:16]
    note = f"What was done and who read, append-only; tables as of {digest}"
    if _schema_note(conn) == note:
        return
    conn.execute("select pg_advisory_xact_lock(%s)", (_PREPARE_LOCK,))
    if _schema_note(conn) == note:
        return
    _check_owner(conn)
    conn.execute("set local client_min_messages = warning")
    conn.execute(_TABLES.encode())
    conn.execute(f"comment on schema audit is '{note}'".encode())
    hand_over(conn)


def _schema_note(conn: Connection) -> str | None:
    row = conn.execute(
        "select obj_description(to_regnamespace('audit'), 'pg_namespace')"
    ).fetchone()
    return row[0] if row else None


def _check_owner(conn: Connection) -> None:
    row = conn.execute(_OWNER.encode()).fetchone()
    if row and not row[1]:
        raise BadInput(
            f"the tables of the trail (schema audit) are not as this version of "
            f"riskmart has them, and belong to {row[0]}; expected a database user who "
            "may act as that role, or a superuser: `riskmart db init-roles`, as one, "
            "brings them up to date"
        )


def hand_over(conn: Connection) -> None:
    """Give the trail to its keeper, where that role is, and others what they need.

    Who may add to the trail, or read it, is granted that; of roles that are not there
    nothing is said. Any number of times does what once does.
    """
    conn.execute(_HAND_OVER.encode())


def record(
    conn: Connection,
    action: str,
    object_name: str,
    row_count: int | None = None,
    build_id: int | None = None,
    detail: Mapping[str, Any] | None = None,
) -> int:
    """Add an entry to the trail, in the transaction of the deed that it tells of.

    As the last thing there: nobody else can add anything until it ends.

    Parameters
    ----------
    action
        What was done, in small letters and underscores: `load`, `publish`.
    object_name
        To what.
    row_count
        How many rows it concerned.
    detail
        Whatever else tells of it; never who a person is, and never a key.

    Returns
    -------
    int
        The entry's number; 0 in a DuckDB file, which has no trail: whoever may write
        the file may write anything into it.
    """
    global _has_recorded
    if is_duckdb(conn):
        return 0
    values = (action, object_name, row_count, build_id, Jsonb(dict(detail or {})))
    row = conn.execute(_APPEND.encode(), (*values, provenance.user())).fetchone()
    assert row
    _has_recorded = True
    return int(row[0])


def has_recorded() -> bool:
    """Whether this process has added to the trail since it was last asked."""
    global _has_recorded
    was, _has_recorded = _has_recorded, False
    return was
