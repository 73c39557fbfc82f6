"""The synthetic panel: reproducible, plausible, and as the design needs it."""

import csv
import operator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from python_scoring.cohorts import generator
from python_scoring.cohorts.generator import Cohort, generate, write_parquet
from python_scoring.cohorts.synthetic.derived import reported_derived_columns
from python_scoring.cohorts.synthetic.hazard import EFFECTS, log_odds
from python_scoring.cohorts.synthetic.population import CONDITIONS, Fields
from python_scoring.config import PROJECT_DIR
from python_scoring.errors import BadInput
from python_scoring.readmission.features import FEATURES, matrix
from python_scoring.readmission.hazards import (
    FittedHazards,
    TrainingSet,
    fit_hazards,
)
from python_scoring.readmission.horizons import HORIZON_DAYS, cumulative_risk

RULES = PROJECT_DIR / "seeds" / "rules"
BASELINE = PROJECT_DIR / "seeds" / "baseline"
TEN_SEEDS = range(1, 11)

# Design ranges of the department shares in percent, lower end less one point;
# Geriatrics as FACTS.md says it can be.
DEPARTMENT_SHARES = {
    "CARDIOLOGY": (24, 33),
    "NEPHROLOGY": (19, 27),
    "ENDOCRINOLOGY": (12, 20),
    "PULMONOLOGY": (6, 10),
    "NEUROLOGY": (4, 8),
    "ONCOLOGY": (2, 5),
    "PSYCHIATRY": (2, 5),
    "RHEUMATOLOGY": (1, 3),
    "GERIATRICS": (2, 4),
    "GENERAL_MEDICINE": (9, 17),
}
# What FACTS.md computed as holding together, and where the mean should be.
CENTRAL_SHARES = (26.5, 20.9, 13.9, 7.3, 5.5, 3.1, 3.4, 2.1, 2.9, 14.9)
TIER_SHARES = ((65, 4), (20, 4), (10, 3), (4, 2), (1, 1))
MEAN_RISKS = ((0.19, 0.02), (0.26, 0.03), (0.30, 0.04))


