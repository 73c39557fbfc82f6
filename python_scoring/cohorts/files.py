"""Tables in files, read in batches of text or typed columns.

A batch knows the line of each of its rows. Whatever makes a file unreadable as
a table is `BadInput` and names the line if there is one; a row that merely has
too many or too few fields is handed on as malformed.
"""

import csv
import gzip
import hashlib
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from python_scoring.errors import BadInput

SUFFIXES = (".csv", ".csv.gz", ".parquet")
CSV_BATCH_ROWS = 50_000
PARQUET_BATCH_ROWS = 131_072
_CHUNK_BYTES = 1 << 20
_LONGEST_LINE = 1 << 20
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Malformed:
    """A line that is no row of the table, and what was expected of it."""

    line: int
    fields: list[str]
    reason: str


@dataclass(frozen=True)
class Batch:
    """Some rows of a table.

    Attributes
    ----------
    lines
        Line of each row, from 1, the header included; for Parquet and for rows
        from memory the number of the row.
    columns
        Arrow arrays, one per wanted column, as long as `lines`.
    """

    lines: NDArray[np.int64]
    columns: dict[str, Any]
    malformed: list[Malformed] = field(default_factory=list)


class Table(Protocol):
    """A table that can be read in batches, more than once."""

    name: str
    columns: list[str]

    def digest(self) -> tuple[str, int]:
        """SHA-256 of the content, and how many rows it can have at most."""

    def batches(self, wanted: Sequence[str]) -> Iterator[Batch]:
        """Read the wanted columns from the first row on."""


def suffix(path: Path) -> str:
    """Extension of a table's file, lower case; empty if we read no such files."""
    name = path.name.lower()
    return next((s for s in SUFFIXES if name.endswith(s) and name != s), "")


def open_table(path: Path) -> Table:
    """Open a .csv, .csv.gz or .parquet file and read its header.

    Raises
    ------
    BadInput
        There is no such file, it cannot be read, or it is no table.
    """
    kind = suffix(path)
    if path.is_dir():
        raise BadInput(f"{path}: is a folder; expected a file {_EXPECTED}")
    if not kind:
        raise BadInput(f"{path.name}: unknown kind of file; expected {_EXPECTED}")
    return ParquetTable(path) if kind == ".parquet" else CsvTable(path)


