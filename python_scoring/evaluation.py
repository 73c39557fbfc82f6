"""Judge scores against what came about, by window and group: figures as rows.

For any target: whose scores, which windows and which groups is the caller's.
``evaluation_store`` keeps the rows.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from python_scoring import calibration, metrics, project_vars
from python_scoring.metrics import Bools, Estimate, Floats

# Raised when figures are computed otherwise: evaluations are then made anew.
METHOD = 2

EVERYONE = "all"
_WHOLE = (EVERYONE, EVERYONE)
DECILES = 10
THRESHOLDS = np.arange(1, 100) / 100

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Rules:
    """What figures depend on besides scores and outcomes.

    Parameters
    ----------
    tier_bounds
        Lower bound of each tier by its number; the top one is closed at 1.
    gate_confidence
        Of all tiers and windows together: Bonferroni's correction shares the rest
        out among them.
    smallest_group_count
        Fewer people than that with or without an event: the group is small.
    """

    tier_bounds: Mapping[int, float]
    gate_confidence: float
    smallest_group_count: int


def read_rules(tier_bounds: Mapping[int, float]) -> Rules:
    """Take the rest of the rules from the vars of the dbt project."""
    return Rules(
        dict(sorted(tier_bounds.items())),
        project_vars.share("gate_confidence"),
        project_vars.count("smallest_group_count"),
    )


@dataclass(frozen=True)
class Group:
    """A way to part people: a code each, (n,), and the codes' names."""

    code: NDArray[np.int16]
    names: Mapping[int, str]

    def members(self) -> Iterator[tuple[str, Bools]]:
        """Yield name and members of each part that has any, by code."""
        for code in np.unique(self.code):
            yield self.names.get(int(code), str(code)), self.code == code


@dataclass(frozen=True)
class Outcomes:
    """Scores of a cohort and what came about, by patient.

    Parameters
    ----------
    window_days
        The w windows.
    patient_ids
        (n,) ascending.
    risk, event
        (n, w) predicted probability, and whether it happened by the window's end.
    groups
        By name, such as sex.
    comparators
        By name: (n, w) probabilities of another model, whose log loss is noted.
    """

    window_days: tuple[int, ...]
    patient_ids: NDArray[np.int64]
    risk: Floats
    event: Bools
    groups: Mapping[str, Group]
    comparators: Mapping[str, Floats] = field(default_factory=dict)


def digest(outcomes: Outcomes, rules: Rules, comparators: Sequence[str] = ()) -> str:
    """SHA-256 of all that the figures are made from.

    Parameters
    ----------
    comparators
        Names of the naive models that there are to be compared with.
    """
    made_by = f"{METHOD} {outcomes.window_days} {rules} {comparators}"
    total = hashlib.sha256(made_by.encode())
    arrays: list[tuple[str, NDArray[Any]]] = [
        ("<i8", outcomes.patient_ids),
        ("<f8", outcomes.risk),
        ("?", outcomes.event),
    ]
    for name, group in sorted(outcomes.groups.items()):
        total.update(f"{name} {sorted(group.names.items())}".encode())
        arrays.append(("<i2", group.code))
    for kind, array in arrays:
        total.update(np.ascontiguousarray(array, dtype=kind).tobytes())
    return total.hexdigest()


def figures(event: Bools, risk: Floats) -> dict[str, Estimate]:
    """Compute every figure of one group and window, by name."""
    recalibration = calibration.recalibrate(event, risk)
    ici, e50, e90 = calibration.curve_error(event, risk)
    return {
        "auroc": metrics.auroc(event, risk),
        "auprc": Estimate(metrics.auprc(event, risk)),
        "brier": Estimate(metrics.brier(event, risk)),
        "scaled_brier": Estimate(metrics.scaled_brier(event, risk)),
        "log_loss": Estimate(metrics.log_loss(event, risk)),
        "calibration_in_the_large": recalibration.in_the_large,
        "calibration_slope": recalibration.slope,
        "calibration_intercept": recalibration.intercept,
        "ici": Estimate(ici),
        "e50": Estimate(e50),
        "e90": Estimate(e90),
        "expected_rate": Estimate(float(np.mean(risk))),
        "observed_rate": metrics.wilson(int(event.sum()), len(event)),
        "observed_expected": calibration.observed_expected(event, risk),
    }


