"""The one module that talks to the database: connect, prepare, copy in and out.

Bulk data goes both ways in PostgreSQL's binary COPY format, which numpy reads and
writes as arrays of fixed-width records: no Python object per row or cell.
Format: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format".
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import psycopg
from psycopg import sql

from python_scoring import config
from python_scoring.duck import connection as duck
from python_scoring.duck import raw_tables
from python_scoring.embedded import identity
from python_scoring.errors import BadInput

OLDEST_SERVER = 15
CHUNK_ROWS = 100_000

# Seconds between attempts to connect, for a server that restarts or is full.
_RETRY_PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0)
_TRANSIENT = (
    "the database system is starting up",
    "the database system is shutting down",
    "the database system is in recovery mode",
    "the database system is not yet accepting connections",
    "too many clients already",
    "remaining connection slots are reserved",
    "server closed the connection unexpectedly",
)

_RAW_TABLES = Path(__file__).with_name("raw_tables.sql")
_PREPARE_LOCK = 0x7269736B  # "risk", for an advisory lock of ours

# Records are turned a block at a time, while it is in the processor's cache.
_BLOCK_BYTES = 2**19

# Who builds where the roles are there: it owns what is ours, past every row policy.
BUILDER = "riskmart_builder"

_COPY_SIGNATURE = b"PGCOPY\n\xff\r\n\0"
_COPY_HEADER = _COPY_SIGNATURE + bytes(8)
_COPY_TRAILER = b"\xff\xff"

# numpy's type to PostgreSQL's: type oids of int2, int4, int8 and float8.
_TYPE_OIDS = {"i2": 21, "i4": 23, "i8": 20, "f8": 701}
_TYPE_NAMES = {21: "smallint", 23: "integer", 20: "bigint", 701: "double precision"}

Connection = psycopg.Connection[tuple[Any, ...]]
_Row = TypeVar("_Row")


def is_duckdb(connection: object) -> bool:
    """Whether a connection is to a DuckDB file."""
    return isinstance(connection, duck.Connection)


def _in_file(connection: object) -> duck.Connection:
    return cast(duck.Connection, connection)


def conninfo() -> str:
    """Return the connection string of the warehouse in force. Never print it."""
    return config.conninfo()


def connect(**options: Any) -> Connection:
    """Connect to the warehouse in force.

    Parameters
    ----------
    options
        For `psycopg.connect`, as `autocommit`.

    Raises
    ------
    BadInput
        It cannot be reached, refuses us, or is older than PostgreSQL 15.
    """
    if config.is_duckdb():
        # As much of psycopg's connection as the statements for both engines use.
        return cast(Connection, duck.connect(**options))
    embedded = not config.is_team_server()
    if embedded and config.socket_dir().is_dir():
        identity.check_private(config.socket_dir())
    try:
        connection = _connect(**options)
    except psycopg.OperationalError as error:
        hint = "; start it with ./riskmart db start" if embedded else ""
        raise BadInput(
            f"no connection to the warehouse ({config.describe()}): "
            f"{str(error).strip()}{hint}"
        ) from None
    _check_version(connection)
    return connection


def _connect(**options: Any) -> Connection:
    """Connect; again where the server says that it will not be long.

    Only here is a retry safe: nothing has been asked of the server yet.
    """
    for pause in _RETRY_PAUSES:
        try:
            return psycopg.connect(config.conninfo(), **options)
        except psycopg.OperationalError as error:
            if not any(reason in str(error) for reason in _TRANSIENT):
                raise
        time.sleep(pause)
    return psycopg.connect(config.conninfo(), **options)


def _check_version(connection: Connection) -> None:
    version = connection.info.server_version
    if version < OLDEST_SERVER * 10000:
        connection.close()
        raise BadInput(
            f"the warehouse ({config.describe()}) is PostgreSQL {version // 10000}; "
            f"expected {OLDEST_SERVER} or newer"
        )


def prepare(connection: Connection) -> None:
    """Make the tables that Python writes and dbt reads, and the trail, if need be.

    Any number of callers at once are safe. What was applied is noted in the
    schema's comment: even `create index if not exists` waits for every writer of
    its table, so that a long load would hold up each command beside it.
    """
    if is_duckdb(connection):
        raw_tables.prepare(_in_file(connection))
        return
    # Imported here, since they talk to the database through this module.
    from python_scoring.access import protection, roles
    from python_scoring.audit import store as audit_store

    statements = _RAW_TABLES.read_text(encoding="utf-8")
    digest = hashlib.sha256(statements.encode() + protection.version()).hexdigest()
    note = f"What Python writes and dbt reads; tables as of {digest[:16]}"
    if not config.is_team_server() and not roles.are_there(connection):
        # Our own server: nobody else has to agree to roles on it.
        roles.init(connection)
    is_protected = protection.why_off(connection) is None
    protected_note = f"{note}, under row-level security"
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", (_PREPARE_LOCK,))
        done = {protected_note} if is_protected else {note, protected_note}
        if _schema_note(connection) not in done:
            connection.execute("set local client_min_messages = warning")
            connection.execute(statements.encode())
            if is_protected:
                protection.prepare(connection)
            connection.execute(
                sql.SQL("comment on schema raw is {}").format(
                    sql.Literal(protected_note if is_protected else note)
                )
            )
        audit_store.prepare(connection)


def _schema_note(connection: Connection) -> str | None:
    row = connection.execute(
        "select obj_description(to_regnamespace('raw'), 'pg_namespace')"
    ).fetchone()
    return row[0] if row else None


def copy_in(
    connection: Connection,
    table: str,
    columns: Mapping[str, np.ndarray],
) -> int:
    """Append columns to a table, by binary COPY.

    Parameters
    ----------
    table
        Its name, with or without schema: `raw.predictions`.
    columns
        Arrays of one length, shape (rows,), by column name; int16, int32, int64
        or float64, as the table's column is. They cannot hold nulls; NaN stays
        NaN.

    Returns
    -------
    int
        Rows copied. The caller commits.

    Raises
    ------
    ValueError
        Lengths differ, or a type is not the table's.
    """
    if is_duckdb(connection):
        return duck.copy_in(_in_file(connection), table, columns)
    arrays = {name: np.asarray(values) for name, values in columns.items()}
    if not arrays or any(a.ndim != 1 for a in arrays.values()):
        raise ValueError(f"{table}: expected columns of shape (rows,)")
    lengths = {len(a) for a in arrays.values()}
    if len(lengths) > 1:
        raise ValueError(f"{table}: columns of different lengths {sorted(lengths)}")
    rows = lengths.pop()
    target = sql.Identifier(*table.split("."))
    names = sql.SQL(", ").join(map(sql.Identifier, arrays))
    dtype = np.dtype([(name, a.dtype) for name, a in arrays.items()])
    probe = sql.SQL("select {} from {}").format(names, target)
    _check_types(connection, probe, dtype)
    wire = _wire_type(dtype)
    step = max(1, _BLOCK_BYTES // wire.itemsize)
    statement = sql.SQL("copy {} ({}) from stdin (format binary)")
    with filling(connection, table, list(arrays)) as place:
        cursor = connection.cursor()
        with cursor.copy(statement.format(place, names)) as copy:
            copy.write(_COPY_HEADER)
            for start in range(0, rows, step):
                part = {n: a[start : start + step] for n, a in arrays.items()}
                copy.write(_to_records(part, wire).tobytes())
            copy.write(_COPY_TRAILER)
    return cursor.rowcount


def fetch_as(
    connection: Connection, make: Callable[..., _Row], query: str, values: Any = None
) -> list[_Row]:
    """Run a query and make something of each row, by the names of its columns.

    Parameters
    ----------
    make
        `dict`, or a class whose fields are called like the columns.
    """
    cursor = connection.execute(query.encode(), values)
    names = [column.name for column in cursor.description or []]
    return [make(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def analyze(connection: Connection, *tables: str) -> None:
    """Let the planner know how much there is now; DuckDB counts by itself."""
    if not is_duckdb(connection):
        connection.execute(f"analyze {', '.join(tables)}".encode())


def copy_rows(
    connection: Connection,
    table: str,
    rows: Iterable[Sequence[Any]],
    columns: Sequence[str] = (),
) -> None:
    """Append rows of any values to a table: for few, or with nulls and texts.

    Parameters
    ----------
    columns
        Names of the values; by default all of the table's, in its order.
    """
    if is_duckdb(connection):
        duck.append_rows(_in_file(connection), table, rows, columns)
        return
    statement = _copy_statement(table, columns)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def insert(
    connection: Connection,
    table: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    types: Sequence[str] = (),
) -> None:
    """Append rows under whatever row policy is in force for us.

    Parameters
    ----------
    types
        PostgreSQL's types of the columns, where the values need the binary format.
    """
    if is_duckdb(connection):
        duck.append_rows(_in_file(connection), table, rows, columns)
        return
    listed = sql.SQL(", ").join(map(sql.Identifier, columns))
    options = sql.SQL("(format binary)" if types else "")
    statement = sql.SQL("copy {} ({}) from stdin {}")
    with (
        filling(connection, table, columns) as place,
        connection.cursor().copy(statement.format(place, listed, options)) as copy,
    ):
        if types:
            copy.set_types(types)
        for row in rows:
            copy.write_row(row)


def copy_table(connection: Connection, table: str, rows: Any) -> None:
    """Append an Arrow table, by its columns' names: no Python object a row."""
    if is_duckdb(connection):
        duck.append(_in_file(connection), table, rows)
        return
    # Imported where cohorts are taken in: most commands never need them.
    import pyarrow as pa
    import pyarrow.csv as arrow_csv

    buffer = pa.BufferOutputStream()
    options = arrow_csv.WriteOptions(include_header=False)
    arrow_csv.write_csv(rows, buffer, options)
    statement = _copy_statement(table, rows.column_names, "(format csv)")
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(memoryview(buffer.getvalue()))


