"""Whom to call with a budget: arrays in, arrays out; no database, no printing.

Of each patient at most one window is chosen, so that costs stay within the budget, each
department within its capacity, and the net benefit is the highest: a multiple-choice
knapsack problem (Kellerer, Pferschy & Pisinger, Knapsack Problems, 2004, chapter 11).

Without capacities, windows that are not on a patient's upper convex hull of cost and
net benefit never pay for themselves, and taking the hulls' steps by net benefit per
dollar is optimal for every budget at which a step ends: anything else within that
budget gains less a dollar than it gives up. In between it misses the optimum by less
than one step's net, and what could make up for that is left to a solver: whatever
loses more at the price of the next dollar cannot be part of a better list.
"""

import math
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse, special

from python_scoring.errors import BadInput

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Up to so many windows that are in question, HiGHS is asked for the best choice: for so
# long with capacities, and without, where what is left to gain is less than one step.
MOST_EXACT = 20_000
SECONDS = 20.0
SECONDS_ALONE = 1.0
_GAP = 1e-6

# A hundred-thousandth of a cent: sums of prices are not exact.
_ROUNDING = 1e-7

# One at a time turns the process's standard output away.
_OUTPUT = threading.Lock()


@dataclass(frozen=True)
class Options:
    """What may be chosen: one entry per patient and window; arrays of shape (n,).

    Parameters
    ----------
    window_days
        Length of the window, days.
    window_cost
        Cost of care in the window, USD.
    success_rate
        Share (0-1) of addressable cost that the intervention saves.
    intervention_cost
        USD.
    """

    patient_id: Integers
    department_id: Integers
    window_days: Integers
    window_cost: Floats
    success_rate: Floats
    intervention_cost: Floats

    def __len__(self) -> int:
        """Return how many patients and windows there are."""
        return len(self.patient_id)

    def take(self, where: NDArray[np.bool_] | Integers) -> "Options":
        """Keep some, by position or mask."""
        return Options(*(getattr(self, field.name)[where] for field in fields(self)))


