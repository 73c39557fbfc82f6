"""Sixteen people worked out by hand, to be sent through the whole chain.

They are those of int_patient_features.yml and int_patient_departments.yml, at 10
USD a day more from one to the next. Their scores are not the model's: they stand
at both ends of every tier. `expected_projections.csv` was worked out in exact
decimals from FACTS.md's formulas and DESIGN.md's costs and rates.
"""

from datetime import date

import numpy as np
import pandas as pd
from copies import FIXTURES

from python_scoring import ledger, registry, warehouse
from python_scoring.cohorts import cohort
from python_scoring.readmission.features import FEATURE_NAMES, TARGET
from python_scoring.readmission.horizons import HORIZON_DAYS

ORG = "SYNTH"
ORGANIZATION_ID = 3
AS_OF = date(2025, 12, 31)
FOLDER = FIXTURES / "golden"

# The reasons that they are given, by window: whichever their values, all of these.
REASONS = (
    ("has_chf", "total_admissions", "annual_cost"),
    ("days_since_last_admission", "race_code", "age"),
    ("has_diabetes", "total_hospital_days", "total_outpatient_visits"),
)
CONTRIBUTIONS = (0.5, -0.25, 0.125)


def load() -> None:
    with warehouse.connect(autocommit=True) as conn:
        cohort.load(conn, FOLDER / "golden.csv", org=ORG, as_of=AS_OF)


def expected_features() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "expected_features.csv")


def expected_projections() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "expected_projections.csv")


def inject_scores() -> None:
    """Append a batch of the chosen scores over the model's own for these people."""
    scores = expected_projections().pivot(
        index="external_id", columns="prediction_window", values="risk_score"
    )
    windows = [f"{days}_day" for days in HORIZON_DAYS]
    with warehouse.connect(autocommit=True) as conn:
        people = _people(conn)
        model = registry.champion(conn, TARGET)
        assert model is not None
        shape = (len(people), len(windows), ledger.REASONS)
        batch = ledger.Scores(
            patient_ids=people["patient_id"].to_numpy(np.int64),
            features_hash=people["features_hash"].to_numpy(np.int64),
            scores=scores.loc[people["external_id"], windows].to_numpy(),
            reason_features=np.broadcast_to(_feature_ids(), shape).copy(),
            reason_contributions=np.broadcast_to(CONTRIBUTIONS, shape).copy(),
            reason_values=_values(people["external_id"]).reshape(shape),
        )
        ledger.append(conn, TARGET, model.model_version, HORIZON_DAYS, [batch])


def _feature_ids() -> np.ndarray:
    ids = [[FEATURE_NAMES.index(name) + 1 for name in names] for names in REASONS]
    return np.array(ids, dtype=np.int16)


def _values(external_ids: pd.Series) -> np.ndarray:
    people = pd.read_csv(FOLDER / "golden.csv").set_index("external_id")
    names = [name for names in REASONS for name in names]
    return people.loc[external_ids, names].to_numpy(np.float64)


def _people(conn: warehouse.Connection) -> pd.DataFrame:
    """Golden patients with the hash of their features, as the model scored them."""
    rows = conn.execute(
        "select r.external_id, r.patient_id, p.features_hash"
        " from raw.patient_registry as r"
        " inner join raw.predictions as p on r.patient_id = p.patient_id"
        " where r.org_code = %s and p.window_days = 30 order by r.external_id",
        (ORG,),
    ).fetchall()
    return pd.DataFrame(rows, columns=["external_id", "patient_id", "features_hash"])
