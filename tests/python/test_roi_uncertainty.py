"""Uncertain returns: SQL's closed form against random draws and against scipy."""

import csv
import re
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pytest
from copies import REPOSITORY, Copy
from numpy.typing import NDArray
from scipy import special

from python_scoring.readmission import budgets, targeting
from python_scoring.warehouse import Connection, connect

Z95 = 1.6448536269514722
FACTORS = ("addressable_share", "success_multiplier", "cost_inflation")
DRAWS = 400_000


def normal_cdf(column: str) -> str:
    """The macro's SQL, rendered as dbt does."""
    text = (REPOSITORY / "macros" / "normal_cdf.sql").read_text()
    template = jinja2.Environment().from_string(text)
    return str(template.make_module().normal_cdf(column))  # type: ignore[attr-defined]


def test_normal_cdf_is_that_of_scipy(conn: Connection) -> None:
    grid = np.r_[np.linspace(-9, 9, 3601), [-1e300, -7.07, 7.07, 1e-300, 0.0, 1e300]]
    rows = conn.execute(
        f"select x, {normal_cdf('x')} from unnest(%s::float8[]) as given (x)".encode(),
        (grid.tolist(),),
    ).fetchall()
    x, found = np.array(rows, float).T
    assert len(x) == len(grid)
    assert np.abs(found - special.ndtr(x)).max() < 1e-11
    assert conn.execute(
        f"select {normal_cdf('x')} from (select null::float8 as x) as given".encode()
    ).fetchone() == (None,)


def scenarios() -> dict[str, NDArray[np.float64]]:
    file: Path = REPOSITORY / "seeds" / "rules" / "roi_scenarios.csv"
    with file.open(newline="") as lines:
        return {
            row["scenario"]: np.array([float(row[f]) for f in FACTORS])
            for row in csv.DictReader(lines)
        }


def two_sided(
    draws: NDArray[np.float64], low: float, middle: float, high: float
) -> NDArray[np.float64]:
    """Lognormal on either side of the median, with these 5th and 95th percentiles."""
    down, up = np.log(middle / low) / Z95, np.log(high / middle) / Z95
    return middle * np.exp(np.where(draws < 0, down, up) * draws)


@pytest.fixture
def some(base: Copy) -> Any:
    """Some patients' projections and their distribution; the dearest among them."""
    return base.frame(
        "select p.expected_savings, p.intervention_cost, p.net_benefit, u.*"
        " from marts.roi_uncertainty as u"
        " inner join marts.financial_projections as p"
        " using (patient_id, prediction_window)"
        " where u.patient_id % 97 = 1 or p.annual_cost = 0"
        " or p.annual_cost > (select 0.9 * max(annual_cost) from marts.patients)"
        " order by u.patient_id, u.prediction_window"
    )


def test_each_distribution_is_that_of_its_draws(base: Copy, some: Any) -> None:
    """One fixed seed; every figure within what so many draws can tell."""
    [(down, up)] = base.rows(
        "select downside_spread, upside_spread from marts.roi_assumptions"
        " where scenario = 'base'"
    )
    draws = np.random.default_rng(20).standard_normal(DRAWS)
    factor = np.exp(np.where(draws < 0, down, up) * draws)
    assert len(some) > 80
    for row in some.itertuples():
        nets = row.expected_savings * factor - row.intervention_cost
        near = 4 * nets.std() / np.sqrt(DRAWS)
        assert abs(nets.mean() - row.net_benefit_mean) <= near + 1e-9
        low, middle, high = np.quantile(nets, (0.05, 0.5, 0.95))
        assert low == pytest.approx(row.net_benefit_p05, abs=3 * near + 1e-9)
        assert middle == pytest.approx(row.net_benefit_p50, abs=3 * near + 1e-9)
        assert high == pytest.approx(row.net_benefit_p95, abs=3 * near + 1e-9)
        share = (nets > 0).mean()
        assert abs(share - row.positive_roi_probability) < 4 * 0.5 / np.sqrt(DRAWS)


def test_independent_factors_come_near_it(some: Any) -> None:
    """Skewed factors, each drawn by itself: what the closed form simplifies.

    Their median is below the projection, which the closed form keeps: so near
    break-even it is the more hopeful one, by about a tenth at most.
    """
    given = scenarios()
    draws = np.random.default_rng(21).standard_normal((3, DRAWS))
    factor = np.ones(DRAWS)
    for place, normal in enumerate(draws):
        values = [given[s][place] for s in ("conservative", "base", "optimistic")]
        factor *= two_sided(normal, *values) / given["base"][place]
    for row in some.itertuples():
        nets = row.expected_savings * factor - row.intervention_cost
        low, high = np.quantile(nets, (0.05, 0.95))
        savings = row.expected_savings
        assert abs(low - row.net_benefit_p05) <= 0.03 * savings
        assert abs(high - row.net_benefit_p95) <= 0.03 * savings
        assert abs(nets.mean() - row.net_benefit_mean) <= 0.04 * savings
        hope = row.positive_roi_probability - (nets > 0).mean()
        assert -0.01 <= hope < 0.12


