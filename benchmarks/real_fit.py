"""Fit the production candidates to a real set: same estimators, choice, calibration.

Only the list of columns differs, and that there is one interval, not three.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.real_sample import Predictor, Sample
from python_scoring.metrics import Floats
from python_scoring.readmission import candidates as production
from python_scoring.readmission import hazards, selection
from python_scoring.readmission.candidates import Candidate
from python_scoring.readmission.horizons import INTERVALS
from python_scoring.readmission.training_set import TrainingSet, patient_folds

# Of all intervals the first, which everybody enters.
_ONLY = INTERVALS[:1]
_HAZARD = str(INTERVALS[0])

CHAMPION = "champion"
CHALLENGER = "full_boosting"


def single(name: str) -> str:
    """Name the candidate that is a curve of one figure alone."""
    return f"{name} alone"


def candidates(
    predictors: Sequence[Predictor], singles: Sequence[str]
) -> tuple[Candidate, ...]:
    """Give production's candidates the columns of a real set, the simplest first.

    Parameters
    ----------
    singles
        Predictors that must be beaten, each alone.
    """
    alone = (
        Candidate(
            single(name),
            partial(production.spline_logistic, features=_only(predictors, name)),
            is_naive=True,
        )
        for name in singles
    )
    additive = (
        Candidate(build.__name__, partial(build, features=predictors))
        for build in (production.spline_logistic, production.additive_boosting)
    )
    full = partial(production.full_boosting, features=predictors)
    return (
        production.BY_NAME["prevalence"],
        *alone,
        *additive,
        Candidate(CHALLENGER, full, is_additive=False),
    )


def _only(predictors: Sequence[Predictor], name: str) -> list[Predictor]:
    """Let one column through: the encoder drops what is of no kind it knows."""
    unused = [p if p.name == name else p.unused() for p in predictors]
    return unused


@dataclass(frozen=True)
class Choice:
    """What cross-validation on the training rows came to.

    Parameters
    ----------
    champion
        Name of the promotable candidate chosen.
    figures
        By candidate: ``log_loss``, ``se``, ``auroc`` and more, as in the registry.
    """

    champion: str
    figures: dict[str, dict[str, Any]]


def choose(sample: Sample, among: Sequence[Candidate], seed: int) -> Choice:
    """Compare candidates out of fold, people whole, as production does."""
    compared = selection.compare(_training(sample), seed, among, _ONLY)
    return Choice(compared.chosen[_HAZARD], compared.figures[_HAZARD])


def fit(sample: Sample, candidate: Candidate, seed: int) -> Any:
    """Fit a candidate and its sigmoid on out-of-fold predictions, people whole."""
    training = _training(sample).in_canonical_order()
    unfitted = candidate.build(training.x, seed)
    folds = patient_folds(training, seed)
    with threadpool_limits(limits=1):
        return hazards.fit_hazard(unfitted, training, INTERVALS[0], folds)


def predict(model: Any, sample: Sample) -> Floats:
    """Predict the risk of each row, (n,)."""
    risk: Floats = model.predict_proba(sample.x)[:, 1]
    return risk


def _training(sample: Sample) -> TrainingSet:
    """Put an event that is not dated on day 1, which is in the first interval."""
    return TrainingSet(sample.person, sample.x, sample.event.astype(np.int16))
