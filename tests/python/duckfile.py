"""A warehouse in one DuckDB file, in force for as long as a test needs it."""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from psycopg import sql

from python_scoring import warehouse
from python_scoring.publication import builds, provenance
from python_scoring.publication.relations import relations
from python_scoring.warehouse import Connection

_HEADER_BYTES = 4096
_PRIME = 0xBF58476D1CE4E5B9


@contextmanager
def in_force(file: Path, **variables: str) -> Iterator[Path]:
    """Let everything in this process work on a DuckDB file."""
    # What opens it lets nobody else read what this process writes from then on.
    mask = os.umask(0o077)
    os.umask(mask)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RISKMART_DSN", raising=False)
        patch.setenv("RISKMART_TARGET", "duckdb")
        patch.setenv("RISKMART_DUCKDB", str(file))
        for name, value in variables.items():
            patch.setenv(name, value)
        try:
            yield file
        finally:
            os.umask(mask)


@contextmanager
def connected(file: Path) -> Iterator[Connection]:
    """Connect to a DuckDB file with the raw tables there."""
    with in_force(file), warehouse.connect() as connection:
        warehouse.prepare(connection)
        connection.commit()
        yield connection
        connection.rollback()


def next_candidate(*changes: str) -> int:
    """Make a candidate of copies of the published tables, and change them.

    Parameters
    ----------
    changes
        Statements, which name the candidate's schema ``{schema}``.
    """
    with warehouse.connect(autocommit=True) as conn:
        source = builds.published(conn)
        assert source is not None
        build_id = builds.begin(conn, provenance.project_fingerprint())
        schema = builds.schema_of(build_id)
        conn.execute(f"create schema {schema}".encode())
        for name, relation in relations(conn, source.schema).items():
            if relation.kind == "r":
                new, old = (sql.Identifier(s, name) for s in (schema, source.schema))
                copy = sql.SQL("create table {} as select * from {}")
                conn.execute(copy.format(new, old))
        views = "select sql from duckdb_views() where schema_name = %s"
        for (statement,) in conn.execute(views.encode(), (source.schema,)).fetchall():
            conn.execute(statement.replace(f"{source.schema}.", f"{schema}.").encode())
        conn.execute(
            b"insert into raw.intake_steps by name select * replace ("
            b" %s as build_id,"
            b" replace(relation, %s, %s) as relation,"
            b" replace(statement, %s, %s) as statement"
            b") from raw.intake_steps where build_id = %s",
            (build_id, *(source.schema, schema) * 2, source.build_id),
        )
        for change in changes:
            conn.execute(change.format(schema=schema).encode())
        counts = dict.fromkeys(relations(conn, schema), 0)
        builds.note(conn, build_id, row_counts=counts, test_count=0)
        builds.foretell_mart(conn, build_id)
        builds.finish(conn, build_id, "candidate")
    return build_id


def forge_version(file: Path, version: int) -> None:
    """Let a file say that it is of another version of the storage format.

    Its first block holds a checksum, the word DUCK and the version; the checksum is the
    exclusive or of the block's eight-byte words, each times a prime.
    """
    with file.open("r+b") as handle:
        block = bytearray(handle.read(_HEADER_BYTES))
        assert block[8:12] == b"DUCK"
        assert struct.unpack_from("<Q", block)[0] == _checksum(block)
        struct.pack_into("<Q", block, 12, version)
        struct.pack_into("<Q", block, 0, _checksum(block))
        handle.seek(0)
        handle.write(block)


def _checksum(block: bytearray) -> int:
    total = 5381
    for (word,) in struct.iter_unpack("<Q", bytes(block[8:])):
        total ^= word * _PRIME & (2**64 - 1)
    return total
