"""Discrimination, overall fit and usefulness: textbook values, and second ways."""

import math

import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    confusion_matrix,
    roc_auc_score,
)
from sklearn.metrics import log_loss as sklearn_log_loss

from python_scoring import metrics


def draw(
    seed: int, people: int = 400, decimals: int = 2
) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes that follow the risks, which are rounded so that many tie."""
    random = np.random.default_rng(seed)
    risk = np.round(random.beta(1.5, 5, people), decimals)
    return random.random(people) < risk, risk


# Hanley and McNeil, Radiology 1982: five ratings of 51 abnormal and 58 normal scans.
ABNORMAL = (3, 2, 2, 11, 33)
NORMAL = (33, 6, 6, 11, 2)


def scans() -> tuple[np.ndarray, np.ndarray]:
    ratings = np.arange(1.0, 6.0)
    score = np.concatenate([np.repeat(ratings, ABNORMAL), np.repeat(ratings, NORMAL)])
    return np.arange(109) < 51, score


def test_auroc_and_delongs_interval_of_a_published_example() -> None:
    """Area 0.8932, standard error 0.0307, as Stata's manual prints for `roctab`."""
    value, lower, upper = metrics.auroc(*scans())
    assert value == pytest.approx(0.8932, abs=5e-5)
    assert (lower, upper) == pytest.approx((0.83295, 0.95339), abs=5e-5)


def delong_by_pairs(event: np.ndarray, score: np.ndarray) -> tuple[float, float]:
    """Area and its variance by DeLong's definition, over all pairs."""
    ahead = score[event][:, None] - score[~event][None, :]
    kernel = (ahead > 0) + 0.5 * (ahead == 0)
    variance = kernel.mean(axis=1).var(ddof=1) / len(kernel)
    variance += kernel.mean(axis=0).var(ddof=1) / kernel.shape[1]
    return float(kernel.mean()), float(variance)


@pytest.mark.parametrize("seed", range(5))
def test_auroc_is_that_of_all_pairs(seed: int) -> None:
    event, score = draw(seed)
    value, lower, upper = metrics.auroc(event, score)
    area, variance = delong_by_pairs(event, score)
    assert value == pytest.approx(area, abs=1e-12)
    assert value == pytest.approx(roc_auc_score(event, score), abs=1e-12)
    half = 1.959963984540054 * math.sqrt(variance)
    assert (lower, upper) == pytest.approx((area - half, area + half), abs=1e-12)


def test_delongs_interval_is_as_wide_as_the_bootstraps() -> None:
    event, score = draw(7, people=600)
    random = np.random.default_rng(1)
    found = []
    for _ in range(800):
        rows = random.integers(0, len(event), len(event))
        found.append(roc_auc_score(event[rows], score[rows]))
    value, lower, upper = metrics.auroc(event, score)
    assert (upper - lower) / 2 == pytest.approx(1.96 * np.std(found), rel=0.1)
    assert value == pytest.approx(np.mean(found), abs=0.005)


def test_auroc_only_looks_at_the_order() -> None:
    event, score = draw(3)
    assert metrics.auroc(event, score) == metrics.auroc(event, np.exp(score) * 9)
    turned = metrics.auroc(event, -score)
    assert turned.value == pytest.approx(1 - metrics.auroc(event, score).value)
    rows = np.random.default_rng(0).permutation(len(event))
    assert metrics.auroc(event[rows], score[rows]) == pytest.approx(
        metrics.auroc(event, score), abs=1e-12
    )


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.99])
def test_intervals_widen_with_confidence(confidence: float) -> None:
    event, score = draw(2)
    wide, narrow = (
        metrics.auroc(event, score, 0.995),
        metrics.auroc(event, score, confidence),
    )
    assert wide.lower < narrow.lower < narrow.value < narrow.upper < wide.upper


@pytest.mark.parametrize("happened", [True, False])
def test_one_class_has_no_figures_that_need_two(happened: bool) -> None:
    event, risk = np.full(20, happened), np.linspace(0.1, 0.9, 20)
    assert all(math.isnan(x) for x in metrics.auroc(event, risk))
    assert math.isnan(metrics.auprc(event, risk))
    assert math.isnan(metrics.scaled_brier(event, risk))
    assert metrics.brier(event, risk) > 0
    assert metrics.log_loss(event, risk) > 0


def test_one_event_gives_an_area_but_no_interval() -> None:
    value, lower, upper = metrics.auroc(np.arange(9) == 8, np.arange(9.0))
    assert value == 1
    assert math.isnan(lower)
    assert math.isnan(upper)