@dataclass(frozen=True)
class Assumptions:
    """What a projection rests on besides the rates and prices of the rule seeds."""

    addressable_share: float = 0.60
    success_multiplier: float = 1.0
    cost_inflation: float = 1.0
    intervention_cost_multiplier: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what is no number from 0 on, or a share above 1."""
        for field in fields(self):
            value = getattr(self, field.name)
            if not (math.isfinite(value) and value >= 0):
                raise BadInput(f"{field.name} {value}: expected a number from 0 on")
        if self.addressable_share > 1:
            raise BadInput(
                f"addressable_share {self.addressable_share}: expected at most 1"
            )


@dataclass(frozen=True)
class Projection:
    """Cost of the intervention and expected savings of each option, USD."""

    cost: Floats
    savings: Floats

    @property
    def net(self) -> Floats:
        """Savings less cost, USD."""
        return self.savings - self.cost


@dataclass(frozen=True)
class Totals:
    """How many are called, at what cost and savings, USD; of averages no integers."""

    patients: float = 0.0
    cost: float = 0.0
    savings: float = 0.0

    @property
    def net(self) -> float:
        """Savings less cost, USD."""
        return self.savings - self.cost

    @property
    def roi_percent(self) -> float | None:
        """100 x net / cost; None where nothing is spent."""
        return 100 * self.net / self.cost if self.cost > 0 else None


@dataclass(frozen=True)
class Choice:
    """Who is called.

    Parameters
    ----------
    chosen
        Positions among the options, at most one a patient; the most net benefit per
        dollar first.
    method
        In words, how they were chosen.
    most_net
        No choice within budget and capacities has a higher net benefit than this, USD.
    next_net_per_dollar
        What the next dollar of budget brings in net benefit, USD per USD, if the next
        step may be taken in part and no capacity is in its way; None where everybody
        who pays is called.
    """

    chosen: Integers
    totals: Totals
    method: str
    most_net: float
    next_net_per_dollar: float | None = None

    @property
    def gap_percent(self) -> float:
        """How far the net benefit may be below the highest possible one, percent."""
        if self.most_net <= 0:
            return 0.0
        return max(0.0, 100 * (self.most_net - self.totals.net) / self.most_net)


@dataclass(frozen=True)
class Spread:
    """Standard deviations of the log of savings, below and above the projection."""

    downside: float
    upside: float

    def probability_pays(self, savings: float, cost: float) -> float:
        """Return the probability (0-1) that savings turn out above their cost.

        The uncertainty is of the assumptions, which all patients share: so it is asked
        of sums as it is of one patient (mart `roi_uncertainty`).
        """
        if savings <= 0 or cost <= 0:
            return 0.0
        spread = self.downside if savings > cost else self.upside
        if spread == 0:
            return float(savings > cost)
        return float(special.ndtr(math.log(savings / cost) / spread))


def project(options: Options, assumptions: Assumptions | None = None) -> Projection:
    """Return cost and savings of each option under the assumptions.

    A success rate above 1 is taken as 1.
    """
    given = assumptions or Assumptions()
    rate = np.minimum(1.0, options.success_rate * given.success_multiplier)
    care = options.window_cost * given.cost_inflation
    return Projection(
        cost=options.intervention_cost * given.intervention_cost_multiplier,
        savings=given.addressable_share * care * rate,
    )


def best(
    options: Options,
    projection: Projection,
    budget: float,
    *,
    capacities: Mapping[int, int] | None = None,
) -> Choice:
    """Choose whom to call, and in which window, for the highest net benefit.

    Parameters
    ----------
    budget
        USD, from 0 on.
    capacities
        Most patients by department_id; one that is not named has no limit.

    Raises
    ------
    BadInput
        The budget or a capacity is no number from 0 on.
    """
    limits = _check(budget, capacities)
    if not (projection.net > 0).any():
        return Choice(_none(), Totals(), "none: no projected return is positive", 0.0)
    order = _steps(options, projection)
    price = _price_of_money(order, budget)
    greedy = _greedy(options, projection, order, budget, limits)
    if price is None and not limits:
        return _choice(options, projection, greedy, "everybody who pays")
    lost, most_net = _losses(options, projection, budget, price or 0.0)
    method = "by net benefit per dollar"
    net = float(projection.net[greedy].sum())
    is_open = (projection.net > 0) & (projection.cost <= budget)
    is_sure = np.zeros(len(options), bool)
    if not limits:
        is_sure, is_open = _in_question(options, lost, is_open, most_net - net)
    if is_open.sum() <= MOST_EXACT:
        solved, bound = _solve(options, projection, is_sure, is_open, budget, limits)
        most_net = min(most_net, max(bound, net))
        if solved is not None and is_open.any() and projection.net[solved].sum() >= net:
            greedy, method = solved, "by mixed-integer programming (HiGHS)"
    return _choice(options, projection, greedy, method, most_net, price)


def risk_blind(
    options: Options,
    projection: Projection,
    budget: float,
    *,
    capacities: Mapping[int, int] | None = None,
) -> Choice:
    """Spend the same as if everybody had the same risk and success: highest cost first.

    All are called in one window, the one with the highest net benefit for everybody.
    Raises as `best` does.
    """
    limits = _check(budget, capacities)
    inside = one_window(options, projection)
    annual = options.window_cost[inside] / options.window_days[inside]
    order = inside[np.lexsort((options.patient_id[inside], -annual))]
    taken = _take(
        projection.cost[order], options.department_id[order], budget, dict(limits)
    )
    chosen = order[taken]
    totals = _totals(options, projection, chosen)
    return Choice(chosen, totals, "highest cost of care first", totals.net)


def at_random(
    options: Options,
    projection: Projection,
    budget: float,
    *,
    capacities: Mapping[int, int] | None = None,
) -> Totals:
    """Spend the same in a random order, in the window of `risk_blind`; on average.

    The same share of everybody is called, of a department at most up to its capacity:
    the mean over all orders but for the last patient whom the money does not reach.
    Raises as `best` does.
    """
    limits = _check(budget, capacities)
    inside = one_window(options, projection)
    if not len(inside):
        return Totals()
    departments, of_whom = np.unique(options.department_id[inside], return_inverse=True)
    counts = np.bincount(of_whom)
    costs = np.bincount(of_whom, projection.cost[inside]).astype(float)
    savings = np.bincount(of_whom, projection.savings[inside])
    most = np.array(
        [
            min(1.0, limits.get(int(department), count) / count)
            for department, count in zip(departments, counts, strict=True)
        ]
    )
    shares = np.minimum(_share_for(budget, costs, most), most)
    return Totals(
        float(shares @ counts), float(shares @ costs), float(shares @ savings)
    )


def one_window(options: Options, projection: Projection) -> Integers:
    """Return positions of the options of the window with the highest net of all."""
    days, of_which = np.unique(options.window_days, return_inverse=True)
    if not len(days):
        return _none()
    nets = np.bincount(of_which, projection.net)
    return np.flatnonzero(of_which == int(np.argmax(nets)))


@dataclass(frozen=True)
class _Order:
    """Steps of all hulls by net benefit per dollar: which option, in whose place."""

    option: Integers
    before: Integers  # -1 for a patient's first step
    cost: Floats
    slope: Floats  # net benefit per dollar


def _none() -> Integers:
    return np.empty(0, np.int64)


def _check(budget: float, capacities: Mapping[int, int] | None) -> Mapping[int, int]:
    if not (math.isfinite(budget) and budget >= 0):
        raise BadInput(f"budget {budget}: expected USD, a number from 0 on")
    for department, most in (capacities or {}).items():
        if most < 0:
            raise BadInput(
                f"capacity {most} of department {department}: expected 0 or more"
                " patients"
            )
    return capacities or {}


def _steps(options: Options, projection: Projection) -> _Order:
    """Walk up each patient's hull from nothing, steepest first."""
    cost, net = projection.cost, projection.net
    patients, of_whom = np.unique(options.patient_id, return_inverse=True)
    at = np.full(len(patients), -1)
    at_cost, at_net = np.zeros(len(patients)), np.zeros(len(patients))
    taken, before, costs, gains = [], [], [], []
    while True:
        more_cost, more_net = cost - at_cost[of_whom], net - at_net[of_whom]
        rest = np.flatnonzero(more_net > 0)
        if not len(rest):
            break
        slope = _slopes(more_net[rest], more_cost[rest])
        ranked = np.lexsort((-cost[rest], -slope, of_whom[rest]))
        whose = of_whom[rest[ranked]]
        first = np.r_[True, whose[1:] != whose[:-1]]
        step, who = rest[ranked][first], whose[first]
        taken.append(step)
        before.append(at[who])
        costs.append(more_cost[step])
        gains.append(more_net[step])
        at[who], at_cost[who], at_net[who] = step, cost[step], net[step]
    option, came_from = np.concatenate(taken), np.concatenate(before)
    spend, gain = np.concatenate(costs), np.concatenate(gains)
    slopes = _slopes(gain, spend)
    order = np.argsort(-slopes, kind="stable")
    return _Order(option[order], came_from[order], spend[order], slopes[order])


