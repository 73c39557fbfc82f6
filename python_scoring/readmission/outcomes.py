"""People of a current cohort whose outcomes are known, with their scores."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from python_scoring import seeds, warehouse
from python_scoring.evaluation import Group, Outcomes
from python_scoring.readmission import features, naive
from python_scoring.readmission.horizons import HORIZON_DAYS, happened_by
from python_scoring.warehouse import Connection

PATIENT_DEPARTMENTS = f"{features.INTERMEDIATE_SCHEMA}.int_patient_departments"

# Each person's newest scores, if they are of the model asked for.
_PEOPLE = f"""
    with

    people as (
        select
            patients.*,
            outcomes.days_to_readmission
        from {features.PATIENT_FEATURES} as patients
        inner join {features.PATIENT_OUTCOMES} as outcomes
            using (load_id, patient_id)
        where patients.is_current
            and patients.purpose = 'cohort'
            and patients.load_id = {{load_id}}
            and patients.organization_id = {{organization_id}}
    ),

    scored as (
        select
            predictions.*,
            model_version,
            max(batch_id) over (partition by patient_id) as latest_batch_id
        from raw.predictions
        inner join raw.visible_batches using (batch_id)
        where target = {{target}}
            and patient_id in (select people.patient_id from people)
    ),

    scores as (
        select patient_id, {{risks}}
        from scored
        where batch_id = latest_batch_id and model_version = {{model_version}}
        group by patient_id
    )

    select
        cast(patients.patient_id as bigint) as patient_id,
        cast(coalesce(patients.days_to_readmission, 0) as smallint) as days,
        cast(patients.is_female as smallint) as is_female,
        cast(patients.age as smallint) as age,
        cast(patients.race_code as smallint) as race_code,
        cast(departments.department_id as smallint) as department_id,
        {{single_features}},
        {", ".join(f"scores.risk_{days}" for days in HORIZON_DAYS)}
    from people as patients
    inner join {PATIENT_DEPARTMENTS} as departments
        on patients.patient_id = departments.patient_id
    inner join scores on patients.patient_id = scores.patient_id
"""

SEXES = {0: "male", 1: "female"}


def read_tier_bounds() -> dict[int, float]:
    """Read the lower bound of each tier from the seed that SQL reads too."""
    rows = _seed("rules/risk_tiers.csv")
    return {int(row["risk_tier"]): float(row["lower_bound"]) for row in rows}


def _seed(name: str) -> list[dict[str, str]]:
    return seeds.rows(seeds.folder() / name)


def _names(seed: str, key: str, name: str) -> Mapping[int, str]:
    return {int(row[key]): row[name] for row in _seed(seed)}


def read(
    conn: Connection, model_version: str, organization_id: int, load_id: int
) -> NDArray[np.void]:
    """Read a cohort's people with known outcomes and scores, in order of patient.

    Within a transaction: PostgreSQL guesses a handful of people, and would compare
    each of a million with all the others.
    """
    if not warehouse.is_duckdb(conn):
        conn.execute("set local enable_nestloop = off")
    fields = [
        ("patient_id", "i8"),
        *((name, "i2") for name in ("days", "is_female", "age", "race_code")),
        ("department_id", "i2"),
        *((name, "f8") for name in naive.FEATURES),
        *((f"risk_{days}", "f8") for days in HORIZON_DAYS),
    ]
    dtype = np.dtype(fields)
    query = _query(model_version, organization_id, load_id).as_string()
    chunks = list(warehouse.copy_out(conn, query, dtype))
    rows: NDArray[Any] = np.concatenate(chunks) if chunks else np.empty(0, dtype)
    return rows[np.argsort(rows["patient_id"])]


def _query(model_version: str, organization_id: int, load_id: int) -> sql.Composed:
    return sql.SQL(_PEOPLE).format(
        single_features=sql.SQL(naive.copy_columns("patients")),
        risks=sql.SQL(", ").join(
            sql.SQL("max(score) filter (where window_days = {}) as {}").format(
                sql.Literal(days), sql.Identifier(f"risk_{days}")
            )
            for days in HORIZON_DAYS
        ),
        target=sql.Literal(features.TARGET),
        model_version=sql.Literal(model_version),
        load_id=sql.Literal(load_id),
        organization_id=sql.Literal(organization_id),
    )


def arrange(rows: NDArray[np.void]) -> Outcomes:
    """Arrange a cohort's rows, (n,) in order of patient, for evaluation."""
    age_bands = _names("reference/age_bands.csv", "from_age", "age_band")
    starts = np.array(list(age_bands))
    band = starts[np.searchsorted(starts, rows["age"], side="right") - 1]
    races = _names("reference/races.csv", "race_code", "race")
    departments = _names("rules/departments.csv", "department_id", "department_code")
    return Outcomes(
        window_days=HORIZON_DAYS,
        patient_ids=rows["patient_id"],
        risk=np.column_stack([rows[f"risk_{days}"] for days in HORIZON_DAYS]),
        event=np.column_stack([happened_by(rows["days"], d) for d in HORIZON_DAYS]),
        groups={
            "sex": Group(rows["is_female"], SEXES),
            "age_band": Group(band.astype(np.int16), age_bands),
            "race": Group(rows["race_code"], races),
            "department": Group(rows["department_id"], departments),
        },
    )
