"""How good predicted probabilities are: discrimination, overall fit, usefulness.

Pure functions of outcomes and predictions. A figure that cannot be had, for want
of people of both kinds, is NaN and never a guess. Calibration has a module of its
own.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

CONFIDENCE = 0.95
NAN = float("nan")


class Estimate(NamedTuple):
    """A figure and the ends of its confidence interval; NaN where there is none."""

    value: float
    lower: float = NAN
    upper: float = NAN


def z_value(confidence: float) -> float:
    """Half-width of a two-sided interval in standard errors; 1.96 at 0.95."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


def midranks(values: Floats) -> Floats:
    """Rank from 1, ties at the mean of their places, (n,)."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    counts = np.diff(np.r_[starts, len(ordered)])
    ranks = np.empty(len(values))
    ranks[order] = np.repeat(starts + (counts + 1) / 2, counts)
    return ranks


def auroc(event: Bools, score: Floats, confidence: float = CONFIDENCE) -> Estimate:
    """Probability that a person with the event has the higher score, ties half.

    Variance by DeLong, DeLong and Clarke-Pearson (Biometrics 1988; 44: 837-845) in
    the O(n log n) form of Sun and Xu (IEEE Signal Process. Lett. 2014; 21:
    1389-1393); the interval is Wald's, cut at 0 and 1.

    Parameters
    ----------
    event, score
        (n,) who had the event, and any score that rises with risk.

    Returns
    -------
    NaN without an event or without a non-event; no bounds below two of each.
    """
    positives, negatives = int(event.sum()), int((~event).sum())
    if not positives or not negatives:
        return Estimate(NAN)
    ranks = midranks(score)
    # For each person, the share of the other kind that stands on the right side.
    of_events = (ranks[event] - midranks(score[event])) / negatives
    of_others = 1 - (ranks[~event] - midranks(score[~event])) / positives
    value = float(of_events.mean())
    if min(positives, negatives) < 2:
        return Estimate(value)
    variance = of_events.var(ddof=1) / positives + of_others.var(ddof=1) / negatives
    half = z_value(confidence) * float(np.sqrt(variance))
    return Estimate(value, max(value - half, 0.0), min(value + half, 1.0))


def auprc(event: Bools, score: Floats) -> float:
    """Average precision over recall; a useless score has the event rate.

    NaN without an event or a non-event.
    """
    if event.all() or not event.any():
        return NAN
    return float(average_precision_score(event, score))


def brier(event: Bools, risk: Floats) -> float:
    """Mean squared distance of probability and outcome (Brier 1950)."""
    return float(np.mean((risk - event) ** 2)) if len(event) else NAN


def scaled_brier(event: Bools, risk: Floats) -> float:
    """1 - Brier / (p (1 - p)): 0 for the event rate p alone, 1 for an oracle.

    Steyerberg et al. (Epidemiology 2010; 21: 128-138). NaN with one class only.
    """
    if event.all() or not event.any():
        return NAN
    rate = float(event.mean())
    return 1 - brier(event, risk) / (rate * (1 - rate))


def clipped(risk: Floats) -> Floats:
    """Keep probabilities off 0 and 1, by the last bit of a double."""
    smallest = np.finfo(np.float64).eps
    return np.clip(risk, smallest, 1 - smallest)


def log_loss(event: Bools, risk: Floats) -> float:
    """Mean negative log-likelihood in nats; certainties that failed cost 36."""
    if not len(event):
        return NAN
    safe = clipped(risk)
    return float(-np.mean(np.log(np.where(event, safe, 1 - safe))))


def wilson(events: float, count: float, confidence: float = CONFIDENCE) -> Estimate:
    """Share and its score interval (Wilson, JASA 1927; 22: 209-212).

    NaN where nobody is counted.
    """
    if not count:
        return Estimate(NAN)
    z2 = z_value(confidence) ** 2
    share = events / count
    middle = (events + z2 / 2) / (count + z2)
    half = np.sqrt(z2 * (share * (1 - share) * count + z2 / 4)) / (count + z2)
    return Estimate(
        share, max(float(middle - half), 0.0), min(float(middle + half), 1.0)
    )


@dataclass(frozen=True)
class Decisions:
    """What calling everyone at or above each of t thresholds would come to, (t,)."""

    threshold: Floats
    flagged_count: NDArray[np.int64]
    sensitivity: Floats
    specificity: Floats
    ppv: Floats
    lift: Floats
    net_benefit: Floats
    net_benefit_all: Floats


def decisions(event: Bools, risk: Floats, thresholds: Floats) -> Decisions:
    """Judge thresholds on the predicted risk.

    Net benefit is TP/n - FP/n * t/(1 - t), of the model and of calling everyone
    (Vickers and Elkin, Med Decis Making 2006; 26: 565-574); calling nobody has 0.
    Lift is the positive predictive value over the event rate.

    Parameters
    ----------
    event, risk
        (n,) outcomes and probabilities.
    thresholds
        (t,) in 0 <= t < 1.
    """
    count, events = len(event), int(event.sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        true = events - np.searchsorted(np.sort(risk[event]), thresholds)
        false = count - events - np.searchsorted(np.sort(risk[~event]), thresholds)
        odds = thresholds / (1 - thresholds)
        rate = np.float64(events) / count
        ppv = true / (true + false)
        return Decisions(
            threshold=thresholds,
            flagged_count=(true + false).astype(np.int64),
            sensitivity=true / np.float64(events),
            specificity=1 - false / np.float64(count - events),
            ppv=ppv,
            lift=ppv / rate,
            net_benefit=(true - false * odds) / np.float64(count),
            net_benefit_all=rate - (1 - rate) * odds,
        )
