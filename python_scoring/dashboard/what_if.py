"""What if a budget, a price or a success rate were another: SQL and totals.

Of one window, best first by net benefit per dollar, as far as the budget goes. Savings
never exceed the addressable cost: a success rate above 1 is none.

`riskmart target --window` may do a little better, by leaving out one dear person for
several cheap ones; never by more than `Outcome.most_net` says.
"""

from dataclasses import dataclass

import pandas as pd

from python_scoring.dashboard import queries
from python_scoring.dashboard.reader import Reader


@dataclass(frozen=True)
class Assumptions:
    """What is changed: a budget in USD, and what to multiply what by."""

    budget: float
    cost_multiplier: float = 1.0
    success_multiplier: float = 1.0
    # Of the cost that could be avoided: a scenario's share and inflation.
    care_multiplier: float = 1.0


@dataclass(frozen=True)
class Outcome:
    """What a budget buys, in people and USD; and all that there is to buy."""

    people: int
    cost: float
    savings: float
    worthwhile: int
    full_cost: float
    full_net: float
    # No other choice for this budget has a higher net benefit, USD.
    most_net: float
    curve: pd.DataFrame

    @property
    def net(self) -> float:
        """Net benefit of those chosen, USD."""
        return self.savings - self.cost

    @property
    def roi_percent(self) -> float | None:
        """100 x net benefit / cost; None where nothing is spent."""
        return 100 * self.net / self.cost if self.cost else None


_WORTHWHILE = """
select {who} cost, savings
from (
    select {who} intervention_cost * %(cost)s as cost,
        %(care)s * least(addressable_cost, expected_savings * %(success)s) as savings
    from marts.financial_projections
    where organization_id = %(organization)s and prediction_window = %(window)s
) as projected
where savings > cost
"""
_BEST_FIRST = """
over (order by savings / cost desc, cost, savings {last} rows unbounded preceding)
"""
_CURVE = f"""
with worthwhile as ({_WORTHWHILE.replace("{who}", "")}),
ranked as (
    select row_number() {_BEST_FIRST} as people, sum(cost) {_BEST_FIRST} as spent,
        sum(savings) {_BEST_FIRST} as saved, savings / cost - 1 as net_per_dollar
    from worthwhile
),
total as (select max(spent) as spent from ranked)
select max(people) as people, max(spent) as spent, max(saved) as saved,
    max(net_per_dollar) as net_per_dollar, is_bought
from (
    select ranked.*, ranked.spent <= %(budget)s as is_bought,
        width_bucket(ranked.spent, 0, total.spent * 1.0001, 60) as step
    from ranked cross join total
) as steps
group by is_bought, step order by spent
""".replace("{last}", "")
_LIST = f"""
with worthwhile as ({_WORTHWHILE}),
ranked as (
    select *, sum(cost) {_BEST_FIRST} as spent, row_number() {_BEST_FIRST} as rank
    from worthwhile
)
select rank, {{who}} cost, savings, savings - cost as net_benefit, spent
from ranked where spent <= %(budget)s order by rank limit %(limit)s
"""


def outcome(
    reader: Reader, organization: int, window: str, assumed: Assumptions
) -> Outcome:
    """Work out what a budget buys under other assumptions."""
    reader.require("financial_projections", "addressable_cost")
    values = _values(organization, window, assumed)
    curve = queries.frame(reader, _CURVE, values)
    # Without a row pandas knows no types.
    curve = curve.astype(
        {"people": int, "spent": float, "saved": float, "net_per_dollar": float}
    )
    curve["net"] = curve["saved"] - curve["spent"]
    bought = curve[curve["is_bought"].astype(bool)].tail(1)
    next_one = curve[~curve["is_bought"].astype(bool)].head(1)
    everything = curve.tail(1)
    spent, net = float(bought["spent"].sum()), float(bought["net"].sum())
    # As if the next person could be called in part.
    rest = (assumed.budget - spent) * float(next_one["net_per_dollar"].sum())
    start = pd.DataFrame({"people": [0], "spent": [0.0], "saved": [0.0], "net": [0.0]})
    return Outcome(
        people=int(bought["people"].sum()),
        cost=spent,
        savings=float(bought["saved"].sum()),
        worthwhile=int(everything["people"].sum()),
        full_cost=float(everything["spent"].sum()),
        full_net=float(everything["net"].sum()),
        most_net=net + rest,
        curve=pd.concat([start, curve[list(start)]], ignore_index=True),
    )


def chosen(
    reader: Reader, organization: int, window: str, assumed: Assumptions, limit: int
) -> pd.DataFrame:
    """Read the first of those whom the budget buys, best first."""
    may_name = reader.may("financial_projections", "patient_id")
    who = "patient_id," if may_name else ""
    last = ", patient_id" if may_name else ""
    query = _LIST.replace("{who}", who).replace("{last}", last)
    values = {**_values(organization, window, assumed), "limit": limit}
    found = queries.frame(reader, query, values)
    if not may_name or found.empty:
        return found
    return found.merge(_people(reader, list(found["patient_id"])), on="patient_id")


_PEOPLE = """
select p.patient_id, p.patient_uuid::text as patient_uuid, d.department_name,
    case when h.is_control then 'leave alone' else 'call' end as arm
from marts.patients as p
inner join marts.departments as d on p.department_id = d.department_id
left join marts.programme_holdout as h on p.patient_id = h.patient_id
where p.patient_id = any(%(people)s)
"""


def _people(reader: Reader, people: list[int]) -> pd.DataFrame:
    reader.require("patients", "patient_id", "patient_uuid")
    reader.require("programme_holdout", "patient_id")
    return queries.frame(reader, _PEOPLE, {"people": [int(one) for one in people]})


def _values(
    organization: int, window: str, assumed: Assumptions
) -> dict[str, float | int | str]:
    return {
        "organization": organization,
        "window": window,
        "budget": assumed.budget,
        "cost": assumed.cost_multiplier,
        "success": assumed.success_multiplier,
        "care": assumed.care_multiplier,
    }


_SCENARIOS = """
select scenarios.scenario, scenarios.success_multiplier,
    scenarios.addressable_share, scenarios.cost_inflation,
    scenarios.addressable_share * scenarios.cost_inflation
    / (base.addressable_share * base.cost_inflation) as care_multiplier
from marts.roi_assumptions as scenarios
inner join marts.roi_assumptions as base on base.scenario = 'base'
order by scenarios.savings_factor, scenarios.scenario
"""


def scenarios(reader: Reader) -> pd.DataFrame:
    """Read what each scenario assumes, the gloomiest first."""
    reader.require("roi_assumptions")
    return queries.frame(reader, _SCENARIOS)
