"""A DuckDB file that speaks as much of psycopg as the shared statements need.

One process has the file open at a time, through one instance that all its
connections share; dbt in the same process is one of them.
"""

import json
import os
import re
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import duckdb
import numpy as np
from psycopg import sql
from psycopg.types.json import Json, Jsonb

from python_scoring import config
from python_scoring.errors import BadInput

_SLOT = re.compile(r"%(%|s|\((\w+)\)s)")
_ROW = re.compile(r"values\s+(\(%s(?:, %s)*\))")
_ROWS_AT_ONCE = 1000
_NUMPY_TYPES = {
    "SMALLINT": "i2",
    "INTEGER": "i4",
    "BIGINT": "i8",
    "DOUBLE": "f8",
}
# What PostgreSQL calls the schema of a session's own tables; whose turn it is, where
# one process at a time has the file open; and what ends with the connection here.
_SAID_OTHERWISE = {"pg_temp.": "temp.", " for update": "", " on commit drop": ""}
# What is nobody's to change; an apostrophe in a comment begins no text in quotes.
_QUOTES_AND_COMMENTS = re.compile(
    r"""('(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/)""", re.DOTALL
)

# Who sets a setting that DuckDB may refuse, and what it should be.
_NAMED_BY = {
    "memory_limit": ("RISKMART_DUCKDB_MEMORY", "as much as 8GB or 75%"),
    "temp_directory": ("RISKMART_DUCKDB_TEMP", "a folder"),
}

# How DuckDB says that there is no room: in memory, beside it, or on the disk.
_LACKS = ("Out of Memory Error", "No space left on device")

_NAMES_OF_SCHEMAS = {
    *("raw", "baseline", "reference", "rules", "staging", "intermediate", "marts"),
    *("main", "temp", "system", "information_schema", "pg_catalog"),
}

# A process that is about to end still holds the file for a moment.
_RETRY_PAUSES = (0.1, 0.3, 0.6)


def connect(*, autocommit: bool = False) -> "Connection":
    """Open the file, or another connection to it.

    Raises
    ------
    BadInput
        It is no DuckDB file, of another version, or open in another process.
    """
    return Connection(_open(config.duckdb_file()), autocommit)


def interrupt() -> None:
    """End what is at work, as ctrl-c does: DuckDB's other threads do not hear of it."""
    for connection in list(_connections):
        connection.raw.interrupt()


def _open(path: Path) -> duckdb.DuckDBPyConnection:
    _check_name(path)
    # Rows of people: whoever may read the file reads them all.
    os.umask(0o077)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = _opened(path)
        path.chmod(0o600)
    except OSError as error:
        raise BadInput(
            f"{path}: {error.strerror or error}; expected a file of ours in a folder "
            "that we may write to"
        ) from None
    return connection


def _check_name(path: Path) -> None:
    """Refuse a file whose name DuckDB would take for a schema's."""
    name = path.name.split(".")[0].lower()
    if name in _NAMES_OF_SCHEMAS or name.startswith(("build_", "intake_")):
        raise BadInput(
            f"{path}: DuckDB calls a file's tables by the file's name, and {name} is "
            "that of a schema in it; expected another name, as riskmart.duckdb"
        )


def _opened(path: Path) -> duckdb.DuckDBPyConnection:
    # Given as it is opened, and to dbt in the same words: once anything was put into
    # the temporary folder, DuckDB lets nobody set it any more, to the same one either.
    settings = config.duckdb_settings()
    _check_limit(settings["memory_limit"])
    for pause in _RETRY_PAUSES:
        try:
            return duckdb.connect(str(path), config=dict(settings))
        except duckdb.Error as error:
            if "lock" not in str(error):
                raise _why_not_opened(path, error) from None
        time.sleep(pause)
    try:
        return duckdb.connect(str(path), config=dict(settings))
    except duckdb.Error as error:
        raise _why_not_opened(path, error) from None


def _check_limit(memory: str) -> None:
    """Refuse what DuckDB takes for no limit at all, as -5 and none."""
    if not memory.strip()[:1].isdigit():
        variable, expected = _NAMED_BY["memory_limit"]
        raise BadInput(f"{variable} {memory}: not a limit; expected {expected}")


def _check_settings() -> None:
    """Refuse a setting that DuckDB does not take, by the name that people give it."""
    settings = config.duckdb_settings()
    for name, (variable, expected) in _NAMED_BY.items():
        try:
            duckdb.connect(config={name: settings[name]}).close()
        except duckdb.Error as error:
            raise BadInput(
                f"{variable} {settings[name]}: {_first_line(error)};"
                f" expected {expected}"
            ) from None