_EXPECTED = "ending in .csv, .csv.gz or .parquet"


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
            while chunk := handle.read(_CHUNK_BYTES):
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
        with self._open() as handle:
            reader = csv.reader(self._lines(handle), strict=True)
            next(reader)
            while rows := self._read_rows(reader):
                last = reader.line_num
                lines = np.arange(last - len(rows) + 1, last + 1, dtype=np.int64)
                rows, lines, malformed = self._sift(rows, lines)
                texts = _take_columns(rows, places)
                columns = dict(zip(wanted, texts, strict=True))
                yield Batch(lines, columns, malformed)

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
            raise _unreadable(self._path, error) from None

    def _read_header(self, handle: IO[bytes]) -> list[str]:
        start = handle.readline(_LONGEST_LINE)
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

    def _lines(self, handle: IO[bytes]) -> Iterator[str]:
        number = 0
        while raw := handle.readline(_LONGEST_LINE):
            number += 1
            yield self._decode(raw, number)

    def _decode(self, raw: bytes, line: int) -> str:
        if len(raw) == _LONGEST_LINE:
            raise BadInput(
                f"{self.name}, line {line}: longer than {_LONGEST_LINE:,} bytes; "
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

    def _read_rows(self, reader: Any) -> list[list[str]]:
        """Read some rows, each of which ends on the line where it began."""
        before = reader.line_num
        rows: list[list[str]] = []
        try:
            for row in islice(reader, CSV_BATCH_ROWS):
                rows.append(row)
        except csv.Error as error:
            self._refuse_long_rows(rows, before)
            line = before + len(rows) + 1
            raise self._not_csv(line, error) from None
        if reader.line_num - before != len(rows):
            self._refuse_long_rows(rows, before)
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

    def _refuse_long_rows(self, rows: list[list[str]], before: int) -> None:
        """Refuse a value that holds the end of a line.

        No column of ours can, and where a quotation mark is missing such a
        value has swallowed rows, which would be lost without a word.
        """
        for line, row in enumerate(rows, start=before + 1):
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


class ParquetTable:
    """A Parquet file."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._path = path
        with self._open() as file:
            self.columns = list(file.schema_arrow.names)
            self._rows = file.metadata.num_rows

    def digest(self) -> tuple[str, int]:
        """SHA-256 of the file's bytes, and its number of rows."""
        try:
            with open(self._path, "rb") as handle:
                digest = hashlib.file_digest(handle, "sha256")
        except OSError as error:
            raise _unreadable(self._path, error) from None
        return digest.hexdigest(), self._rows

    def batches(self, wanted: Sequence[str]) -> Iterator[Batch]:
        """Read the wanted columns in the types of the file."""
        first = 1
        with self._open() as file:
            for batch in file.iter_batches(PARQUET_BATCH_ROWS, columns=list(wanted)):
                lines = np.arange(first, first + len(batch), dtype=np.int64)
                first += len(batch)
                yield Batch(lines, {name: batch.column(name) for name in wanted})

    @contextmanager
    def _open(self) -> Iterator[Any]:
        try:
            with open(self._path, "rb") as raw, pq.ParquetFile(raw) as file:
                yield file
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise self._damaged(error) from None
        except OSError as error:
            if error.errno is None:  # Arrow's own: a damaged page
                raise self._damaged(error) from None
            raise _unreadable(self._path, error) from None

    def _damaged(self, error: Exception) -> BadInput:
        said = str(error).strip().split("\n")[0][:200]
        return BadInput(f"{self.name}: cannot be read as Parquet ({said})")


class FrameTable:
    """A pandas frame in memory, read as if it were a file."""

    def __init__(self, name: str, frame: pd.DataFrame) -> None:
        self.name = name
        self.columns = [str(column) for column in frame.columns]
        self._frame = frame

    def digest(self) -> tuple[str, int]:
        """SHA-256 of the rows' hashes, and the number of rows."""
        digest = hashlib.sha256("\x1f".join(self.columns).encode())
        hashes = pd.util.hash_pandas_object(self._frame, index=False)
        digest.update(hashes.to_numpy().tobytes())
        return digest.hexdigest(), len(self._frame)

    def batches(self, wanted: Sequence[str]) -> Iterator[Batch]:
        """Read the wanted columns in the types of the frame."""
        for start in range(0, len(self._frame), PARQUET_BATCH_ROWS):
            part = self._frame.iloc[start : start + PARQUET_BATCH_ROWS]
            lines = np.arange(start + 1, start + len(part) + 1, dtype=np.int64)
            columns = {name: pa.array(part[name], from_pandas=True) for name in wanted}
            yield Batch(lines, columns)


def find_lines(table: Table, column: str, wanted: set[str]) -> dict[str, int]:
    """Find the first line of each value of a column, by reading it once more."""
    found: dict[str, int] = {}
    values = pa.array(sorted(wanted), pa.string())
    for batch in table.batches([column]):
        texts = batch.columns[column].cast(pa.string())
        is_wanted = pc.is_in(texts, value_set=values)
        for place in np.flatnonzero(is_wanted.to_numpy(zero_copy_only=False)):
            found.setdefault(texts[int(place)].as_py(), int(batch.lines[place]))
    return found


def _take_columns(rows: list[list[str]], places: list[int]) -> list[Any]:
    """Turn rows into Arrow text columns, keeping the wanted places."""
    texts = []
    for place in places:
        values = list(map(itemgetter(place), rows))
        texts.append(pa.array(values, pa.string()))
    return texts


def _unreadable(path: Path, error: OSError) -> BadInput:
    if isinstance(error, FileNotFoundError):
        return BadInput(f"{path}: no such file")
    return BadInput(f"{path}: cannot be read ({error.strerror or error})")
