"""Fit the conditional hazards, calibrate them, and compile them to what scores."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import PredefinedSplit
from threadpoolctl import threadpool_limits

from python_scoring.readmission import selection
from python_scoring.readmission.additive import AdditiveHazards
from python_scoring.readmission.candidates import BY_NAME
from python_scoring.readmission.compiling import compile_hazards
from python_scoring.readmission.features import FEATURES
from python_scoring.readmission.horizons import (
    INTERVALS,
    Interval,
    at_risk,
    happened,
)

# Named here too for those who only fit.
from python_scoring.readmission.training_set import TrainingSet as TrainingSet
from python_scoring.readmission.training_set import patient_folds

Floats = NDArray[np.float64]

# What was fitted and what scores give probabilities that differ by rounding only.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class FittedHazards:
    """The calibrated pipelines, one a hazard, and what they compile to."""

    pipelines: tuple[CalibratedClassifierCV, ...]
    additive: AdditiveHazards


def fit_hazards(
    training: TrainingSet, seed: int, chosen: Mapping[str, str] | None = None
) -> FittedHazards:
    """Fit one calibrated hazard per interval and compile them to terms.

    The same for any order of rows. The sigmoid is fitted on out-of-fold
    predictions, people whole, never on the pipeline's own training predictions.

    Parameters
    ----------
    training
        Checked by ``check_training``.
    seed
        Decides the folds; nothing else is random.
    chosen
        Name of the candidate for each hazard; ``selection.compare`` chooses if
        there are none.
    """
    if chosen is None:
        chosen = selection.compare(training, seed).chosen
    training = training.in_canonical_order()
    folds = patient_folds(training, seed)
    # One thread: sums are taken in one order, and the fits are too small to share.
    with threadpool_limits(limits=1):
        pipelines = tuple(
            fit_hazard(
                BY_NAME[chosen[str(interval)]].build(training.x, seed),
                training,
                interval,
                folds,
            )
            for interval in INTERVALS
        )
        additive = compile_hazards(pipelines, reference_patient(training.x))
        _check_compiled(pipelines, additive, training.x)
    return FittedHazards(pipelines, additive)


def _check_compiled(
    pipelines: tuple[CalibratedClassifierCV, ...],
    additive: AdditiveHazards,
    x: Floats,
) -> None:
    """Refuse terms that do not give what was fitted: a fault, here or in a library."""
    hazard = 1 / (1 + np.exp(-additive.eta(x)))
    for own, pipeline in zip(hazard.T, pipelines, strict=True):
        off = np.max(np.abs(own - pipeline.predict_proba(x)[:, 1]))
        if not off < _ROUNDING:
            raise RuntimeError(f"compiled and fitted hazard differ by {off}")


def fit_hazard(
    unfitted: Any,
    training: TrainingSet,
    interval: Interval,
    folds: NDArray[np.int64],
) -> CalibratedClassifierCV:
    """Fit one interval's hazard to those still at risk.

    Parameters
    ----------
    unfitted
        As a candidate builds it.
    folds
        (n,) of ``patient_folds``: the sigmoid is fitted on predictions out of them.
    """
    rows = at_risk(training.days, interval)
    model = CalibratedClassifierCV(
        unfitted,
        method="sigmoid",
        ensemble=False,
        cv=PredefinedSplit(folds[rows]),
    )
    return model.fit(training.x[rows], happened(training.days[rows], interval))


def reference_patient(x: Floats) -> Floats:
    """Describe the median training member, whom reasons compare with.

    Lower medians of continuous features (a value somebody has; NaN if most have
    none on record), most frequent flags and codes; (27,).
    """
    reference = np.empty(x.shape[1])
    for position, feature in enumerate(FEATURES):
        column = x[:, position]
        if not feature.is_continuous:
            values, counts = np.unique(column, return_counts=True)
            reference[position] = values[np.argmax(counts)]
        elif np.isnan(column).mean() > 0.5:
            reference[position] = np.nan
        else:
            known = column[~np.isnan(column)]
            reference[position] = np.quantile(known, 0.5, method="lower")
    return reference
