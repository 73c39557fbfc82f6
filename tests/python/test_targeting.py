"""Whom to call: held against all choices there are, and against a solver."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize

from python_scoring.errors import BadInput
from python_scoring.readmission import targeting
from python_scoring.readmission.targeting import (
    Assumptions,
    Options,
    Projection,
    Spread,
)

DAYS = (30, 60, 90)


def people(count: int, seed: int, *, is_dear: bool = False) -> Options:
    """Random patients in three windows, departments 1-3; prices in whole dollars."""
    draw = np.random.default_rng(seed)
    annual = np.repeat(draw.lognormal(9, 1, count), 3)
    days = np.tile(np.array(DAYS), count)
    price = np.sort(draw.integers(20, 900, (count, 3)), axis=1) * (50 if is_dear else 1)
    return Options(
        patient_id=np.repeat(np.arange(count) + 100, 3),
        department_id=np.repeat(draw.integers(1, 4, count), 3),
        window_days=days,
        window_cost=annual / 365 * days,
        success_rate=draw.uniform(0.05, 0.8, 3 * count),
        intervention_cost=price.ravel().astype(float),
    )


def every_choice(
    options: Options,
    projection: Projection,
    budget: float,
    capacities: dict[int, int] | None = None,
) -> float:
    """The highest net benefit there is, by trying all."""
    mine = [
        [None, *np.flatnonzero(options.patient_id == p)]
        for p in np.unique(options.patient_id)
    ]
    highest = 0.0
    for choice in itertools.product(*mine):
        taken = np.array([c for c in choice if c is not None], int)
        of = options.department_id[taken]
        if projection.cost[taken].sum() > budget + 1e-9 or any(
            (of == d).sum() > most for d, most in (capacities or {}).items()
        ):
            continue
        highest = max(highest, float(projection.net[taken].sum()))
    return highest


def check(options: Options, projection: Projection, choice: targeting.Choice) -> None:
    """One window a patient, figures that add up, and no more than the bound."""
    chosen = choice.chosen
    assert len(np.unique(options.patient_id[chosen])) == len(chosen)
    assert choice.totals.patients == len(chosen)
    assert choice.totals.cost == pytest.approx(projection.cost[chosen].sum())
    assert choice.totals.savings == pytest.approx(projection.savings[chosen].sum())
    assert choice.totals.net <= choice.most_net + 1e-6
    slopes = projection.net[chosen] / projection.cost[chosen]
    assert (np.diff(slopes) <= 1e-12).all()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("capacities", [None, {1: 1, 2: 0}, {3: 2}])
def test_best_is_the_highest_of_all_choices(
    seed: int, capacities: dict[int, int] | None
) -> None:
    options = people(5, seed)
    projection = targeting.project(options)
    for budget in (0.0, 100.0, 700.0, 1500.0, 1e6):
        choice = targeting.best(options, projection, budget, capacities=capacities)
        check(options, projection, choice)
        assert choice.totals.cost <= budget + 1e-6
        wanted = every_choice(options, projection, budget, capacities)
        assert choice.totals.net == pytest.approx(wanted, rel=1e-6, abs=1e-6)
        assert choice.gap_percent <= 1e-3


@pytest.mark.parametrize("seed", range(5))
def test_without_a_solver_it_is_best_where_a_step_ends_and_near_it_elsewhere(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The greedy is exact at its own budgets, and elsewhere within its own bound."""
    options = people(40, seed)
    projection = targeting.project(options)
    budgets = [400.0, 2500.0, 7000.0]
    exact = {b: targeting.best(options, projection, b) for b in budgets}
    monkeypatch.setattr(targeting, "MOST_EXACT", 0)
    for budget in budgets:
        greedy = targeting.best(options, projection, budget)
        check(options, projection, greedy)
        assert greedy.method == "by net benefit per dollar"
        assert greedy.totals.net <= exact[budget].totals.net + 1e-6
        assert exact[budget].totals.net <= greedy.most_net + 1e-6
        # where its last step ends it had no choice to regret
        again = targeting.best(options, projection, _end_of_steps(options, budget))
        assert again.gap_percent == pytest.approx(0, abs=1e-9)
        monkeypatch.setattr(targeting, "MOST_EXACT", 20_000)
        solved = targeting.best(options, projection, again.totals.cost)
        monkeypatch.setattr(targeting, "MOST_EXACT", 0)
        assert solved.totals.net == pytest.approx(again.totals.net, rel=1e-6)