def _copy_statement(
    table: str, columns: Sequence[str], options: str = ""
) -> sql.Composed:
    listed = sql.SQL(", ").join(map(sql.Identifier, columns))
    return sql.SQL("copy {} {} from stdin {}").format(
        sql.Identifier(*table.split(".")),
        sql.SQL("({})").format(listed) if columns else sql.SQL(""),
        sql.SQL(options),
    )


@contextmanager
def filling(
    connection: Connection, table: str, columns: Sequence[str]
) -> Iterator[sql.Identifier]:
    """Give the relation to COPY a table's rows into.

    PostgreSQL takes no COPY where a row policy is in force for us: there it is a
    temporary table, whose rows are inserted under the policy when the block ends.
    In a transaction.
    """
    target = sql.Identifier(*table.split("."))
    row = connection.execute(
        "select row_security_active(%s)", (target.as_string(),)
    ).fetchone()
    if not (row and row[0]):
        yield target
        return
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    place = sql.Identifier("pg_temp", "incoming")
    parts = {"place": place, "names": names, "table": target}
    make = "create temporary table {place} as select {names} from {table} with no data"
    put = "insert into {table} ({names}) select {names} from {place}"
    connection.execute(sql.SQL(make).format(**parts))
    yield place
    connection.execute(sql.SQL(put + "; drop table {place}").format(**parts))