def test_one_patient_and_python_agree(base: Copy, some: Any) -> None:
    with connect() as conn:
        spread = budgets.read_spread(conn)
    found = [
        spread.probability_pays(row.expected_savings, row.intervention_cost)
        for row in some.itertuples()
    ]
    np.testing.assert_allclose(found, some.positive_roi_probability, atol=1e-11)
    assert (some[some.expected_savings == 0].positive_roi_probability == 0).all()


def test_percentiles_of_all_are_the_sums_of_percentiles(base: Copy) -> None:
    """What is uncertain is the same for everybody, so sums are as sure as parts."""
    [(p05, savings, cost)] = base.rows(
        "select sum(net_benefit_p05), sum(expected_savings), sum(intervention_cost)"
        " from marts.roi_uncertainty inner join marts.financial_projections"
        " using (patient_id, prediction_window) where prediction_window = '90_day'"
    )
    with connect() as conn:
        spread = budgets.read_spread(conn)
    low = float(np.exp(-Z95 * spread.downside))
    assert p05 == pytest.approx(savings * low - cost)
    assert spread.probability_pays(savings * low, cost) <= 1


def test_the_macro_has_no_function_that_engines_lack() -> None:
    assert set(re.findall(r"(\w+)\(", normal_cdf("x"))) <= {"exp", "power", "abs"}


def test_frontier_is_what_the_list_for_its_budgets_is(base: Copy) -> None:
    """SQL's sums by return per dollar, and Python's hulls, at the same budgets."""
    rows = base.rows(
        "select budget, patient_count, total_expected_savings from"
        " marts.targeting_frontier where targeting_strategy = 'best'"
        " and organization_id = 1 order by budget_step"
    )
    with connect() as conn:
        options = budgets.read_options(conn, "BASELINE")
    assert len(np.unique(options.patient_id)) < base.value(
        "select count(*) from marts.patients where organization_id = 1"
    )
    projection = targeting.project(options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(targeting, "MOST_EXACT", 0)
        for budget, patients, savings in rows:
            choice = targeting.best(options, projection, budget)
            assert choice.totals.patients == patients
            assert choice.totals.savings == pytest.approx(savings, rel=1e-9)
            assert choice.gap_percent < 1e-6
    # and the solver knows nothing better
    budget, _, savings = rows[12]
    choice = targeting.best(options, projection, budget)
    assert choice.totals.savings == pytest.approx(savings, rel=1e-5)


def test_risk_blind_is_a_walk_down_the_list_by_annual_cost(base: Copy) -> None:
    """At every budget, the last patient in part; but for who shares ten dollars.

    Who is a control differs from build to build, and with it where budgets end: what is
    asked here is true of every draw.
    """
    rows = base.rows(
        "select budget, total_intervention_cost, total_net_benefit, net_benefit_margin"
        " from marts.targeting_frontier where targeting_strategy = 'risk_blind'"
        " and organization_id = 1 order by budget_step"
    )
    with connect() as conn:
        options = budgets.read_options(conn, "BASELINE")
    projection = targeting.project(options)
    inside = targeting.one_window(options, projection)
    walk = inside[
        np.lexsort((options.patient_id[inside], -options.window_cost[inside]))
    ]
    spent, saved = (
        np.r_[0, np.cumsum(one[walk])] for one in (projection.cost, projection.savings)
    )
    groups = base.rows(
        "select count(*), sum(intervention_cost), sum(expected_savings)"
        " from marts.financial_projections where organization_id = 1 and not is_control"
        f" and prediction_window = '{options.window_days[inside[0]]}_day'"
        " group by floor(annual_cost / 10) order by floor(annual_cost / 10) desc"
    )
    sharing, costs, savings = np.array(groups, float).T
    ends = np.cumsum(costs)
    assert (sharing > 1).any()
    assert (sharing == 1).any()
    for budget, cost, net, margin in rows:
        assert cost == pytest.approx(min(budget, spent[-1]))
        walked = np.interp(cost, spent, saved) - cost
        assert abs(net - walked) <= margin + 1e-6 * saved[-1]
        reached = int(np.searchsorted(ends, cost - 1e-6 * costs.min()))
        share = (cost - (ends[reached] - costs[reached])) / costs[reached]
        alone = sharing[reached] == 1 or share == pytest.approx(1)
        most = 0 if alone else savings[reached] * max(share, 1 - share)
        assert margin == pytest.approx(most, abs=1e-6 * savings[reached])
