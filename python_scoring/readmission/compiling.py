"""Rewrite fitted additive pipelines as one term per feature, for all hazards."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from python_scoring.readmission.additive import AdditiveHazards, relative_to
from python_scoring.readmission.features import FEATURE_NAMES, FEATURES
from python_scoring.readmission.terms import (
    CodeTable,
    Curve,
    CurveAndSteps,
    Steps,
    Term,
)

Floats = NDArray[np.float64]


def compile_hazards(
    pipelines: Sequence[CalibratedClassifierCV], reference: Floats
) -> AdditiveHazards:
    """Rewrite calibrated pipelines, of one kind or of several, as terms.

    All values are on the calibrated scale: slope and intercept of the sigmoid are
    folded in, logit h = -(a f(x) + b) for the pipeline's decision function f.
    """
    intercepts, pieces = [], []
    for pipeline in pipelines:
        (calibrated,) = pipeline.calibrated_classifiers_
        (sigmoid,) = calibrated.calibrators
        level, by_feature = _split(calibrated.estimator)
        intercepts.append(-sigmoid.a_ * level - sigmoid.b_)
        pieces.append([piece.scaled(-sigmoid.a_) for piece in by_feature])
    terms = [_term(of_hazards) for of_hazards in zip(*pieces, strict=True)]
    return relative_to(FEATURE_NAMES, reference, np.array(intercepts), terms)


@dataclass(frozen=True)
class _Piece:
    """One feature in one hazard: log-odds at knots or codes, or between edges.

    ``other`` is the log-odds of a missing value or of a code never seen.
    """

    kind: str
    at: Floats
    values: Floats
    other: float = 0.0

    def scaled(self, by: float) -> "_Piece":
        return replace(self, values=by * self.values, other=by * self.other)


def _split(pipeline: Pipeline) -> tuple[float, list[_Piece]]:
    """Give the log-odds with every piece at zero, and the pieces by feature."""
    encoder, model = pipeline.named_steps["encode"], pipeline.named_steps["fit"]
    if isinstance(model, LogisticRegression):
        return model.intercept_[0], list(_curves(encoder, model.coef_[0]))
    if isinstance(model, HistGradientBoostingClassifier):
        boosted = _Boosted(model)
        return boosted.base, list(_steps(encoder, boosted))
    raise TypeError(f"{type(model).__name__}: expected an additive model")


def _curves(encoder: Any, coefficients: Floats) -> Iterator[_Piece]:
    flags = iter(coefficients[encoder.output_indices_["flags"]])
    for feature in FEATURES:
        if feature.data_type == "flag":
            yield _Piece("curve", np.array([0.0, 1.0]), np.array([0.0, next(flags)]))
            continue
        values = coefficients[encoder.output_indices_[feature.name]]
        fitted = encoder.named_transformers_[feature.name]
        # The encoders leave all zeros for a missing value and for an unseen code.
        if feature.data_type == "code":
            yield _Piece("code", fitted.categories_[0].astype(np.float64), values)
        else:
            # With degree 1 the B-splines are hats: a coefficient is the height at
            # its knot.
            knots = np.asarray(fitted.knots, dtype=np.float64)[:, 0]
            yield _Piece("curve", knots, values)


class _Boosted:
    """Trees of one feature each, read column by column of what they were given."""

    def __init__(self, model: HistGradientBoostingClassifier) -> None:
        self.model = model
        self.zero = np.zeros((1, model.n_features_in_))
        self.base = float(model.decision_function(self.zero)[0])

    def edges(self, column: int) -> Floats:
        """Where the trees of a column split, but for splits off of missing values."""
        trees = (tree for (tree,) in self.model._predictors)
        nodes = np.concatenate([tree.nodes for tree in trees])
        here = (nodes["feature_idx"] == column) & (nodes["is_leaf"] == 0)
        thresholds = np.unique(nodes["num_threshold"][here])
        return np.asarray(thresholds[np.isfinite(thresholds)], dtype=np.float64)

    def effect(self, columns: slice | int, values: Any) -> Floats:
        """Log-odds, over those of all zeros, by rows of values in some columns."""
        rows = np.repeat(self.zero, len(values), axis=0)
        rows[:, columns] = values
        effect: Floats = self.model.decision_function(rows) - self.base
        return effect


def _steps(encoder: Any, boosted: _Boosted) -> Iterator[_Piece]:
    rest = iter(range(*encoder.output_indices_["remainder"].indices(10**6)))
    for feature in FEATURES:
        if feature.data_type == "code":
            codes = encoder.named_transformers_[feature.name].categories_[0]
            columns = encoder.output_indices_[feature.name]
            values = boosted.effect(columns, np.eye(len(codes)))
            yield _Piece("code", codes.astype(np.float64), values)
            continue
        column = next(rest)
        if feature.data_type == "flag":
            ends = np.array([0.0, 1.0])
            yield _Piece("curve", ends, boosted.effect(column, ends))
            continue
        edges = boosted.edges(column)
        # A value on an edge belongs below it: edges and infinity are in all steps.
        points = np.append(edges, [np.inf, np.nan])
        effect = boosted.effect(column, points)
        yield _Piece("steps", edges, effect[:-1], float(effect[-1]))


def _term(pieces: Sequence[_Piece]) -> Term:
    """Put one feature's pieces of all hazards together."""
    if all(piece.kind == "code" for piece in pieces):
        return CodeTable(*_on_common_points(pieces))
    curves = [p if p.kind == "curve" else None for p in pieces]
    steps = [p if p.kind == "steps" else None for p in pieces]
    if not any(steps):
        return Curve(*_on_common_points(curves))
    if not any(curves):
        return _common_steps(steps)
    return CurveAndSteps(Curve(*_on_common_points(curves)), _common_steps(steps))


def _on_common_points(
    pieces: Sequence[_Piece | None],
) -> tuple[Floats, Floats, Floats]:
    """Stack pieces of the same knots or codes; zeros stand where there is none."""
    first, *others = [piece for piece in pieces if piece]
    if any(not np.array_equal(piece.at, first.at) for piece in others):
        raise ValueError("hazards with different knots or codes; expected the same")
    nothing = np.zeros_like(first.values)
    values = np.stack([piece.values if piece else nothing for piece in pieces])
    return first.at, values, _others(pieces)


def _common_steps(pieces: Sequence[_Piece | None]) -> Steps:
    """Cut the steps of all hazards at the edges of each."""
    edges = np.unique(np.concatenate([piece.at for piece in pieces if piece]))
    points = np.append(edges, np.inf)
    values = np.stack(
        [
            piece.values[np.searchsorted(piece.at, points)]
            if piece
            else np.zeros(len(points))
            for piece in pieces
        ]
    )
    return Steps(edges, values, _others(pieces))


def _others(pieces: Sequence[_Piece | None]) -> Floats:
    return np.array([piece.other if piece else 0.0 for piece in pieces])
