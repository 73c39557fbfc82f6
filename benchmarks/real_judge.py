"""What a prediction on a test is worth: the figures of both real sets, and spreads."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from python_scoring import calibration, metrics
from python_scoring.metrics import Bools, Estimate, Floats

FIGURES = (
    "auroc",
    "auprc",
    "brier",
    "scaled_brier",
    "log_loss",
    "calibration_slope",
    "observed_expected",
    "ici",
)
RESAMPLES = 2000


def figures(event: Bools, risk: Floats) -> dict[str, float]:
    """Compute each of ``FIGURES``; NaN for what cannot be had."""
    return {
        "auroc": metrics.auroc(event, risk).value,
        "auprc": metrics.auprc(event, risk),
        "brier": metrics.brier(event, risk),
        "scaled_brier": metrics.scaled_brier(event, risk),
        "log_loss": metrics.log_loss(event, risk),
        "calibration_slope": calibration.recalibrate(event, risk).slope.value,
        "observed_expected": calibration.observed_expected(event, risk).value,
        "ici": calibration.curve_error(event, risk).ici,
    }


@dataclass(frozen=True)
class Spread:
    """Mean of several seeds, their standard deviation, the lowest and the highest."""

    mean: float
    deviation: float
    lowest: float
    highest: float


def spread(values: Sequence[float]) -> Spread:
    """Sum up what seeds gave; one seed has no deviation."""
    x = np.asarray(values)
    deviation = float(x.std(ddof=1)) if len(x) > 1 else metrics.NAN
    return Spread(float(x.mean()), deviation, float(x.min()), float(x.max()))


def auroc_difference(
    event: Bools, score: Floats, other: Floats, seed: int = 0
) -> Estimate:
    """AUROC of one score less that of another, on the same people.

    The interval is the middle 95 % of a paired bootstrap: people are drawn again
    with all that is known of them, so rows must be one a person.

    Parameters
    ----------
    event, score, other
        (n,) outcomes and two scores that rise with risk.
    """
    first, second = Ranked(event, score), Ranked(event, other)
    drawn = np.random.default_rng(seed)
    found = np.empty(RESAMPLES)
    for number in range(RESAMPLES):
        rows = drawn.integers(0, len(event), len(event))
        times = np.bincount(rows, minlength=len(event))
        found[number] = first.auroc(times) - second.auroc(times)
    lower, upper = np.quantile(found, (0.025, 0.975))
    value = metrics.auroc(event, score).value - metrics.auroc(event, other).value
    return Estimate(value, float(lower), float(upper))


class Ranked:
    """People in the order of a score, once: then AUROC is a sum for any weights."""

    def __init__(self, event: Bools, score: Floats) -> None:
        self.order = np.argsort(score, kind="stable")
        ordered = score[self.order]
        self.starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        self.event = event[self.order]

    def auroc(self, times: NDArray[np.int64]) -> float:
        """AUROC where each person counts ``times`` (n,), ties half."""
        weight = times[self.order].astype(np.float64)
        events = np.add.reduceat(weight * self.event, self.starts)
        others = np.add.reduceat(weight * ~self.event, self.starts)
        below = np.cumsum(others) - others / 2
        return float(events @ below / (events.sum() * others.sum()))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a Markdown table: text in the first column, numbers in the others."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
