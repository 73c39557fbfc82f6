"""Bulk copies give back what was put in; refusals say why, without the password."""

import socket
import struct
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import psycopg
import pytest

from python_scoring import warehouse
from python_scoring.errors import BadInput
from python_scoring.warehouse import Connection

SQL_TYPES = {"i2": "smallint", "i4": "integer", "i8": "bigint", "f8": "float8"}
PASSWORD = "s3cret-of-mine"


def some_columns(rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Columns of every type, extremes first."""
    random = np.random.default_rng(seed)
    columns: dict[str, np.ndarray] = {}
    for code in ("i2", "i4", "i8"):
        info = np.iinfo(code)
        values = random.integers(info.min, info.max, rows, dtype=code, endpoint=True)
        extremes = np.array([info.min, info.max, 0, -1], dtype=code)[:rows]
        values[: len(extremes)] = extremes
        columns[code] = values
    doubles = random.standard_normal(rows) * 10.0 ** random.integers(-300, 300, rows)
    odd = np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324, 1.7976931348623157e308])
    doubles[: len(odd)] = odd[:rows]
    columns["f8"] = doubles
    return columns


def make_table(conn: Connection, columns: dict[str, np.ndarray]) -> np.dtype:
    body = ", ".join(f'"{n}" {SQL_TYPES[a.dtype.str[1:]]}' for n, a in columns.items())
    conn.execute(f"create temporary table copied (position serial, {body})".encode())
    return np.dtype([(name, values.dtype) for name, values in columns.items()])


def bits(values: np.ndarray) -> bytes:
    return np.ascontiguousarray(values).tobytes()


@pytest.mark.parametrize("rows", [1, 2, 99, 100, 101, 30_000])
@pytest.mark.parametrize("block", [1, 1000, 2**19])
def test_a_round_trip_keeps_every_bit(
    rows: int, block: int, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warehouse, "_BLOCK_BYTES", block)
    columns = some_columns(rows, seed=rows)
    dtype = make_table(conn, columns)
    assert warehouse.copy_in(conn, "copied", columns) == rows
    query = "select i2, i4, i8, f8 from copied order by position;"
    chunks = list(warehouse.copy_out(conn, query, dtype, chunk_rows=100))
    assert [len(chunk) for chunk in chunks[:-1]] == [100] * (len(chunks) - 1)
    assert 0 < len(chunks[-1]) <= 100
    found = np.concatenate(chunks)
    assert found.dtype == dtype
    for name, values in columns.items():
        assert bits(found[name]) == bits(values), name


def test_no_rows_make_no_chunk(conn: Connection) -> None:
    dtype = make_table(conn, some_columns(0))
    assert warehouse.copy_in(conn, "copied", some_columns(0)) == 0
    query = "select i2, i4, i8, f8 from copied"
    assert list(warehouse.copy_out(conn, query, dtype)) == []


def test_strided_and_swapped_arrays_go_in_as_they_read(conn: Connection) -> None:
    wide = np.arange(20, dtype="f8").reshape(10, 2)
    columns = {"a": wide[:, 1], "b": np.arange(10, dtype=">i4")[::-1]}
    make_table(conn, {"a": wide[:, 1], "b": np.arange(10, dtype="i4")})
    warehouse.copy_in(conn, "copied", columns)
    rows = conn.execute("select a, b from copied order by position").fetchall()
    assert rows == [(2.0 * n + 1, 9 - n) for n in range(10)]


def test_goes_into_a_table_with_a_schema(conn: Connection) -> None:
    conn.execute('create table raw."odd name" (n integer)')
    columns = {"n": np.arange(3, dtype="i4")}
    assert warehouse.copy_in(conn, "raw.odd name", columns) == 3


def test_other_types_than_the_tables_are_refused(conn: Connection) -> None:
    """COPY alone would take a bigint's eight bytes for a double."""
    make_table(conn, {"n": np.zeros(1, "f8")})
    with pytest.raises(ValueError, match="n bigint, the database has n double"):
        warehouse.copy_in(conn, "copied", {"n": np.zeros(1, "i8")})
    with pytest.raises(ValueError, match="n bigint, the database has n double"):
        list(warehouse.copy_out(conn, "select n from copied", np.dtype([("n", "i8")])))


@pytest.mark.parametrize("query", ["select 1::int as b, 2::int as a", "select 1 as a"])
def test_other_columns_than_asked_for_are_refused(query: str, conn: Connection) -> None:
    dtype = np.dtype([("a", "i4"), ("b", "i4")])
    with pytest.raises(ValueError, match="arrays are a integer, b integer"):
        list(warehouse.copy_out(conn, query, dtype))


@pytest.mark.parametrize("null_row", [1, 150, 300])
def test_a_null_is_refused_not_misread(null_row: int, conn: Connection) -> None:
    query = f"""
        select n, nullif(n, {null_row})::float8 as value
        from generate_series(1, 300) as numbers (n)
    """
    dtype = np.dtype([("n", "i4"), ("value", "f8")])
    with pytest.raises(ValueError, match="a null among n, value"):
        list(warehouse.copy_out(conn, query, dtype, chunk_rows=100))


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"a": np.zeros(2), "b": np.zeros(3)},
        {"a": np.zeros((2, 2))},
        {"a": np.array(["text"])},
        {"a": np.zeros(2, "f4")},
    ],
)
def test_what_is_no_table_of_numbers_is_refused(
    columns: dict[str, np.ndarray], conn: Connection
) -> None:
    conn.execute("create temporary table copied (a float8, b float8)")
    with pytest.raises(ValueError, match=r"."):
        warehouse.copy_in(conn, "copied", columns)


