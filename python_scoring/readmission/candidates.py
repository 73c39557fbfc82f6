"""The models that may become a hazard, and those that any of them must beat.

All are scikit-learn's own estimators put together, none of a class of ours.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, SplineTransformer

from python_scoring.readmission.features import FEATURE_NAMES, FEATURES

Floats = NDArray[np.float64]

KNOT_QUANTILES = (0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99)
PENALTY_C = 1.0

CONDITIONS = [place for place, f in enumerate(FEATURES) if f.group == "conditions"]
COST_PERCENTILE = FEATURE_NAMES.index("cost_percentile")


class Kind(Protocol):
    """How a column is to be taken: a ``Feature``, or a column of another cohort."""

    @property
    def name(self) -> str:
        """Name of the column."""

    @property
    def data_type(self) -> str:
        """Say what it is: flag, code or continuous, which the next tells."""

    @property
    def is_continuous(self) -> bool:
        """Whether it gets a curve, not a level."""

    @property
    def is_nullable(self) -> bool:
        """Whether missing is a value of its own."""


@dataclass(frozen=True)
class Candidate:
    """A kind of model for one hazard.

    Parameters
    ----------
    name
        As in the registry.
    build
        Makes the unfitted estimator from features (n, 27), which place knots and
        name codes, and a seed.
    is_naive
        Whether it is there to be beaten.
    is_additive
        Whether its log-odds are a sum over features, which reasons are made of.
    is_calibrated
        Whether it is calibrated as it is.
    """

    name: str
    build: Callable[[Floats, int], Any]
    is_naive: bool = False
    is_additive: bool = True
    is_calibrated: bool = False

    @property
    def is_promotable(self) -> bool:
        """Whether it may be put in force: nothing that cannot be explained is."""
        return self.is_additive and not self.is_naive


def prevalence(x: Floats, seed: int) -> DummyClassifier:
    """Predict the event rate for everyone."""
    return DummyClassifier(strategy="prior")


def condition_count(x: Floats, seed: int) -> Pipeline:
    """Predict by the number of chronic conditions alone."""
    count = FunctionTransformer(_row_sums)
    return _single_figure(count, CONDITIONS, _row_sums(x[:, CONDITIONS])[:, 0], seed)


def cost_percentile(x: Floats, seed: int) -> Pipeline:
    """Predict by the rank of the cost alone."""
    column = x[:, COST_PERCENTILE]
    return _single_figure("passthrough", [COST_PERCENTILE], column, seed)


def _row_sums(x: Floats) -> Floats:
    sums: Floats = x.sum(axis=1, keepdims=True)
    return sums


def _single_figure(take: Any, places: list[int], figure: Floats, seed: int) -> Pipeline:
    """Fit a curve to one figure (n,) of the columns at ``places``."""
    return Pipeline(
        [
            ("take", ColumnTransformer([("figure", take, places)])),
            ("curve", _spline(figure, "error")),
            ("fit", _logistic(seed)),
        ]
    )


def spline_logistic(
    x: Floats, seed: int, features: Sequence[Kind] = FEATURES
) -> Pipeline:
    """Fit a curve to each continuous feature, a level to each flag and code."""
    flags = [place for place, f in enumerate(features) if f.data_type == "flag"]
    encoders: list[tuple[str, Any, list[int]]] = [("flags", "passthrough", flags)]
    encoders += _code_encoders(x, features)
    for place, feature in enumerate(features):
        if feature.is_continuous:
            missing = "zeros" if feature.is_nullable else "error"
            encoders.append((feature.name, _spline(x[:, place], missing), [place]))
    return Pipeline([("encode", ColumnTransformer(encoders)), ("fit", _logistic(seed))])


def additive_boosting(
    x: Floats, seed: int, features: Sequence[Kind] = FEATURES
) -> Pipeline:
    """Boost trees of one feature each: steps, and missing values put where they fit.

    Without early stopping, which would hold out rows by their order.
    """
    boosting = HistGradientBoostingClassifier(
        learning_rate=0.2,
        max_iter=50,
        max_leaf_nodes=4,
        min_samples_leaf=100,
        interaction_cst="no_interactions",
        early_stopping=False,
        random_state=seed,
    )
    return _boosted(x, boosting, features)


def full_boosting(
    x: Floats, seed: int, features: Sequence[Kind] = FEATURES
) -> Pipeline:
    """Boost trees of all features: what additive models give up shows beside it."""
    boosting = HistGradientBoostingClassifier(
        max_iter=60,
        max_leaf_nodes=8,
        min_samples_leaf=100,
        early_stopping=False,
        random_state=seed,
    )
    return _boosted(x, boosting, features)


def _boosted(
    x: Floats, boosting: HistGradientBoostingClassifier, features: Sequence[Kind]
) -> Pipeline:
    """Give codes columns of their own: their numbers have no order."""
    encode = ColumnTransformer(_code_encoders(x, features), remainder="passthrough")
    return Pipeline([("encode", encode), ("fit", boosting)])


def _code_encoders(
    x: Floats, features: Sequence[Kind]
) -> list[tuple[str, Any, list[int]]]:
    return [
        (feature.name, _codes(x[:, place]), [place])
        for place, feature in enumerate(features)
        if feature.data_type == "code"
    ]


def _codes(column: Floats) -> OneHotEncoder:
    return OneHotEncoder(
        categories=[np.unique(column)], handle_unknown="ignore", sparse_output=False
    )


def _spline(column: Floats, handle_missing: str) -> SplineTransformer:
    return SplineTransformer(
        degree=1,
        knots=choose_knots(column)[:, np.newaxis],
        extrapolation="constant",
        handle_missing=handle_missing,
    )


def _logistic(seed: int) -> LogisticRegression:
    # Newton steps run to convergence: no trace of the starting point.
    return LogisticRegression(
        C=PENALTY_C, solver="newton-cholesky", tol=1e-8, random_state=seed
    )


def choose_knots(column: Floats) -> Floats:
    """Place knots at quantiles of what is on record, each value once.

    Many a count is zero for most people: there several quantiles coincide. Where
    all do, the ends of the range serve.

    Returns
    -------
    (m,) strictly increasing, m >= 2.
    """
    known = column[~np.isnan(column)]
    if known.size == 0:
        return np.array([0.0, 1.0])
    knots = np.unique(np.quantile(known, KNOT_QUANTILES))
    if len(knots) < 2:
        knots = np.unique([known.min(), known.max()])
    return knots if len(knots) > 1 else np.array([knots[0], knots[0] + 1.0])


# The simplest first: of two that are equally good, the first is chosen.
CANDIDATES = (
    Candidate("prevalence", prevalence, is_naive=True, is_calibrated=True),
    Candidate("condition_count", condition_count, is_naive=True),
    Candidate("cost_percentile", cost_percentile, is_naive=True),
    Candidate("spline_logistic", spline_logistic),
    Candidate("additive_boosting", additive_boosting),
    Candidate("full_boosting", full_boosting, is_additive=False),
)
BY_NAME = {candidate.name: candidate for candidate in CANDIDATES}