def in_words(error: Exception | str) -> str | None:
    """Say what the machine lacked, in words; None where it was something else."""
    lines = [line.strip() for line in str(error).splitlines()]
    text = next((line for line in lines if any(w in line for w in _LACKS)), None)
    if text is None:
        return None
    settings = config.duckdb_settings()
    memory, folder = settings["memory_limit"], settings["temp_directory"]
    if "No space left" in text:
        return (
            f"no room left on the disk of {config.duckdb_file()} or {folder} ({text})"
        )
    if "offload" in text:
        return (
            f"no room left in {folder} for what is not held in memory, which is "
            f"{memory} ({text}); expected a folder with more room in "
            "RISKMART_DUCKDB_TEMP, or more memory in RISKMART_DUCKDB_MEMORY"
        )
    return (
        f"{memory} of memory are too little for this much data ({text}); expected more "
        "in RISKMART_DUCKDB_MEMORY"
    )


def _first_line(error: duckdb.Error) -> str:
    return str(error).strip().splitlines()[0]


def _why_not_opened(path: Path, error: duckdb.Error) -> BadInput:
    # Only now: to try each takes longer than to open the file.
    _check_settings()
    lacking = in_words(error)
    if lacking:
        return BadInput(f"{path}: {lacking}")
    text = _first_line(error)
    if "Conflicting lock" in text:
        who = re.search(r"held in (.*?)\. ", text + " ")
        return BadInput(
            f"{path}: open in another process"
            f"{f' ({who[1]})' if who else ''}; expected nobody else to have it open, "
            "for DuckDB lets one process write: end that one, or try again later"
        )
    if "version" in text.lower():
        return BadInput(
            f"{path}: written by another version of DuckDB than {duckdb.__version__}, "
            f"which cannot read it ({text}); expected a file of this version: build "
            "into another one (RISKMART_DUCKDB), or use the version that wrote it"
        )
    return BadInput(f"{path}: cannot be opened as a DuckDB file: {text}")


class Cursor:
    """The result of one statement at a time."""

    def __init__(self, connection: "Connection") -> None:
        self.connection = connection
        self._raw = connection.raw
        self._rows: Iterator[Any] = iter(())
        self.description: list[_Column] | None = None
        self.statusmessage: str | None = None
        self.rowcount = -1

    def execute(self, query: Any, parameters: Any = None) -> Self:
        """Run a statement; ``%s`` and ``%(name)s`` are its parameters."""
        self.connection.begin()
        text, values = _translate(query, parameters)
        if values is None:
            self._raw.execute(text)
        else:
            self._raw.execute(text, values)
        columns = [_Column(d[0], str(d[1])) for d in self._raw.description or []]
        # All at once: a connection has one result, and callers run other statements
        # while they go through it.
        rows = self._raw.fetchall() if columns else []
        self.statusmessage = text.split(maxsplit=1)[0].upper() if text.strip() else None
        self.description, self._rows = columns, iter(())
        if _is_count(text, columns):
            self.rowcount, self.description = (rows[0][0] if rows else 0), None
        else:
            self._rows = (_read(row, columns) for row in rows)
        return self

    def executemany(self, query: Any, rows: Sequence[Any]) -> None:
        """Insert rows of parameters, by a statement with ``values`` of ``%s``."""
        before, slots, after = _ROW.split(_translate(query, None)[0])
        if any(len(row) != slots.count("%s") for row in rows):
            raise ValueError(f"rows of other lengths than {slots}")
        _insert(self.connection, before, rows, after)

    def fetchone(self) -> Any:
        """Return the next row, or None."""
        return next(self._rows, None)

    def fetchall(self) -> list[Any]:
        """Return all rows that are left."""
        return list(self._rows)

    def __iter__(self) -> Iterator[Any]:
        """Go through the rows that are left."""
        return self._rows

    def __enter__(self) -> Self:
        """Give itself, for a block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the connection as it is."""


def _is_count(text: str, columns: Sequence["_Column"]) -> bool:
    """Whether a result is the number of rows written, and no column called Count."""
    if [column.name for column in columns] != ["Count"]:
        return False
    last = duckdb.extract_statements(text)[-1]
    return last.type != duckdb.StatementType.SELECT


def _read(row: tuple[Any, ...], columns: Sequence["_Column"]) -> tuple[Any, ...]:
    """Give a row with its documents read, as psycopg does it."""
    if not any(column.type_code == "JSON" for column in columns):
        return row
    return tuple(
        json.loads(value) if column.type_code == "JSON" and value is not None else value
        for column, value in zip(columns, row, strict=True)
    )


class _Column:
    def __init__(self, name: str, type_code: str) -> None:
        self.name, self.type_code = name, type_code


