"""Prediction windows and the intervals between them, from the seed that SQL reads."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from python_scoring import config, seeds
from python_scoring.errors import BadInput

WINDOWS_FILE = config.PROJECT_DIR / "seeds" / "rules" / "prediction_windows.csv"


@dataclass(frozen=True, slots=True)
class Interval:
    """Days ``after`` < day <= ``until`` past the index date."""

    after: int
    until: int

    def __str__(self) -> str:
        """Name the interval by its first and last day."""
        return f"days {self.after + 1}-{self.until}"


def read_horizons(path: Path = WINDOWS_FILE) -> tuple[int, ...]:
    """Read the windows in days, shortest first.

    Raises
    ------
    BadInput
        If the file holds no window, or one that is not a positive number of days.
    """
    days = sorted(int(row["window_days"] or 0) for row in seeds.rows(path))
    if not days or days[0] < 1 or len(set(days)) != len(days):
        raise BadInput(
            f"{path.name}, window_days: {days}; expected different positive numbers"
        )
    return tuple(days)


HORIZON_DAYS = read_horizons()
INTERVALS = tuple(
    Interval(after, until)
    for after, until in zip((0, *HORIZON_DAYS[:-1]), HORIZON_DAYS, strict=True)
)


def at_risk(days: NDArray[np.int16], interval: Interval) -> NDArray[np.bool_]:
    """Tell who had no event before the interval; 0 days stands for no event."""
    return (days < 1) | (days > interval.after)


def happened(days: NDArray[np.int16], interval: Interval) -> NDArray[np.bool_]:
    """Tell whose event fell within the interval."""
    return (days > interval.after) & (days <= interval.until)


def happened_by(days: NDArray[np.int16], horizon: int) -> NDArray[np.bool_]:
    """Tell whose event came within ``horizon`` days."""
    return (days > 0) & (days <= horizon)


def cumulative_risk(eta: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn conditional hazards into the risk by the end of each window.

    Parameters
    ----------
    eta
        (n, k) log-odds of the hazards, each conditional on no event before.

    Returns
    -------
    (n, k) risks, p_w = 1 - prod over k <= w of (1 - h_k), computed as
    p_w = p_(w-1) + (1 - p_(w-1)) h_w: a sum of non-negative terms, so that small
    risks keep their relative precision and no rounding can put a longer window
    below a shorter one.
    """
    with np.errstate(over="ignore"):  # exp of a very negative log-odds: hazard 0
        hazard = 1.0 / (1.0 + np.exp(-eta.T))
    for window in range(1, len(hazard)):
        before = hazard[window - 1]
        hazard[window] *= 1.0 - before
        hazard[window] += before
    return hazard.T