def read_rules(name: str) -> list[dict[str, str]]:
    with (RULES / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def tier_table(name: str, column: str) -> NDArray[np.float64]:
    """Values by tier and window, in the order of the seed's keys."""
    windows = [row["prediction_window"] for row in read_rules("prediction_windows")]
    table = np.full((len(TIER_SHARES), len(windows)), np.nan)
    for row in read_rules(name):
        position = int(row["risk_tier"]) - 1, windows.index(row["prediction_window"])
        table[position] = float(row[column])
    return table


def all_features(cohort: Cohort) -> Fields:
    return cohort.base | reported_derived_columns(cohort.base)


def departments(features: Fields) -> NDArray[np.str_]:
    """Route by first match of the seed rules."""
    compare = {"=": operator.eq, ">": operator.gt}
    found = np.full(features["age"].size, "", dtype="<U32")
    rules: dict[int, list[dict[str, str]]] = {}
    for row in read_rules("department_rules"):
        rules.setdefault(int(row["rule_order"]), []).append(row)
    for _, conditions in sorted(rules.items()):
        holds = found == ""
        for row in filter(lambda row: row["feature_name"], conditions):
            values = features[row["feature_name"]]
            holds &= compare[row["operator"]](values, float(row["threshold"]))
        found[holds] = conditions[0]["department_code"]
    return found


def tiers(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.digitize(scores, (0.2, 0.4, 0.6, 0.8))


def positive_roi_share(
    annual_cost: NDArray[np.float64], tier: NDArray[np.int64]
) -> float:
    """Share of all (person, window) pairs with savings above their cost."""
    costs = tier_table("intervention_costs", "intervention_cost_usd")
    rates = tier_table("success_rates", "success_rate")
    window = np.arange(len(HORIZON_DAYS))
    addressable = 0.60 * np.outer(annual_cost / 365, HORIZON_DAYS)
    gains = addressable * rates[tier, window] > costs[tier, window]
    return float(gains.mean())


@pytest.fixture(scope="module")
def crowd() -> Cohort:
    return generate(120_000, 90_210)


@pytest.fixture(scope="module")
def fitted() -> FittedHazards:
    cohort = generate(generator.TRAINING_PATIENTS, generator.TRAINING_SEED)
    days = np.nan_to_num(cohort.days_to_readmission, nan=0).astype(np.int16)
    people = np.arange(len(cohort))
    return fit_hazards(TrainingSet(people, matrix(all_features(cohort)), days), 1)


@pytest.fixture(scope="module", params=TEN_SEEDS)
def panel(request: pytest.FixtureRequest) -> Cohort:
    return generate(generator.BASELINE_PATIENTS, request.param)


@pytest.fixture(scope="module")
def scores(panel: Cohort, fitted: FittedHazards) -> NDArray[np.float64]:
    return cumulative_risk(fitted.additive.eta(matrix(all_features(panel))))


# --- the design's figures, for every one of ten seeds ---


def test_mean_true_risk(panel: Cohort) -> None:
    for risk, (expected, margin) in zip(panel.true_risk.T, MEAN_RISKS, strict=True):
        assert risk.mean() == pytest.approx(expected, abs=margin)


def test_department_shares(panel: Cohort) -> None:
    routed = departments(all_features(panel))
    for code, (low, high) in DEPARTMENT_SHARES.items():
        assert low <= 100 * (routed == code).mean() <= high, code


def test_annual_cost(panel: Cohort) -> None:
    assert 10_000 <= panel.base["annual_cost"].mean() <= 12_000
    assert 6_000 <= np.median(panel.base["annual_cost"]) <= 7_000


def test_auroc_at_30_days(panel: Cohort, scores: NDArray[np.float64]) -> None:
    readmitted = panel.days_to_readmission <= 30
    assert 0.78 <= roc_auc_score(readmitted, scores[:, 0]) <= 0.85


def test_mean_score_is_the_mean_risk(
    panel: Cohort, scores: NDArray[np.float64]
) -> None:
    for window, (expected, margin) in enumerate(MEAN_RISKS):
        assert scores[:, window].mean() == pytest.approx(expected, abs=margin)


def test_tier_shares_at_30_days(scores: NDArray[np.float64]) -> None:
    tier = tiers(scores[:, 0])
    for number, (expected, margin) in enumerate(TIER_SHARES):
        assert 100 * (tier == number).mean() == pytest.approx(expected, abs=margin)


def test_positive_roi_share(panel: Cohort, scores: NDArray[np.float64]) -> None:
    share = positive_roi_share(panel.base["annual_cost"], tiers(scores))
    assert 0.50 <= share <= 0.60


# --- the population behind them ---


def test_departments_are_centred(crowd: Cohort) -> None:
    routed = departments(all_features(crowd))
    shares = [100 * (routed == code).mean() for code in DEPARTMENT_SHARES]
    assert shares == pytest.approx(CENTRAL_SHARES, abs=1.5)


@pytest.mark.parametrize("name", CONDITIONS)
def test_condition_has_its_prevalence(crowd: Cohort, name: str) -> None:
    expected = CONDITIONS[name].prevalence
    assert crowd.base[name].mean() == pytest.approx(expected, abs=0.006)


def test_kidney_diseases_go_together(crowd: Cohort) -> None:
    both = (crowd.base["has_ckd"] & crowd.base["has_esrd"]).mean()
    assert both > 2 * crowd.base["has_ckd"].mean() * crowd.base["has_esrd"].mean()


def test_people_are_elderly_and_adult(crowd: Cohort) -> None:
    age = crowd.base["age"]
    assert age.min() >= 18
    assert age.max() <= 100
    assert age.mean() == pytest.approx(71, abs=2)


def test_geriatrics_are_back_from_a_long_stay(crowd: Cohort) -> None:
    routed = departments(all_features(crowd)) == "GERIATRICS"
    assert np.median(crowd.base["total_hospital_days"][routed]) >= 7
    assert np.median(crowd.base["days_since_last_admission"][routed]) < 90


def test_utilisation_and_cost_go_with_burden(crowd: Cohort) -> None:
    burden = sum(crowd.base[name] for name in CONDITIONS)
    for name in ("total_admissions", "total_outpatient_visits", "annual_cost"):
        ranks = np.argsort(np.argsort(crowd.base[name]))
        assert np.corrcoef(burden, ranks)[0, 1] > 0.1, name


def test_recent_discharges_are_enriched(crowd: Cohort) -> None:
    days = crowd.base["days_since_last_admission"]
    assert (days <= 30).mean() > 2 * 30 / 365 * (days <= 365).mean()


def test_fields_agree_with_each_other(crowd: Cohort) -> None:
    base = crowd.base
    days_since = base["days_since_last_admission"]
    admitted = base["total_admissions"] > 0
    assert np.all(base["total_hospital_days"][~admitted] == 0)
    assert np.all(base["inpatient_cost"][~admitted] == 0)
    assert np.all(np.isnan(days_since[~admitted]) | (days_since[~admitted] > 365))
    assert np.all(days_since[admitted] < 365)
    stays = base["total_admissions"]
    assert np.all(base["total_hospital_days"] >= stays)
    assert np.all(base["inpatient_cost"] <= base["annual_cost"])
    for name in ("annual_cost", "inpatient_cost"):
        assert np.array_equal(base[name], np.round(base[name], 2))


def test_values_are_within_the_feature_list(crowd: Cohort) -> None:
    values = all_features(crowd)
    for feature in FEATURES:
        known = values[feature.name][~np.isnan(values[feature.name])]
        assert feature.minimum is None or known.min() >= feature.minimum
        assert feature.maximum is None or known.max() <= feature.maximum
    assert set(np.unique(crowd.base["race_code"])) == {1, 2, 3, 5}


# --- the hazard ---


@pytest.mark.parametrize(
    ("name", "less", "more"),
    [
        ("days_since_last_admission", 60, 5),
        ("days_since_last_admission", np.nan, 30),
        ("total_admissions", 1, 2),
        ("total_hospital_days", 4, 12),
        ("age", 70, 80),
        *((name, 0, 1) for name in EFFECTS if name.startswith("has_")),
    ],
)
def test_hazard_rises_with(name: str, less: float, more: float) -> None:
    person = {field: np.zeros(1) for field in generator.BASE_FIELDS}
    nothing = np.zeros(1)
    low = log_odds(person | {name: np.array([less])}, nothing, nothing)
    high = log_odds(person | {name: np.array([more])}, nothing, nothing)
    assert np.all(high > low)


def test_hazard_is_additive_in_the_features() -> None:
    """Two changes together move the logit by the sum of what each does alone."""
    person = {field: np.zeros(1) for field in generator.BASE_FIELDS}
    ill, old = {"has_chf": np.ones(1)}, {"age": np.full(1, 90)}
    nothing = np.zeros(1)
    neither = log_odds(person, nothing, nothing)
    alone = [log_odds(person | change, nothing, nothing) for change in (ill, old)]
    together = log_odds(person | ill | old, nothing, nothing)
    assert together - neither == pytest.approx(sum(alone) - 2 * neither)


def test_outcomes_happen_as_often_as_their_risk(crowd: Cohort) -> None:
    for window, days in enumerate(HORIZON_DAYS):
        risk = crowd.true_risk[:, window]
        happened = crowd.days_to_readmission <= days
        for tenth in np.array_split(np.argsort(risk), 10):
            deviation = 5 * np.sqrt(0.25 / tenth.size)
            assert happened[tenth].mean() == pytest.approx(
                risk[tenth].mean(), abs=deviation
            )


def test_risk_grows_with_the_window(crowd: Cohort) -> None:
    assert np.all(np.diff(crowd.true_risk, axis=1) > 0)
    assert np.all((crowd.true_risk > 0) & (crowd.true_risk < 1))


def test_days_spread_over_each_interval(crowd: Cohort) -> None:
    days = crowd.days_to_readmission
    counts = np.bincount(days[~np.isnan(days)].astype(int), minlength=91)
    assert counts[0] == 0
    assert counts.size == 91
    for first in (1, 31, 61):
        interval = counts[first : first + 30]
        assert np.all(np.abs(interval / interval.mean() - 1) < 0.25)


# --- what a seed means ---


def test_a_seed_keeps_its_people() -> None:
    one, other = generate(500, 3), generate(500, 3)
    assert np.array_equal(one.external_id, other.external_id)
    assert np.array_equal(one.true_risk, other.true_risk)
    for name, values in one.base.items():
        assert np.array_equal(values, other.base[name], equal_nan=True), name


def test_a_smaller_panel_is_the_beginning_of_a_larger_one() -> None:
    large = generate(generator.BLOCK_ROWS + 10, 3)
    small = generate(generator.BLOCK_ROWS + 2, 3)
    start = large.head(len(small))
    assert np.array_equal(small.external_id, start.external_id)
    assert np.array_equal(small.base["annual_cost"], start.base["annual_cost"])


def test_blocks_and_seeds_differ() -> None:
    rows = generator.BLOCK_ROWS
    cohort, other = generate(2 * rows, 3), generate(rows, 4)
    cost = cohort.base["annual_cost"]
    assert not np.array_equal(cost[:rows], cost[rows:])
    assert not np.array_equal(cost[:rows], other.base["annual_cost"])
    assert not set(cohort.external_id) & set(other.external_id)


def test_identifiers_are_unique_and_ascending() -> None:
    ids = generate(2 * generator.BLOCK_ROWS + 1, 7).external_id
    assert ids[0] == "S7-0000001"
    assert ids[-1] == f"S7-{len(ids):07d}"
    assert np.all(ids[1:] > ids[:-1])


@pytest.mark.parametrize(("patients", "seed"), [(0, 1), (-1, 1), (10**7, 1), (1, -1)])
def test_refuses_what_is_out_of_range(patients: int, seed: int) -> None:
    with pytest.raises(BadInput, match="expected a whole number"):
        generate(patients, seed)


# --- files ---


def test_parquet_holds_the_same_people(tmp_path: Path) -> None:
    patients = 2 * generator.BLOCK_ROWS + 100
    paths = tmp_path / "cohort.parquet", tmp_path / "outcomes.parquet"
    write_parquet(*paths, patients, 5, chunk_rows=generator.BLOCK_ROWS)
    cohort = generate(patients, 5)
    people, outcomes = (pq.read_table(path) for path in paths)
    assert people.column_names == ["external_id", *generator.BASE_FIELDS]
    assert outcomes.column_names == ["external_id", "days_to_readmission"]
    for name in generator.BASE_FIELDS:
        written = people[name].to_numpy()
        assert np.array_equal(written, cohort.base[name], equal_nan=True), name
    missing = np.isnan(cohort.days_to_readmission).sum()
    assert outcomes["days_to_readmission"].null_count == missing > 0
    assert people["days_since_last_admission"].null_count > 0
    assert outcomes["external_id"].to_pylist() == cohort.external_id.tolist()
    metadata = pq.read_metadata(paths[0])
    sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    assert sizes == [generator.BLOCK_ROWS, generator.BLOCK_ROWS, 100]


@pytest.mark.parametrize("name", ["baseline_patients.csv", "baseline_outcomes.csv"])
def test_committed_baseline_is_what_the_generator_writes(
    tmp_path: Path, name: str
) -> None:
    generator.write_baseline(tmp_path)
    assert (tmp_path / name).read_bytes() == (BASELINE / name).read_bytes()


def test_baseline_layout() -> None:
    with (BASELINE / "baseline_patients.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    names = [feature.name for feature in FEATURES]
    assert list(rows[0]) == ["external_id", "org_code", "index_date", *names]
    ids = [row["external_id"] for row in rows]
    assert ids == sorted(set(ids))
    assert len(ids) == generator.BASELINE_PATIENTS
    assert {row["index_date"] for row in rows} == {generator.BASELINE_INDEX_DATE}


def test_baseline_and_training_share_nobody() -> None:
    assert generator.BASELINE_SEED != generator.TRAINING_SEED
    assert generator.TRAINING_INDEX_DATE < generator.BASELINE_INDEX_DATE


def test_derived_columns_by_hand() -> None:
    """Four people; the costliest is 80, has two conditions and was in 5 days."""
    base: Fields = {name: np.zeros(4) for name in generator.BASE_FIELDS}
    base["annual_cost"] = np.array([1_000.0, 2_000.0, 2_000.0, 9_000.0])
    base["age"] = np.array([75, 76, 65, 80])
    base["has_chf"] = base["has_copd"] = base["has_esrd"] = np.array([0, 0, 0, 1])
    base["total_hospital_days"] = np.array([0, 30, 0, 5])
    base["days_since_last_admission"] = np.array([np.nan, 90, 91, 0])
    base["total_outpatient_visits"] = np.array([10, 11, 0, 0])
    derived = reported_derived_columns(base)
    assert derived["is_elderly"].tolist() == [0, 1, 0, 1]
    assert derived["recent_admission"].tolist() == [0, 1, 0, 1]
    assert derived["high_outpatient_user"].tolist() == [0, 1, 0, 0]
    assert derived["cost_percentile"].tolist() == [0.25, 0.75, 0.75, 1.0]
    assert derived["high_cost"].tolist() == [0, 0, 0, 1]
    # 0.4 * 15/30 + 0.4 * 2/10 + 0.2
    assert derived["frailty_score"][3] == pytest.approx(0.48)
    # 10 * (0.30 * 2/5 + 0.35 * 1 + 0.35 * 5/10); the second has his days capped
    assert derived["complexity_index"][[1, 3]] == pytest.approx([6.125, 6.45])
