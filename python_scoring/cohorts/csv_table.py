"""Comma-separated files: every line a row, and known by its number.

A block of lines with nothing out of the ordinary in it is split by Arrow; any other
by Python's reader, which is ten times slower and knows what is wrong with which
line. They see the same rows where both can read a block.
"""

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
from numpy.typing import NDArray

from python_scoring.cohorts.tables import Batch, Malformed, suffix, unreadable
from python_scoring.errors import BadInput

BLOCK_BYTES = 8 << 20
LONGEST_LINE = 1 << 20
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class CsvTable:
    """A comma-separated file in UTF-8 with a header, plain or gzip-compressed."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._path = path
        with self._open() as handle:
            self.columns = self._read_header(handle)

    def digest(self) -> tuple[str, int]:
        """SHA-256 of the uncompressed bytes, and how many rows at most."""
        digest, lines = hashlib.sha256(), 0
        with self._open() as handle:
            while chunk := handle.read(BLOCK_BYTES):
                digest.update(chunk)
                lines += chunk.count(b"\n")
        return digest.hexdigest(), max(lines, 1)

    def batches(self, wanted: Sequence[str]) -> Iterator[Batch]:
        """Read the wanted columns as text.

        Raises
        ------
        BadInput
            A line is not UTF-8, or a quoted value does not end on its line.
        """
        places = [self.columns.index(column) for column in wanted]
        for first_line, block in self._blocks():
            texts = _split_plain(block, len(self.columns), places)
            if texts is None:
                yield self._split_any(first_line, block, wanted, places)
            else:
                lines = np.arange(len(texts[0]), dtype=np.int64) + first_line
                yield Batch(lines, dict(zip(wanted, texts, strict=True)))

    def place(self, line: int) -> tuple[str, int]:
        """Return where a line stands: here, in the one file there is."""
        return self.name, line

    def _blocks(self) -> Iterator[tuple[int, bytes]]:
        """Whole lines after the header, some megabytes at a time, numbered."""
        with self._open() as handle:
            handle.readline(LONGEST_LINE)
            line = 2
            while start := handle.read(BLOCK_BYTES):
                block = start + handle.readline(LONGEST_LINE)
                yield line, block
                line += block.count(b"\n")

    def _split_any(
        self, first_line: int, block: bytes, wanted: Sequence[str], places: list[int]
    ) -> Batch:
        """Split a block line by line, and say what is wrong with which."""
        rows = self._read_rows(first_line, block)
        lines = np.arange(len(rows), dtype=np.int64) + first_line
        rows, lines, malformed = self._sift(rows, lines)
        texts = (
            pa.array(list(map(itemgetter(place), rows)), pa.string())
            for place in places
        )
        return Batch(lines, dict(zip(wanted, texts, strict=True)), malformed)

    @contextmanager
    def _open(self) -> Iterator[IO[bytes]]:
        is_gzip = suffix(self._path) == ".csv.gz"
        try:
            with open(self._path, "rb") as raw:
                if is_gzip:
                    with gzip.open(raw) as unpacked:
                        yield unpacked  # type: ignore[misc]
                else:
                    yield raw
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise BadInput(
                f"{self.name}: is no complete gzip file ({error}); expected a "
                "gzip-compressed CSV file"
            ) from None
        except OSError as error:
            raise unreadable(self._path, error) from None

    def _read_header(self, handle: IO[bytes]) -> list[str]:
        start = handle.readline(LONGEST_LINE)
        if not start:
            raise BadInput(f"{self.name}: is empty; expected a header line")
        if start.startswith(b"\x1f\x8b"):
            raise BadInput(f"{self.name}: is gzip-compressed; name it .csv.gz")
        if start.startswith(_UTF16_MARKS) or b"\x00" in start:
            raise BadInput(
                f"{self.name}: is not text in UTF-8 (UTF-16, or not text at all); "
                "save it as CSV in UTF-8"
            )
        header = self._decode(start, 1).removeprefix("\ufeff")
        try:
            return next(csv.reader([header], strict=True), [])
        except csv.Error as error:
            raise self._not_csv(1, error) from None

    def _decode(self, raw: bytes, line: int) -> str:
        if len(raw) >= LONGEST_LINE:
            raise BadInput(
                f"{self.name}, line {line}: longer than {LONGEST_LINE:,} bytes; "
                "expected one row of comma-separated text"
            )
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            byte = f"0x{raw[error.start]:02x}"
            raise BadInput(
                f"{self.name}, line {line}: byte {byte} is not UTF-8; save the file "
                "as CSV in UTF-8"
            ) from None

    def _read_rows(self, first_line: int, block: bytes) -> list[list[str]]:
        """Read the rows of a block, each of which ends on the line it began on."""
        numbered = enumerate(io.BytesIO(block), start=first_line)
        reader = csv.reader((self._decode(r, n) for n, r in numbered), strict=True)
        rows: list[list[str]] = []
        try:
            for row in reader:
                rows.append(row)
        except csv.Error as error:
            self._refuse_long_rows(rows, first_line)
            raise self._not_csv(first_line + len(rows), error) from None
        if reader.line_num != len(rows):
            self._refuse_long_rows(rows, first_line)
        return rows

    def _not_csv(self, line: int, error: csv.Error) -> BadInput:
        where = f"{self.name}, line {line}"
        if "new-line" in str(error):
            return BadInput(
                f"{where}: a carriage return inside the line; save the file with the "
                "line ends of Unix or Windows"
            )
        return BadInput(
            f"{where}: cannot be read as CSV ({error}); is a quotation mark missing?"
        )

    def _refuse_long_rows(self, rows: list[list[str]], first_line: int) -> None:
        """Refuse a value that holds the end of a line.

        No column of ours can, and where a quotation mark is missing such a
        value has swallowed rows, which would be lost without a word.
        """
        for line, row in enumerate(rows, start=first_line):
            if any("\n" in value or "\r" in value for value in row):
                raise BadInput(
                    f"{self.name}, line {line}: a quoted value does not end on its "
                    "line; is a quotation mark missing?"
                )

    def _sift(
        self, rows: list[list[str]], lines: NDArray[np.int64]
    ) -> tuple[list[list[str]], NDArray[np.int64], list[Malformed]]:
        """Drop blank lines; set aside those with a wrong number of fields."""
        width = len(self.columns)
        if all(len(row) == width for row in rows):
            return rows, lines, []
        is_row = np.array([len(row) == width for row in rows])
        expected = f"expected {width} fields, as in the header"
        malformed = [
            Malformed(int(lines[i]), rows[i], expected)
            for i in np.flatnonzero(~is_row)
            if rows[i]
        ]
        kept = [rows[i] for i in np.flatnonzero(is_row)]
        return kept, lines[is_row], malformed


def _split_plain(block: bytes, width: int, places: list[int]) -> list[Any] | None:
    """Split a block in which every line is a row of plain values, else None."""
    if not _is_plain(block):
        return None
    names = [str(place) for place in range(width)]
    wanted = [names[place] for place in places]
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(block),
            arrow_csv.ReadOptions(column_names=names, block_size=len(block)),
            arrow_csv.ParseOptions(ignore_empty_lines=False),
            arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(wanted, pa.string()),
                include_columns=wanted,
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid:
        return None
    return [table.column(name).combine_chunks() for name in wanted]


def _is_plain(block: bytes) -> bool:
    """Whether both readers see the same in a block, if they see rows at all."""
    return (
        b"\0" not in block
        and block.count(b"\r") == block.count(b"\r\n")
        and not block.startswith((b"\n", b"\r\n"))
        and b"\n\n" not in block
        and b"\n\r\n" not in block
        and _is_utf8(block)
        and (b'"' not in block or _is_simply_quoted(block))
    )


def _is_simply_quoted(block: bytes) -> bool:
    """Whether every quotation mark opens or closes a whole value on one line.

    Taken in pairs from the start of the block: the first stands after a comma or
    a line's end, the second before one, and no line ends between them.
    """
    data = np.frombuffer(b"\n" + block + b"\n", dtype=np.uint8)
    quotes = np.flatnonzero(data == ord('"'))
    if len(quotes) % 2:
        return False
    ends = np.flatnonzero(data == ord("\n"))
    before, after = data[quotes[::2] - 1], data[quotes[1::2] + 1]
    return bool(
        np.isin(before, list(b",\n")).all()
        and np.isin(after, list(b",\r\n")).all()
        and (np.searchsorted(quotes, ends) % 2 == 0).all()
    )


def _is_utf8(block: bytes) -> bool:
    if block.isascii():
        return True
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True
