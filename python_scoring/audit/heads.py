"""The chain's head, noted outside of the database: a chain cannot show a cut tail.

One line of JSON each time, appended to a file. A crash between a commit and its line
makes the file lag, and nothing else.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psycopg

from python_scoring import config, warehouse
from python_scoring.audit import store
from python_scoring.embedded import identity
from python_scoring.errors import BadInput
from python_scoring.warehouse import Connection

_LONGEST_LINE = 4096
_HEAD = """
select entry_id, hash, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
from audit.head()
"""


@dataclass(frozen=True)
class Heads:
    """What was noted of one warehouse.

    Attributes
    ----------
    hashes
        By number of the entry.
    replaced
        Numbers of entries that a restore has replaced by those of its backup.
    unreadable
        Numbers of lines that say nothing.
    """

    hashes: dict[int, str]
    replaced: list[int]
    unreadable: list[int]


def path() -> Path:
    """File of the heads: RISKMART_AUDIT_HEADS, or one in the state folder."""
    named = os.environ.get("RISKMART_AUDIT_HEADS")
    return Path(named) if named else config.state_dir() / "audit_heads.jsonl"


def note_pending() -> None:
    """Note the head, if this process has added to the chain."""
    if not store.has_recorded():
        return
    line = None
    # A server that is gone by now has the entry, or has not: the next one tells.
    with (
        suppress(BadInput, psycopg.OperationalError),
        warehouse.connect(autocommit=True) as conn,
    ):
        line = _line(conn)
    _append(line)


def note(conn: Connection, *, restored_after: int | None = None) -> None:
    """Note the head as it is committed now.

    Parameters
    ----------
    conn
        In no transaction.
    restored_after
        After a restore: the last entry of the backup. What was noted of later
        entries is of the chain that the backup took the place of.
    """
    store.has_recorded()
    _append(_line(conn, restored_after))


def _line(conn: Connection, restored_after: int | None = None) -> dict[str, Any] | None:
    row = conn.execute(_HEAD.encode()).fetchone()
    if row is None:
        return None
    said = dict(zip(("entry_id", "hash", "at"), row, strict=True))
    said["warehouse"] = _warehouse()
    if restored_after is not None:
        said["restored_after"] = restored_after
    return said


def _warehouse() -> str:
    """Name the warehouse, whoever connects to it."""
    if not config.is_team_server():
        return "embedded server"
    return config.describe().rpartition(", user ")[0] or config.describe()


def _append(said: dict[str, Any] | None) -> None:
    """Write a line, unless the file ends with it."""
    if said is None:
        return
    line = json.dumps(said, ensure_ascii=False).encode() + b"\n"
    try:
        with _open() as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            end = _end_of(file)
            if not end.endswith(b"\n" + line) and end != line:
                # After a torn line, on a new one.
                file.write(line if end.endswith(b"\n") or not end else b"\n" + line)
    except OSError as error:
        raise BadInput(
            f"{path()}: {error.strerror}; what was done stands, but the head of its "
            "trail could not be noted there; expected a file that we may write to"
        ) from error


@contextmanager
def _open() -> Iterator[IO[bytes]]:
    if not os.environ.get("RISKMART_AUDIT_HEADS"):
        path().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
    with open(os.open(path(), flags, 0o600), "r+b") as file:
        if path().is_relative_to(config.state_dir()):
            identity.give_to_owner(path())
        yield file


def _end_of(file: IO[bytes]) -> bytes:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _LONGEST_LINE))
    return file.read()


def read() -> Heads:
    """Read what was noted of the warehouse in force.

    Raises
    ------
    BadInput
        The file is there and cannot be read.
    """
    heads = Heads({}, [], [])
    for number, line in enumerate(_lines(), start=1):
        said = _parse(line)
        if said is None:
            heads.unreadable.append(number)
        elif said.get("warehouse") == _warehouse():
            _take(heads, said)
    return heads


def _lines() -> Iterator[bytes]:
    try:
        with path().open("rb") as file:
            yield from file
    except FileNotFoundError:
        return
    except OSError as error:
        raise BadInput(f"{path()}: {error.strerror}; expected to read it") from None


def _parse(line: bytes) -> dict[str, Any] | None:
    """Read a line; None where it is not one of ours."""
    try:
        said = json.loads(line)
        return said if int(said["entry_id"]) > 0 and said["hash"] else None
    except (ValueError, TypeError, KeyError):
        return None


def _take(heads: Heads, said: dict[str, Any]) -> None:
    after = said.get("restored_after")
    if after is not None:
        gone = [number for number in heads.hashes if number > after]
        for number in gone:
            del heads.hashes[number]
        heads.replaced.extend(gone)
    # The first one counts: whoever replaces the chain adds later ones.
    heads.hashes.setdefault(said["entry_id"], said["hash"])
