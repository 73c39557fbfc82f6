"""Tables in files and in memory, by what they are."""

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
from python_scoring.cohorts.tables import Batch, Table, suffix, unreadable
from python_scoring.errors import BadInput

PARQUET_BATCH_ROWS = 131_072
_EXPECTED = "ending in .csv, .csv.gz or .parquet"


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
            raise unreadable(self._path, error) from None
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
            raise unreadable(self._path, error) from None

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
