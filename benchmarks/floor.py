"""The floor: what the bytes and the arithmetic cost, with nothing around them.

Copy the very content of every mart into bare tables, and score the very matrix
once. No build that ends with the same marts on the same server can be faster.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
from psycopg import sql

from python_scoring import registry, warehouse
from python_scoring.publication.builds import CANDIDATE_SCHEMA
from python_scoring.readmission import features, score
from python_scoring.warehouse import Connection

_BLOCK_BYTES = 2**20


def copy_seconds(
    conn: Connection, folder: Path, schema: str = CANDIDATE_SCHEMA
) -> tuple[float, int]:
    """Copy each table of a schema into a bare one of the same columns, by binary COPY.

    Parameters
    ----------
    folder
        For the copied files: on the warehouse's disk, to be fair.

    Returns
    -------
    Seconds for reading the files and writing the tables durably, and the bytes of
    the files. Writing the files is not counted, and nothing stays.
    """
    seconds, size = 0.0, 0
    for (table,) in conn.execute(
        "select tablename from pg_tables where schemaname = %s order by 1", (schema,)
    ).fetchall():
        taken, bytes_ = copy_one(conn, folder, sql.Identifier(schema, table))
        seconds, size = seconds + taken, size + bytes_
    return seconds, size


def copy_one(
    conn: Connection, folder: Path, source: sql.Identifier, where: str = "true"
) -> tuple[float, int]:
    """Copy rows of one table into a bare one, as `copy_seconds` does with all."""
    target = sql.Identifier("benchmark_floor", "copied")
    with tempfile.TemporaryFile(dir=folder) as file:
        _copy_out(conn, source, where, file)
        size = file.tell()
        file.seek(0)
        conn.execute("create schema benchmark_floor")
        began = time.perf_counter()
        _copy_in(conn, source, target, file)
        seconds = time.perf_counter() - began
    conn.execute("set client_min_messages = warning")
    conn.execute("drop schema benchmark_floor cascade")
    return seconds, size


def _copy_out(
    conn: Connection, source: sql.Identifier, where: str, file: IO[bytes]
) -> None:
    statement = sql.SQL("copy (select * from {} where {}) to stdout (format binary)")
    statement = statement.format(source, sql.SQL(where))
    with conn.cursor() as cursor, cursor.copy(statement) as copy:
        for block in copy:
            file.write(block)


def _copy_in(
    conn: Connection, like: sql.Identifier, target: sql.Identifier, file: IO[bytes]
) -> None:
    """Make and fill the table in one transaction: the fastest way there is."""
    with conn.transaction(), conn.cursor() as cursor:
        cursor.execute(sql.SQL("create table {} (like {})").format(target, like))
        statement = sql.SQL("copy {} from stdin (format binary)").format(target)
        with cursor.copy(statement) as copy:
            while block := file.read(_BLOCK_BYTES):
                copy.write(block)


def score_seconds(conn: Connection) -> float:
    """Time one pass of the scorer, risks and reasons, over the current patients."""
    model = registry.champion(conn, features.TARGET)
    assert model is not None
    hazards = score.load_hazards(model)
    seconds = 0.0
    for ids, x in _matrices(conn):
        began = time.perf_counter()
        score.score_matrix(hazards, ids, x, ids)
        seconds += time.perf_counter() - began
    return seconds


def _matrices(conn: Connection) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    query = (
        f"select patient_id, {features.copy_columns('patients')}"
        f" from {features.PATIENT_FEATURES} as patients where is_current"
    )
    fields = np.dtype([("patient_id", "i8"), *features.copy_fields()])
    for rows in warehouse.copy_out(conn, query, fields, score.CHUNK_ROWS):
        yield rows["patient_id"], features.matrix(rows, features.FEATURE_NAMES)
