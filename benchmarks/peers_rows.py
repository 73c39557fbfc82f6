"""The work row by row, as the original design draws it.

For each patient: insert the patient and the features, score one row, and for each
window insert a prediction, read its number back, and insert its projection; one
commit a patient. Summaries are materialized views, refreshed once at the end. In its
favour: ranks of costs come from pandas at once, the score from the compiled model
(scikit-learn's `predict_proba` of one row takes milliseconds, three times a patient),
psycopg prepares the statements, and tables are analyzed before the views.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import peers_sql
from benchmarks.peers_clock import Clock
from benchmarks.peers_pandas import SCHEMA
from benchmarks.peers_work import (
    CONDITIONS,
    NONE_ON_RECORD,
    Answer,
    Rules,
    department,
    open_model,
    read_rules,
    risk,
)
from python_scoring import warehouse
from python_scoring.readmission.additive import AdditiveHazards
from python_scoring.readmission.features import FEATURE_NAMES
from python_scoring.readmission.horizons import HORIZON_DAYS
from python_scoring.warehouse import Connection

Row = dict[str, Any]

_TABLES = f"""
create schema {SCHEMA};
set search_path = {SCHEMA};
create table patients (
    patient_id bigint primary key, external_id text not null unique
);
create table features (
    patient_id bigint primary key references patients,
    department_id smallint not null,
    {peers_sql.FEATURE_COLUMNS}
);
create table predictions (
    prediction_id bigint generated always as identity primary key,
    patient_id bigint not null references patients,
    window_days smallint not null,
    risk_score double precision not null,
    risk_tier smallint not null
);
create table projections (
    prediction_id bigint primary key references predictions,
    patient_id bigint not null references patients,
    window_days smallint not null,
    risk_tier smallint not null,
    window_cost double precision not null,
    addressable_cost double precision not null,
    success_rate double precision not null,
    expected_savings double precision not null,
    intervention_cost double precision not null,
    net_benefit double precision not null,
    roi_percent double precision not null,
    roi_category text not null
);
"""
_FEATURES = ", ".join(FEATURE_NAMES)
_INSERT_FEATURES = (
    f"insert into features (patient_id, department_id, {_FEATURES})"
    f" values (%s, %s, {', '.join(['%s'] * len(FEATURE_NAMES))})"
)
_INSERT_PREDICTION = (
    "insert into predictions (patient_id, window_days, risk_score, risk_tier)"
    " values (%s, %s, %s, %s) returning prediction_id"
)
_INSERT_PROJECTION = f"insert into projections values ({', '.join(['%s'] * 12)})"
_QUARTILES = (
    "percentile_cont(array[0.25, 0.5, 0.75]) within group"
    " (order by cast({feature} as double precision))"
)


def run(clock: Clock, people: Path, model: Path) -> None:
    """Do all of it in the warehouse in force, in a schema of its own."""
    rules = read_rules()
    with clock.step("load"):
        raw = pd.read_parquet(people)
        ranks = raw["annual_cost"].rank(method="max", pct=True).tolist()
        rows: list[Row] = raw.to_dict("records")
    with clock.step("row by row"), warehouse.connect() as conn:
        conn.execute(_TABLES.encode())
        for statement in peers_sql.rule_tables(rules):
            conn.execute(statement.encode())
        conn.commit()
        hazards = open_model(model)
        for number, (row, rank) in enumerate(zip(rows, ranks, strict=True), start=1):
            take_through(conn, number, derive(row, rank), hazards, rules)
    with clock.step("summaries"), warehouse.connect() as conn:
        conn.execute(f"set search_path = {SCHEMA}".encode())
        conn.execute("analyze features, predictions, projections")
        views = peers_sql.summaries("materialized view")
        views.append(peers_sql.comparison("materialized view", _QUARTILES))
        for statement in views:
            conn.execute(statement.encode())


def derive(row: Row, cost_percentile: float) -> Row:
    """Derive one person's features."""
    count = sum(row[name] for name in CONDITIONS)
    found = row["days_since_last_admission"]
    since = None if math.isnan(found) or found == NONE_ON_RECORD else int(found)
    high_cost = int(cost_percentile > 0.75)
    return {
        **row,
        "days_since_last_admission": since,
        "is_elderly": int(row["age"] > 75),
        "recent_admission": int(since is not None and since <= 90),
        "high_outpatient_user": int(row["total_outpatient_visits"] > 10),
        "cost_percentile": cost_percentile,
        "high_cost": high_cost,
        "frailty_score": 0.4 * min(max((row["age"] - 65) / 30, 0), 1)
        + 0.4 * count / 10
        + 0.2 * high_cost,
        "complexity_index": 0.6 * min(count, 5)
        + 3.5 * cost_percentile
        + 0.35 * min(row["total_hospital_days"], 10),
    }


def take_through(
    conn: Connection, number: int, person: Row, hazards: AdditiveHazards, rules: Rules
) -> None:
    """Insert all of one patient, and commit."""
    values = [person[name] for name in FEATURE_NAMES]
    x = np.array([[np.nan if v is None else v for v in values]], float)
    conn.execute(
        "insert into patients values (%s, %s)", (number, person["external_id"])
    )
    conn.execute(_INSERT_FEATURES, (number, department(person, rules), *values))
    scores = risk(hazards, x)[0].tolist()
    for place, (days, score) in enumerate(zip(HORIZON_DAYS, scores, strict=True)):
        tier = 1 + sum(score >= bound for bound in rules.tier_bounds.tolist())
        found = conn.execute(_INSERT_PREDICTION, (number, days, score, tier)).fetchone()
        assert found is not None
        projection = project(person["annual_cost"], tier, place, rules)
        conn.execute(_INSERT_PROJECTION, (found[0], number, days, tier, *projection))
    conn.commit()


def project(
    annual_cost: float, tier: int, place: int, rules: Rules
) -> tuple[float | str, ...]:
    """Project one return, in the order of the table's last columns."""
    window_cost = annual_cost / 365 * HORIZON_DAYS[place]
    addressable = rules.addressable_share * window_cost
    rate = float(rules.success_rates[tier - 1, place])
    cost = float(rules.costs[tier - 1, place])
    savings = addressable * rate
    percent = 100 * (savings - cost) / cost
    bounds = zip(rules.categories, rules.category_bounds.tolist(), strict=False)
    category = next((c for c, bound in bounds if percent > bound), rules.categories[-1])
    return (
        *(window_cost, addressable, rate, savings, cost),
        *(savings - cost, percent, category),
    )


def answer(rules: Rules, to: Answer) -> None:
    """Leave the tables to be compared."""
    with warehouse.connect() as conn:
        conn.execute(f"set search_path = {SCHEMA}".encode())
        for name, query in peers_sql.answers(rules).items():
            to.write(name, _chunks(conn, query))


def _chunks(conn: Connection, query: str) -> Iterator[Mapping[str, Any]]:
    rows = conn.execute(query.encode())
    assert rows.description is not None
    names = [column.name for column in rows.description]
    columns = dict(zip(names, zip(*rows.fetchall(), strict=True), strict=True))
    yield {k: v for k, v in columns.items() if not isinstance(v[0], str)}