def _end_of_steps(options: Options, budget: float) -> float:
    order = targeting._steps(options, targeting.project(options))
    spent = np.cumsum(order.cost)
    return float(spent[np.searchsorted(spent, budget) - 1])


def test_the_greedy_keeps_to_capacities(monkeypatch: pytest.MonkeyPatch) -> None:
    options = people(60, 3)
    projection = targeting.project(options)
    exact = targeting.best(options, projection, 9000, capacities={1: 4, 2: 0})
    monkeypatch.setattr(targeting, "MOST_EXACT", 0)
    greedy = targeting.best(options, projection, 9000, capacities={1: 4, 2: 0})
    for choice in (exact, greedy):
        of = options.department_id[choice.chosen]
        assert (of == 1).sum() <= 4
        assert (of == 2).sum() == 0
        assert choice.totals.cost <= 9000 + 1e-6
    assert greedy.totals.net <= exact.totals.net + 1e-6
    assert exact.totals.net <= greedy.most_net + 1e-6


@pytest.mark.parametrize("seed", range(4))
def test_nobody_who_knows_less_brings_more(seed: int) -> None:
    options = people(80, seed)
    projection = targeting.project(options)
    for budget in (300.0, 4000.0, 20_000.0, 1e7):
        for capacities in (None, {1: 3}):
            most = targeting.best(
                options, projection, budget, capacities=capacities
            ).totals
            blind = targeting.risk_blind(
                options, projection, budget, capacities=capacities
            )
            random = targeting.at_random(
                options, projection, budget, capacities=capacities
            )
            assert blind.totals.net <= most.net + 1e-6
            assert random.net <= most.net + 1e-6
            assert max(blind.totals.cost, random.cost) <= budget + 1e-6


@pytest.mark.parametrize("seed", range(3))
def test_what_is_left_out_of_question_is_in_no_better_list(seed: int) -> None:
    """The solver is asked of few, and finds what it finds when asked of all."""
    options = people(60, seed)
    projection = targeting.project(options)
    everybody = np.ones(len(options), bool)
    for budget in (900.0, 5000.0, 12_345.0):
        order = targeting._steps(options, projection)
        price = targeting._price_of_money(order, budget)
        assert price is not None
        lost, most = targeting._losses(options, projection, budget, price)
        greedy = targeting._greedy(options, projection, order, budget, {})
        net = float(projection.net[greedy].sum())
        sure, is_open = targeting._in_question(options, lost, everybody, most - net)
        assert is_open.sum() < 0.5 * len(options)
        few, _ = targeting._solve(options, projection, sure, is_open, budget, {})
        every, _ = targeting._solve(
            options, projection, ~everybody, everybody, budget, {}
        )
        assert few is not None
        assert every is not None
        assert max(net, projection.net[few].sum()) == pytest.approx(
            projection.net[every].sum(), rel=2e-6
        )


def test_the_next_dollar_is_a_part_of_the_next_step() -> None:
    options = people(60, 8)
    projection = targeting.project(options)
    order = targeting._steps(options, projection)
    ends = np.cumsum(order.cost)
    at_end = targeting.best(options, projection, float(ends[20]))
    assert at_end.next_net_per_dollar == pytest.approx(order.slope[21])
    within = targeting.best(options, projection, float(ends[20]) + 1)
    assert within.next_net_per_dollar == pytest.approx(order.slope[21])
    assert targeting.best(options, projection, 1e9).next_net_per_dollar is None


def test_random_is_the_mean_over_orders() -> None:
    """But for the last patient, whom the money does not reach in a real order."""
    options = people(2000, 5)
    projection = targeting.project(options)
    inside = targeting.one_window(options, projection)
    draw = np.random.default_rng(1)
    budget, caps = 150_000.0, {2: 40}
    nets = []
    for _ in range(300):
        order = draw.permutation(inside)
        taken = targeting._take(
            projection.cost[order], options.department_id[order], budget, dict(caps)
        )
        nets.append(projection.net[order[taken]].sum())
    error = np.std(nets) / np.sqrt(len(nets))
    expected = targeting.at_random(options, projection, budget, capacities=caps)
    assert expected.cost == pytest.approx(budget)
    assert abs(np.mean(nets) - expected.net) < 4 * error + 0.02 * abs(expected.net)


