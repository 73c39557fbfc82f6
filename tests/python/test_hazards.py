"""Fitting, calibration and the curves that a fitted model comes down to."""

import dataclasses

import numpy as np
import pytest

from python_scoring import calibration
from python_scoring.errors import BadInput
from python_scoring.readmission import hazards, horizons
from python_scoring.readmission.additive import AdditiveHazards, relative_to
from python_scoring.readmission.candidates import choose_knots
from python_scoring.readmission.features import FEATURE_NAMES, FEATURES
from python_scoring.readmission.hazards import FittedHazards
from python_scoring.readmission.terms import CodeTable, Curve, CurveAndSteps, Steps
from python_scoring.readmission.training_set import (
    TrainingSet,
    check_training,
    patient_folds,
)

NULLABLE = FEATURE_NAMES.index("days_since_last_admission")
RACE = FEATURE_NAMES.index("race_code")
ADMISSIONS = FEATURE_NAMES.index("total_admissions")


def make_training(rows: int, seed: int = 0) -> TrainingSet:
    """Draw people whose hazards rise with age, heart failure and admissions."""
    draw = np.random.default_rng(seed)
    x = np.empty((rows, len(FEATURES)), order="F")
    for position, feature in enumerate(FEATURES):
        if feature.data_type == "flag":
            x[:, position] = draw.random(rows) < 0.25
        elif feature.data_type == "code":
            x[:, position] = draw.choice([1, 2, 3, 5], rows)
        elif feature.data_type == "number":
            scale = 1e4 if feature.unit == "USD" else feature.maximum
            x[:, position] = draw.random(rows) ** 2 * (scale or 1.0)
        else:
            x[:, position] = draw.poisson(draw.gamma(0.5, 2.0, rows))
    x[:, 0] = draw.integers(40, 100, rows)
    x[draw.random(rows) < 0.6, NULLABLE] = np.nan
    drift = 0.04 * (x[:, 0] - 70) + 0.8 * x[:, 6] + 0.6 * np.minimum(x[:, 15], 4)
    days = np.zeros(rows, dtype=np.int16)
    for interval in horizons.INTERVALS:
        hit = (days == 0) & (draw.random(rows) < 1 / (1 + np.exp(2.2 - drift)))
        days[hit] = draw.integers(interval.after + 1, interval.until + 1, hit.sum())
    return TrainingSet(np.arange(rows, dtype=np.int64), x, days)


@pytest.fixture(scope="module")
def training() -> TrainingSet:
    return make_training(2500)


SPLINES = dict.fromkeys(map(str, horizons.INTERVALS), "spline_logistic")
BOOSTED = dict.fromkeys(map(str, horizons.INTERVALS), "additive_boosting")
MIXED = SPLINES | {str(horizons.INTERVALS[1]): "additive_boosting"}
KINDS = {"splines": SPLINES, "boosted": BOOSTED, "mixed": MIXED}


@pytest.fixture(scope="module", params=KINDS)
def fitted(training: TrainingSet, request: pytest.FixtureRequest) -> FittedHazards:
    return hazards.fit_hazards(training, 1, KINDS[request.param])


def test_the_intervals_follow_the_seeded_windows() -> None:
    assert horizons.HORIZON_DAYS == (30, 60, 90)
    assert [str(interval) for interval in horizons.INTERVALS] == [
        "days 1-30",
        "days 31-60",
        "days 61-90",
    ]


def test_each_day_is_an_event_of_one_interval_for_those_still_at_risk() -> None:
    days = np.array([0, 1, 30, 31, 60, 61, 90], dtype=np.int16)
    events = [horizons.happened(days, interval) for interval in horizons.INTERVALS]
    assert np.sum(events, axis=0).tolist() == [0, 1, 1, 1, 1, 1, 1]
    at_risk = [int(horizons.at_risk(days, i).sum()) for i in horizons.INTERVALS]
    assert at_risk == [7, 5, 3]
    by = [int(horizons.happened_by(days, h).sum()) for h in horizons.HORIZON_DAYS]
    assert by == [2, 4, 6]


def test_risk_never_falls_with_the_window_even_at_extremes() -> None:
    draw = np.random.default_rng(2)
    eta = draw.normal(0, 1, (20_000, 3)) * draw.choice([0.1, 3, 40, 900], (20_000, 1))
    risk = horizons.cumulative_risk(eta)
    assert (np.diff(risk, axis=1) >= 0).all()
    assert (risk >= 0).all()
    assert (risk <= 1).all()


