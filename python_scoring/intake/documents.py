"""Split what was received into records, keeping the exact bytes of each."""

import csv
import io
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from python_scoring.errors import BadInput
from python_scoring.intake.record import PatientRecord

# More than this is a cohort, which `riskmart load cohort` takes in.
MOST_BYTES = 64 * 2**20
MOST_RECORD_BYTES = 64 * 2**10
MOST_RECORDS = 100_000

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
    # A byte that is no UTF-8 is a fault of its record alone.
    text = content.decode("utf-8", "surrogateescape")
    if is_csv is None:
        is_csv = text.lstrip(_SPACE)[0] not in "{["
    return _limited(_split_csv(text) if is_csv else _split_json(text))


def one(data: bytes, position: int) -> Document:
    """Read the bytes of one record, a JSON object."""
    if len(data) > MOST_RECORD_BYTES:
        return Document(position, data, None, _too_long(data))
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
        if document.position > MOST_RECORDS:
            raise BadInput(
                f"more than {MOST_RECORDS:,} new patients; expected at most that: "
                "`riskmart load cohort` takes larger files"
            )
        reason = _unfit(document.content)
        if reason:
            document = Document(document.position, document.content, None, reason)
        yield document


def _unfit(content: bytes) -> str | None:
    if len(content) > MOST_RECORD_BYTES:
        return _too_long(content)
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"byte {error.start + 1} is not UTF-8; expected UTF-8 throughout"
    return None


def _too_long(content: bytes) -> str:
    return f"{len(content):,} bytes; expected at most {MOST_RECORD_BYTES:,} a record"


def _split_json(text: str) -> Iterator[Document]:
    start = _skip(text, 0)
    if text[start] == "[":
        return _split_array(text, start)
    return _split_lines(text, start)


def _split_array(text: str, start: int) -> Iterator[Document]:
    """Give the elements; what cannot be read is one record with all that follows."""
    reader = _Reader(text)
    position, at = 0, _skip(text, start + 1)
    if text[at : at + 1] == "]":
        raise BadInput("no new patient; expected records, and found an empty array")
    while True:
        position += 1
        document, end = reader.read(at, position)
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
            yield Document(position + 1, _bytes(rest), None, reason)
        return


def _split_lines(text: str, start: int) -> Iterator[Document]:
    """Give objects one after another; an unreadable one ends with its line."""
    reader = _Reader(text)
    position, at = 0, start
    while at < len(text):
        position += 1
        document, end = reader.read(at, position)
        is_whole = text[at] == "{" and end < len(text)
        if document.fields is None and not is_whole:
            end = text.find("\n", at) + 1 or len(text)
            line = text[at:end].rstrip("\r\n")
            reason = _Reader(line).read(0, position)[0].fault
            document = Document(position, _bytes(line), None, reason)
        yield document
        at = _skip(text, end)


class _Reader:
    """Reads JSON values out of a text, and says of each what is wrong with it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.faults: list[str] = []
        self.decoder = json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_constant=self._constant,
            parse_int=self._integer,
        )

    def read(self, at: int, position: int) -> tuple[Document, int]:
        """Read a value; the record, and where it ends: the text's end if nowhere."""
        self.faults.clear()
        try:
            value, end = self.decoder.raw_decode(self.text, at)
        except json.JSONDecodeError as error:
            reason = f"character {error.pos - at + 1}: {error.msg}"
        except RecursionError:
            reason = "nested too deeply"
        else:
            content = _bytes(self.text[at:end])
            if self.faults:
                reason = f"not JSON: {self.faults[0]}; expected a JSON object"
            elif isinstance(value, dict):
                return Document(position, content, value), end
            else:
                reason = f"{type(value).__name__}; expected a JSON object"
            return Document(position, content, None, reason), end
        reason = f"not JSON: {reason}; expected a JSON object"
        return Document(position, _bytes(self.text[at:]), None, reason), len(self.text)

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            times = Counter(name for name, _ in pairs)
            twice = times.most_common(1)[0][0]
            # Any other name may be somebody's.
            field = (
                f"field {twice}" if twice in PatientRecord.model_fields else "a field"
            )
            self.faults.append(f"{field} is there more than once")
        return found

    def _constant(self, name: str) -> None:
        self.faults.append(f"{name} is no JSON value")

    def _integer(self, digits: str) -> int:
        try:
            return int(digits)
        except ValueError:
            # Python reads no number of more than some thousands.
            self.faults.append(f"a number of {len(digits):,} digits")
            return 0


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _split_csv(text: str) -> Iterator[Document]:
    """Give the rows under the header; a blank cell is a field not given.

    A row says nothing without its header, which is kept with each.
    """
    lines = io.StringIO(text, newline="")
    # By readline, and not by iteration, so that tell() says where a row ends.
    rows = csv.reader(iter(lines.readline, ""), strict=True)
    header = _header(rows)
    above = text[: lines.tell()].rstrip("\r\n") + "\n"
    position = 0
    while True:
        start = lines.tell()
        try:
            row = next(rows, None)
        except csv.Error as error:
            reason = f"line {rows.line_num}: {error}; expected CSV"
            yield Document(position + 1, _bytes(above + text[start:]), None, reason)
            return
        if row is None and position == 0:
            raise BadInput(
                "no new patient; expected records under the header of "
                f"{len(header):,} columns, and found none"
            )
        if row is None:
            return
        if row:
            position += 1
            line = text[start : lines.tell()].rstrip("\r\n")
            yield _row(position, _bytes(above + line), header, row)


def _header(rows: Iterator[list[str]]) -> list[str]:
    try:
        header = [name.strip() for name in next(rows)]
    except csv.Error as error:
        raise BadInput(f"header: {error}; expected CSV") from None
    twice = [i for i, name in enumerate(header, start=1) if name in header[: i - 1]]
    if twice:
        raise BadInput(
            f"header: column {twice[0]} is called as an earlier one; expected each once"
        )
    return header


def _row(position: int, content: bytes, header: list[str], row: list[str]) -> Document:
    if len(row) != len(header):
        reason = f"{len(row)} cells; expected {len(header)}, as in the header"
        return Document(position, content, None, reason)
    cells = zip(header, map(str.strip, row), strict=True)
    return Document(position, content, {name: cell for name, cell in cells if cell})