def test_a_reader_may_stop_early(conn: Connection) -> None:
    query = "select n from generate_series(1, 1000000) as numbers (n)"
    chunks = warehouse.copy_out(conn, query, np.dtype([("n", "i4")]), chunk_rows=10)
    assert next(chunks)["n"].tolist() == list(range(1, 11))
    chunks.close()  # type: ignore[attr-defined]
    conn.rollback()
    assert conn.execute("select 1").fetchone() == (1,)


def count_raw_tables(conn: Connection) -> int:
    row = conn.execute(
        "select count(*) from pg_tables where schemaname = 'raw'"
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_prepare_keeps_what_is_there(conn: Connection) -> None:
    tables = count_raw_tables(conn)
    assert tables > 5
    add_load(conn)
    conn.commit()
    warehouse.prepare(conn)
    # Also when the tables' definition has changed since.
    conn.execute("comment on schema raw is 'older'")
    warehouse.prepare(conn)
    assert count_raw_tables(conn) == tables
    assert conn.execute("select count(*) from raw.loads").fetchone() == (1,)


def test_prepare_several_times_at_once(conn: Connection) -> None:
    conn.execute("drop schema raw cascade")
    conn.commit()
    failures: list[Exception] = []

    def prepare() -> None:
        try:
            with warehouse.connect() as connection:
                warehouse.prepare(connection)
        except psycopg.Error as error:
            failures.append(error)

    threads = [threading.Thread(target=prepare) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert count_raw_tables(conn) > 5


def test_prepare_does_not_wait_for_a_long_load(conn: Connection) -> None:
    add_load(conn)
    with warehouse.connect(options="-c lock_timeout=500") as beside:
        warehouse.prepare(beside)


def add_load(conn: Connection) -> None:
    conn.execute(
        """
        insert into raw.loads (source, purpose, org_code, as_of_date, content_sha256,
            files, row_count, rejected_count, has_outcomes)
        values ('cohort', 'cohort', 'X', '2024-01-01', repeat('0', 64), '{}', 0, 0,
            false)
        """
    )


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack(">i", len(body) + 4) + body


REFUSAL = b'SFATAL\0C28P01\0Mpassword authentication failed for user "anna"\0\0'


@contextmanager
def fake_server(version: str | None) -> Iterator[int]:
    """A server that says its version and waits, or refuses us if it has none."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                size = struct.unpack(">i", client.recv(4))[0]
                client.recv(size - 4)
                if version is None:
                    client.sendall(message(b"E", REFUSAL))
                    return
                said = f"server_version\0{version}\0".encode()
                client.sendall(
                    message(b"R", struct.pack(">i", 0))
                    + message(b"S", said)
                    + message(b"S", b"client_encoding\0UTF8\0")
                    + message(b"Z", b"I")
                )
                client.recv(100)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def refusal_of(dsn: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is said of a server that is no good: message and traceback."""
    monkeypatch.setenv("RISKMART_DSN", dsn)
    with pytest.raises(BadInput) as caught:
        warehouse.connect()
    shown = "".join(traceback.format_exception(caught.value))
    assert PASSWORD not in shown
    return str(caught.value)


def test_an_older_server_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_server("14.9") as port:
        dsn = f"postgresql://anna:{PASSWORD}@127.0.0.1:{port}/mart?sslmode=disable"
        said = refusal_of(dsn, monkeypatch)
    assert "is PostgreSQL 14; expected 15 or newer" in said
    assert f"database mart at 127.0.0.1:{port}, user anna" in said


def test_a_server_of_version_15_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_server("15.0") as port:
        dsn = f"postgresql://anna@127.0.0.1:{port}/mart?sslmode=disable"
        monkeypatch.setenv("RISKMART_DSN", dsn)
        warehouse.connect().close()


def test_a_wrong_password_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_server(None) as port:
        dsn = (
            f"host=127.0.0.1 port={port} user=anna password={PASSWORD} sslmode=disable"
        )
        said = refusal_of(dsn, monkeypatch)
    assert "password authentication failed" in said


@pytest.mark.parametrize(
    ("dsn", "message"),
    [
        (f"postgresql://anna:{PASSWORD}@127.0.0.1:1/mart", "127.0.0.1:1, user anna"),
        (f"host=127.0.0.1 port=1 user=anna password={PASSWORD}", "Connection refused"),
        (f"postgresql://anna:{PASSWORD}@127.0.0.1:port/mart", "port"),
        (f"host=127.0.0.1 {PASSWORD}", "cannot be read"),
        (f"postgresql://anna:{PASSWORD}%zz@127.0.0.1/mart", "cannot be read"),
    ],
)
def test_no_refusal_shows_the_password(
    dsn: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert message in refusal_of(dsn, monkeypatch)


@pytest.mark.parametrize(
    ("reasons", "attempts"),
    [
        (["the database system is starting up", "too many clients already"], 3),
        (["password authentication failed"], 1),
        (["the database system is starting up"] * 9, 6),
    ],
)
def test_connecting_is_tried_again_where_it_will_not_be_long(
    database_server: None,
    monkeypatch: pytest.MonkeyPatch,
    reasons: list[str],
    attempts: int,
) -> None:
    tried = 0
    connect = psycopg.connect

    def refuse(*arguments: Any, **options: Any) -> Any:
        nonlocal tried
        tried += 1
        if tried <= len(reasons):
            raise psycopg.OperationalError(reasons[tried - 1])
        return connect(*arguments, **options)

    monkeypatch.setattr(warehouse, "_RETRY_PAUSES", (0.0,) * 5)
    monkeypatch.setattr(psycopg, "connect", refuse)
    if attempts > len(reasons):
        warehouse.connect().close()
    else:
        with pytest.raises(BadInput, match=reasons[-1]):
            warehouse.connect()
    assert tried == attempts
