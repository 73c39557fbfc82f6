"""Split what was received into records, keeping the exact bytes of each."""

import csv
import io
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from python_scoring.errors import BadInput

# More than this is a cohort, which `riskmart load cohort` takes in.
MOST_BYTES = 64 * 2**20
MOST_RECORD_BYTES = 64 * 2**10

_SPACE = " \t\r\n"
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Document:
    """One record as it came.

    ``fields`` is None where it cannot be read, and ``fault`` says why.
    """

    position: int
    content: bytes
    fields: dict[str, Any] | None
    fault: str | None = None


class _Unreadable(Exception):
    """A value that is JSON for Python and not for anybody else."""


def read(file: str) -> tuple[bytes, bool | None]:
    """Read a file, or what is piped for ``-``; and whether its name says CSV.

    Raises
    ------
    BadInput
        It cannot be read, or is larger than what `split` takes.
    """
    if file == "-":
        return sys.stdin.buffer.read(MOST_BYTES + 1), None
    path = Path(file)
    try:
        with path.open("rb") as content:
            data = content.read(MOST_BYTES + 1)
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror}; expected a file") from None
    return data, {".csv": True, ".json": False}.get(path.suffix.lower())


def split(data: bytes, is_csv: bool | None = None) -> Iterator[Document]:
    """Split bytes into records: JSON (object, array, lines) or CSV with a header.

    Parameters
    ----------
    is_csv
        Whether it is CSV; by default whatever does not begin like JSON.

    Raises
    ------
    BadInput
        There is nothing, too much, or a header that names a column twice.
    """
    if len(data) > MOST_BYTES:
        raise BadInput(
            f"more than {MOST_BYTES:,} bytes of new patients, expected at most that: "
            "`riskmart load cohort` takes larger files"
        )
    content = data.removeprefix(_BOM)
    if not content.strip():
        raise BadInput("no new patient; expected JSON or CSV, and found nothing")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        reason = f"byte {error.start} is not UTF-8; expected UTF-8 throughout"
        return iter([Document(1, content, None, reason)])
    if is_csv is None:
        is_csv = text.lstrip(_SPACE)[0] not in "{["
    return _limited(_split_csv(text) if is_csv else _split_json(text))


def one(data: bytes, position: int) -> Document:
    """Read the bytes of one record, a JSON object."""
    try:
        found = list(split(data, is_csv=False))
    except BadInput as error:
        return Document(position, data, None, str(error))
    document = found[0]
    if len(found) > 1:
        reason = f"{len(found)} records; expected one JSON object"
        return Document(position, data, None, reason)
    return Document(position, data, document.fields, document.fault)


def _limited(documents: Iterator[Document]) -> Iterator[Document]:
    for document in documents:
        size = len(document.content)
        if size <= MOST_RECORD_BYTES:
            yield document
        else:
            reason = f"{size:,} bytes; expected at most {MOST_RECORD_BYTES:,} a record"
            yield Document(document.position, document.content, None, reason)


def _split_json(text: str) -> Iterator[Document]:
    start = _skip(text, 0)
    if text[start] == "[":
        return _split_array(text, start)
    return _split_lines(text, start)


def _split_array(text: str, start: int) -> Iterator[Document]:
    """Give the elements; what cannot be read is one record with all that follows."""
    position, at = 0, _skip(text, start + 1)
    if text[at : at + 1] == "]":
        raise BadInput("no new patient; expected records, and found an empty array")
    while True:
        position += 1
        document, end = _read(text, at, position)
        yield document
        if document.fields is None and end == len(text):
            return
        at = _skip(text, end)
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
            continue
        rest = text[at:]
        if not rest.startswith("]") or rest[1:].strip(_SPACE):
            reason = f"character {at + 1}: expected a comma, or ] and nothing more"
            yield Document(position + 1, rest.encode(), None, reason)
        return


def _split_lines(text: str, start: int) -> Iterator[Document]:
    """Give objects one after another; an unreadable one ends with its line."""
    position, at = 0, start
    while at < len(text):
        position += 1
        document, end = _read(text, at, position)
        if document.fields is None:
            end = text.find("\n", at) + 1 or len(text)
            line = text[at:end].rstrip("\r\n")
            reason = _read(line, 0, position)[0].fault
            document = Document(position, line.encode(), None, reason)
        yield document
        at = _skip(text, end)


def _read(text: str, at: int, position: int) -> tuple[Document, int]:
    """Read a value; the record, and where it ends."""
    try:
        value, end = _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        reason = f"character {error.pos - at + 1}: {error.msg}"
    except _Unreadable as error:
        reason = str(error)
    except RecursionError:
        reason = "nested too deeply"
    else:
        content = text[at:end].encode()
        if isinstance(value, dict):
            return Document(position, content, value), end
        reason = f"{type(value).__name__}; expected a JSON object"
        return Document(position, content, None, reason), end
    reason = f"not JSON: {reason}; expected a JSON object"
    return Document(position, text[at:].encode(), None, reason), len(text)


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Unreadable(f"field {twice!r} is there more than once")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise _Unreadable(f"{name} is no JSON value")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant)


def _split_csv(text: str) -> Iterator[Document]:
    """Give the rows under the header; a blank cell is a field not given."""
    lines = io.StringIO(text, newline="")
    # By readline, and not by iteration, so that tell() says where a row ends.
    rows = csv.reader(iter(lines.readline, ""), strict=True)
    header = _header(rows)
    position = 0
    while True:
        start = lines.tell()
        try:
            row = next(rows, None)
        except csv.Error as error:
            reason = f"line {rows.line_num}: {error}; expected CSV"
            yield Document(position + 1, text[start:].encode(), None, reason)
            return
        if row is None:
            return
        if row:
            position += 1
            content = text[start : lines.tell()].rstrip("\r\n").encode()
            yield _row(position, content, header, row)


def _header(rows: Iterator[list[str]]) -> list[str]:
    try:
        header = [name.strip() for name in next(rows)]
    except csv.Error as error:
        raise BadInput(f"header: {error}; expected CSV") from None
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise BadInput(f"header: column {twice[0]!r} is there more than once")
    return header


def _row(position: int, content: bytes, header: list[str], row: list[str]) -> Document:
    if len(row) != len(header):
        reason = f"{len(row)} cells; expected {len(header)}, as in the header"
        return Document(position, content, None, reason)
    cells = {name: cell for name, cell in zip(header, row, strict=True) if cell.strip()}
    return Document(position, content, cells)
