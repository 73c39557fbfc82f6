"""Compare the candidates on people they have not seen, and choose one a hazard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score
from threadpoolctl import threadpool_limits

from python_scoring import calibration
from python_scoring.errors import GateFailed
from python_scoring.readmission.candidates import (
    CANDIDATES,
    Candidate,
)
from python_scoring.readmission.horizons import (
    HORIZON_DAYS,
    INTERVALS,
    Interval,
    at_risk,
    cumulative_risk,
    happened,
    happened_by,
)
from python_scoring.readmission.training_set import (
    FOLDS,
    TrainingSet,
    patient_folds,
)

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Figures = dict[str, dict[str, dict[str, Any]]]


@dataclass(frozen=True)
class Comparison:
    """What the cross-validation came to.

    Parameters
    ----------
    figures
        By hazard and candidate: ``log_loss`` with its standard error ``se``,
        ``auroc``, ``brier``, ``excess`` (log loss above the best promotable one's)
        with ``excess_se``, ``is_additive``.
    chosen
        Name of the candidate for each hazard, by hazard.
    eta
        (n, k) out-of-fold log-odds of the chosen, in the given order of rows.
    """

    figures: Figures
    chosen: Mapping[str, str]
    eta: Floats


def compare(
    training: TrainingSet,
    seed: int,
    candidates: Sequence[Candidate] = CANDIDATES,
    intervals: Sequence[Interval] = INTERVALS,
) -> Comparison:
    """Cross-validate every candidate for every hazard, people kept whole.

    Every prediction is by a model that has not seen the person, made probable by a
    sigmoid that has not either: it is fitted to the other folds' out-of-fold
    predictions. The same for any order of rows.

    Chosen is the simplest promotable candidate whose log loss is above the best
    one's by no more than one standard error of their difference, person by person:
    the one-standard-error rule (Breiman et al., Classification and regression
    trees, 1984, 3.4.3) on paired differences. Candidates that do not beat the naive
    ones are passed over, if there are others.

    Parameters
    ----------
    training
        Checked by ``check_training``.
    seed
        Decides the folds; nothing else is random.
    candidates
        Whom to compare, the simplest first.
    intervals
        The hazards to fit.
    """
    order = training.canonical_order()
    training = training.take(order)
    folds = patient_folds(training, seed)
    eta = np.empty((len(order), len(intervals)))
    figures, chosen = {}, {}
    for position, interval in enumerate(intervals):
        predicted = {
            candidate.name: out_of_fold(candidate, training, interval, folds, seed)
            for candidate in candidates
        }
        hazard = str(interval)
        figures[hazard], chosen[hazard] = _judge(
            predicted, training, interval, candidates
        )
        eta[order, position] = predicted[chosen[hazard]]
    return Comparison(figures, chosen, eta)


def out_of_fold(
    candidate: Candidate,
    training: TrainingSet,
    interval: Interval,
    folds: NDArray[np.int64],
    seed: int,
) -> Floats:
    """Predict everyone's calibrated log-odds (n,) of an interval, fold by fold.

    Fitted on those still at risk. The event rate alone needs no calibration.
    """
    still = at_risk(training.days, interval)
    event = happened(training.days, interval)
    score = np.empty(len(folds))
    # One thread, as in the fit that follows: sums are taken in one order.
    with threadpool_limits(limits=1):
        for fold in range(FOLDS):
            seen, held_out = still & (folds != fold), folds == fold
            model = candidate.build(training.x, seed)
            model.fit(training.x[seen], event[seen])
            risk = model.predict_proba(training.x[held_out])[:, 1]
            score[held_out] = calibration.logit(risk)
    if candidate.is_calibrated:
        return score
    return _calibrated(score, event, still, folds)


def _calibrated(
    score: Floats, event: Bools, still: Bools, folds: NDArray[np.int64]
) -> Floats:
    """Put each fold through the sigmoid of the others; as it is where none fits."""
    eta = score.copy()
    for fold in range(FOLDS):
        seen = still & (folds != fold)
        design = np.column_stack([np.ones(int(seen.sum())), score[seen]])
        found = calibration.fit_logistic(design, event[seen])
        if found is not None:
            intercept, slope = found.coefficients
            eta[folds == fold] = intercept + slope * score[folds == fold]
    return eta


def _judge(
    predicted: Mapping[str, Floats],
    training: TrainingSet,
    interval: Interval,
    candidates: Sequence[Candidate],
) -> tuple[dict[str, dict[str, Any]], str]:
    """Give every candidate's figures for a hazard, and the one to choose."""
    still = at_risk(training.days, interval)
    event = happened(training.days, interval)[still]
    _, person = np.unique(training.patient_ids[still], return_inverse=True)
    losses = {name: _losses(eta[still], event) for name, eta in predicted.items()}
    in_question = _in_question(losses, candidates)
    additive = {candidate.name for candidate in candidates if candidate.is_additive}
    best = min(in_question, key=lambda name: losses[name].mean())
    figures: dict[str, dict[str, Any]] = {}
    for name, eta in predicted.items():
        loss, se = _mean_and_se(losses[name], person)
        excess, excess_se = _mean_and_se(losses[name] - losses[best], person)
        figures[name] = {
            "log_loss": loss,
            "se": se,
            "excess": excess,
            "excess_se": excess_se,
            "auroc": float(roc_auc_score(event, eta[still])),
            "brier": float(np.mean((_risk(eta[still]) - event) ** 2)),
            "is_additive": name in additive,
        }
    good = (
        name
        for name in in_question
        if figures[name]["excess"] <= figures[name]["excess_se"]
    )
    return figures, next(good)


def _in_question(
    losses: Mapping[str, Floats], candidates: Sequence[Candidate]
) -> list[str]:
    """Name the promotable that beat the naive, or all promotable; simplest first."""
    naive = min(losses[c.name].mean() for c in candidates if c.is_naive)
    promotable = [c.name for c in candidates if c.is_promotable]
    return [name for name in promotable if losses[name].mean() < naive] or promotable


def _losses(eta: Floats, event: Bools) -> Floats:
    losses: Floats = np.logaddexp(0, eta) - event * eta
    return losses


def _risk(eta: Floats) -> Floats:
    risk: Floats = 1 / (1 + np.exp(-eta))
    return risk


def _mean_and_se(values: Floats, person: NDArray[np.int64]) -> tuple[float, float]:
    """Mean over rows (n,), and its standard error with each person's rows as one."""
    mean = values.mean()
    sums = np.bincount(person, values - mean)
    variance = np.sum(sums**2) * len(sums) / (len(sums) - 1)
    return float(mean), float(np.sqrt(variance) / len(values))


def check_beats_naive(comparison: Comparison) -> None:
    """Refuse to go on with a hazard that is no better than a naive one.

    Raises
    ------
    GateFailed
        Naming the hazard and both log losses.
    """
    for hazard, name in comparison.chosen.items():
        figures = comparison.figures[hazard]
        naive = [c.name for c in CANDIDATES if c.is_naive]
        best = min(naive, key=lambda candidate: figures[candidate]["log_loss"])
        own, other = figures[name]["log_loss"], figures[best]["log_loss"]
        if not own < other:
            raise GateFailed(
                f"{hazard}: the best candidate, {name}, has a cross-validated log loss "
                f"of {own:.5f}, {best} alone {other:.5f}; nothing that does not beat "
                "it is put in force"
            )


def horizon_figures(comparison: Comparison, days: NDArray[np.int16]) -> dict[str, Any]:
    """Judge the chosen by the end of each window, out of fold.

    Returns
    -------
    ``{"30": {"events", "log_loss", "auroc", "brier"}, ...}``
    """
    risk = cumulative_risk(comparison.eta)
    figures = {}
    for position, horizon in enumerate(HORIZON_DAYS):
        event, own = happened_by(days, horizon), risk[:, position]
        figures[str(horizon)] = {
            "events": int(event.sum()),
            "log_loss": float(log_loss(event, own)),
            "auroc": float(roc_auc_score(event, own)),
            "brier": float(brier_score_loss(event, own)),
        }
    return figures
