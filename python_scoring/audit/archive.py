"""Archive whole months of the trail: to a file, read back, and only then dropped."""

import gzip
import hashlib
import json
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from python_scoring import config, project_vars
from python_scoring.audit import heads, stored
from python_scoring.audit.chain import Anchor, Entry, Walk
from python_scoring.embedded import identity
from python_scoring.errors import BadInput, GateFailed
from python_scoring.publication import provenance
from python_scoring.turns import Tell
from python_scoring.warehouse import Connection

# The database keeps a month for as long, whatever it is told (tables.sql).
LEAST_YEARS = 7

_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
_HAS_PARTITION = """
select to_regclass('audit.audit_log_' || replace(%s, '-', '_')) is not null
"""
_DROP = "select audit.drop_month(%s, %s, %s, %s, %s, %s, %s)"


@dataclass(frozen=True)
class Archived:
    """A month that is in a file now, and no more in the database."""

    month: str
    file: Path
    entries: int


def default_folder() -> Path:
    """Folder of archived months where none is named."""
    return config.state_dir() / "audit_archive"


def archive(
    conn: Connection, before: str, folder: Path | None = None, tell: Tell | None = None
) -> list[Archived]:
    """Write whole months to files, and drop them; the oldest first.

    Each is in a file that was read back before it is dropped, so that whoever is
    killed has it in both places or in the file alone; the next time goes on.

    Parameters
    ----------
    conn
        In autocommit mode; of a user who may read the trail and drop its months.
    before
        Months before this one, 2019-11.
    folder
        Where the files go; the state folder's `audit_archive` if None.
    tell
        Called with what is done now.

    Raises
    ------
    BadInput
        A month is to be kept for longer (`audit_years_kept`), the folder is not there
        or cannot be written to, or somebody reads the trail for long.
    GateFailed
        A month's entries are no chain; it stays where it is.
    """
    years = project_vars.count("audit_years_kept", least=LEAST_YEARS)
    _check_age(before, years)
    place = _place(folder)
    done = []
    for anchor in stored.anchors(conn).values():
        if anchor.month < before and _has_partition(conn, anchor.month):
            if tell:
                tell(f"archiving {anchor.month}")
            done.append(_archive(conn, anchor, place, years))
            heads.note(conn)
    return done


def _check_age(before: str, years: int) -> None:
    if not _MONTH.fullmatch(before):
        raise BadInput(f"--before {before}; expected a month, as 2019-11")
    now = datetime.now(UTC)
    latest = f"{now.year - years:04d}-{now.month:02d}"
    if before > latest:
        raise BadInput(
            f"--before {before}: the trail is kept for {years} years "
            f"(audit_years_kept); expected {latest} or an earlier month"
        )


def _place(folder: Path | None) -> Path:
    if folder is None:
        default_folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        identity.give_to_owner(default_folder())
    elif not folder.is_dir():
        raise BadInput(f"--to {folder}: not a folder; expected one that is there")
    return folder or default_folder()


def _has_partition(conn: Connection, month: str) -> bool:
    return conn.execute(_HAS_PARTITION.encode(), (month,)).fetchone() == (True,)


def _archive(conn: Connection, anchor: Anchor, place: Path, years: int) -> Archived:
    file = place / f"audit_{anchor.month}.jsonl.gz"
    try:
        if not file.exists():
            _write(conn, anchor, file)
        walk = _read_back(file, anchor)
        sha256 = _sha256(file)
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror or error}") from error
    assert walk.last
    first = f"{anchor.month}-01"
    told = (first, walk.count, walk.last.hash, years, file.name, sha256)
    try:
        with conn.transaction():
            # Whoever reads the trail now is waited for, but not for ever: until the
            # month is dropped, nobody can add to it.
            conn.execute("set local lock_timeout = '10s'")
            conn.execute(_DROP.encode(), (*told, provenance.user()))
    except psycopg.errors.LockNotAvailable:
        raise BadInput(
            f"{anchor.month} is in {file} and was not dropped: somebody reads or adds "
            "to the trail for long; try again"
        ) from None
    except psycopg.errors.RaiseException as error:
        # What was there at that moment is not what is in the file.
        raise GateFailed(
            f"{anchor.month} was not dropped: {str(error).splitlines()[0]} ({file})"
        ) from None
    return Archived(anchor.month, file, walk.count)


def _write(conn: Connection, anchor: Anchor, file: Path) -> None:
    """Write a month under a hidden name, have it on disk, and give it its own."""
    hidden = file.with_name(f".{file.name}.unfinished")
    hidden.unlink(missing_ok=True)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with open(os.open(hidden, flags, 0o600), "wb") as out:
            with (
                gzip.GzipFile("", "wb", fileobj=out, mtime=0) as packed,
                stored.snapshot(conn),
            ):
                _write_lines(packed, anchor, stored.entries(conn, anchor.month))
            out.flush()
            os.fsync(out.fileno())
        if hidden.is_relative_to(config.state_dir()):
            identity.give_to_owner(hidden)
        hidden.rename(file)
    except BaseException:
        with suppress(OSError):
            hidden.unlink(missing_ok=True)
        raise
    _sync(file.parent)


def _write_lines(packed: gzip.GzipFile, anchor: Anchor, found: Iterable[Entry]) -> None:
    last = None
    count = 0
    packed.write(_line({"anchor": anchor._asdict()}))
    for last in found:
        count += 1
        packed.write(_line(last))
    packed.write(_line({"end": {"entries": count, "last_hash": last and last.hash}}))


def _line(said: Any) -> bytes:
    return json.dumps(said, ensure_ascii=False).encode() + b"\n"


def _read_back(file: Path, anchor: Anchor) -> Walk:
    """Read a file as a whole: it is on the way to be the only one."""
    with reading(file) as (found_anchor, found):
        walk = Walk({anchor.month: anchor}, {}).along(found).end(is_archive=True)
    if walk.faults or found_anchor != anchor or walk.last is None:
        what = "; ".join(walk.faults) or "it is not of this warehouse, or is empty"
        raise GateFailed(
            f"{anchor.month} stays in the database, since {file} is no chain: {what}"
        )
    return walk


@contextmanager
def reading(file: Path) -> Iterator[tuple[Anchor, Iterator[Entry]]]:
    """Open an archived month: its anchor, and its entries one by one.

    Raises
    ------
    BadInput
        The file is none, cannot be read, or was cut short.
    """
    try:
        with gzip.open(file, "rb") as packed:
            yield (
                Anchor(**_parse(file, next(packed, b""))["anchor"]),
                _read(file, packed),
            )
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{file}: {error}; expected an archived month") from None
    except (KeyError, TypeError) as error:
        raise BadInput(
            f"{file}: it does not say where it begins ({error}); expected an archived "
            "month"
        ) from None


def _read(file: Path, packed: Iterable[bytes]) -> Iterator[Entry]:
    count = 0
    for line in packed:
        said = _parse(file, line)
        if isinstance(said, dict):
            if said.get("end", {}).get("entries") == count:
                return
            break
        if len(said) != len(Entry._fields):
            break
        count += 1
        yield Entry._make(said)
    raise BadInput(f"{file}: no whole month after entry {count}: it was cut or changed")


def _parse(file: Path, line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        raise BadInput(f"{file}: not an archived month, or cut short") from None


def _sha256(file: Path) -> str:
    with file.open("rb") as packed:
        return hashlib.file_digest(packed, "sha256").hexdigest()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
