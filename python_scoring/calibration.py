"""Whether predicted probabilities are the rates that come about.

Pure functions of outcomes and predictions, as in ``metrics``: what cannot be had
is NaN.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import SplineTransformer
from threadpoolctl import threadpool_limits

from python_scoring.metrics import (
    CONFIDENCE,
    NAN,
    Bools,
    Estimate,
    Floats,
    clipped,
    wilson,
    z_value,
)

# Ten events for each of a smooth curve's five parameters (Peduzzi et al., J Clin
# Epidemiol 1996; 49: 1373-1379), and as many without one.
FEWEST_FOR_CURVE = 50
# Where a restricted cubic spline of five knots has them (Harrell, Regression
# Modeling Strategies, 2nd ed., table 2.3).
_KNOT_QUANTILES = (0.05, 0.275, 0.5, 0.725, 0.95)
# More people than this are put together with their neighbours for the curve.
_CURVE_CELLS = 10_000
_STEPS = 50


def logit(risk: Floats) -> Floats:
    """Log-odds; of 0 and 1, those of the nearest double between."""
    safe = clipped(risk)
    return np.log(safe / (1 - safe))


class Fit(NamedTuple):
    """Maximum-likelihood coefficients (k,) and their covariance (k, k)."""

    coefficients: Floats
    covariance: Floats


def fit_logistic(
    design: Floats, event: Bools, offset: Floats | None = None
) -> Fit | None:
    """Fit a logistic regression without penalty, by Newton's method.

    Parameters
    ----------
    design
        (n, k) columns, a constant among them if there is to be one.
    event
        (n,) outcomes.
    offset
        (n,) log-odds that are given.

    Returns
    -------
    None where the likelihood has no maximum: one class only, classes that a
    column tells apart without error, or columns that say the same.
    """
    if event.all() or not event.any():
        return None
    given = np.zeros(len(event)) if offset is None else offset
    beta = np.zeros(design.shape[1])
    eta = given
    loss = _loss(eta, event)
    for _ in range(_STEPS):
        risk = 1 / (1 + np.exp(-np.clip(eta, -500, 500)))
        gradient = design.T @ (event - risk)
        information = (design * (risk * (1 - risk))[:, np.newaxis]).T @ design
        if not np.linalg.cond(information) < 1e12:
            return None
        step: Floats = np.linalg.solve(information, gradient).astype(np.float64)
        if np.max(np.abs(step) / (1 + np.abs(beta))) < 1e-9:
            covariance = np.linalg.inv(information).astype(np.float64)
            return Fit(beta + step, covariance)
        beta, eta, loss = _descend(design, event, given, beta, step, loss)
    return None


def _loss(eta: Floats, event: Bools) -> float:
    return float(np.sum(np.logaddexp(0, eta)) - np.sum(eta[event]))


def _descend(
    design: Floats,
    event: Bools,
    given: Floats,
    beta: Floats,
    step: Floats,
    loss: float,
) -> tuple[Floats, Floats, float]:
    """Take the step, or as much of it as does not overshoot."""
    for _ in range(30):
        eta = given + design @ (beta + step)
        found = _loss(eta, event)
        if found <= loss + 1e-9 * abs(loss):
            break
        step = step / 2
    return beta + step, eta, found


class Recalibration(NamedTuple):
    """Logistic recalibration, logit P(event) = intercept + slope * logit p."""

    intercept: Estimate
    slope: Estimate
    in_the_large: Estimate


def recalibrate(
    event: Bools, risk: Floats, confidence: float = CONFIDENCE
) -> Recalibration:
    """Regress the outcome on the log-odds of the predicted risk.

    Cox (Biometrika 1958; 45: 562-565); Van Calster et al. (BMC Med 2019; 17: 230).
    Perfect are intercept 0 and slope 1; below 1 predictions are too extreme.
    Calibration-in-the-large is the intercept where the slope is held at 1: above 0
    risks are too low. Intervals are Wald's.
    """
    lp = logit(risk)
    ones = np.ones(len(lp))
    fit = None
    if len(lp) and np.ptp(lp) > 0:
        fit = fit_logistic(np.column_stack([ones, lp]), event)
    shift = fit_logistic(ones[:, np.newaxis], event, offset=lp) if len(lp) else None
    return Recalibration(
        intercept=_coefficient(fit, 0, confidence),
        slope=_coefficient(fit, 1, confidence),
        in_the_large=_coefficient(shift, 0, confidence),
    )


def _coefficient(fit: Fit | None, position: int, confidence: float) -> Estimate:
    if fit is None:
        return Estimate(NAN)
    value = float(fit.coefficients[position])
    error = float(np.sqrt(fit.covariance[position, position]))
    half = z_value(confidence) * error
    return Estimate(value, value - half, value + half)


class CurveError(NamedTuple):
    """Distance of predicted risk and calibration curve: mean, median, 90th centile."""

    ici: float
    e50: float
    e90: float


def curve_error(event: Bools, risk: Floats) -> CurveError:
    """Integrated calibration index, E50 and E90, in units of probability.

    Austin and Steyerberg (Stat Med 2019; 38: 4051-4065), who draw the curve by
    loess; here it is an unpenalised logistic regression on a cubic spline of
    logit p with five knots, linear beyond the outer ones, since loess needs memory
    that grows with the square of the people. NaN below 50 events or 50 non-events.
    """
    events = int(event.sum())
    if min(events, len(event) - events) < FEWEST_FOR_CURVE or np.ptp(risk) == 0:
        return CurveError(NAN, NAN, NAN)
    distance = np.abs(calibration_curve(event, risk) - risk)
    e50, e90 = np.quantile(distance, (0.5, 0.9))
    return CurveError(float(distance.mean()), float(e50), float(e90))


def calibration_curve(event: Bools, risk: Floats) -> Floats:
    """Estimate the rate that comes about at each predicted risk, (n,)."""
    lp = logit(risk)
    order = np.argsort(lp, kind="stable")
    starts = np.linspace(0, len(lp), min(len(lp), _CURVE_CELLS) + 1).astype(np.intp)
    sizes = np.diff(starts)
    at = np.add.reduceat(lp[order], starts[:-1]) / sizes
    hits = np.add.reduceat(event[order].astype(np.float64), starts[:-1])
    rate = _smooth(at, hits, sizes - hits)
    curve: Floats = np.interp(lp, at, rate)
    return curve


def _smooth(at: Floats, hits: Floats, misses: Floats) -> Floats:
    knots = np.unique(np.quantile(at, _KNOT_QUANTILES))
    if len(knots) < 2:
        knots = np.array([at[0], at[-1]])
    splines = SplineTransformer(
        degree=3, knots=knots[:, np.newaxis], extrapolation="linear", include_bias=False
    )
    basis = splines.fit_transform(at[:, np.newaxis])
    weights = np.concatenate([hits, misses])
    kind = np.repeat([True, False], len(at))
    rows = weights > 0
    # One thread: sums are then taken in one order.
    with threadpool_limits(limits=1):
        model = LogisticRegression(C=np.inf, solver="newton-cholesky", max_iter=200)
        model.fit(np.vstack([basis, basis])[rows], kind[rows], weights[rows])
    probability: NDArray[np.float64] = model.predict_proba(basis)[:, 1]
    return probability


def observed_expected(
    event: Bools, risk: Floats, confidence: float = CONFIDENCE
) -> Estimate:
    """Events over the sum of predicted risks; its interval is Wilson's of the rate.

    NaN where no event is expected.
    """
    expected = float(np.sum(risk))
    if not expected > 0:
        return Estimate(NAN)
    observed = wilson(float(event.sum()), float(len(event)), confidence)
    return Estimate(*(part * len(event) / expected for part in observed))
