r"""Reads of relations, out of a PostgreSQL server's log: csvlog, jsonlog or stderr.

Two kinds of lines tell of one: pgaudit's (`AUDIT: OBJECT,1,1,READ,SELECT,...`) and our
own row policies' (`riskmart_access {...}`). Of a statement nothing is kept but which
relation it read, and how.

In the stderr format a line begins with `log_line_prefix`; two are understood:
`%m [%p] ` and `%m [%p] %q%u@%d `. The time zone has to be UTC (`log_timezone`).
"""

import csv
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from python_scoring.errors import BadInput

_PGAUDIT = "AUDIT: "
_POLICY = "riskmart_access "
_READ = "READ"
_NOT_OF_PEOPLE = ("pg_catalog.", "information_schema.", "pg_toast.", "audit.")

# Of csvlog, from PostgreSQL 14 on; the ones after are of no use here.
_CSV_COLUMNS = (
    *("timestamp", "user", "dbname", "pid", "connection_from", "session_id"),
    *("line_num", "ps", "session_start", "vxid", "txid", "error_severity"),
    *("state_code", "message"),
)
_STDERR = re.compile(
    r"(?P<timestamp>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? \S+) \[(?P<pid>\d+)\] "
    r"(?:(?P<user>[^\s@]+)@(?P<dbname>\S+) )?LOG:  (?P<message>.*)",
    re.DOTALL,
)
_TIME = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?) (?:UTC|GMT|Etc/UTC)")

# From a log to what each line says, by jsonlog's names, and the line itself.
_Reader = Callable[[Iterable[str]], Iterator[tuple[dict[str, Any], str]]]


@dataclass(frozen=True)
class Access:
    """One read of one relation.

    Attributes
    ----------
    at
        ISO 8601.
    who
        Who logged in; what the server's log says of it goes before what a message
        says of itself.
    role
        As which role, None where nothing tells.
    line_sha256
        Of the line, so that it can be known again.
    """

    at: str
    who: str
    role: str | None
    relation: str
    statement_kind: str | None
    client_address: str | None
    session_id: str | None
    process_id: int | None
    source: str
    line_sha256: str

    def as_json(self) -> dict[str, Any]:
        """Return it as `audit.note_reads` takes it."""
        return asdict(self)


def read(file: Path) -> Iterator[Access]:
    """Read a log's accesses, one by one.

    Parameters
    ----------
    file
        A name that ends in .csv is csvlog's, in .json jsonlog's; others are stderr's.

    Raises
    ------
    BadInput
        The file cannot be read, or tells of a time that is not UTC.
    """
    kinds: dict[str, _Reader] = {".csv": _csv_lines, ".json": _json_lines}
    lines = kinds.get(file.suffix, _stderr_lines)
    try:
        with file.open(encoding="utf-8", errors="replace", newline="") as text:
            for said, line in lines(_whole(text)):
                yield from _accesses(file, said, line)
    except (OSError, csv.Error) as error:
        raise BadInput(f"{file}: {error}; expected a log of PostgreSQL") from None


def _whole(text: Iterable[str]) -> Iterator[str]:
    """Leave out a last line that is still being written."""
    return (line for line in text if line.endswith("\n"))


def _csv_lines(text: Iterable[str]) -> Iterator[tuple[dict[str, Any], str]]:
    for row in csv.reader(text):
        if len(row) >= len(_CSV_COLUMNS):
            said = dict(zip(_CSV_COLUMNS, row, strict=False))
            # "[local]", or "192.0.2.1:5432".
            client = said["connection_from"]
            said["remote_host"] = client.rpartition(":")[0] or client
            yield said, json.dumps(row)


def _json_lines(text: Iterable[str]) -> Iterator[tuple[dict[str, Any], str]]:
    for line in text:
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict):
            yield said, line


def _stderr_lines(text: Iterable[str]) -> Iterator[tuple[dict[str, Any], str]]:
    """Put lines together that the server has parted: the rest begins with a tab."""
    held = ""
    for line in text:
        if line.startswith("\t"):
            held += line
            continue
        yield from _stderr_line(held)
        held = line
    yield from _stderr_line(held)


def _stderr_line(line: str) -> Iterator[tuple[dict[str, Any], str]]:
    found = _STDERR.fullmatch(line.rstrip("\r\n"))
    if found:
        yield {**found.groupdict(), "error_severity": "LOG"}, line


def _accesses(file: Path, said: dict[str, Any], line: str) -> Iterator[Access]:
    message = str(said.get("message") or "")
    if said.get("error_severity") != "LOG":
        return
    if message.startswith(_PGAUDIT):
        yield from _of_pgaudit(file, said, message.removeprefix(_PGAUDIT), line)
    elif message.startswith(_POLICY):
        yield from _of_policy(file, said, message.removeprefix(_POLICY), line)


def _of_pgaudit(
    file: Path, said: dict[str, Any], message: str, line: str
) -> Iterator[Access]:
    """Type, statement, substatement, class, command, kind and name of the object."""
    fields = next(csv.reader([message.replace("\n", " ")]), [])
    if len(fields) < 7 or fields[3] != _READ or not fields[6]:
        return
    if not fields[6].startswith(_NOT_OF_PEOPLE):
        yield Access(
            at=_utc(file, str(said.get("timestamp"))),
            who=said.get("user") or "unknown",
            role=None,
            relation=fields[6],
            statement_kind=fields[4],
            source="pgaudit",
            **_common(said, line),
        )


def _of_policy(
    file: Path, said: dict[str, Any], message: str, line: str
) -> Iterator[Access]:
    try:
        # Only the first line: the server adds where it was raised.
        told = json.loads(message.partition("\n")[0])
        relation, user = str(told["relation"]), str(told["user"])
        at = datetime.fromisoformat(told["at"])
    except (ValueError, TypeError, KeyError):
        return
    common = _common(said, line)
    common["client_address"] = common["client_address"] or told.get("client")
    yield Access(
        at=at.isoformat() if at.tzinfo else _utc(file, str(said.get("timestamp"))),
        who=said.get("user") or user,
        role=told.get("role"),
        relation=relation,
        statement_kind=None,
        source="policy",
        **common,
    )


def _common(said: dict[str, Any], line: str) -> dict[str, Any]:
    return {
        "client_address": said.get("remote_host") or None,
        "session_id": said.get("session_id") or None,
        "process_id": int(said["pid"]) if str(said.get("pid", "")).isdigit() else None,
        "line_sha256": hashlib.sha256(line.rstrip("\r\n").encode()).hexdigest(),
    }


def _utc(file: Path, timestamp: str) -> str:
    found = _TIME.fullmatch(timestamp)
    if found is None:
        raise BadInput(
            f"{file}: a time is {timestamp!r}; expected one in UTC (log_timezone)"
        )
    return datetime.fromisoformat(found[1]).replace(tzinfo=UTC).isoformat()
