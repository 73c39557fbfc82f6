"""Tables in files and in memory, by what they are."""

import bisect
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from python_scoring.cohorts.csv_table import CsvTable
from python_scoring.cohorts.tables import Batch, Table, shift, suffix, unreadable
from python_scoring.errors import BadInput

PARQUET_BATCH_ROWS = 131_072
_EXPECTED = "ending in .csv, .csv.gz or .parquet"
_LISTED_DIFFERENCES = 5


def open_table(path: Path) -> Table:
    """Open a .csv, .csv.gz or .parquet file, or a folder of the last kind.

    Raises
    ------
    BadInput
        There is no such file, it cannot be read, or it is no table.
    """
    kind = suffix(path)
    if path.is_dir():
        return ParquetFolder(path)
    if not kind:
        raise BadInput(f"{path.name}: unknown kind of file; expected {_EXPECTED}")
    return ParquetTable(path) if kind == ".parquet" else CsvTable(path)


class ParquetTable:
    """A Parquet file."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._path = path
        with self._open() as file:
            self.schema = file.schema_arrow.remove_metadata()
            self.rows = int(file.metadata.num_rows)
        self.columns = list(self.schema.names)

    def digest(self) -> tuple[str, int]:
        """SHA-256 of the file's bytes, and its number of rows."""
        try:
            with open(self._path, "rb") as handle:
                digest = hashlib.file_digest(handle, "sha256")
        except OSError as error:
            raise unreadable(self._path, error) from None
        return digest.hexdigest(), self.rows

    def batches(self, wanted: Sequence[str]) -> Iterator[Batch]:
        """Read the wanted columns in the types of the file."""
        first = 1
        with self._open() as file:
            for batch in file.iter_batches(PARQUET_BATCH_ROWS, columns=list(wanted)):
                lines = np.arange(first, first + len(batch), dtype=np.int64)
                first += len(batch)
                yield Batch(lines, {name: batch.column(name) for name in wanted})

    def place(self, line: int) -> tuple[str, int]:
        """Return where a line stands: here, in the one file there is."""
        return self.name, line

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
            raise unreadable(self._path, error) from None

    def _damaged(self, error: Exception) -> BadInput:
        said = str(error).strip().split("\n")[0][:200]
        return BadInput(f"{self.name}: cannot be read as Parquet ({said})")


class ParquetFolder:
    """A folder of Parquet files with one schema, in order of their names.

    Rows are numbered through, so that each has a number of its own; a fault names the
    file and the row in it.
    """

    def __init__(self, folder: Path) -> None:
        self.name = f"{folder.resolve().name}/"
        self._parts = [ParquetTable(path) for path in _parquet_files(folder)]
        first = self._parts[0]
        for other in self._parts[1:]:
            self._check_same(first, other)
        self.columns = first.columns
        # Rows before each part, and all of them in the end
        self._before = [0]
        for part in self._parts:
            self._before.append(self._before[-1] + part.rows)

    def digest(self) -> tuple[str, int]:
        """SHA-256 over the files' own, in order, and the number of rows."""
        digest = hashlib.sha256()
        for part in self._parts:
            digest.update(part.digest()[0].encode())
        return digest.hexdigest(), self._before[-1]

    def batches(self, wanted: Sequence[str]) -> Iterator[Batch]:
        """Read the wanted columns, file after file."""
        for part, before in zip(self._parts, self._before, strict=False):
            for batch in part.batches(wanted):
                yield shift(batch, before)

    def place(self, line: int) -> tuple[str, int]:
        """Return the file that a row stands in, and its number there."""
        part = bisect.bisect_left(self._before, line) - 1
        return f"{self.name}{self._parts[part].name}", line - self._before[part]

    def _check_same(self, first: ParquetTable, other: ParquetTable) -> None:
        differences = list(_differences(first, other))
        if differences:
            listed = differences[:_LISTED_DIFFERENCES]
            more = len(differences) - len(listed)
            listed += [f"and {more} more differences"] if more else []
            raise BadInput(
                f"{self.name}: {first.name} and {other.name} are two tables: "
                f"{'; '.join(listed)}; expected files of one schema in a folder"
            )


def _parquet_files(folder: Path) -> list[Path]:
    """List a folder's files, all of which have to be Parquet.

    Names that begin with . or _ are what other programs note beside their data.
    """
    try:
        found = sorted(p for p in folder.iterdir() if not p.name.startswith((".", "_")))
    except OSError as error:
        raise unreadable(folder, error) from None
    for path in found:
        if path.is_dir() or suffix(path) != ".parquet":
            what = "a folder" if path.is_dir() else "no Parquet file"
            raise BadInput(
                f"{folder}: {path.name} in it is {what}; expected files ending in "
                ".parquet alone, which are read as one table"
            )
    if not found:
        raise BadInput(f"{folder}: no Parquet files in it; expected at least one")
    return found


def _differences(first: ParquetTable, other: ParquetTable) -> Iterator[str]:
    """Say which columns are not the same; their order is no matter."""
    types = {field.name: str(field.type) for field in first.schema}
    theirs = {field.name: str(field.type) for field in other.schema}
    for name in types:
        if name not in theirs:
            yield f"column {name!r} is in {first.name} alone"
        elif types[name] != theirs[name]:
            yield f"column {name!r} is {types[name]} and {theirs[name]}"
    for name in theirs:
        if name not in types:
            yield f"column {name!r} is in {other.name} alone"


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

    def place(self, line: int) -> tuple[str, int]:
        """Return where a line stands: here, in the one file there is."""
        return self.name, line


def find_lines(
    table: Table, column: str, wanted: set[str], names: Callable[[Any], Any]
) -> dict[str, int]:
    """Find the first line of each value of a column, by reading it once more.

    Parameters
    ----------
    wanted
        Values as they are called in the warehouse.
    names
        Gives an Arrow column as it is called there.
    """
    found: dict[str, int] = {}
    values = pa.array(sorted(wanted), pa.string())
    for batch in table.batches([column]):
        texts = batch.columns[column].cast(pa.string())
        is_wanted = pc.is_in(names(texts), value_set=values)
        for place in np.flatnonzero(is_wanted.to_numpy(zero_copy_only=False)):
            found.setdefault(texts[int(place)].as_py(), int(batch.lines[place]))
    return found
