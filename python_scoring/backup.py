"""Take a backup: the database and the fitted models, in one folder of its own."""

import fcntl
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from python_scoring import config, project_vars, server, turns, warehouse
from python_scoring.audit import store as trail
from python_scoring.backups import contents, dumps, manifest, models
from python_scoring.backups.manifest import Manifest
from python_scoring.embedded import identity
from python_scoring.errors import BadInput, RiskmartError
from python_scoring.warehouse import Connection

KEEP = 14

_NAME = re.compile(r"riskmart-\d{8}T\d{6}Z")
_UNFINISHED = re.compile(rf"\.{_NAME.pattern}\.unfinished")
_LOCK = ".riskmart-backup.lock"

Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Backup:
    """What a backup holds, and which older ones made room for it.

    Attributes
    ----------
    folder
        The new backup.
    bytes
        Of all its files.
    tables, rows, models
        How many of each.
    deleted
        Folders of older backups that are gone now.
    notes
        What whoever reads the result should know: a model without its file.
    """

    folder: Path
    bytes: int
    tables: int
    rows: int
    models: int
    deleted: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def default_folder() -> Path:
    """Folder of backups where none is named."""
    return config.state_dir() / "backups"


def make(
    folder: Path | None = None, keep: int = KEEP, *, tell: Tell | None = None
) -> Backup:
    """Back up the warehouse in force, and delete its oldest backups beyond `keep`.

    It waits for a build at work, and a build waits for it; loads go on beside it.
    Until it is whole it has a hidden name.

    Parameters
    ----------
    folder
        Where backups are, each in a folder of its own; the state folder's
        `backups` if None.
    keep
        How many of this warehouse stay there, this one among them.
    tell
        Called with who is at work, if we have to wait.

    Raises
    ------
    BadInput
        `keep` is less than 1; there is no such folder, or no space; another backup
        is being made there; the warehouse cannot be reached.
    RiskmartError
        The warehouse cannot be dumped. In all cases older backups stay.
    """
    if keep < 1:
        raise BadInput(f"--keep {keep}; expected 1 or more")
    place = _place(folder)
    try:
        with _lock(place):
            _clear(place)
            server.ensure_running()
            with turns.take("backup", shared=True, tell=tell):
                made, notes = _make(place)
            deleted = _delete_oldest(place, made, keep)
    except OSError as error:
        raise BadInput(f"backup to {place}: {error.strerror or error}") from error
    return _describe(made, deleted, notes)


def _place(folder: Path | None) -> Path:
    if folder is None:
        default_folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        identity.give_to_owner(default_folder())
    elif not folder.is_dir():
        # Not made: the disk it should be on may not be there.
        raise BadInput(f"--to {folder}: not a folder; expected one that is there")
    return (folder or default_folder()).absolute()


@contextmanager
def _lock(place: Path) -> Iterator[None]:
    """Let one backup at a time into the folder; the lock goes with the process."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW
    with open(os.open(place / _LOCK, flags, 0o600), "wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(
                f"another backup is being made in {place}; wait until it is done"
            ) from None
        _give(place / _LOCK)
        yield


def _clear(place: Path) -> None:
    """Remove what killed backups left; under the lock nobody is at work on it."""
    for path in place.iterdir():
        if _UNFINISHED.fullmatch(path.name) and _is_folder(path):
            shutil.rmtree(path)


def _make(place: Path) -> tuple[Path, tuple[str, ...]]:
    """Write all of it under a hidden name, then give it its own."""
    final, made_at = _free_name(place)
    unfinished = _hidden(final)
    unfinished.mkdir(mode=0o700)
    try:
        notes = _write(unfinished, made_at)
        for path in (unfinished, *unfinished.rglob("*")):
            _give(path)
        _sync(unfinished / manifest.MODELS)
        _sync(unfinished)
        _record(final.name, manifest.read(unfinished))
        unfinished.rename(final)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    _sync(place)
    return final, notes


def _free_name(place: Path) -> tuple[Path, datetime]:
    while True:
        now = datetime.now(UTC).replace(microsecond=0)
        path = place / f"riskmart-{now:%Y%m%dT%H%M%SZ}"
        if not os.path.lexists(path):
            return path, now
        time.sleep(0.1)


def _hidden(path: Path) -> Path:
    return path.with_name(f".{path.name}.unfinished")


def _write(folder: Path, made_at: datetime) -> tuple[str, ...]:
    """Write dump, models and the list of them, all as of one moment."""
    with warehouse.connect() as conn:
        conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        tables = contents.measure(conn)
        files, notes = models.save(conn, folder / manifest.MODELS)
        dump = dumps.write(folder / manifest.DUMP, _snapshot(conn))
        listed = Manifest(
            made_at=made_at,
            riskmart_version=project_vars.version(),
            warehouse=config.describe(),
            database=conn.info.dbname,
            server_version=conn.info.server_version,
            owners=contents.owners(conn),
            roles=contents.roles(conn),
            tables=tables,
            files={manifest.DUMP: dump, **files},
        )
    manifest.write(folder, listed)
    return notes


def _record(name: str, listed: Manifest) -> None:
    """Note in the trail that a copy leaves the database, before anybody can have it."""
    detail = {"dump_sha256": listed.files[manifest.DUMP].sha256}
    with warehouse.connect(autocommit=True) as conn, conn.transaction():
        trail.prepare(conn)
        trail.record(conn, "backup", name, listed.rows, detail=detail)


def _snapshot(conn: Connection) -> str:
    row = conn.execute("select pg_export_snapshot()").fetchone()
    assert row
    return str(row[0])


def _delete_oldest(place: Path, made: Path, keep: int) -> tuple[Path, ...]:
    """Delete this warehouse's oldest, never the one just made."""
    whose = manifest.read(made).warehouse
    older = sorted(p for p in place.iterdir() if p != made and _is_of(p, whose))
    doomed = older[: max(0, len(older) - (keep - 1))]
    for path in doomed:
        # Hidden first: half a backup must not look like one.
        path.rename(_hidden(path))
        shutil.rmtree(_hidden(path))
    return tuple(doomed)


def _is_of(path: Path, whose: str) -> bool:
    """Whether it is a backup, and of this warehouse: others share the folder."""
    if not (_NAME.fullmatch(path.name) and _is_folder(path)):
        return False
    with suppress(RiskmartError):
        return manifest.read(path).warehouse == whose
    return False


def _describe(
    folder: Path, deleted: tuple[Path, ...], notes: tuple[str, ...]
) -> Backup:
    listed = manifest.read(folder)
    return Backup(
        folder=folder,
        bytes=sum(file.bytes for file in listed.files.values()),
        tables=len(listed.tables),
        rows=listed.rows,
        models=len(listed.models),
        deleted=deleted,
        notes=notes,
    )


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _give(path: Path) -> None:
    """Let what root makes in another user's state folder belong to that user."""
    if path.is_relative_to(config.state_dir()):
        identity.give_to_owner(path)


def _sync(folder: Path) -> None:
    """Have a folder's list of names on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