def copy_out(
    connection: Connection,
    query: str,
    dtype: np.dtype,
    chunk_rows: int = CHUNK_ROWS,
) -> Iterator[np.ndarray]:
    """Read a query's rows in chunks, by binary COPY, in steady memory.

    Parameters
    ----------
    query
        A select of not-null columns; coalesce what may be null, as to
        `'NaN'::float8`.
    dtype
        One field per column, of the same name and order: i2, i4, i8 or f8.

    Yields
    ------
    numpy.ndarray
        Structured array of `dtype`, shape (up to chunk_rows,); none for no rows.

    Raises
    ------
    ValueError
        Names or types are not the query's, or a value is null.
    """
    dtype = np.dtype(dtype)
    bare = query.strip().rstrip(";")
    if is_duckdb(connection):
        yield from duck.copy_out(_in_file(connection), bare, dtype, chunk_rows)
        return
    statement = sql.SQL(bare)
    _check_types(connection, statement, dtype)
    wire = _wire_type(dtype)
    copy_statement = sql.SQL("copy ({}) to stdout (format binary)").format(statement)
    held: list[np.ndarray] = []
    with connection.cursor() as cursor, cursor.copy(copy_statement) as copy:
        for block in _record_blocks(_without_header(copy), wire.itemsize):
            held.append(_from_records(block, wire, dtype))
            while sum(map(len, held)) >= chunk_rows:
                rows = np.concatenate(held)
                yield rows[:chunk_rows]
                held = [rows[chunk_rows:]]
    if any(map(len, held)):
        yield np.concatenate(held)


