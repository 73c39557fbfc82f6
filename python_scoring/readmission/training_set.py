"""Labelled people to learn from: what they must be, and how they are dealt out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from python_scoring.errors import BadInput
from python_scoring.readmission.features import FEATURES, check_finite
from python_scoring.readmission.horizons import (
    INTERVALS,
    Interval,
    at_risk,
    happened,
)

FOLDS = 5
FEWEST = 50

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TrainingSet:
    """Labelled people.

    Parameters
    ----------
    patient_ids
        (n,) a person may be in several rows.
    x
        (n, 27) features; NaN where a nullable one is missing.
    days
        (n,) days to readmission; 0 for none within the last window.
    """

    patient_ids: NDArray[np.int64]
    x: Floats
    days: NDArray[np.int16]

    def take(self, rows: NDArray[Any]) -> "TrainingSet":
        """Select rows by position or mask."""
        return TrainingSet(self.patient_ids[rows], self.x[rows], self.days[rows])

    def canonical_order(self) -> NDArray[np.intp]:
        """Give the order (n,) by person, outcome and features."""
        return np.lexsort((*self.x.T[::-1], self.days, self.patient_ids))

    def in_canonical_order(self) -> "TrainingSet":
        """Sort the rows: the same set, the same rows."""
        return self.take(self.canonical_order())


def check_training(training: TrainingSet) -> None:
    """Refuse what cannot be learnt from.

    Raises
    ------
    BadInput
        If a feature is not finite or constant, an outcome is no day of a window,
        or an interval has fewer than 50 people with or without a readmission.
    """
    check_finite(training.x)
    for feature, column in zip(FEATURES, training.x.T, strict=True):
        if len(np.unique(column)) < 2:
            value = column[0] if len(column) else "no value"
            raise BadInput(
                f"training, feature {feature.name}: {value} in every row; "
                "expected it to vary, for nothing can be learnt from a constant"
            )
    last = INTERVALS[-1].until
    wrong = (training.days < 0) | (training.days > last)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise BadInput(
            f"training, days_to_readmission, row {row + 1}: {training.days[row]}; "
            f"expected 1 to {last}, or none"
        )
    for interval in INTERVALS:
        _check_counts(training, interval)


def _check_counts(training: TrainingSet, interval: Interval) -> None:
    still = at_risk(training.days, interval)
    event = happened(training.days, interval)
    people = len(np.unique(training.patient_ids[still]))
    for rows, who in ((event, "readmitted"), (still & ~event, "not readmitted")):
        count = len(np.unique(training.patient_ids[rows]))
        if count < FEWEST:
            raise BadInput(
                f"training, {interval}: {count} people {who} of {people} still at "
                f"risk; expected at least {FEWEST}"
            )


def patient_folds(training: TrainingSet, seed: int) -> NDArray[np.int64]:
    """Deal people, whole, into folds with even shares of early and late events.

    Returns
    -------
    (n,) fold 0 to 4 of each row.
    """
    people, row_person = np.unique(training.patient_ids, return_inverse=True)
    stratum = np.zeros(len(people), dtype=np.int64)
    for number, interval in enumerate(INTERVALS, start=1):
        stratum[row_person[happened(training.days, interval)]] = number
    shuffled = np.random.default_rng(seed).permutation(len(people))
    dealt = shuffled[np.argsort(stratum[shuffled], kind="stable")]
    fold = np.empty(len(people), dtype=np.int64)
    fold[dealt] = np.arange(len(people)) % FOLDS
    return fold[row_person]
