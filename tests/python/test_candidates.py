"""Which candidate becomes a hazard, and that none is promoted that should not be."""

from collections.abc import Mapping

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score
from test_hazards import ADMISSIONS, NULLABLE, RACE, make_training

from python_scoring.errors import GateFailed
from python_scoring.readmission import candidates, horizons, selection
from python_scoring.readmission.candidates import (
    BY_NAME,
    CANDIDATES,
    CONDITIONS,
    COST_PERCENTILE,
)
from python_scoring.readmission.features import FEATURE_NAMES, FEATURES
from python_scoring.readmission.selection import Comparison
from python_scoring.readmission.training_set import (
    FOLDS,
    TrainingSet,
    patient_folds,
)

FIRST = horizons.INTERVALS[0]
HAZARD = str(FIRST)


@pytest.fixture(scope="module")
def training() -> TrainingSet:
    return make_training(2500)


@pytest.fixture(scope="module")
def comparison(training: TrainingSet) -> Comparison:
    return selection.compare(training, seed=1)


def with_first_hazard(log_odds: np.ndarray, training: TrainingSet) -> TrainingSet:
    """Draw the first interval's events by these log-odds; the others stay."""
    draw = np.random.default_rng(4)
    hit = draw.random(len(log_odds)) < 1 / (1 + np.exp(-log_odds))
    days = np.where(training.days > FIRST.until, training.days, 0)
    return TrainingSet(
        training.patient_ids, training.x, np.where(hit, 7, days).astype(np.int16)
    )


def compare_first(training: TrainingSet) -> Comparison:
    return selection.compare(training, seed=1, intervals=[FIRST])


def test_every_candidate_of_the_issue_is_compared_for_every_hazard(
    comparison: Comparison,
) -> None:
    assert list(comparison.figures) == [str(i) for i in horizons.INTERVALS]
    for figures in comparison.figures.values():
        assert list(figures) == [
            "prevalence",
            "condition_count",
            "cost_percentile",
            "spline_logistic",
            "additive_boosting",
            "full_boosting",
        ]


def test_only_what_is_additive_and_not_naive_can_be_promoted() -> None:
    promotable = [c.name for c in CANDIDATES if c.is_promotable]
    assert promotable == ["spline_logistic", "additive_boosting"]


def test_the_full_challenger_is_reported_and_never_chosen(
    training: TrainingSet,
) -> None:
    """Even where it is best by far: here an interaction decides."""
    x = training.x
    crossed = 12.0 * (x[:, 6] - 0.5) * (x[:, 7] - 0.5) - 1
    compared = compare_first(with_first_hazard(crossed, training))
    figures = compared.figures[HAZARD]
    full = figures["full_boosting"]["log_loss"]
    for name, other in figures.items():
        assert name == "full_boosting" or full < other["log_loss"] - 0.05
    assert BY_NAME[compared.chosen[HAZARD]].is_additive


@pytest.mark.parametrize(
    ("kind", "chosen"), [("sum", "spline_logistic"), ("jumps", "additive_boosting")]
)
def test_the_kind_of_effect_decides_between_curves_and_steps(
    training: TrainingSet, kind: str, chosen: str
) -> None:
    age = training.x[:, 0]
    of_many = 0.12 * (age - 70) + training.x[:, CONDITIONS].sum(axis=1) - 2.5
    log_odds = of_many if kind == "sum" else 3.0 * (-1) ** (age // 10)
    compared = compare_first(with_first_hazard(log_odds, training))
    assert compared.chosen[HAZARD] == chosen


def test_figures_are_what_scikit_learn_makes_of_out_of_fold_predictions(
    training: TrainingSet, comparison: Comparison
) -> None:
    """Each candidate by hand: other folds, calibrated by what they did not see."""
    training = training.in_canonical_order()
    folds = patient_folds(training, seed=1)
    event = horizons.happened(training.days, FIRST)
    for name in ("cost_percentile", "spline_logistic"):
        eta = selection.out_of_fold(BY_NAME[name], training, FIRST, folds, seed=1)
        risk = 1 / (1 + np.exp(-eta))
        figures = comparison.figures[HAZARD][name]
        assert figures["log_loss"] == pytest.approx(log_loss(event, risk), abs=1e-12)
        assert figures["auroc"] == roc_auc_score(event, risk)
        assert figures["brier"] == pytest.approx(np.mean((risk - event) ** 2))
        losses = -np.log(np.where(event, risk, 1 - risk))
        assert figures["se"] == pytest.approx(
            losses.std(ddof=1) / np.sqrt(len(losses)), rel=1e-9
        )


def test_the_event_rate_is_the_other_folds(training: TrainingSet) -> None:
    folds = patient_folds(training, seed=1)
    event = horizons.happened(training.days, FIRST)
    prevalence = BY_NAME["prevalence"]
    eta = selection.out_of_fold(prevalence, training, FIRST, folds, seed=1)
    for fold in range(FOLDS):
        rate = event[folds != fold].mean()
        np.testing.assert_allclose(eta[folds == fold], np.log(rate / (1 - rate)))


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda c: c.name)
def test_nobodys_own_outcome_is_in_the_model_that_predicts_them(
    training: TrainingSet, candidate: candidates.Candidate
) -> None:
    """Change a fold's outcomes: its raw predictions stay, the others' change."""
    folds = patient_folds(training, seed=1)
    days = training.days.copy()
    mine = folds == 2
    days[mine] = np.random.default_rng(1).permutation(days[mine])
    changed = TrainingSet(training.patient_ids, training.x, days)
    raw = candidates.Candidate(candidate.name, candidate.build, is_calibrated=True)
    before, after = (
        selection.out_of_fold(raw, given, FIRST, folds, seed=1)
        for given in (training, changed)
    )
    np.testing.assert_array_equal(before[mine], after[mine])
    if candidate.name != "prevalence":  # the same events, dealt otherwise
        assert (before[~mine] != after[~mine]).mean() > 0.5