def test_more_money_never_brings_less() -> None:
    options = people(100, 9)
    projection = targeting.project(options)
    nets = [
        targeting.best(options, projection, b).totals.net
        for b in np.linspace(0, 40_000, 15)
    ]
    assert (np.diff(nets) >= -1e-3).all()


def test_order_of_the_rows_does_not_matter() -> None:
    options = people(50, 4)
    shuffled = options.take(np.random.default_rng(0).permutation(len(options)))
    one, other = (
        targeting.best(o, targeting.project(o), 5000).totals
        for o in (options, shuffled)
    )
    assert one.net == pytest.approx(other.net)


def test_no_positive_return_chooses_nobody() -> None:
    options = people(20, 1, is_dear=True)
    projection = targeting.project(options)
    assert not (projection.net > 0).any()
    choice = targeting.best(options, projection, 1e6)
    assert len(choice.chosen) == 0
    assert choice.method.startswith("none")
    assert choice.totals.roi_percent is None
    assert choice.gap_percent == 0


def test_nobody_at_all_is_no_error() -> None:
    nobody = people(5, 1).take(np.zeros(15, bool))
    projection = targeting.project(nobody)
    assert len(targeting.best(nobody, projection, 100).chosen) == 0
    assert len(targeting.risk_blind(nobody, projection, 100).chosen) == 0
    assert targeting.at_random(nobody, projection, 100).patients == 0


@pytest.mark.parametrize("budget", [-1.0, float("nan"), float("inf")])
def test_a_budget_that_is_none_is_refused(budget: float) -> None:
    options = people(5, 1)
    projection = targeting.project(options)
    for strategy in (targeting.best, targeting.risk_blind, targeting.at_random):
        with pytest.raises(BadInput, match="expected USD, a number from 0 on"):
            strategy(options, projection, budget)


def test_a_negative_capacity_is_refused() -> None:
    options = people(5, 1)
    with pytest.raises(BadInput, match="expected 0 or more patients"):
        targeting.best(options, targeting.project(options), 10, capacities={1: -1})


@pytest.mark.parametrize(
    "bad",
    [
        {"success_multiplier": -0.1},
        {"cost_inflation": float("nan")},
        {"intervention_cost_multiplier": float("inf")},
        {"addressable_share": 1.1},
    ],
)
def test_assumptions_that_cannot_be_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(BadInput, match=next(iter(bad))):
        Assumptions(**bad)


def test_assumptions_multiply_what_is_projected() -> None:
    options = people(30, 2)
    base = targeting.project(options)
    changed = targeting.project(
        options,
        Assumptions(
            success_multiplier=0.5, cost_inflation=1.5, intervention_cost_multiplier=3
        ),
    )
    np.testing.assert_allclose(changed.cost, 3 * base.cost)
    np.testing.assert_allclose(changed.savings, 0.75 * base.savings)
    sure = targeting.project(options, Assumptions(success_multiplier=100))
    np.testing.assert_allclose(sure.savings, 0.6 * options.window_cost)


def test_free_interventions_are_all_given() -> None:
    options = people(10, 2)
    projection = targeting.project(options, Assumptions(intervention_cost_multiplier=0))
    choice = targeting.best(options, projection, 0.0)
    assert len(choice.chosen) == 10
    assert choice.totals.net == pytest.approx(
        projection.net.reshape(10, 3).max(axis=1).sum()
    )


def test_probability_of_sums_follows_the_spread() -> None:
    spread = Spread(0.5, 0.25)
    assert spread.probability_pays(100, 100) == 0.5
    assert spread.probability_pays(0, 100) == 0
    # one standard deviation either way, each of its own side
    assert spread.probability_pays(100 * np.exp(0.5), 100) == pytest.approx(0.841344746)
    assert spread.probability_pays(100 * np.exp(-0.25), 100) == pytest.approx(
        0.158655254
    )
    assert Spread(0, 0).probability_pays(101, 100) == 1
    assert Spread(0, 0).probability_pays(99, 100) == 0


def test_a_solver_without_an_answer_leaves_the_greedy_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Nothing:
        x = None
        mip_dual_bound: NDArray[np.float64] | None = None

    monkeypatch.setattr(optimize, "milp", lambda *_, **__: Nothing())
    options = people(40, 7)
    choice = targeting.best(options, targeting.project(options), 3000)
    assert choice.method == "by net benefit per dollar"
    assert choice.totals.net > 0
