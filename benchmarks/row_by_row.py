"""The row-by-row way that the original design describes, to compare with.

For each patient: an insert of the patient, a select of their features into a
dictionary, `predict_proba` on one row for each of the three hazards, the ROI in
Python, an insert per prediction and per projection, and a commit. Its summaries,
tests and reasons for a score are left out, all in its favour.
"""

import time
from typing import Any

import numpy as np
from psycopg.rows import dict_row

from python_scoring import artifacts, registry, warehouse
from python_scoring.readmission import features
from python_scoring.readmission.horizons import HORIZON_DAYS

# Has a primary key, unlike what the scorer reads.
_FEATURES = "candidate.patient_features"
_ADDRESSABLE_SHARE = 0.60
_TABLES = """
create schema benchmark_rows;
create table benchmark_rows.patients (patient_id bigint primary key, age int,
    annual_cost double precision);
create table benchmark_rows.predictions (prediction_id bigint generated always as
    identity primary key, patient_id bigint references benchmark_rows.patients,
    window_days int, risk_score double precision, risk_tier int);
create table benchmark_rows.projections (prediction_id bigint primary key
    references benchmark_rows.predictions, window_cost double precision,
    expected_savings double precision, net_benefit double precision,
    roi_percent double precision);
"""

Row = dict[str, Any]
Rates = dict[tuple[int, int], tuple[float, float]]


def seconds_per_patient(patients: int) -> tuple[float, int]:
    """Take some patients through, one by one.

    Returns
    -------
    Seconds a patient, and how many were measured.
    """
    with warehouse.connect() as conn:
        model = registry.champion(conn, features.TARGET)
        assert model is not None
        path = artifacts.path_of(model.artifact_file)
        content = artifacts.load_verified(path, model.artifact_sha256)
        pipelines = artifacts.unpacked(content["pipelines"])
        rates = _rates(conn)
        conn.execute(_TABLES)
        conn.commit()
        people = conn.execute(
            f"select patient_id from {_FEATURES} order by patient_id limit %s",
            (patients,),
        ).fetchall()
        began = time.perf_counter()
        for (patient_id,) in people:
            _take_through(conn, patient_id, pipelines, rates)
        seconds = time.perf_counter() - began
        conn.execute("set client_min_messages = warning")
        conn.execute("drop schema benchmark_rows cascade")
        conn.commit()
    return seconds / len(people), len(people)


def _rates(conn: warehouse.Connection) -> Rates:
    """Read cost and success rate by tier and window."""
    rows = conn.execute(
        "select risk_tier, window_days, intervention_cost, success_rate"
        " from intermediate.int_roi_rates"
    ).fetchall()
    return {(tier, days): (cost, rate) for tier, days, cost, rate in rows}


def _take_through(
    conn: warehouse.Connection, patient_id: int, pipelines: Any, rates: Rates
) -> None:
    with conn.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            f"select * from {_FEATURES} where patient_id = %s", (patient_id,)
        )
        patient = cursor.fetchone()
    assert patient is not None
    conn.execute(
        "insert into benchmark_rows.patients values (%s, %s, %s)",
        (patient_id, patient["age"], patient["annual_cost"]),
    )
    for days, risk in zip(HORIZON_DAYS, _risks(patient, pipelines), strict=True):
        _insert_prediction(conn, patient, days, risk, rates)
    conn.commit()


def _risks(patient: Row, pipelines: Any) -> list[float]:
    """Score one person: three models, one row each."""
    values = [patient[name] for name in features.FEATURE_NAMES]
    x = np.array([[np.nan if value is None else value for value in values]], float)
    survival, risks = 1.0, []
    for pipeline in pipelines:
        survival *= 1 - pipeline.predict_proba(x)[0, 1]
        risks.append(float(1 - survival))
    return risks


def _insert_prediction(
    conn: warehouse.Connection, patient: Row, days: int, risk: float, rates: Rates
) -> None:
    tier = min(int(risk * 5) + 1, 5)
    row = conn.execute(
        "insert into benchmark_rows.predictions"
        " (patient_id, window_days, risk_score, risk_tier)"
        " values (%s, %s, %s, %s) returning prediction_id",
        (patient["patient_id"], days, risk, tier),
    ).fetchone()
    assert row is not None
    cost, rate = rates[tier, days]
    window_cost = patient["annual_cost"] / 365 * days
    savings = _ADDRESSABLE_SHARE * window_cost * rate
    net = savings - cost
    conn.execute(
        "insert into benchmark_rows.projections values (%s, %s, %s, %s, %s)",
        (row[0], window_cost, savings, net, 100 * net / cost),
    )