def _record_blocks(messages: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Gather messages to blocks of whole records, and drop the trailer."""
    parts: list[bytes] = []
    held = 0
    for message in messages:
        parts.append(message)
        held += len(message)
        if held >= _BLOCK_BYTES:
            data = b"".join(parts)
            # The trailer may be among them: the last record waits for more.
            whole = (held - len(_COPY_TRAILER)) // size * size
            yield data[:whole]
            parts = [data[whole:]]
            held -= whole
    data = b"".join(parts)
    if not data.endswith(_COPY_TRAILER):
        raise ValueError("the copy ended before its trailer")
    yield data[: -len(_COPY_TRAILER)]


def _without_header(messages: Any) -> Iterator[bytes]:
    """Drop the header, which comes alone or with the first row."""
    stream = iter(messages)
    start = b""
    while len(start) < len(_COPY_HEADER):
        start += bytes(next(stream))
    if not start.startswith(_COPY_SIGNATURE):
        raise ValueError("not PostgreSQL's binary COPY format")
    yield start[len(_COPY_HEADER) :]
    yield from stream


def _wire_type(dtype: np.dtype) -> np.dtype:
    """Return one COPY record: the number of fields, then length and value of each."""
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for position, name in enumerate(dtype.names or ()):
        kind = dtype[name].str[1:]
        fields += [(f"length_{position}", ">i4"), (f"value_{position}", f">{kind}")]
    return np.dtype(fields)


def _to_records(part: Mapping[str, np.ndarray], wire: np.dtype) -> np.ndarray:
    records = np.empty(len(next(iter(part.values()))), wire)
    records["fields"] = len(part)
    for position, values in enumerate(part.values()):
        records[f"length_{position}"] = values.dtype.itemsize
        records[f"value_{position}"] = values
    return records


def _from_records(data: bytes, wire: np.dtype, dtype: np.dtype) -> np.ndarray:
    names = dtype.names or ()
    # A null has no value, which shifts all that follows.
    records = np.frombuffer(data, wire) if len(data) % wire.itemsize == 0 else None
    if records is None or not _lengths_fit(records, dtype):
        raise ValueError(f"a null among {', '.join(names)}; coalesce it in the query")
    chunk = np.empty(len(records), dtype)
    for position, name in enumerate(names):
        chunk[name] = records[f"value_{position}"]
    return chunk


def _lengths_fit(records: np.ndarray, dtype: np.dtype) -> bool:
    names = dtype.names or ()
    return bool((records["fields"] == len(names)).all()) and all(
        (records[f"length_{position}"] == dtype[name].itemsize).all()
        for position, name in enumerate(names)
    )


def _check_types(
    connection: Connection, query: sql.Composable, dtype: np.dtype
) -> None:
    """Compare a query's columns with the arrays' types.

    COPY itself takes a bigint's eight bytes for a double without a word.
    """
    probe = sql.SQL("select * from ({}) as probe limit 0").format(query)
    described = connection.execute(probe).description or []
    found = [(column.name, column.type_code) for column in described]
    names = dtype.names or ()
    expected = [(name, _TYPE_OIDS.get(dtype[name].str[1:], 0)) for name in names]
    if found != expected:
        raise ValueError(
            f"arrays are {_spell(expected)}, the database has {_spell(found)}"
        )


def _spell(columns: list[tuple[str, int]]) -> str:
    known = ((name, _TYPE_NAMES.get(oid, f"type {oid}")) for name, oid in columns)
    return ", ".join(f"{name} {kind}" for name, kind in known)
