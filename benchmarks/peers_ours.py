"""The same work by this project, as users run it, on either engine.

`riskmart load cohort`, then `riskmart build`; the build is timed without its tests,
and tests and publication after it, by `riskmart publish`. What it makes besides what
the peers make (reasons, uncertainty, the holdout, budgets, the ledger, keys) is in
its time.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import measure, run
from benchmarks.peers_work import KEYS, VALUES, Answer, Rules
from python_scoring import config, pipeline, warehouse
from python_scoring.dbt import Project
from python_scoring.publication.builds import CANDIDATE_SCHEMA
from python_scoring.readmission.features import FEATURE_NAMES
from python_scoring.warehouse import Connection

ENGINES = ("postgres", "duckdb")

_POLL_SECONDS = 0.05


def is_there(engine: str) -> bool:
    """Whether the project can be built on an engine."""
    return engine in getattr(config, "TARGETS", ("postgres",))


def build() -> None:
    """Build a candidate, untested."""
    pipeline.build(tests=False, on_step=lambda s: print(f"    {s} ...", flush=True))


def prepare() -> None:
    """Do what happens once in the life of a warehouse: make it, and train."""
    _timed("-m", "benchmarks.peers_ours")


def load_and_build(people: Path, org: str, as_of: str) -> tuple[dict[str, float], int]:
    """Run the two commands, each from the start of its Python.

    Returns
    -------
    Seconds by command, and the most memory that one of them had, in bytes.
    """
    load = _timed(
        *("-m", "python_scoring", "load", "cohort", str(people)),
        *("--org", org, "--as-of", as_of),
    )
    built = _timed("-m", "benchmarks.peers_ours")
    return {"load": load[0], "build": built[0]}, max(load[1], built[1])


def test_and_publish() -> float:
    """Run every test, and publish; seconds."""
    began = time.perf_counter()
    project = Project()
    project.parse()
    run.make_for_tests(project)
    _timed("-m", "python_scoring", "publish")
    return time.perf_counter() - began


def _timed(*arguments: str) -> tuple[float, int]:
    began, peak = time.perf_counter(), 0
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=config.PROJECT_DIR, stdout=sys.stderr
    )
    while process.poll() is None:
        peak = max(peak, measure.peak_of(process.pid))
        time.sleep(_POLL_SECONDS)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return time.perf_counter() - began, peak


def answer(rules: Rules, org: str, to: Answer) -> None:
    """Leave the marts of one organization to be compared."""
    with warehouse.connect() as conn:
        for name, source in _sources(last_schema(conn), rules, org).items():
            columns = (*KEYS[name], *VALUES[name])
            listed = ", ".join(
                f"coalesce(cast({c} as double precision), cast('NaN' as double"
                f" precision)) as {c}"
                for c in columns
            )
            query = (
                f"select {listed} from ({source}) as rows order by"
                f" {', '.join(KEYS[name])}"
            )
            fields = np.dtype([(column, "f8") for column in columns])
            rows = warehouse.copy_out(conn, query, fields)
            to.write(name, _chunks(rows))


def _chunks(chunks: Iterator[np.ndarray]) -> Iterator[Mapping[str, Any]]:
    for chunk in chunks:
        yield {name: chunk[name] for name in chunk.dtype.names or ()}


def last_schema(conn: Connection) -> str:
    """Find where the last build's tables are, before it is published.

    A schema of the build's own where an engine cannot rename one afterwards.
    """
    found = conn.execute("select max(build_id) from raw.builds").fetchone()
    assert found is not None
    own = f"build_{found[0]}"
    named = conn.execute(
        f"select schema_name from information_schema.schemata"
        f" where schema_name = '{own}'".encode()
    ).fetchone()
    return own if named else CANDIDATE_SCHEMA


def _sources(schema: str, rules: Rules, org: str) -> dict[str, str]:
    """Select each table under the names and numbers that the peers have."""
    # The last part of an external_id of ours is the place in the file.
    person = "cast(split_part(people.external_id, '-', 2) as bigint) as patient_id"
    days = "cast(split_part(marts.prediction_window, '_', 1) as integer) as window_days"
    category = f"{_place('marts.roi_category', rules.categories)} as category"
    own = (
        f"marts.organization_id = (select organization_id from {schema}.organizations"
        f" where org_code = '{org}')"
    )
    people = "inner join raw.patient_registry as people using (patient_id)"
    money = (
        "marts.risk_tier, marts.expected_savings, marts.intervention_cost,"
        " marts.net_benefit, marts.roi_percent"
    )
    summaries = {
        name: f"select marts.*, {days} from {schema}.{name} as marts where {own}"
        for name in (
            *("org_tier_summary", "dept_risk_distribution"),
            *("roi_aggregations", "roi_by_department"),
        )
    }
    return {
        "projections": f"select {person}, {days}, predictions.risk_score,"
        f" patients.department_id, marts.window_cost, marts.addressable_cost,"
        f" marts.success_rate, {money}, {category}"
        f" from {schema}.financial_projections as marts {people}"
        f" inner join {schema}.predictions as predictions"
        " using (patient_id, prediction_window)"
        f" inner join {schema}.patients as patients using (patient_id) where {own}",
        "positive_roi_patients": f"select {person}, {days}, marts.department_id,"
        f" marts.risk_score, {money}, {category}"
        f" from {schema}.positive_roi_patients as marts {people} where {own}",
        **summaries,
        "cohort_comparison": f"select marts.*,"
        f" {_place('marts.feature_name', FEATURE_NAMES)} as feature_id"
        f" from {schema}.cohort_comparison as marts"
        f" where {own} and marts.data_source <> 'NEW_PATIENT'",
    }


def _place(column: str, names: tuple[str, ...]) -> str:
    """Write the place of a name in a list, from 1, as SQL."""
    branches = " ".join(f"when '{name}' then {i}" for i, name in enumerate(names, 1))
    return f"case {column} {branches} end"


def engine_environment(engine: str) -> dict[str, str]:
    """Name the engine to every command."""
    return {} if engine == "postgres" else {"RISKMART_TARGET": engine}


if __name__ == "__main__":
    build()
    print(f"    load {os.getloadavg()[0]:.1f}", file=sys.stderr)
