"""The work in pandas, and to PostgreSQL by `to_sql`, as an analyst would do it.

Vectorised throughout, small types, no loop over people. `to_sql` writes the tables
in one of two ways: by its own inserts, or by the COPY that pandas' documentation
gives as an example of `method`. Keys are left out, in its favour.
"""

import csv
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.peers_clock import Clock
from benchmarks.peers_work import (
    CONDITIONS,
    NONE_ON_RECORD,
    Answer,
    Rules,
    departments,
    matrix,
    open_model,
    read_rules,
    risk,
)
from python_scoring import config
from python_scoring.readmission.additive import AdditiveHazards
from python_scoring.readmission.features import FEATURE_NAMES
from python_scoring.readmission.horizons import HORIZON_DAYS

SCHEMA = "peer"
Frames = dict[str, pd.DataFrame]

_CHUNK_PEOPLE = 100_000


def compute(clock: Clock, people: Path, model: Path) -> Frames:
    """Do all but the writing: every table as a frame."""
    rules = read_rules()
    with clock.step("load"):
        raw = pd.read_parquet(people)
    with clock.step("features"):
        features = derive(raw, rules)
    with clock.step("score"):
        predictions = score(features, open_model(model), rules)
    with clock.step("projections"):
        projections = project(features, predictions, rules)
    with clock.step("summaries"):
        tables = sum_up(features, predictions, projections, rules)
    return {
        "features": features,
        "predictions": predictions,
        "financial_projections": projections,
        **tables,
    }