class Connection:
    """One connection to the file, in the manner of ``psycopg.Connection``."""

    def __init__(self, raw: duckdb.DuckDBPyConnection, autocommit: bool) -> None:
        self.raw = raw
        self.autocommit = autocommit
        self._blocks = 0
        self._is_open = False
        _connections.add(self)

    def begin(self) -> None:
        """Begin a transaction where one is due and none is open."""
        if not self._is_open and (self._blocks or not self.autocommit):
            self.raw.execute("begin transaction")
            self._is_open = True

    def execute(self, query: Any, parameters: Any = None) -> Cursor:
        """Run a statement and return its result."""
        return self.cursor().execute(query, parameters)

    def cursor(self) -> Cursor:
        """Make a cursor; DuckDB has one result a connection."""
        return Cursor(self)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; a block within a block is part of the outer one."""
        was_open = self._is_open
        self._blocks += 1
        try:
            self.begin()
            yield
        except BaseException:
            self._blocks -= 1
            if not self._blocks:
                self.rollback()
            raise
        self._blocks -= 1
        if not self._blocks and not was_open:
            self.commit()

    def commit(self) -> None:
        """Commit what is open."""
        if self._is_open:
            self._is_open = False
            self.raw.execute("commit")

    def rollback(self) -> None:
        """Take back what is open."""
        if self._is_open:
            self._is_open = False
            self.raw.execute("rollback")

    def close(self) -> None:
        """Let go of the connection; the file is let go of with the last one."""
        _connections.discard(self)
        self.raw.close()

    def __enter__(self) -> Self:
        """Give itself, for a block."""
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Commit, or take back after an error, and close."""
        try:
            if kind is None:
                self.commit()
            else:
                self.rollback()
        finally:
            self.close()


_connections: weakref.WeakSet[Connection] = weakref.WeakSet()


def copy_in(
    connection: Connection, table: str, columns: Mapping[str, np.ndarray]
) -> int:
    """Append arrays of one length to a table; see ``warehouse.copy_in``."""
    import pyarrow as pa

    rows = pa.table({name: pa.array(values) for name, values in columns.items()})
    return append(connection, table, rows)


def append(connection: Connection, table: str, rows: Any) -> int:
    """Append an Arrow table to a table, by the columns' names."""
    connection.begin()
    names = ", ".join(f'"{name}"' for name in rows.column_names)
    connection.raw.register("incoming_rows", rows)
    connection.raw.execute(
        f"insert into {_translate(table, None)[0]} ({names})"
        f" select {names} from incoming_rows"
    )
    # Not after a fault, which has ended the transaction and would be hidden by another.
    connection.raw.unregister("incoming_rows")
    return int(rows.num_rows)


def append_rows(
    connection: Connection,
    table: str,
    rows: Iterable[Sequence[Any]],
    columns: Sequence[str],
) -> None:
    """Append rows of any values; see ``warehouse.copy_rows``."""
    given = list(rows)
    if not given:
        return
    names = f" ({', '.join(columns)})" if columns else ""
    _insert(connection, f"insert into {_translate(table, None)[0]}{names} ", given)


def _insert(
    connection: Connection, before: str, rows: Sequence[Sequence[Any]], after: str = ""
) -> None:
    connection.begin()
    # Many at a time, since a statement takes DuckDB a millisecond, however small.
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[start : start + _ROWS_AT_ONCE]
        slots = ", ".join(f"({', '.join('?' * len(row))})" for row in some)
        values = [_value(value) for row in some for value in row]
        connection.raw.execute(f"{before}values {slots}{after}", values)


def copy_out(
    connection: Connection, query: str, dtype: np.dtype, chunk_rows: int
) -> Iterator[np.ndarray]:
    """Read a query's rows in chunks; see ``warehouse.copy_out``."""
    connection.begin()
    result = connection.raw.sql(_translate(query, None)[0])
    found = [
        (name, _NUMPY_TYPES.get(str(kind), str(kind)))
        for name, kind in zip(result.columns, result.types, strict=True)
    ]
    expected = [(name, dtype[name].str[1:]) for name in dtype.names or ()]
    if found != expected:
        raise ValueError(f"arrays are {expected}, the database has {found}")
    for batch in result.to_arrow_reader(chunk_rows):
        if not batch.num_rows:
            continue
        chunk = np.empty(batch.num_rows, dtype)
        for name, column in zip(dtype.names or (), batch.columns, strict=True):
            if column.null_count:
                raise ValueError(f"a null in {name}; coalesce it in the query")
            chunk[name] = column.to_numpy(zero_copy_only=False)
        yield chunk


def _translate(query: Any, parameters: Any) -> tuple[str, Any]:
    """Write a statement of psycopg's as DuckDB takes it, with its values."""
    if isinstance(query, sql.Composable):
        text = query.as_string(None)
    else:
        text = query.decode() if isinstance(query, bytes) else str(query)
    # Every second part is in quotes, or a comment.
    parts = _QUOTES_AND_COMMENTS.split(text)
    for theirs, ours in _SAID_OTHERWISE.items():
        parts[::2] = [part.replace(theirs, ours) for part in parts[::2]]
    text = "".join(parts)
    if parameters is None:
        return text, None
    used: dict[str, Any] = {}

    def slot(match: re.Match[str]) -> str:
        if match[1] == "%":
            return "%"
        if match[2] is None:
            return "?"
        used[match[2]] = _value(parameters[match[2]])
        return f"${match[2]}"

    text = _SLOT.sub(slot, text)
    if isinstance(parameters, Mapping):
        return text, used
    return text, [_value(value) for value in parameters]


def _value(value: Any) -> Any:
    if isinstance(value, (Json, Jsonb)):
        return json.dumps(value.obj)
    if isinstance(value, np.generic):
        return value.item()
    return value
