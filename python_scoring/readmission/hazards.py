"""Fit the conditional hazards: splines, logistic regression, sigmoid calibration."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, SplineTransformer
from threadpoolctl import threadpool_limits

from python_scoring.errors import BadInput
from python_scoring.readmission.additive import (
    AdditiveHazards,
    CodeTable,
    Curve,
    Floats,
    Term,
    relative_to,
)
from python_scoring.readmission.features import (
    FEATURE_NAMES,
    FEATURES,
    check_finite,
)
from python_scoring.readmission.horizons import (
    INTERVALS,
    Interval,
    at_risk,
    cumulative_risk,
    happened,
)

FOLDS = 5
FEWEST = 50
KNOT_QUANTILES = (0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99)
PENALTY_C = 1.0


@dataclass(frozen=True)
class TrainingSet:
    """Labelled people, in canonical order.

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

    def in_canonical_order(self) -> "TrainingSet":
        """Sort by person, outcome and features: the same set, the same rows."""
        keys = (*self.x.T[::-1], self.days, self.patient_ids)
        return self.take(np.lexsort(keys))


@dataclass(frozen=True)
class FittedHazards:
    """The calibrated pipelines, one a hazard, and what they compile to."""

    pipelines: tuple[CalibratedClassifierCV, ...]
    additive: AdditiveHazards


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
        _check_counts(training.days, interval)


