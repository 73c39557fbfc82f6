"""The statements of `python_scoring.in_database` on DuckDB, against numpy there."""

import importlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from python_scoring import ledger, warehouse
from python_scoring.in_database import statements
from python_scoring.in_database.dialect import DUCKDB
from python_scoring.readmission import features, score
from python_scoring.readmission.additive import AdditiveHazards
from python_scoring.readmission.horizons import HORIZON_DAYS
from python_scoring.warehouse import Connection

# Nobody has been scored.
NOBODY = """
    select cast(null as bigint) as patient_id, cast(null as bigint) as features_hash,
        cast(null as smallint) as is_in_force
    where false
"""
_THREADS = 2


def connect(conn: Connection) -> Any:
    """Open a DuckDB in memory with the current people of a warehouse.

    Table ``features`` has them, with the columns that scoring reads.
    """
    types = {"i2": "smallint", "i4": "integer", "f8": "double"}
    fields = [("patient_id", "i8"), ("load_id", "i8"), *features.copy_fields()]
    query = f"""
        select cast(patient_id as bigint) as patient_id,
            cast(load_id as bigint) as load_id, {features.copy_columns("people")}
        from {features.PATIENT_FEATURES} as people
        where is_current and purpose = 'cohort'
    """
    rows = np.concatenate(list(warehouse.copy_out(conn, query, np.dtype(fields))))
    duck = importlib.import_module("duckdb").connect()
    duck.execute(f"set threads = {_THREADS}")
    columns = ", ".join(
        f"nullif(cast({name} as {types[kind]}), 'NaN'::float8) as {name}"
        if features.FEATURES[place].is_nullable
        else f"cast({name} as {types[kind]}) as {name}"
        for place, (name, kind) in enumerate(features.copy_fields())
    )
    given = {name: np.ascontiguousarray(rows[name]) for name, _ in fields}
    duck.register("given", given)
    duck.execute(
        "create table features as select patient_id, load_id, true as is_current,"
        f" 'cohort' as purpose, {columns} from given"
    )
    duck.unregister("given")
    return duck


def seconds(
    conn: Connection, hazards: AdditiveHazards, repeats: int
) -> Iterator[tuple[str, float, float]]:
    """Time both ways to score everybody: way, seconds, and the processor's."""
    duck = connect(conn)
    ways: dict[str, Callable[[Any, AdditiveHazards], None]] = {
        ledger.PYTHON: in_python,
        ledger.DATABASE: in_database,
    }
    for way, write in ways.items():
        found = []
        for _ in range(repeats):
            duck.execute("drop table if exists predictions")
            duck.execute("drop table if exists people_to_score")
            used, began = time.process_time(), time.perf_counter()
            write(duck, hazards)
            elapsed = time.perf_counter() - began
            found.append((elapsed, time.process_time() - used))
        everyone, processor = np.min(found, axis=0).tolist()
        yield way, everyone, processor


def in_database(duck: Any, hazards: AdditiveHazards) -> None:
    """Make table ``predictions`` by SQL."""
    people = statements.people(DUCKDB, "features", NOBODY, rescore=False)
    duck.execute(f"create table people_to_score as {people}")
    rows = statements.scores(DUCKDB, hazards, HORIZON_DAYS, "people_to_score", 1)
    duck.execute(f"create table predictions as {rows}")


def in_python(duck: Any, hazards: AdditiveHazards) -> None:
    """Make table ``predictions`` by numpy."""
    names = ", ".join(
        f"coalesce(cast({f.name} as double), 'NaN'::float8) as {f.name}"
        for f in features.FEATURES
    )
    rows = duck.execute(f"select patient_id, {names} from features").fetchnumpy()
    x = features.matrix(rows, features.FEATURE_NAMES)
    ids = np.asarray(rows["patient_id"])
    scores = score.score_matrix(hazards, ids, x, ledger.features_hash(x))
    duck.register("scored", ledger.rows_of(scores, 1, HORIZON_DAYS))
    duck.execute("create table predictions as select * from scored")
    duck.unregister("scored")
