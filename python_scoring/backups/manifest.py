"""A backup on disk: the list of what is in it, and its files as they were written."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from python_scoring.backups.contents import Table
from python_scoring.errors import BadInput

LIST = "backup.json"
DUMP = "warehouse.dump"
MODELS = "artifacts"

_FORMAT = 1
_BLOCK_BYTES = 2**20


@dataclass(frozen=True, kw_only=True)
class File:
    """One file of a backup, as it was written."""

    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The content of `backup.json`.

    Attributes
    ----------
    made_at
        UTC.
    warehouse, database
        Where it came from, in words, and the database's name.
    server_version
        As `server_version_num`: 180004.
    owners, roles
        Who owns something in it; whom grants and policies name.
    tables
        By `schema.name`.
    files
        By name below the backup's folder.
    """

    made_at: datetime
    riskmart_version: str
    warehouse: str
    database: str
    server_version: int
    owners: list[str]
    roles: list[str]
    tables: dict[str, Table]
    files: dict[str, File]

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(table.rows for table in self.tables.values())

    @property
    def models(self) -> dict[str, File]:
        """The fitted models' files, by name without folder."""
        prefix = f"{MODELS}/"
        found = self.files.items()
        return {n.removeprefix(prefix): f for n, f in found if n.startswith(prefix)}


def write(folder: Path, listed: Manifest) -> None:
    """Write `backup.json`, the last file of a backup."""
    content = {"format": _FORMAT, **asdict(listed)}
    content["made_at"] = listed.made_at.isoformat()
    with create(folder / LIST) as file:
        file.write(json.dumps(content, indent=1).encode())


def read(folder: Path) -> Manifest:
    """Read `backup.json`.

    Raises
    ------
    BadInput
        It is missing, or not one that `riskmart backup` wrote.
    """
    file = folder / LIST
    expected = "expected a folder that `riskmart backup` wrote"
    try:
        content = json.loads(file.read_bytes())
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror}; {expected}") from None
    except ValueError:
        raise BadInput(f"{file} is no JSON; {expected}") from None
    try:
        return _parse(content)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BadInput(
            f"{file} is not as expected of a backup of format {_FORMAT}; it was "
            "changed, or written by a newer riskmart"
        ) from None


def _parse(content: dict[str, Any]) -> Manifest:
    if content.pop("format") != _FORMAT:
        raise ValueError
    made_at = datetime.fromisoformat(content.pop("made_at"))
    tables = {name: Table(**table) for name, table in content.pop("tables").items()}
    files = {name: File(**file) for name, file in content.pop("files").items()}
    if DUMP not in files or not all(map(_is_ours, files)):
        raise ValueError
    return Manifest(made_at=made_at, tables=tables, files=files, **content)


def _is_ours(name: str) -> bool:
    """Whether it is a name that we give, which leads to nowhere else."""
    return name == DUMP or name == f"{MODELS}/{Path(name).name}"


def verify(folder: Path, listed: Manifest) -> None:
    """Compare every file with what was noted when it was written.

    Raises
    ------
    BadInput
        Naming the first that is missing, of another length or changed.
    """
    for name, noted in listed.files.items():
        path = folder / name
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise BadInput(f"{path}: {error.strerror}; take another backup") from None
        if size != noted.bytes:
            raise BadInput(
                f"{path} has {size:,} bytes; expected {noted.bytes:,}. It was cut "
                "short or changed; take another backup"
            )
        if digest != noted.sha256:
            raise BadInput(
                f"{path}: SHA-256 {digest}; expected {noted.sha256}. It was changed "
                "or is damaged; take another backup"
            )


@contextmanager
def create(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file for writing, for its owner alone; on disk when it closes."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def copy(source: IO[bytes], path: Path) -> File:
    """Write all of a stream to a new file, and note what was written."""
    digest, size = hashlib.sha256(), 0
    with create(path) as file:
        while block := source.read(_BLOCK_BYTES):
            file.write(block)
            digest.update(block)
            size += len(block)
    return File(bytes=size, sha256=digest.hexdigest())