def test_nobody_gives_nothing() -> None:
    nobody, none = np.array([], bool), np.array([])
    found = [metrics.brier(nobody, none), metrics.log_loss(nobody, none)]
    assert all(math.isnan(x) for x in [*found, *metrics.wilson(0, 0)])


@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_of_scikit_learn(seed: int) -> None:
    event, risk = draw(seed, decimals=9)
    ours = metrics.auprc(event, risk), metrics.brier(event, risk)
    theirs = average_precision_score(event, risk), brier_score_loss(event, risk)
    assert ours == pytest.approx(theirs, abs=1e-12)
    assert metrics.log_loss(event, risk) == pytest.approx(
        sklearn_log_loss(event, risk), abs=1e-12
    )


def test_log_loss_of_certainties_is_finite_and_dear() -> None:
    event = np.array([True, False])
    assert metrics.log_loss(event, np.array([0.0, 1.0])) == pytest.approx(36.04, 1e-3)
    assert metrics.log_loss(event, np.array([1.0, 0.0])) == pytest.approx(0, abs=1e-15)


def test_scaled_brier_is_nothing_for_the_rate_and_one_for_an_oracle() -> None:
    event, _ = draw(1)
    rate = np.full(len(event), event.mean())
    assert metrics.scaled_brier(event, rate) == pytest.approx(0, abs=1e-12)
    assert metrics.scaled_brier(event, event.astype(float)) == 1


# Newcombe, Stat Med 1998; 17: 857-872, table I, method 3.
@pytest.mark.parametrize(
    ("events", "count", "lower", "upper"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilsons_interval_of_a_published_table(
    events: int, count: int, lower: float, upper: float
) -> None:
    share, low, high = metrics.wilson(events, count)
    assert share == events / count
    assert (low, high) == pytest.approx((lower, upper), abs=5e-5)
    mirrored = metrics.wilson(count - events, count)
    assert (1 - mirrored.upper, 1 - mirrored.lower) == pytest.approx((low, high))


def test_decisions_are_those_of_the_confusion_matrix() -> None:
    event, risk = draw(11, people=300)
    # On scores that people have: at the threshold is called.
    thresholds = np.array([0.0, 0.1, 0.25, 0.5])
    made = metrics.decisions(event, risk, thresholds)
    for place, threshold in enumerate(thresholds):
        called = risk >= threshold
        [[tn, fp], [fn, tp]] = confusion_matrix(event, called, labels=[False, True])
        odds = threshold / (1 - threshold)
        found = [values[place] for values in vars(made).values()]
        assert found == pytest.approx(
            [
                threshold,
                tp + fp,
                tp / (tp + fn),
                tn / (tn + fp),
                tp / (tp + fp),
                tp / (tp + fp) / event.mean(),
                tp / 300 - fp / 300 * odds,
                event.mean() - (1 - event.mean()) * odds,
            ],
            abs=1e-12,
        )


def test_net_benefit_worked_out_by_hand() -> None:
    """Ten people, four events; from 0.2 on, three events and two others called."""
    event = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0], bool)
    risk = np.array([0.9, 0.5, 0.2, 0.1, 0.6, 0.2, 0.1, 0.1, 0.1, 0.1])
    made = metrics.decisions(event, risk, np.array([0.2]))
    assert made.net_benefit[0] == pytest.approx(0.3 - 0.2 * 0.25)
    assert made.net_benefit_all[0] == pytest.approx(0.4 - 0.6 * 0.25)
    assert made.lift[0] == pytest.approx(0.6 / 0.4)


def test_nobody_called_has_no_predictive_value_and_no_benefit() -> None:
    event, risk = draw(4)
    made = metrics.decisions(event, risk * 0.5, np.array([0.99]))
    assert made.flagged_count[0] == 0
    assert math.isnan(made.ppv[0])
    assert math.isnan(made.lift[0])
    assert made.net_benefit[0] == 0
    assert made.sensitivity[0] == 0
    assert made.specificity[0] == 1


def test_midranks_stand_in_the_middle_of_ties() -> None:
    assert list(metrics.midranks(np.array([3.0, 1.0, 3.0, 3.0]))) == [3, 1, 3, 3]
    assert list(metrics.midranks(np.array([2.0, 2.0]))) == [1.5, 1.5]
    assert list(metrics.midranks(np.array([]))) == []
