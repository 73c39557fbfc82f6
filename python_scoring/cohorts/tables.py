"""What a table is to those who load it: batches of rows that know their lines.

Whatever makes a file unreadable as a table is `BadInput` and names the line if
there is one; a row that merely has too many or too few fields is handed on as
malformed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from python_scoring.errors import BadInput

SUFFIXES = (".csv", ".csv.gz", ".parquet")


@dataclass(frozen=True)
class Malformed:
    """A line that is no row of the table, and what was expected of it."""

    line: int
    fields: list[str]
    reason: str


@dataclass(frozen=True)
class Batch:
    """Some rows of a table.

    Attributes
    ----------
    lines
        Line of each row, from 1, the header included; for Parquet and for rows
        from memory the number of the row.
    columns
        Arrow arrays, one per wanted column, as long as `lines`.
    """

    lines: NDArray[np.int64]
    columns: dict[str, Any]
    malformed: list[Malformed] = field(default_factory=list)


class Table(Protocol):
    """A table that can be read in batches, more than once."""

    name: str
    columns: list[str]

    def digest(self) -> tuple[str, int]:
        """SHA-256 of the content, and how many rows it can have at most."""

    def batches(self, wanted: Sequence[str]) -> Iterator[Batch]:
        """Read the wanted columns from the first row on."""

    def place(self, line: int) -> tuple[str, int]:
        """Return the name of the file that a line stands in, and its number there."""


def shift(batch: Batch, by: int) -> Batch:
    """Add to the numbers of a batch's lines: others come before it."""
    malformed = [replace(one, line=one.line + by) for one in batch.malformed]
    return replace(batch, lines=batch.lines + by, malformed=malformed)


def suffix(path: Path) -> str:
    """Extension of a table's file, lower case; empty if we read no such files."""
    name = path.name.lower()
    return next((s for s in SUFFIXES if name.endswith(s) and name != s), "")


def unreadable(path: Path, error: OSError) -> BadInput:
    """Say that the operating system does not let us read a file."""
    if isinstance(error, FileNotFoundError):
        return BadInput(f"{path}: no such file")
    return BadInput(f"{path}: cannot be read ({error.strerror or error})")