def _check_counts(days: NDArray[np.int16], interval: Interval) -> None:
    events = int(happened(days, interval).sum())
    others = int(at_risk(days, interval).sum()) - events
    for count, who in ((events, "readmitted"), (others, "not readmitted")):
        if count < FEWEST:
            raise BadInput(
                f"training, {interval}: {count} people {who} of "
                f"{events + others} still at risk; expected at least {FEWEST}"
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


def fit_hazards(training: TrainingSet, seed: int) -> FittedHazards:
    """Fit one calibrated hazard per interval and compile them to curves.

    The same for any order of rows. The sigmoid is fitted on out-of-fold
    predictions, people whole, never on the pipeline's own training predictions.

    Parameters
    ----------
    training
        Checked by ``check_training``.
    seed
        Decides the folds; nothing else is random.
    """
    training = training.in_canonical_order()
    folds = patient_folds(training, seed)
    unfitted = spline_logistic(training.x, seed)
    # One thread: sums are taken in one order, and the fits are too small to share.
    with threadpool_limits(limits=1):
        pipelines = tuple(
            _fit_hazard(unfitted, training, interval, folds) for interval in INTERVALS
        )
    additive = compile_hazards(pipelines, reference_patient(training.x))
    return FittedHazards(pipelines, additive)


def _fit_hazard(
    unfitted: Pipeline,
    training: TrainingSet,
    interval: Interval,
    folds: NDArray[np.int64],
) -> CalibratedClassifierCV:
    rows = at_risk(training.days, interval)
    model = CalibratedClassifierCV(
        unfitted,
        method="sigmoid",
        ensemble=False,
        cv=PredefinedSplit(folds[rows]),
    )
    return model.fit(training.x[rows], happened(training.days[rows], interval))


def spline_logistic(x: Floats, seed: int) -> Pipeline:
    """Build the unfitted pipeline, its knots and codes taken from ``x`` (n, 27)."""
    flags = [position for position, f in enumerate(FEATURES) if f.data_type == "flag"]
    encoders: list[tuple[str, Any, list[int]]] = [("flags", "passthrough", flags)]
    for position, feature in enumerate(FEATURES):
        if feature.data_type == "code":
            encoder: Any = OneHotEncoder(
                categories=[np.unique(x[:, position])],
                handle_unknown="ignore",
                sparse_output=False,
            )
        elif feature.is_continuous:
            encoder = SplineTransformer(
                degree=1,
                knots=choose_knots(x[:, position])[:, np.newaxis],
                extrapolation="constant",
                handle_missing="zeros" if feature.is_nullable else "error",
            )
        else:
            continue
        encoders.append((feature.name, encoder, [position]))
    return Pipeline(
        [
            ("encode", ColumnTransformer(encoders)),
            (
                "fit",
                # Newton steps run to convergence: no trace of the starting point.
                LogisticRegression(
                    C=PENALTY_C,
                    solver="newton-cholesky",
                    tol=1e-8,
                    random_state=seed,
                ),
            ),
        ]
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


def compile_hazards(
    pipelines: Sequence[CalibratedClassifierCV], reference: Floats
) -> AdditiveHazards:
    """Rewrite calibrated spline-logistic pipelines as one curve per feature.

    All values are on the calibrated scale: slope and intercept of the sigmoid are
    folded in, logit h = -(a f(x) + b) for the pipeline's decision function f.
    """
    slopes, intercepts, coefficients = [], [], []
    for pipeline in pipelines:
        (calibrated,) = pipeline.calibrated_classifiers_
        (sigmoid,) = calibrated.calibrators
        logistic = calibrated.estimator.named_steps["fit"]
        slopes.append(-sigmoid.a_)
        intercepts.append(-sigmoid.a_ * logistic.intercept_[0] - sigmoid.b_)
        encoder = calibrated.estimator.named_steps["encode"]
        coefficients.append(list(_by_feature(encoder, logistic.coef_[0])))
    terms = [
        _term(pieces, np.array(slopes)) for pieces in zip(*coefficients, strict=True)
    ]
    return relative_to(FEATURE_NAMES, reference, np.array(intercepts), terms)


@dataclass(frozen=True)
class _Piece:
    """One feature of one pipeline: levels at knots or codes, before calibration."""

    is_code: bool
    at: Floats
    values: Floats


def _by_feature(encoder: ColumnTransformer, coefficients: Floats) -> Iterator[_Piece]:
    flags = iter(coefficients[encoder.output_indices_["flags"]])
    for feature in FEATURES:
        if feature.data_type == "flag":
            yield _Piece(False, np.array([0.0, 1.0]), np.array([0.0, next(flags)]))
            continue
        values = coefficients[encoder.output_indices_[feature.name]]
        fitted = encoder.named_transformers_[feature.name]
        if feature.data_type == "code":
            yield _Piece(True, fitted.categories_[0].astype(np.float64), values)
        else:
            # With degree 1 the B-splines are hats: a coefficient is the height at
            # its knot, and an all-zero basis (missing) has height 0.
            knots = np.asarray(fitted.knots, dtype=np.float64)[:, 0]
            yield _Piece(False, knots, values)


def _term(pieces: Sequence[_Piece], slopes: Floats) -> Term:
    """Put one feature's levels of all hazards together, on the calibrated scale."""
    at = pieces[0].at
    if any(not np.array_equal(piece.at, at) for piece in pieces):
        raise ValueError("hazards with different knots or codes; expected the same")
    values = slopes[:, np.newaxis] * np.stack([piece.values for piece in pieces])
    # The encoders leave all zeros for a missing value and for an unseen code.
    zero = np.zeros(len(pieces))
    return CodeTable(at, values, zero) if pieces[0].is_code else Curve(at, values, zero)


def out_of_fold_risk(training: TrainingSet, seed: int) -> Floats:
    """Predict everyone's risk by a model that has not seen them.

    Fits the whole procedure, calibration included, once for each fold of people.

    Returns
    -------
    (n, k) risks by the end of each window, in the given order of rows.
    """
    folds = patient_folds(training, seed)
    risk = np.empty((len(training.days), len(INTERVALS)))
    for fold in range(FOLDS):
        held_out = folds == fold
        fitted = fit_hazards(training.take(~held_out), seed)
        risk[held_out] = cumulative_risk(fitted.additive.eta(training.x[held_out]))
    return risk
