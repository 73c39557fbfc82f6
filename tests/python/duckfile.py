"""A warehouse in one DuckDB file, in force for as long as a test needs it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from python_scoring import warehouse
from python_scoring.warehouse import Connection


@contextmanager
def in_force(file: Path, **variables: str) -> Iterator[Path]:
    """Let everything in this process work on a DuckDB file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RISKMART_DSN", raising=False)
        patch.setenv("RISKMART_TARGET", "duckdb")
        patch.setenv("RISKMART_DUCKDB", str(file))
        for name, value in variables.items():
            patch.setenv(name, value)
        yield file


@contextmanager
def connected(file: Path) -> Iterator[Connection]:
    """Connect to a DuckDB file with the raw tables there."""
    with in_force(file), warehouse.connect() as connection:
        warehouse.prepare(connection)
        connection.commit()
        yield connection
        connection.rollback()
