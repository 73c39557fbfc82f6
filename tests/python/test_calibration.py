"""Calibration: known truths come back, and what cannot be had is not invented."""

import math

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from python_scoring import calibration, metrics

PEOPLE = 60_000


def draw(seed: int, people: int = PEOPLE) -> tuple[np.ndarray, np.ndarray]:
    """True log-odds, and outcomes drawn from them."""
    random = np.random.default_rng(seed)
    lp = random.normal(-1.5, 1.2, people)
    return random.random(people) < expit(lp), lp


def expit(lp: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-lp)))


def test_fit_is_that_of_scikit_learn() -> None:
    event, lp = draw(1, 3_000)
    x = np.column_stack([lp, lp**2])
    theirs = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10)
    theirs.fit(x, event)
    ours = calibration.fit_logistic(np.column_stack([np.ones(len(x)), x]), event)
    assert ours is not None
    wanted = [theirs.intercept_[0], *theirs.coef_[0]]
    assert ours.coefficients == pytest.approx(wanted, abs=1e-7)


def test_variance_is_that_of_a_two_by_two_table() -> None:
    """A flag's log odds ratio has variance 1/a + 1/b + 1/c + 1/d (Woolf 1955)."""
    flag = np.repeat([1.0, 1.0, 0.0, 0.0], [20, 30, 15, 85])
    event = np.repeat([True, False, True, False], [20, 30, 15, 85])
    fit = calibration.fit_logistic(np.column_stack([np.ones(150), flag]), event)
    assert fit is not None
    assert fit.coefficients[1] == pytest.approx(math.log(20 * 85 / (30 * 15)))
    variance = 1 / 20 + 1 / 30 + 1 / 15 + 1 / 85
    assert fit.covariance[1, 1] == pytest.approx(variance)


@pytest.mark.parametrize(("shift", "factor"), [(0, 1), (0.7, 1), (0, 0.5), (-1, 2)])
def test_a_known_distortion_comes_back(shift: float, factor: float) -> None:
    """Predictions shift + factor * truth: the truth is (p - shift) / factor."""
    event, lp = draw(2)
    found = calibration.recalibrate(event, expit(shift + factor * lp))
    assert found.slope.value == pytest.approx(1 / factor, abs=0.03 / factor)
    wanted = -shift / factor
    assert found.intercept.value == pytest.approx(wanted, abs=0.05 / factor)
    assert found.slope.lower < 1 / factor < found.slope.upper
    if factor == 1:
        assert found.in_the_large.value == pytest.approx(-shift, abs=0.03)


def test_in_the_large_equals_what_makes_the_sums_agree() -> None:
    event, lp = draw(3, 2_000)
    found = calibration.recalibrate(event, expit(lp + 0.4)).in_the_large.value
    assert expit(lp + 0.4 + found).sum() == pytest.approx(event.sum())


def test_slope_interval_holds_the_truth_as_often_as_it_says() -> None:
    held = 0
    for seed in range(200):
        event, lp = draw(1000 + seed, 800)
        _, lower, upper = calibration.recalibrate(event, expit(lp)).slope
        held += lower <= 1 <= upper
    assert 180 <= held <= 199


@pytest.mark.parametrize(
    ("event", "risk"),
    [
        pytest.param([0, 0, 0], [0.1, 0.2, 0.3], id="no event"),
        pytest.param([1, 1, 1], [0.1, 0.2, 0.3], id="all events"),
        pytest.param([0, 1, 0, 1], [0.2, 0.2, 0.2, 0.2], id="one risk for all"),
        pytest.param([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4], id="told apart without error"),
        pytest.param([], [], id="nobody"),
    ],
)
def test_slope_that_is_not_there_is_none(event: list[int], risk: list[float]) -> None:
    found = calibration.recalibrate(np.array(event, bool), np.array(risk))
    assert all(math.isnan(x) for x in (*found.slope, *found.intercept))


def test_in_the_large_needs_no_slope() -> None:
    found = calibration.recalibrate(np.arange(10) < 4, np.full(10, 0.2))
    wanted = math.log(0.4 / 0.6) - math.log(0.2 / 0.8)
    assert found.in_the_large.value == pytest.approx(wanted)


def test_certainties_leave_everything_finite() -> None:
    event, lp = draw(4, 2_000)
    risk = expit(lp)
    risk[:5], risk[5:10] = 0.0, 1.0
    found = calibration.recalibrate(event, risk)
    assert np.isfinite([*found.slope, *found.in_the_large]).all()
    assert np.isfinite(calibration.curve_error(event, risk)).all()
    assert np.isfinite(calibration.logit(np.array([0.0, 1.0]))).all()


def test_curve_finds_a_known_distance() -> None:
    event, lp = draw(5)
    honest = calibration.curve_error(event, expit(lp))
    assert honest.ici < 0.006
    predicted = expit(lp + math.log(2))
    found = calibration.curve_error(event, predicted)
    distance = np.abs(predicted - expit(lp))
    wanted = distance.mean(), np.median(distance), np.quantile(distance, 0.9)
    assert found == pytest.approx(wanted, abs=0.008)


def test_curve_bends_where_a_line_would_not() -> None:
    random = np.random.default_rng(6)
    lp = random.uniform(-3, 3, PEOPLE)
    truth = expit(0.4 * lp**2 - 2)
    event = random.random(PEOPLE) < truth
    curve = calibration.calibration_curve(event, expit(lp))
    assert np.abs(curve - truth).mean() < 0.02


def test_curve_is_the_same_for_any_order_of_people() -> None:
    event, lp = draw(7, 25_000)
    rows = np.random.default_rng(0).permutation(len(lp))
    here = calibration.curve_error(event, expit(lp))
    there = calibration.curve_error(event[rows], expit(lp[rows]))
    assert here == pytest.approx(there, abs=1e-9)


def test_few_events_draw_no_curve() -> None:
    risk = np.linspace(0.1, 0.9, 500)
    enough = np.arange(500) % 10 == 0
    assert enough.sum() == calibration.FEWEST_FOR_CURVE
    assert np.isfinite(calibration.curve_error(enough, risk)).all()
    few = enough & (np.arange(500) > 0)
    assert all(math.isnan(x) for x in calibration.curve_error(few, risk))
    assert all(math.isnan(x) for x in calibration.curve_error(~few, risk))
    same = np.full(500, 0.2)
    assert all(math.isnan(x) for x in calibration.curve_error(enough, same))


def test_curve_lives_with_scores_that_nearly_all_tie() -> None:
    event, lp = draw(8, 5_000)
    risk = np.where(np.arange(5_000) < 4_900, 0.2, expit(lp))
    assert np.isfinite(calibration.curve_error(event, risk)).all()


def test_observed_expected_by_hand() -> None:
    event = np.arange(10) < 3
    value, lower, upper = calibration.observed_expected(event, np.full(10, 0.2))
    assert value == pytest.approx(1.5)
    rate = metrics.wilson(3, 10)
    assert (lower, upper) == pytest.approx((rate.lower * 5, rate.upper * 5))
    assert math.isnan(calibration.observed_expected(event, np.zeros(10)).value)