def metric_rows(outcomes: Outcomes, rules: Rules) -> Iterator[Row]:
    """Yield rows of ``raw.evaluation_metrics``, all but the first column.

    The parts of a window are worked on at once: numpy lets go of the interpreter. Each
    in one thread of its own, so that sums are added up in the same order every time.
    """
    with threadpool_limits(1), ThreadPoolExecutor() as pool:
        yield from _metric_rows(outcomes, rules, pool)


def _metric_rows(
    outcomes: Outcomes, rules: Rules, pool: ThreadPoolExecutor
) -> Iterator[Row]:
    for window, days in enumerate(outcomes.window_days):
        parts = list(_by_group(outcomes, window))
        made = pool.map(lambda part: figures(part[1], part[2]), parts)
        for (group, event, _), found in zip(parts, made, strict=True):
            if group == _WHOLE:
                found |= _of_comparators(outcomes, window)
            counts = _counts(event, rules)
            for name, estimate in found.items():
                yield (days, *group, name, *map(_or_null, estimate), *counts)


def _by_group(
    outcomes: Outcomes, window: int
) -> Iterator[tuple[tuple[str, str], Bools, Floats]]:
    """Yield group and name, outcomes and risks: of everyone, then part by part.

    In order of risk: figures sort by it, and what is in order is quickly sorted.
    """
    order = np.argsort(outcomes.risk[:, window], kind="stable")
    risk, event = outcomes.risk[order, window], outcomes.event[order, window]
    yield _WHOLE, event, risk
    for group_name, group in outcomes.groups.items():
        for value, members in Group(group.code[order], group.names).members():
            yield (group_name, value), event[members], risk[members]


def _counts(event: Bools, rules: Rules) -> tuple[int, int, bool]:
    """Count people and events, and tell whether these are few."""
    events = int(event.sum())
    fewest = min(events, len(event) - events)
    return len(event), events, fewest < rules.smallest_group_count


def _of_comparators(outcomes: Outcomes, window: int) -> dict[str, Estimate]:
    event = outcomes.event[:, window]
    return {
        f"log_loss_{name}": Estimate(metrics.log_loss(event, risk[:, window]))
        for name, risk in outcomes.comparators.items()
    }


def bin_rows(outcomes: Outcomes, rules: Rules) -> Iterator[Row]:
    """Yield rows of ``raw.evaluation_bins``: every tier and decile, empty ones too.

    Deciles are of each group's own scores. The gate looks at everyone only.
    """
    tiers = np.array(list(rules.tier_bounds))
    bounds = np.array(list(rules.tier_bounds.values()))
    cells = len(tiers) * len(outcomes.window_days)
    of_gate = 1 - (1 - rules.gate_confidence) / cells
    for window, days in enumerate(outcomes.window_days):
        for group, event, risk in _by_group(outcomes, window):
            gate = of_gate if group == _WHOLE else None
            tier = np.searchsorted(bounds, risk, side="right") - 1
            for row in _bins(tier, len(tiers), event, risk, gate):
                yield (days, "tier", int(tiers[row[0]]), *row[1:], *group)
            # Equal scores stay together, whatever the order of people.
            cuts = np.quantile(risk, np.arange(1, DECILES) / DECILES)
            decile = np.searchsorted(cuts, risk, side="left")
            for row in _bins(decile, DECILES, event, risk, None):
                yield (days, "decile", row[0] + 1, *row[1:], *group)


def _bins(
    place: NDArray[np.intp],
    bins: int,
    event: Bools,
    risk: Floats,
    of_gate: float | None,
) -> Iterator[Row]:
    people = np.bincount(place, minlength=bins)
    expected = np.bincount(place, weights=risk, minlength=bins)
    events = np.bincount(place, weights=event, minlength=bins)
    for number in range(bins):
        count, happened = int(people[number]), int(events[number])
        mean = expected[number] / count if count else metrics.NAN
        gate = metrics.wilson(happened, count, of_gate)[1:] if of_gate else (None, None)
        numbers = (_or_null(x) for x in (*metrics.wilson(happened, count), *gate))
        yield (number, count, _or_null(mean), happened, *numbers)


def threshold_rows(outcomes: Outcomes) -> Iterator[Row]:
    """Yield rows of ``raw.evaluation_thresholds``."""
    for window, days in enumerate(outcomes.window_days):
        for group, event, risk in _by_group(outcomes, window):
            made = metrics.decisions(event, risk, THRESHOLDS)
            for threshold, flagged, *numbers in zip(*vars(made).values(), strict=True):
                found = map(_or_null, numbers)
                yield (days, float(threshold), int(flagged), *found, *group)


def _or_null(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)