def test_calibration_of_a_fold_is_by_the_other_folds(training: TrainingSet) -> None:
    """Scores that are twice too sure come out right, but by nobody's own outcome."""
    folds = patient_folds(training, seed=1)
    event = horizons.happened(training.days, FIRST)
    still = np.ones(len(event), dtype=np.bool_)
    score = 2.0 * training.x[:, ADMISSIONS]
    mine = folds == 3
    before = selection._calibrated(score, event, still, folds)
    after = selection._calibrated(score, event ^ mine, still, folds)
    np.testing.assert_array_equal(before[mine], after[mine])
    assert (before[~mine] != after[~mine]).all()
    risk = 1 / (1 + np.exp(-before))
    assert abs(risk.mean() - event.mean()) < 0.01


@pytest.mark.parametrize("name", ["condition_count", "cost_percentile"])
def test_a_single_figure_sees_no_other(training: TrainingSet, name: str) -> None:
    event = horizons.happened(training.days, FIRST)
    candidate = BY_NAME[name].build(training.x, 1)
    risk = candidate.fit(training.x, event).predict_proba
    used = CONDITIONS if name == "condition_count" else [COST_PERCENTILE]
    x = np.random.default_rng(1).permuted(training.x, axis=0)
    x[:, used] = training.x[:, used]
    np.testing.assert_array_equal(risk(x), risk(training.x))
    if name == "condition_count":
        x[:, CONDITIONS] = x[:, CONDITIONS[::-1]]
        np.testing.assert_array_equal(risk(x), risk(training.x))
    x[:, used] = 1 - x[:, used]
    assert not np.allclose(risk(x), risk(training.x))


def test_the_single_figures_are_those_of_the_contract() -> None:
    assert len(CONDITIONS) == 10
    assert FEATURE_NAMES[COST_PERCENTILE] == "cost_percentile"
    assert {FEATURES[place].name[:4] for place in CONDITIONS} == {"has_"}
    assert "has_esrd" not in [FEATURES[place].name for place in CONDITIONS]


def test_figures_and_choice_are_the_same_to_the_bit_for_any_order_of_rows(
    training: TrainingSet, comparison: Comparison
) -> None:
    shuffled = np.random.default_rng(5).permutation(len(training.days))
    again = selection.compare(training.take(shuffled), seed=1)
    assert again.figures == comparison.figures
    assert again.chosen == comparison.chosen
    np.testing.assert_array_equal(again.eta, comparison.eta[shuffled])


def test_codes_have_no_order_for_the_trees(training: TrainingSet) -> None:
    """Whoever is between two others by number is not between them."""
    x = training.x
    alone = with_first_hazard(np.where(x[:, RACE] == 2, 2.0, -3.0), training)
    event = horizons.happened(alone.days, FIRST)
    model = BY_NAME["additive_boosting"].build(x, 1).fit(x, event)
    people = np.repeat(x[:1], 4, axis=0)
    people[:, RACE] = (1, 2, 3, 7)
    one, two, three, unseen = model.predict_proba(people)[:, 1]
    assert two > 0.5 > max(one, three, unseen)


