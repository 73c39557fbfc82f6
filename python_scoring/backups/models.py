"""The fitted models' files, into a backup and back; a database alone cannot score."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from python_scoring import artifacts, config
from python_scoring.backups import contents, manifest
from python_scoring.backups.manifest import File, Manifest
from python_scoring.errors import BadInput
from python_scoring.warehouse import Connection


def save(conn: Connection, folder: Path) -> tuple[dict[str, File], tuple[str, ...]]:
    """Copy the registered models' files; a model's file is there before its row."""
    folder.mkdir(mode=0o700)
    copied: dict[str, File] = {}
    notes: list[str] = []
    for name, sha256 in contents.models(conn):
        path = artifacts.path_of(name)
        if not path.is_file():
            notes.append(f"{path} is missing: the backup has no file of this model")
            continue
        with path.open("rb") as file:
            written = manifest.copy(file, folder / path.name)
        copied[f"{manifest.MODELS}/{path.name}"] = written
        if written.sha256 != sha256:
            notes.append(f"{path} is not the registered file; copied as it is")
    return copied, tuple(notes)


@contextmanager
def staged(backup: Path, listed: Manifest) -> Iterator[list[tuple[Path, Path]]]:
    """Bring the models that are not there beside their places, under hidden names.

    Yields
    ------
    list
        Hidden name and place of each, for `place`; what it leaves goes.
    """
    files: list[tuple[Path, Path]] = []
    try:
        try:
            _stage(backup, listed, files)
        except OSError as error:
            raise BadInput(f"{config.artifact_dir()}: {error.strerror}") from error
        yield files
    finally:
        for hidden, _ in files:
            hidden.unlink(missing_ok=True)


def _stage(backup: Path, listed: Manifest, files: list[tuple[Path, Path]]) -> None:
    config.artifact_dir().mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, noted in listed.models.items():
        path = artifacts.path_of(name)
        if artifacts.is_intact(path, noted.sha256):
            continue
        hidden = path.with_name(f".{name}.{os.getpid()}.restoring")
        files.append((hidden, path))
        with (backup / manifest.MODELS / name).open("rb") as file:
            if manifest.copy(file, hidden) != noted:
                raise BadInput(f"{file.name} was changed while it was read")


def place(files: Sequence[tuple[Path, Path]], now: str) -> list[str]:
    """Give the models their names; another file of a name is set aside."""
    notes = []
    for hidden, path in files:
        if path.exists():
            aside = path.with_name(f"{path.stem}_before_{now}{path.suffix}")
            path.rename(aside)
            notes.append(f"{path} was another file, which is {aside.name} now")
        hidden.rename(path)
    return notes


def missing(conn: Connection) -> list[str]:
    """Say which registered models cannot be loaded here."""
    return [
        f"{artifacts.path_of(file)} is not the model that is registered: it is "
        "missing or another, and the backup had no better"
        for file, sha256 in contents.models(conn)
        if not artifacts.is_intact(artifacts.path_of(file), sha256)
    ]
