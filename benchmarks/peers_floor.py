"""The floor of a DuckDB file: its bytes written anew, and the matrix scored once.

What `floor` is for PostgreSQL: no way that ends with the same tables can be faster.
"""

import tempfile
import time
from pathlib import Path

import duckdb

from benchmarks import peers_work
from python_scoring.readmission.features import FEATURE_NAMES

_CHUNK_ROWS = 100_000


def duckdb_seconds(file: Path, schema: str, folder: Path) -> float:
    """Write every table of a schema into a new file; seconds.

    Reading them from Parquet is counted, writing that is not. Nothing stays.
    """
    with tempfile.TemporaryDirectory(dir=folder) as name:
        copies = Path(name)
        with duckdb.connect(str(file), read_only=True) as conn:
            tables = conn.execute(
                "select table_name from duckdb_tables() where schema_name = ?"
                " and not internal order by 1",
                [schema],
            ).fetchall()
            for (table,) in tables:
                conn.execute(
                    f"copy (select * from {schema}.{table})"
                    f" to '{copies / table}.parquet'"
                )
        began = time.perf_counter()
        with duckdb.connect(str(copies / "floor.duckdb")) as conn:
            conn.execute("set preserve_insertion_order = false")
            for (table,) in tables:
                conn.execute(
                    f"create table {table} as"
                    f" select * from read_parquet('{copies / table}.parquet')"
                )
            conn.execute("checkpoint")
        return time.perf_counter() - began


def risk_seconds(file: Path, model: Path) -> float:
    """Score everybody once, from arrays that are there; seconds."""
    hazards = peers_work.open_model(model)
    seconds = 0.0
    with duckdb.connect(str(file), read_only=True) as conn:
        rows = conn.sql(f"select {', '.join(FEATURE_NAMES)} from features")
        for batch in rows.to_arrow_reader(_CHUNK_ROWS):
            x = peers_work.matrix(
                {n: batch[n].to_numpy(zero_copy_only=False) for n in FEATURE_NAMES}
            )
            began = time.perf_counter()
            peers_work.risk(hazards, x)
            seconds += time.perf_counter() - began
    return seconds
