"""The work in hand-written DuckDB SQL, without dbt: one script, one file.

Python scores in between, by chunks that go through as Arrow and are written while
the next is read: as a competent person with a fitted model would.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from benchmarks import peers_sql
from benchmarks.peers_clock import Clock
from benchmarks.peers_work import (
    CONDITIONS,
    NONE_ON_RECORD,
    Answer,
    Rules,
    department_case,
    matrix,
    open_model,
    read_rules,
    risk,
)
from python_scoring.readmission.additive import AdditiveHazards
from python_scoring.readmission.features import FEATURE_NAMES
from python_scoring.readmission.horizons import HORIZON_DAYS

_SCRIPT = Path(__file__).with_name("peers_duckdb.sql")
_CHUNK_ROWS = 100_000
_SCORED = pa.schema(
    [
        ("patient_id", pa.int64()),
        ("window_days", pa.int16()),
        ("risk_score", pa.float64()),
        ("risk_tier", pa.int16()),
    ]
)


def run(
    clock: Clock, people: Path, model: Path, file: Path
) -> duckdb.DuckDBPyConnection:
    """Do all of it, in a new file; the connection to it."""
    rules = read_rules()
    with clock.step("features"):
        conn = duckdb.connect(str(file))
        # Rows may be written in any order: people have a number.
        conn.execute("set preserve_insertion_order = false")
        features, projections = _script(people, rules)
        for statement in (*peers_sql.rule_tables(rules), features):
            conn.execute(statement)
    with clock.step("score"):
        _score(conn, open_model(model), rules)
    with clock.step("projections"):
        conn.execute(projections)
    with clock.step("summaries"):
        quartiles = "quantile_cont({feature}, [0.25, 0.5, 0.75])"
        for statement in peers_sql.summaries("table"):
            conn.execute(statement)
        conn.execute(peers_sql.comparison("table", quartiles))
    with clock.step("checkpoint"):
        conn.execute("checkpoint")
    return conn


def _script(people: Path, rules: Rules) -> list[str]:
    given = {
        "people": str(people).replace("'", "''"),
        "none": str(NONE_ON_RECORD),
        "base_columns": peers_sql.BASE_COLUMNS,
        "conditions": " + ".join(CONDITIONS),
        "department": department_case(rules),
        "share": repr(rules.addressable_share),
        "category": peers_sql.category_case(rules, "roi_percent"),
    }
    return peers_sql.statements(_SCRIPT, given)


def _score(
    conn: duckdb.DuckDBPyConnection, hazards: AdditiveHazards, rules: Rules
) -> None:
    """Read with one connection and write with another, so that both go on at once."""
    listed = ", ".join(FEATURE_NAMES)
    rows = conn.cursor().sql(f"select patient_id, {listed} from features")
    batches = rows.to_arrow_reader(_CHUNK_ROWS)
    # DuckDB finds it by its name.
    scored = pa.RecordBatchReader.from_batches(
        _SCORED, (_scored(batch, hazards, rules) for batch in batches)
    )
    conn.register("scored", scored)
    conn.execute("create table predictions as select * from scored")
    conn.unregister("scored")


def _scored(
    batch: pa.RecordBatch, hazards: AdditiveHazards, rules: Rules
) -> pa.RecordBatch:
    columns = {
        name: batch[name].to_numpy(zero_copy_only=False) for name in FEATURE_NAMES
    }
    scores = risk(hazards, matrix(columns)).ravel()
    tier = np.searchsorted(rules.tier_bounds, scores, side="right") + 1
    windows = np.array(HORIZON_DAYS, dtype=np.int16)
    people = np.repeat(batch["patient_id"].to_numpy(), len(windows))
    days = np.tile(windows, len(batch))
    arrays = [people, days, scores, tier.astype(np.int16)]
    return pa.record_batch(list(map(pa.array, arrays)), schema=_SCORED)


def answer(conn: duckdb.DuckDBPyConnection, rules: Rules, to: Answer) -> None:
    """Leave the tables to be compared."""
    conn.execute("set preserve_insertion_order = true")
    for name, query in peers_sql.answers(rules).items():
        reader = conn.sql(query).to_arrow_reader(_CHUNK_ROWS)
        to.write(name, _chunks(reader))


def _chunks(batches: pa.RecordBatchReader) -> Iterator[Mapping[str, Any]]:
    for batch in batches:
        yield {
            name: batch[name].cast(pa.float64()).to_numpy(zero_copy_only=False)
            for name in batch.schema.names
            if not pa.types.is_string(batch[name].type)
        }