def derive(raw: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """Derive the 27 features of each person, and the department."""
    since = raw["days_since_last_admission"].replace(NONE_ON_RECORD, np.nan)
    count = raw[list(CONDITIONS)].sum(axis=1).to_numpy()
    percentile = raw["annual_cost"].rank(method="max", pct=True)
    high_cost = (percentile > 0.75).astype("int16")
    derived = raw.assign(
        patient_id=np.arange(1, len(raw) + 1),
        is_elderly=(raw["age"] > 75).astype("int16"),
        days_since_last_admission=since,
        recent_admission=(since <= 90).astype("int16"),
        high_outpatient_user=(raw["total_outpatient_visits"] > 10).astype("int16"),
        cost_percentile=percentile,
        high_cost=high_cost,
        frailty_score=0.4 * ((raw["age"] - 65) / 30).clip(0, 1)
        + 0.4 * count / 10
        + 0.2 * high_cost,
        complexity_index=0.6 * np.minimum(count, 5)
        + 3.5 * percentile
        + 0.35 * raw["total_hospital_days"].clip(upper=10),
    )
    derived["department_id"] = departments(derived, rules)
    return derived[["patient_id", "external_id", "department_id", *FEATURE_NAMES]]


def score(
    features: pd.DataFrame, hazards: AdditiveHazards, rules: Rules
) -> pd.DataFrame:
    """Score each person for each window, a row each."""
    columns = {name: features[name].to_numpy() for name in FEATURE_NAMES}
    scores = risk(hazards, matrix(columns)).ravel()
    windows = np.array(HORIZON_DAYS, dtype=np.int16)
    return pd.DataFrame(
        {
            "patient_id": np.repeat(features["patient_id"].to_numpy(), len(windows)),
            "window_days": np.tile(windows, len(features)),
            "risk_score": scores,
            "risk_tier": (
                np.searchsorted(rules.tier_bounds, scores, side="right") + 1
            ).astype(np.int16),
        }
    )


def project(
    features: pd.DataFrame, predictions: pd.DataFrame, rules: Rules
) -> pd.DataFrame:
    """Project the return of each prediction."""
    tier = predictions["risk_tier"].to_numpy() - 1
    days = predictions["window_days"].to_numpy()
    window = np.searchsorted(HORIZON_DAYS, days)
    annual_cost = np.repeat(features["annual_cost"].to_numpy(), len(HORIZON_DAYS))
    window_cost = annual_cost / 365 * days
    addressable = rules.addressable_share * window_cost
    rate, cost = rules.success_rates[tier, window], rules.costs[tier, window]
    net = addressable * rate - cost
    percent = 100 * net / cost
    ascending = rules.category_bounds[::-1]
    place = len(ascending) - np.searchsorted(ascending, percent, side="left")
    return pd.DataFrame(
        {
            "patient_id": predictions["patient_id"],
            "window_days": predictions["window_days"],
            "risk_tier": predictions["risk_tier"],
            "department_id": np.repeat(
                features["department_id"].to_numpy(), len(HORIZON_DAYS)
            ),
            "window_cost": window_cost,
            "addressable_cost": addressable,
            "success_rate": rate,
            "expected_savings": addressable * rate,
            "intervention_cost": cost,
            "net_benefit": net,
            "roi_percent": percent,
            "roi_category": pd.Categorical.from_codes(place, list(rules.categories)),
            "is_positive_roi": net > 0,
        }
    )


def sum_up(
    features: pd.DataFrame,
    predictions: pd.DataFrame,
    projections: pd.DataFrame,
    rules: Rules,
) -> Frames:
    """Sum up: five summaries, and the target list."""
    by_department = _returns(projections, ["window_days", "department_id"], rules)
    return {
        "positive_roi_patients": _target_list(predictions, projections),
        **_risks(predictions, projections, rules),
        "roi_aggregations": _returns(projections, ["window_days"], rules),
        "roi_by_department": by_department,
        "cohort_comparison": compare(features),
    }


def _target_list(predictions: pd.DataFrame, projections: pd.DataFrame) -> pd.DataFrame:
    wanted = projections["is_positive_roi"]
    columns = ["patient_id", "window_days", "department_id", "risk_tier"]
    columns += ["expected_savings", "intervention_cost", "net_benefit"]
    listed = projections.loc[wanted, [*columns, "roi_percent", "roi_category"]]
    return listed.assign(risk_score=predictions["risk_score"])


def _grid(rules: Rules, keys: list[str]) -> pd.MultiIndex:
    levels: dict[str, Any] = {
        "window_days": HORIZON_DAYS,
        "department_id": rules.departments,
        "risk_tier": range(1, rules.tiers + 1),
    }
    return pd.MultiIndex.from_product([levels[k] for k in keys], names=keys)


def _risks(
    predictions: pd.DataFrame, projections: pd.DataFrame, rules: Rules
) -> Frames:
    """Count tiers of the organization and by department; zero is a row."""
    keys = ["window_days", "department_id", "risk_tier"]
    scores = projections[keys].assign(risk_score=predictions["risk_score"])
    counted = scores.groupby(keys)["risk_score"].agg(["size", "mean"])
    cells = counted.reindex(_grid(rules, keys))
    cells["size"] = cells["size"].fillna(0)
    count = cells["size"]
    whole = count.groupby("window_days").transform("sum")
    own = count.groupby(["window_days", "department_id"]).transform("sum")
    tiers = count.groupby(["window_days", "risk_tier"]).sum()
    departments_ = pd.DataFrame(
        {
            "patient_count": count.astype("int64"),
            "organization_percent": (100 * count / whole).fillna(0),
            "department_percent": (100 * count / own).fillna(0),
            "average_risk_score": cells["mean"],
        }
    )
    organization = pd.DataFrame(
        {
            "patient_count": tiers.astype("int64"),
            "patient_percent": 100 * tiers / tiers.groupby("window_days").sum(),
        }
    )
    return {
        "org_tier_summary": organization.reset_index(),
        "dept_risk_distribution": departments_.reset_index(),
    }


def _returns(projections: pd.DataFrame, keys: list[str], rules: Rules) -> pd.DataFrame:
    """Sum up projected returns; a group without anybody sums to 0."""
    best = projections["roi_category"].cat.codes == rules.excellent
    grouped = projections.assign(is_excellent=best).groupby(keys)
    summed = grouped.agg(
        patient_count=("patient_id", "size"),
        average_roi_percent=("roi_percent", "mean"),
        positive_roi_count=("is_positive_roi", "sum"),
        excellent_roi_count=("is_excellent", "sum"),
        total_intervention_cost=("intervention_cost", "sum"),
        total_expected_savings=("expected_savings", "sum"),
        total_net_benefit=("net_benefit", "sum"),
    )
    dense = summed.reindex(_grid(rules, keys) if len(keys) > 1 else summed.index)
    filled = dense.fillna({c: 0 for c in dense if c != "average_roi_percent"})
    return filled.reset_index()


def compare(features: pd.DataFrame) -> pd.DataFrame:
    """Describe the cohort by feature."""
    values = features[list(FEATURE_NAMES)]
    quartiles = values.quantile([0.25, 0.5, 0.75])
    described = {
        "patient_count": len(values),
        "missing_share": values.isna().mean(),
        "mean": values.mean(),
        "standard_deviation": values.std(),
        "first_quartile": quartiles.loc[0.25],
        "median": quartiles.loc[0.5],
        "third_quartile": quartiles.loc[0.75],
    }
    return pd.DataFrame(described, index=list(FEATURE_NAMES)).reset_index(
        names="feature_name"
    )


def write(clock: Clock, frames: Frames, way: str) -> None:
    """Write every frame to PostgreSQL by `to_sql`, in one transaction.

    Parameters
    ----------
    way
        ``inserts``: by `to_sql` as it is, of whose ways it is the fastest: 10,000
        people took 1.3 s of the client's processor by psycopg, 2.4 s by psycopg2,
        and 12 s by ``method='multi'`` in chunks of 1,000. ``copy``: by COPY, for
        which pandas' documentation has an example.
    """
    import psycopg
    import sqlalchemy

    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(config.conninfo())
    )
    with clock.step("write"), engine.begin() as conn:
        conn.execute(sqlalchemy.text(f"create schema {SCHEMA}"))
        for name, frame in frames.items():
            method = _copy if way == "copy" else None
            frame.to_sql(name, conn, schema=SCHEMA, index=False, method=method)


def _copy(table: Any, conn: Any, keys: list[str], rows: Iterator[Any]) -> None:
    """Write rows as CSV to COPY: what pandas' documentation says `method` is for."""
    buffer = StringIO()
    csv.writer(buffer).writerows(rows)
    columns = ", ".join(f'"{key}"' for key in keys)
    statement = f"copy {table.schema}.{table.name} ({columns}) from stdin with csv"
    with conn.connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(buffer.getvalue())


def answer(frames: Frames, rules: Rules, to: Answer) -> None:
    """Leave the frames to be compared."""
    places = dict(zip(FEATURE_NAMES, range(1, len(FEATURE_NAMES) + 1), strict=True))
    for name, frame in frames.items():
        if name in ("features", "predictions"):
            continue
        table = frame
        if name == "financial_projections":
            name = "projections"
            table = frame.assign(risk_score=frames["predictions"]["risk_score"])
        if "roi_category" in table:
            # From 1, as the other peers have it.
            table = table.assign(category=table["roi_category"].cat.codes + 1)
        if "feature_name" in table:
            table = table.assign(feature_id=table["feature_name"].map(places))
        to.write(name, _chunks(table))


def _chunks(table: pd.DataFrame) -> Iterator[Mapping[str, Any]]:
    rows = _CHUNK_PEOPLE * len(HORIZON_DAYS)
    for start in range(0, len(table), rows):
        part = table.iloc[start : start + rows]
        yield {name: part[name].to_numpy() for name in part}