def test_risk_is_one_minus_the_product_of_survivals_and_precise_when_small() -> None:
    eta = np.random.default_rng(3).normal(-2, 2, (500, 3))
    survival = np.cumprod(1 - 1 / (1 + np.exp(-eta)), axis=1)
    np.testing.assert_allclose(horizons.cumulative_risk(eta), 1 - survival, rtol=1e-12)
    tiny = horizons.cumulative_risk(np.full((1, 3), -60.0))
    np.testing.assert_allclose(tiny[0], np.exp(-60.0) * np.arange(1, 4), rtol=1e-12)


def test_terms_equal_the_calibrated_pipelines(
    training: TrainingSet, fitted: FittedHazards
) -> None:
    x = make_training(1500, seed=9).x
    x[:50, ADMISSIONS] = 10_000.0  # beyond the last knot
    x[50:90, RACE] = 7.0  # a code never seen
    for rows in (training.x, x, on_the_edges(fitted.additive, x)):
        hazard = 1 / (1 + np.exp(-fitted.additive.eta(rows)))
        for position, pipeline in enumerate(fitted.pipelines):
            expected = pipeline.predict_proba(rows)[:, 1]
            np.testing.assert_allclose(hazard[:, position], expected, atol=1e-10)


def on_the_edges(additive: AdditiveHazards, x: np.ndarray) -> np.ndarray:
    """Put values on steps' edges, and as near to them as doubles get."""
    x = x.copy()
    for position, term in enumerate(additive.terms):
        steps = term.steps if isinstance(term, CurveAndSteps) else term
        if isinstance(steps, Steps) and len(steps.edges):
            near = np.concatenate(
                [steps.edges, *(np.nextafter(steps.edges, to) for to in (-1e9, 1e9))]
            )
            x[: len(near), position] = near
    return x


def test_each_hazard_has_the_kind_of_terms_it_was_fitted_with(
    training: TrainingSet,
) -> None:
    for kind, term in (
        ("splines", Curve),
        ("boosted", Steps),
        ("mixed", CurveAndSteps),
    ):
        additive = hazards.fit_hazards(training, 1, KINDS[kind]).additive
        for feature, own in zip(FEATURES, additive.terms, strict=True):
            if feature.is_continuous:
                assert type(own) is term
            elif feature.data_type == "code":
                assert type(own) is CodeTable
            else:
                assert type(own) is Curve


