"""What any model must beat: the event rate alone, or one figure alone.

Fitted on the training rows, never on the outcomes that a model is judged by.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from python_scoring import calibration
from python_scoring.errors import BadInput
from python_scoring.readmission import train
from python_scoring.readmission.features import FEATURE_NAMES
from python_scoring.readmission.features import FEATURES as MODEL_FEATURES
from python_scoring.readmission.horizons import HORIZON_DAYS, happened_by
from python_scoring.readmission.training_set import TrainingSet
from python_scoring.warehouse import Connection

Floats = NDArray[np.float64]

FEATURES = ("condition_count", "cost_percentile")
NAMES = ("prevalence", *FEATURES)

_SQL = {
    "condition_count": "cast({}.chronic_condition_count as double precision)",
    "cost_percentile": "cast({}.cost_percentile as double precision)",
}


def copy_columns(relation: str) -> str:
    """Select list of the single features, as doubles, in order."""
    return ", ".join(f"{_SQL[name].format(relation)} as {name}" for name in FEATURES)


@dataclass(frozen=True)
class Comparators:
    """Log-odds by name: (2, w) intercept and slope of each of w windows."""

    coefficients: Mapping[str, Floats]

    def risk(self, values: Mapping[str, ArrayLike]) -> dict[str, Floats]:
        """Predict (n, w) risks by each comparator, from its feature's values (n,)."""
        count = len(np.asarray(values[FEATURES[0]]))
        nothing = np.zeros(count)
        return {
            name: _risk(np.asarray(values.get(name, nothing)), coefficients)
            for name, coefficients in self.coefficients.items()
        }


def _risk(x: Floats, coefficients: Floats) -> Floats:
    intercept, slope = coefficients
    risk: Floats = 1 / (1 + np.exp(-(intercept + np.outer(x, slope))))
    return risk


def names(conn: Connection) -> tuple[str, ...]:
    """Name those that the warehouse has training rows for."""
    return NAMES if train.has_training_rows(conn) else ()


def fit(conn: Connection) -> Comparators:
    """Fit each on the labelled training rows of the warehouse.

    Without training rows there are none, and no model can be told to beat them.
    """
    try:
        training, _ = train.read_training(conn)
    except BadInput:
        return Comparators({})
    return fit_on(training)


def fit_on(training: TrainingSet) -> Comparators:
    """Fit each for each window, without penalty."""
    values = single_features(training.x)
    return Comparators(
        {name: _coefficients(values.get(name), training.days) for name in NAMES}
    )


def single_features(x: Floats) -> dict[str, Floats]:
    """Take the single features out of the model's matrix (n, 27)."""
    conditions = [
        place for place, f in enumerate(MODEL_FEATURES) if f.group == "conditions"
    ]
    return {
        "condition_count": x[:, conditions].sum(axis=1),
        "cost_percentile": x[:, FEATURE_NAMES.index("cost_percentile")],
    }


def _coefficients(x: Floats | None, days: NDArray[np.int16]) -> Floats:
    """Fit (2, w) intercepts and slopes; the slope of nothing is 0."""
    ones = np.ones(len(days))
    design = np.column_stack([ones] if x is None else [ones, x])
    columns = []
    for horizon in HORIZON_DAYS:
        found = calibration.fit_logistic(design, happened_by(days, horizon))
        if found is None:
            columns.append(np.full(2, np.nan))
        else:
            columns.append(np.append(found.coefficients, 0.0)[:2])
    return np.column_stack(columns)
