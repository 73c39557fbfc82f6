"""Contributions: that they add up, and that the weightiest are picked."""

import numpy as np
import pytest

from python_scoring import reasons
from python_scoring.readmission import score
from python_scoring.readmission.additive import (
    AdditiveHazards,
    CodeTable,
    Curve,
    relative_to,
)
from python_scoring.readmission.horizons import cumulative_risk

REFERENCE = np.array([-2.1, -2.9, -3.3])


def log_odds(eta: np.ndarray) -> np.ndarray:
    """Log-odds of window risk, log(prod(1 + u) - 1), precise at any size."""
    log_survival = -np.cumsum(np.logaddexp(0.0, eta), axis=1)
    odds: np.ndarray = np.log(-np.expm1(log_survival)) - log_survival
    return odds


def split(eta: np.ndarray, features: int, seed: int) -> np.ndarray:
    """Split each row's distance from the reference among features, (f, k, n)."""
    draw = np.random.default_rng(seed)
    parts = draw.normal(0, 1.0, (features, *eta.T.shape))
    parts[0] += (eta - REFERENCE).T - parts.sum(axis=0)
    return parts


@pytest.mark.parametrize("spread", [0.01, 1.5, 6.0, 40.0])
def test_contributions_add_up_for_every_row_and_window(spread: float) -> None:
    eta = REFERENCE + np.random.default_rng(1).normal(0, spread, (4000, 3))
    weights = reasons.path_weights(REFERENCE, eta)
    phi = reasons.window_contributions(split(eta, 27, seed=2), weights)
    expected = log_odds(eta) - log_odds(REFERENCE[np.newaxis, :])
    np.testing.assert_allclose(phi.sum(axis=1).T, expected, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize(
    "eta",
    [[-150, -150, -150], [150, 150, 150], [-150, 150, -150], [60, -90, 3], [0, 0, 0]],
)
def test_contributions_add_up_far_from_the_reference(eta: list[float]) -> None:
    rows = np.array([eta], dtype=np.float64)
    weights = reasons.path_weights(REFERENCE, rows)
    total = (weights * (rows - REFERENCE).T).sum(axis=1).T
    expected = log_odds(rows) - log_odds(REFERENCE[np.newaxis, :])
    np.testing.assert_allclose(total, expected, rtol=0, atol=1e-9)


def additive_model() -> AdditiveHazards:
    """Some curve for each feature and hazard; the reference patient misses none."""
    draw = np.random.default_rng(9)
    terms: list[Curve | CodeTable] = [
        Curve(np.sort(draw.random(5)), draw.normal(0, 0.4, (3, 5)), draw.normal(size=3))
        for _ in range(26)
    ]
    terms.insert(
        3, CodeTable(np.arange(1.0, 4.0), draw.normal(size=(3, 3)), draw.normal(size=3))
    )
    reference = draw.random(27)
    reference[3] = 2.0
    names = [f"feature_{number}" for number in range(27)]
    return relative_to(names, reference, REFERENCE, terms)


def test_every_rows_reasons_are_the_weightiest_parts_of_its_score(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a whole cohort, as the ledger gets them, missing values among them."""
    monkeypatch.setattr(score, "TILE_ROWS", 512)
    model = additive_model()
    draw = np.random.default_rng(10)
    people = 5000
    x = np.asfortranarray(draw.random((people, 27)))
    x[:, 3] = draw.integers(1, 6, people)
    x[draw.random(people) < 0.4, 17] = np.nan
    ids = np.arange(people)
    scores = score.score_matrix(model, ids, x, ids)
    whole = reasons.window_contributions(
        model.contributions(x), reasons.path_weights(model.reference_eta, model.eta(x))
    )
    reference = log_odds(model.reference_eta[np.newaxis, :])
    actual = np.log(scores.scores / (1 - scores.scores))
    np.testing.assert_allclose(whole.sum(axis=1).T, actual - reference, atol=1e-9)
    # What is kept are three of these parts, no other is weightier, and with values.
    places = scores.reason_features - 1
    kept = np.take_along_axis(whole.transpose(2, 0, 1), places, axis=2)
    np.testing.assert_allclose(kept, scores.reason_contributions, atol=1e-12)
    weights = -np.sort(-np.abs(whole), axis=1)[:, :3].transpose(2, 0, 1)
    np.testing.assert_allclose(np.abs(kept), weights, atol=1e-12)
    values = np.take_along_axis(x[:, np.newaxis, :], places, axis=2)
    np.testing.assert_array_equal(scores.reason_values, values)
    assert np.isnan(values).any()


def test_the_first_window_is_the_plain_additive_contribution() -> None:
    eta = REFERENCE + np.random.default_rng(4).normal(0, 2, (50, 3))
    parts = split(eta, 27, seed=5)
    weights = reasons.path_weights(REFERENCE, eta)
    assert (weights[0, 0] == 1.0).all()
    assert (weights[0, 1:] == 0.0).all()
    phi = reasons.window_contributions(parts, weights)
    np.testing.assert_array_equal(phi[0], parts[:, 0])


def test_weights_are_the_derivative_where_the_path_has_no_length() -> None:
    """h_k / p_w, checked against a central difference of the log-odds."""
    weights = reasons.path_weights(REFERENCE, REFERENCE[np.newaxis, :])[:, :, 0]
    step = 1e-6
    for hazard in range(3):
        ahead, behind = REFERENCE.copy(), REFERENCE.copy()
        ahead[hazard] += step
        behind[hazard] -= step
        slope = (log_odds(ahead[np.newaxis]) - log_odds(behind[np.newaxis]))[0]
        np.testing.assert_allclose(weights[:, hazard], slope / (2 * step), atol=1e-8)


def test_log_odds_here_are_those_of_the_scores() -> None:
    eta = np.random.default_rng(6).normal(-2, 2, (200, 3))
    risk = cumulative_risk(eta)
    np.testing.assert_allclose(np.log(risk / (1 - risk)), log_odds(eta), atol=1e-9)


def test_a_rows_weights_do_not_depend_on_its_neighbours() -> None:
    eta = REFERENCE + np.random.default_rng(7).normal(0, 12, (1001, 3))
    together = reasons.path_weights(REFERENCE, eta)
    apart = reasons.path_weights(REFERENCE, eta[5:900:3])
    np.testing.assert_array_equal(together[:, :, 5:900:3], apart)


def test_the_three_weightiest_come_in_order_with_their_signs() -> None:
    phi = np.random.default_rng(8).normal(0, 1, (27, 3000))
    ids, contributions = reasons.top_three(phi)
    assert ids.shape == contributions.shape == (3000, 3)
    assert ids.dtype == np.int16
    order = np.argsort(-np.abs(phi), axis=0, kind="stable")[:3]
    np.testing.assert_array_equal(ids, order.T + 1)
    np.testing.assert_array_equal(
        contributions, np.take_along_axis(phi, order, axis=0).T
    )


def test_ties_go_to_the_lower_feature_id() -> None:
    phi = np.zeros((27, 2))
    phi[[4, 9, 20, 26], 0] = [0.5, -0.5, 0.5, -0.5]
    ids, contributions = reasons.top_three(phi)
    assert ids.tolist() == [[5, 10, 21], [1, 2, 3]]
    assert contributions[0].tolist() == [0.5, -0.5, 0.5]


@pytest.mark.parametrize("features", [2, 33])
def test_numbers_of_features_that_cannot_be_ranked_are_a_fault(features: int) -> None:
    with pytest.raises(ValueError, match="expected 3 to 32"):
        reasons.top_three(np.zeros((features, 1)))