def test_terms_that_are_not_what_was_fitted_are_a_fault(
    training: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a later scikit-learn keeps its trees another way."""
    monkeypatch.setattr(
        "python_scoring.readmission.compiling._Boosted.edges",
        lambda *_: np.array([1.0]),
    )
    with pytest.raises(RuntimeError, match="differ"):
        hazards.fit_hazards(training, 1, BOOSTED)


def test_calibration_is_on_out_of_fold_predictions(
    training: TrainingSet, fitted: FittedHazards
) -> None:
    """An overfitted pipeline looks better on its own training rows than it is."""
    for interval, pipeline in zip(horizons.INTERVALS, fitted.pipelines, strict=True):
        rows = horizons.at_risk(training.days, interval)
        event = horizons.happened(training.days[rows], interval)
        x = training.x[rows]
        (calibrated,) = pipeline.calibrated_classifiers_
        slope = -calibrated.calibrators[0].a_
        score = calibrated.estimator.decision_function(x)
        design = np.column_stack([np.ones(len(score)), score])
        in_sample = calibration.fit_logistic(design, event)
        assert in_sample is not None
        assert slope < in_sample.coefficients[1] - 0.01
        assert abs(pipeline.predict_proba(x)[:, 1].mean() - event.mean()) < 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_is_the_same_to_the_bit_for_any_order_of_rows(
    training: TrainingSet, kind: str
) -> None:
    fit = hazards.fit_hazards(training, 1, KINDS[kind])
    shuffled = np.random.default_rng(5).permutation(len(training.days))
    again = hazards.fit_hazards(training.take(shuffled), 1, KINDS[kind])
    assert again.additive.digest() == fit.additive.digest()


def test_a_digest_sees_every_number_of_every_kind_of_term(
    fitted: FittedHazards,
) -> None:
    additive = fitted.additive
    seen = {additive.digest()}
    for position, term in enumerate(additive.terms):
        moved = term.shifted(np.array([0.0, 1e-12, 0.0]))
        terms = (*additive.terms[:position], moved, *additive.terms[position + 1 :])
        seen.add(dataclasses.replace(additive, terms=terms).digest())
    assert len(seen) == len(FEATURES) + 1


@pytest.mark.parametrize("kind", ["splines", "boosted"])
def test_another_seed_gives_another_fit(training: TrainingSet, kind: str) -> None:
    one, other = (hazards.fit_hazards(training, seed, KINDS[kind]) for seed in (1, 2))
    assert other.additive.digest() != one.additive.digest()


def test_the_reference_patient_contributes_nothing(fitted: FittedHazards) -> None:
    additive = fitted.additive
    parts = additive.contributions(additive.reference[np.newaxis, :])
    np.testing.assert_allclose(parts, 0.0, atol=1e-15)


def test_the_reference_patient_is_the_median_member(training: TrainingSet) -> None:
    reference = hazards.reference_patient(training.x)
    assert np.isnan(reference[NULLABLE])  # most have no admission on record
    assert reference[0] in training.x[:, 0]
    assert (training.x[:, 0] <= reference[0]).mean() >= 0.5
    assert (training.x[:, 0] < reference[0]).mean() < 0.5
    assert reference[RACE] in (1, 2, 3, 5)


@pytest.mark.parametrize("kind", KINDS)
def test_missing_days_are_a_level_of_their_own_not_999(kind: str) -> None:
    """Whoever has no admission on record is not the one admitted 999 days ago."""
    training = make_training(2500)
    draw = np.random.default_rng(6)
    x = training.x.copy()
    missing = np.isnan(x[:, NULLABLE])
    x[~missing, NULLABLE] = draw.integers(0, 700, (~missing).sum())
    days = np.where(missing, 1.0, 3.0) * draw.random(2500) > 0.8
    days = np.where(days, draw.integers(1, 91, 2500), 0).astype(np.int16)
    changed = TrainingSet(training.patient_ids, x, days)
    fitted = hazards.fit_hazards(changed, 1, KINDS[kind])
    out = np.empty((3, 3))
    values = np.array([999.0, 699.0, np.nan])
    fitted.additive.terms[NULLABLE].evaluate(values, out)
    for long_ago, latest_known, none_on_record in out:
        assert abs(long_ago - latest_known) < 1e-12
        assert none_on_record < long_ago - 0.5


def test_a_person_in_several_rows_stays_in_one_fold() -> None:
    training = make_training(600)
    training = TrainingSet(training.patient_ids // 3, training.x, training.days)
    folds = patient_folds(training, seed=4)
    for person in range(200):
        assert len(np.unique(folds[training.patient_ids == person])) == 1
    assert np.bincount(folds).min() > 100


def test_folds_share_events_evenly(training: TrainingSet) -> None:
    folds = patient_folds(training, seed=4)
    for interval in horizons.INTERVALS:
        events = np.bincount(folds[horizons.happened(training.days, interval)])
        assert events.max() - events.min() <= 1


@pytest.mark.parametrize(
    "column",
    [
        np.zeros(100),
        np.r_[np.zeros(999), 3.0],
        np.repeat([0.0, 1.0, 2.0], [80, 15, 5]),
        np.full(10, np.nan),
        np.r_[np.full(90, np.nan), np.arange(10.0)],
    ],
)
def test_knots_increase_strictly_whatever_the_column(column: np.ndarray) -> None:
    knots = choose_knots(column)
    assert len(knots) >= 2
    assert (np.diff(knots) > 0).all()


def test_events_of_few_people_are_refused_however_many_rows() -> None:
    training = make_training(2500)
    late = horizons.happened(training.days, horizons.INTERVALS[2])
    patient_ids = training.patient_ids.copy()
    patient_ids[late] = patient_ids[late] % 49
    with pytest.raises(BadInput, match=r"days 61-90: 49 people readmitted"):
        check_training(TrainingSet(patient_ids, training.x, training.days))


def test_too_few_events_are_refused_by_interval(training: TrainingSet) -> None:
    days = training.days.copy()
    late = np.flatnonzero(horizons.happened(days, horizons.INTERVALS[2]))
    days[late[49:]] = 0
    with pytest.raises(BadInput, match=r"days 61-90: 49 people readmitted"):
        check_training(TrainingSet(training.patient_ids, training.x, days))
    days[late[49]] = 61
    check_training(TrainingSet(training.patient_ids, training.x, days))


@pytest.mark.parametrize("day", [0, 7])
def test_one_class_only_is_refused(training: TrainingSet, day: int) -> None:
    days = np.full_like(training.days, day)
    with pytest.raises(BadInput, match=r"days 1-30: 0 people"):
        check_training(TrainingSet(training.patient_ids, training.x, days))


@pytest.mark.parametrize("day", [-1, 91])
def test_a_day_outside_the_windows_is_refused(training: TrainingSet, day: int) -> None:
    days = training.days.copy()
    days[3] = day
    with pytest.raises(BadInput, match=f"row 4: {day}"):
        check_training(TrainingSet(training.patient_ids, training.x, days))


def test_a_constant_feature_is_refused_by_name(training: TrainingSet) -> None:
    x = training.x.copy()
    x[:, 12] = 1.0
    with pytest.raises(BadInput, match="has_ischemic_heart"):
        check_training(TrainingSet(training.patient_ids, x, training.days))


def test_infinity_is_refused_by_feature_and_row(training: TrainingSet) -> None:
    x = training.x.copy()
    x[7, 21] = np.inf
    with pytest.raises(BadInput, match="annual_cost, row 8"):
        check_training(TrainingSet(training.patient_ids, x, training.days))


def test_a_curve_interpolates_and_stays_level_beyond_its_ends() -> None:
    curve = Curve(
        np.array([0.0, 1.0, 5.0]),
        np.array([[0.0, 2.0, -2.0], [1.0, 1.0, 3.0]]),
        np.array([9.0, 8.0]),
    )
    x = np.array([-4.0, 0.0, 0.5, 1.0, 3.0, 5.0, 99.0, np.nan])
    out = np.empty((2, len(x)))
    curve.evaluate(x, out)
    for row in range(2):
        expected = np.interp(x[:-1], curve.knots, curve.values[row])
        np.testing.assert_allclose(out[row, :-1], expected, atol=1e-15)
    assert out[:, -1].tolist() == [9.0, 8.0]


def test_steps_hold_up_to_their_edge_and_know_missing_from_high() -> None:
    steps = Steps(
        np.array([1.0, 4.0]),
        np.array([[0.0, 2.0, -2.0], [1.0, 1.5, 3.0]]),
        np.array([9.0, 8.0]),
    )
    x = np.array([-7.0, 1.0, 1.0 + 1e-12, 4.0, 4.5, np.inf, np.nan])
    out = np.empty((2, len(x)))
    steps.evaluate(x, out)
    assert out[0].tolist() == [0.0, 0.0, 2.0, 2.0, -2.0, -2.0, 9.0]
    assert out[1].tolist() == [1.0, 1.0, 1.5, 1.5, 3.0, 3.0, 8.0]
    assert steps.bound().tolist() == [9.0, 8.0]


def test_a_feature_that_no_tree_splits_on_adds_nothing() -> None:
    steps = Steps(np.empty(0), np.zeros((2, 1)), np.zeros(2))
    out = np.ones((2, 3))
    steps.evaluate(np.array([-1.0, 5.0, np.nan]), out)
    assert not out.any()


def test_log_odds_that_could_overflow_are_a_fault() -> None:
    table = CodeTable(np.array([1.0]), np.array([[250.0]]), np.array([0.0]))
    with pytest.raises(ValueError, match="log-odds"):
        relative_to(["code"], np.array([2.0]), np.array([0.0]), [table])
    curve = Curve(np.array([0.0, 1.0]), np.array([[0.0, 150.0]]), np.array([0.0]))
    steps = Steps(np.array([0.5]), np.array([[0.0, 60.0]]), np.array([0.0]))
    both = CurveAndSteps(curve, steps)
    with pytest.raises(ValueError, match="log-odds"):
        relative_to(["both"], np.array([0.0]), np.array([0.0]), [both])


def test_contributions_add_up_to_the_log_odds(fitted: FittedHazards) -> None:
    additive: AdditiveHazards = fitted.additive
    x = make_training(300, seed=8).x
    parts = additive.contributions(x)
    assert parts.shape == (27, 3, 300)
    total = parts.sum(axis=0).T + additive.reference_eta
    np.testing.assert_allclose(total, additive.eta(x), atol=1e-12)