def _slopes(net: Floats, cost: Floats) -> Floats:
    """Net benefit per dollar; without end where there is nothing to pay."""
    slopes = np.full(len(net), np.inf)
    np.divide(net, cost, out=slopes, where=cost > 0)
    return slopes


def _price_of_money(order: _Order, budget: float) -> float | None:
    """Return what a dollar brings in the first step that the money does not reach."""
    whole = np.searchsorted(np.cumsum(order.cost), budget + _ROUNDING, side="right")
    return float(order.slope[whole]) if whole < len(order.cost) else None


def _losses(
    options: Options, projection: Projection, budget: float, price: float
) -> tuple[Floats, float]:
    """Say what each option loses against its patient's best one, at a price of money.

    Returns
    -------
    tuple
        The losses, USD, with a place at the end for each patient who is not called, in
        order of patient_id; and what no choice can exceed (Lagrange), USD.
    """
    worth = projection.net - price * projection.cost
    patients, of_whom = np.unique(options.patient_id, return_inverse=True)
    best = np.zeros(len(patients))
    np.maximum.at(best, of_whom, worth)
    return np.r_[best[of_whom] - worth, best], float(price * budget + best.sum())


def _in_question(
    options: Options, lost: Floats, is_open: NDArray[np.bool_], gap: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Part options into those of every better list, and those of some.

    A list that is better by any amount loses less than the gap in all its options.
    """
    most = gap + _ROUNDING
    is_open = is_open & (lost[: len(options)] <= most)
    _, of_whom = np.unique(options.patient_id, return_inverse=True)
    may_be_left = lost[len(options) :] <= most
    ways = np.bincount(of_whom, is_open, len(may_be_left)) + may_be_left
    is_sure = is_open & (ways[of_whom] == 1)
    return is_sure, is_open & ~is_sure


def _greedy(
    options: Options,
    projection: Projection,
    order: _Order,
    budget: float,
    limits: Mapping[int, int],
) -> Integers:
    """Take steps in order, each that still fits and whose step before was taken."""
    left, room = budget + _ROUNDING, dict(limits)
    is_chosen = np.zeros(len(options), bool)
    start = 0
    if not limits:
        start = int(np.searchsorted(np.cumsum(order.cost), left, side="right"))
        is_chosen[order.option[:start]] = True
        is_chosen[order.before[:start][order.before[:start] >= 0]] = False
        left -= float(order.cost[:start].sum())
    # From each step on, the least that any of the rest costs.
    least = np.minimum.accumulate(order.cost[::-1])[::-1]
    for position in range(start, len(order.option)):
        if least[position] > left:
            break
        option, before = int(order.option[position]), int(order.before[position])
        department = int(options.department_id[option])
        if order.cost[position] > left or (before >= 0 and not is_chosen[before]):
            continue
        if before < 0 and department in room:
            if room[department] == 0:
                continue
            room[department] -= 1
        is_chosen[option] = True
        if before >= 0:
            is_chosen[before] = False
        left -= float(order.cost[position])
    return np.flatnonzero(is_chosen)


def _take(
    costs: Floats, departments: Integers, budget: float, room: dict[int, int]
) -> Integers:
    """Go down a list, and take whom money and department still have room for."""
    left = budget + _ROUNDING
    taken: list[int] = []
    start = 0
    if not room:
        start = int(np.searchsorted(np.cumsum(costs), left, side="right"))
        taken.extend(range(start))
        left -= float(costs[:start].sum())
    least = np.minimum.accumulate(costs[::-1])[::-1]
    for position in range(start, len(costs)):
        if least[position] > left:
            break
        department = int(departments[position])
        if costs[position] > left or room.get(department, 1) == 0:
            continue
        if department in room:
            room[department] -= 1
        taken.append(position)
        left -= float(costs[position])
    return np.array(taken, np.int64)


def _share_for(budget: float, costs: Floats, most: Floats) -> float:
    """Return which share of each department, up to its most, spends the budget."""
    low, spent = 0.0, 0.0
    for share in np.unique(most):
        rate = float(costs[most >= share].sum())
        if spent + rate * (share - low) >= budget:
            return low + (budget - spent) / rate if rate else float(share)
        spent += rate * (share - low)
        low = float(share)
    return 1.0


def _solve(
    options: Options,
    projection: Projection,
    is_sure: NDArray[np.bool_],
    is_open: NDArray[np.bool_],
    budget: float,
    limits: Mapping[int, int],
) -> tuple[Integers | None, float]:
    """Ask HiGHS for the best choice of open options beside the sure ones.

    Returns
    -------
    tuple
        Positions among the options, or None where it found nothing in time; and a
        proven upper bound of the net benefit, USD.
    """
    sure, able = np.flatnonzero(is_sure), np.flatnonzero(is_open)
    net = float(projection.net[sure].sum())
    left = budget - float(projection.cost[sure].sum())
    if not len(able):
        return (sure if left >= -_ROUNDING else None), net
    _, whose = np.unique(options.patient_id[able], return_inverse=True)
    ones, columns = np.ones(len(able)), np.arange(len(able))
    rows = [sparse.csr_array((ones, (whose, columns)))]
    upper = [np.ones(rows[0].shape[0])]
    rows.append(sparse.csr_array(projection.cost[able][np.newaxis]))
    upper.append(np.array([left]))
    for department, most in limits.items():
        is_of = (options.department_id[able] == department).astype(float)
        rows.append(sparse.csr_array(is_of[np.newaxis]))
        upper.append(np.array([float(most)]))
    constraints = optimize.LinearConstraint(
        sparse.vstack(rows, format="csr"), -np.inf, np.concatenate(upper)
    )
    with _quiet():
        found = optimize.milp(
            -projection.net[able],
            integrality=ones,
            bounds=optimize.Bounds(0, 1),
            constraints=constraints,
            options={
                "time_limit": SECONDS if limits else SECONDS_ALONE,
                "mip_rel_gap": _GAP,
            },
        )
    bound = found.mip_dual_bound
    most_net = math.inf if bound is None else net - float(bound)
    if found.x is None:
        return None, most_net
    chosen = able[found.x > 0.5]
    if projection.cost[chosen].sum() > left + _ROUNDING * len(chosen):
        return None, most_net
    return np.sort(np.r_[sure, chosen]), most_net


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what HiGHS prints for its makers out of our output, as JSON would break.

    It goes past Python, so the process's own standard output is turned away meanwhile.
    """
    with _OUTPUT, open(os.devnull, "wb") as nowhere:
        kept = os.dup(1)
        try:
            os.dup2(nowhere.fileno(), 1)
            yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)


def _totals(options: Options, projection: Projection, chosen: Integers) -> Totals:
    return Totals(
        float(len(chosen)),
        float(projection.cost[chosen].sum()),
        float(projection.savings[chosen].sum()),
    )


def _choice(
    options: Options,
    projection: Projection,
    chosen: Integers,
    method: str,
    most_net: float = 0.0,
    next_net_per_dollar: float | None = None,
) -> Choice:
    slopes = _slopes(projection.net[chosen], projection.cost[chosen])
    ranked = chosen[np.lexsort((options.patient_id[chosen], -slopes))]
    totals = _totals(options, projection, ranked)
    most_net = max(most_net, totals.net)
    return Choice(ranked, totals, method, most_net, next_net_per_dollar)