def test_missing_days_reach_the_trees_as_missing(training: TrainingSet) -> None:
    for name in ("additive_boosting", "full_boosting"):
        pipeline = BY_NAME[name].build(training.x, 1)
        encoded = pipeline.named_steps["encode"].fit_transform(training.x)
        assert np.isnan(encoded).sum() == np.isnan(training.x[:, NULLABLE]).sum()


def losses(**given: float) -> Mapping[str, np.ndarray]:
    """Make losses of 400 people with these means, by candidate; 0.5 for others."""
    noise = np.tile([-0.1, 0.1], 200)
    return {
        c.name: np.full(400, 0.5) if c.name not in given else given[c.name] + noise
        for c in CANDIDATES
    }


def in_question(losses: Mapping[str, np.ndarray]) -> list[str]:
    return selection._in_question(losses, CANDIDATES)


def test_candidates_that_beat_the_naive_are_asked_first() -> None:
    both = losses(spline_logistic=0.4, additive_boosting=0.3)
    assert in_question(both) == ["spline_logistic", "additive_boosting"]
    one = losses(spline_logistic=0.6, additive_boosting=0.3)
    assert in_question(one) == ["additive_boosting"]
    none = losses(spline_logistic=0.6, additive_boosting=0.7)
    assert in_question(none) == ["spline_logistic", "additive_boosting"]


def test_a_standard_error_counts_people_not_rows() -> None:
    values = np.random.default_rng(2).normal(size=300)
    person = np.arange(300)
    mean, se = selection._mean_and_se(values, person)
    assert mean == pytest.approx(values.mean())
    assert se == pytest.approx(values.std(ddof=1) / np.sqrt(300))
    _, thrice = selection._mean_and_se(np.repeat(values, 3), np.repeat(person, 3))
    assert thrice == pytest.approx(se)


def test_the_simpler_is_chosen_within_one_standard_error_only(
    training: TrainingSet,
) -> None:
    """A constant loss above the best is no noise; one that comes and goes is."""
    event = horizons.happened(training.days, FIRST)
    best = np.where(event, 1.0, -1.0)
    every_other = np.empty(len(event))
    for kind in (event, ~event):
        every_other[kind] = np.where(np.arange(kind.sum()) % 2, 1, -1)
    for worse, chosen in (
        (best - 0.001 * best, "additive_boosting"),
        (best + 0.02 * every_other, "spline_logistic"),
    ):
        predicted = {c.name: np.zeros(len(event)) for c in CANDIDATES}
        predicted |= {"additive_boosting": best, "spline_logistic": worse}
        figures, found = selection._judge(predicted, training, FIRST, CANDIDATES)
        assert found == chosen
        assert figures["spline_logistic"]["excess"] > 0.0
        assert figures["additive_boosting"]["excess"] == 0.0


def test_noise_is_not_promoted(training: TrainingSet) -> None:
    days = np.random.default_rng(3).permutation(training.days)
    shuffled = TrainingSet(training.patient_ids, training.x, days)
    compared = selection.compare(shuffled, seed=1)
    with pytest.raises(GateFailed, match=r"the best candidate, .* alone"):
        selection.check_beats_naive(compared)


def test_what_beats_every_naive_candidate_passes(comparison: Comparison) -> None:
    selection.check_beats_naive(comparison)
    hazard = "days 61-90"
    for name in ("prevalence", "condition_count", "cost_percentile"):
        figures = {h: dict(f) for h, f in comparison.figures.items()}
        own = figures[hazard][comparison.chosen[hazard]]["log_loss"]
        figures[hazard][name] = figures[hazard][name] | {"log_loss": own}
        tied = Comparison(figures, comparison.chosen, comparison.eta)
        with pytest.raises(GateFailed, match=f"days 61-90: .*{name} alone"):
            selection.check_beats_naive(tied)


def test_out_of_fold_risk_by_horizon_is_informative(
    training: TrainingSet, comparison: Comparison
) -> None:
    figures = selection.horizon_figures(comparison, training.days)
    assert list(figures) == ["30", "60", "90"]
    for horizon, own in figures.items():
        event = horizons.happened_by(training.days, int(horizon))
        assert own["events"] == event.sum()
        rate = event.mean()
        assert 0.65 < own["auroc"] < 0.95
        assert own["brier"] < 0.95 * rate * (1 - rate)
        assert own["log_loss"] < log_loss(event, np.full(len(event), rate))
