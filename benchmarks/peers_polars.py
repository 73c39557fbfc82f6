"""The work in Polars, in memory: nothing is kept, which no other peer may leave out."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

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
from python_scoring.readmission.features import FEATURE_NAMES
from python_scoring.readmission.horizons import HORIZON_DAYS

Frames = dict[str, pl.DataFrame]

_CHUNK_ROWS = 300_000


def compute(clock: Clock, people: Path, model: Path) -> Frames:
    """Do all of it: every table as a frame."""
    rules = read_rules()
    with clock.step("load"):
        raw = pl.read_parquet(people)
    with clock.step("features"):
        features = derive(raw, rules)
    with clock.step("score"):
        columns = {name: features[name].to_numpy() for name in FEATURE_NAMES}
        scores = risk(open_model(model), matrix(columns))
    with clock.step("projections"):
        projections = project(features, scores, rules)
    with clock.step("summaries"):
        tables = sum_up(features, projections, rules)
    return {"projections": projections, **tables}


def derive(raw: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Derive the 27 features of each person, and the department."""
    costs = pl.col("annual_cost")
    since = pl.col("days_since_last_admission")
    recorded = raw.with_columns(since.replace(NONE_ON_RECORD, None))
    flagged = recorded.with_columns(
        patient_id=pl.int_range(1, pl.len() + 1),
        conditions=pl.sum_horizontal(
            pl.col(name).cast(pl.Int16) for name in CONDITIONS
        ),
        is_elderly=(pl.col("age") > 75).cast(pl.Int16),
        recent_admission=(since <= 90).fill_null(value=False).cast(pl.Int16),
        high_outpatient_user=(pl.col("total_outpatient_visits") > 10).cast(pl.Int16),
        cost_percentile=costs.rank("max") / pl.len(),
    ).with_columns(high_cost=(pl.col("cost_percentile") > 0.75).cast(pl.Int16))
    derived = flagged.with_columns(
        frailty_score=0.4 * ((pl.col("age") - 65) / 30).clip(0, 1)
        + 0.4 * pl.col("conditions") / 10
        + 0.2 * pl.col("high_cost"),
        complexity_index=0.6 * pl.min_horizontal(pl.col("conditions"), pl.lit(5))
        + 3.5 * pl.col("cost_percentile")
        + 0.35 * pl.col("total_hospital_days").clip(upper_bound=10),
    )
    columns = {feature: derived[feature].to_numpy() for feature in _asked(rules)}
    return derived.drop("conditions").with_columns(
        department_id=pl.Series(departments(columns, rules))
    )


def _asked(rules: Rules) -> set[str]:
    return {feature for conditions, _ in rules.routing for feature, _, _ in conditions}


def project(features: pl.DataFrame, scores: Any, rules: Rules) -> pl.DataFrame:
    """Put each person and window in a tier, and project its return."""
    windows = len(HORIZON_DAYS)
    days = np.tile(np.array(HORIZON_DAYS, dtype=np.int16), len(features))
    risks = scores.ravel()
    tier = np.searchsorted(rules.tier_bounds, risks, side="right")
    window = np.tile(np.arange(windows), len(features))
    people = features.select("patient_id", "department_id", "annual_cost")
    repeated = people.select(pl.all().repeat_by(windows).explode())
    net = pl.col("expected_savings") - pl.col("intervention_cost")
    percent = pl.col("roi_percent")
    category = pl.lit(len(rules.categories))
    for place, bound in reversed(list(enumerate(rules.category_bounds, start=1))):
        category = pl.when(percent > bound).then(pl.lit(place)).otherwise(category)
    return (
        repeated.with_columns(
            pl.Series("window_days", days),
            pl.Series("risk_score", risks),
            pl.Series("risk_tier", (tier + 1).astype(np.int16)),
            pl.Series("success_rate", rules.success_rates[tier, window]),
            pl.Series("intervention_cost", rules.costs[tier, window]),
        )
        .with_columns(window_cost=pl.col("annual_cost") / 365 * pl.col("window_days"))
        .with_columns(
            addressable_cost=rules.addressable_share * pl.col("window_cost"),
        )
        .with_columns(
            expected_savings=pl.col("addressable_cost") * pl.col("success_rate")
        )
        .with_columns(net_benefit=net)
        .with_columns(
            roi_percent=100 * pl.col("net_benefit") / pl.col("intervention_cost"),
            is_positive_roi=pl.col("net_benefit") > 0,
        )
        .with_columns(category=category.cast(pl.Int16))
    )


