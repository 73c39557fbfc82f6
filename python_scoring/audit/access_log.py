"""Take the server's log into the trail: who read which relation, and when."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from psycopg.types.json import Jsonb

from python_scoring.audit import access_lines, store
from python_scoring.audit.access_lines import Access
from python_scoring.warehouse import Connection

_TAKEN_AT_ONCE = 1000


@dataclass(frozen=True)
class Imported:
    """What one file of the log told of, and how much of it was new."""

    file: Path
    reads: int
    new: int


def take_in(conn: Connection, files: Iterable[Path]) -> list[Imported]:
    """Add the reads that files of the server's log tell of to `audit.access_log`.

    A line that is known already adds nothing. One transaction a file.

    Parameters
    ----------
    files
        See `access_lines.read`.

    Raises
    ------
    BadInput
        A file cannot be read; those before it are in.
    """
    return [_take_in(conn, file) for file in files]


def _take_in(conn: Connection, file: Path) -> Imported:
    found = access_lines.read(file)
    reads = new = 0
    with conn.transaction():
        while batch := list(islice(found, _TAKEN_AT_ONCE)):
            reads += len(batch)
            new += _add(conn, batch)
        if new:
            detail = {"reads": reads, "file_sha256": _sha256(file)}
            store.record(conn, "import_log", file.name, new, detail=detail)
    return Imported(file, reads, new)


def _add(conn: Connection, batch: list[Access]) -> int:
    lines = Jsonb([access.as_json() for access in batch])
    row = conn.execute("select audit.note_reads(%s)", (lines,)).fetchone()
    assert row
    return int(row[0])


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