def sum_up(features: pl.DataFrame, projections: pl.DataFrame, rules: Rules) -> Frames:
    """Sum up: five summaries, and the target list."""
    cells = _cells(projections, rules)
    count = pl.col("patient_count")
    whole = count.sum().over("window_days")
    own = count.sum().over("window_days", "department_id")
    returns = _returns(projections, ["window_days", "department_id"], rules)
    return {
        "positive_roi_patients": projections.filter("is_positive_roi"),
        "org_tier_summary": cells.group_by("window_days", "risk_tier")
        .agg(count.sum())
        .with_columns(patient_percent=100 * count / whole)
        .sort("window_days", "risk_tier"),
        "dept_risk_distribution": cells.with_columns(
            organization_percent=100 * count / whole,
            department_percent=(100 * count / own).fill_nan(0),
        ),
        "roi_aggregations": _returns(projections, ["window_days"], rules),
        "roi_by_department": returns,
        "cohort_comparison": compare(features),
    }


def _grid(rules: Rules, *keys: str) -> pl.DataFrame:
    """Cross the levels of some keys: zero is a row."""
    levels = {
        "window_days": pl.DataFrame({"window_days": HORIZON_DAYS}),
        "department_id": pl.DataFrame({"department_id": rules.departments}),
        "risk_tier": pl.DataFrame({"risk_tier": list(range(1, rules.tiers + 1))}),
    }
    first, *others = (levels[key].cast(pl.Int16) for key in keys)
    for level in others:
        first = first.join(level, how="cross")
    return first.sort(keys)


def _cells(projections: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    keys = ["window_days", "department_id", "risk_tier"]
    counted = projections.group_by(keys).agg(
        patient_count=pl.len(), average_risk_score=pl.col("risk_score").mean()
    )
    grid = _grid(rules, *keys).join(counted, on=keys, how="left")
    # Signed, and back in order: a join promises neither.
    count = pl.col("patient_count").fill_null(0).cast(pl.Int64)
    return grid.with_columns(patient_count=count).sort(keys)


def _returns(projections: pl.DataFrame, keys: list[str], rules: Rules) -> pl.DataFrame:
    best = pl.col("category") == rules.excellent + 1
    summed = projections.group_by(keys).agg(
        patient_count=pl.len(),
        average_roi_percent=pl.col("roi_percent").mean(),
        positive_roi_count=pl.col("is_positive_roi").sum(),
        excellent_roi_count=best.sum(),
        total_intervention_cost=pl.col("intervention_cost").sum(),
        total_expected_savings=pl.col("expected_savings").sum(),
        total_net_benefit=pl.col("net_benefit").sum(),
    )
    sums = pl.exclude("average_roi_percent", *keys)
    dense = _grid(rules, *keys).join(summed, on=keys, how="left")
    return dense.with_columns(sums.fill_null(0)).sort(keys)


def compare(features: pl.DataFrame) -> pl.DataFrame:
    """Describe the cohort by feature."""
    values = features.select(pl.col(FEATURE_NAMES).cast(pl.Float64))
    each = pl.all()
    rows = {
        "missing_share": each.null_count() / pl.len(),
        "mean": each.mean(),
        "standard_deviation": each.std(),
        "first_quartile": each.quantile(0.25, "linear"),
        "median": each.quantile(0.5, "linear"),
        "third_quartile": each.quantile(0.75, "linear"),
    }
    columns = {name: values.select(rule).row(0) for name, rule in rows.items()}
    ids = range(1, len(FEATURE_NAMES) + 1)
    return pl.DataFrame({"feature_id": ids, "patient_count": len(values), **columns})


def answer(frames: Frames, to: Answer) -> None:
    """Leave the frames to be compared."""
    for name, frame in frames.items():
        to.write(name, _chunks(frame))


def _chunks(frame: pl.DataFrame) -> Iterator[Mapping[str, Any]]:
    for part in frame.iter_slices(_CHUNK_ROWS):
        yield {name: part[name].to_numpy() for name in part.columns}
