"""What if a budget, a price or a success rate were another: whom it would reach.

Of one window, and chosen as `riskmart target --window` chooses: by the same function,
from the same people, whom a programme may call.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from psycopg import sql

from python_scoring import warehouse
from python_scoring.dashboard import queries
from python_scoring.dashboard.reader import Reader
from python_scoring.readmission import targeting
from python_scoring.readmission.targeting import Assumptions, Choice, Options

_CURVE_POINTS = 60

_OPTIONS = np.dtype(
    [
        ("patient_id", np.int64),
        ("window_cost", np.float64),
        ("success_rate", np.float64),
        ("intervention_cost", np.float64),
    ]
)
# Whoever may not read the rate may read what it is a share of.
_OPTIONS_QUERY = """
select {patient_id} as patient_id, window_cost,
    coalesce(expected_savings / nullif(addressable_cost, 0), 0) as success_rate,
    intervention_cost
from marts.financial_projections
where organization_id = {organization} and prediction_window = {window}
    and not is_control
"""


@dataclass(frozen=True)
class Outcome:
    """What a budget buys; and all that there is to buy, in people and USD.

    Parameters
    ----------
    people
        Those who are called, best first: rank, cost, savings, net_benefit, spent so far
        (USD); patient_id where the login may know it.
    curve
        people, spent, saved, net (USD): what budgets up to all that pays would buy.
    """

    choice: Choice
    people: pd.DataFrame
    worthwhile: int
    full_cost: float
    full_net: float
    curve: pd.DataFrame


def outcome(
    reader: Reader,
    organization: int,
    window: str,
    budget: float,
    assumed: Assumptions,
) -> Outcome:
    """Work out what a budget (USD) buys under other assumptions."""
    options = _read(reader, organization, window)
    projection = targeting.project(options, assumed)
    choice = targeting.best(options, projection, budget)
    called = choice.chosen
    people = pd.DataFrame(
        {
            "rank": np.arange(1, len(called) + 1),
            "patient_id": options.patient_id[called],
            "cost": projection.cost[called],
            "savings": projection.savings[called],
            "net_benefit": projection.net[called],
            "spent": np.cumsum(projection.cost[called]),
        }
    )
    if not _may_name(reader):
        people = people.drop(columns="patient_id")
    pays = projection.net > 0
    return Outcome(
        choice=choice,
        people=people,
        worthwhile=int(pays.sum()),
        full_cost=float(projection.cost[pays].sum()),
        full_net=float(projection.net[pays].sum()),
        curve=_curve(projection.cost[pays], projection.savings[pays]),
    )


def _may_name(reader: Reader) -> bool:
    return reader.may("financial_projections", "patient_id")


def _read(reader: Reader, organization: int, window: str) -> Options:
    reader.require("financial_projections", "addressable_cost")
    may_name = _may_name(reader)
    query = sql.SQL(_OPTIONS_QUERY).format(
        patient_id=sql.SQL("patient_id" if may_name else "0::bigint"),
        organization=sql.Literal(organization),
        window=sql.Literal(window),
    )
    chunks = warehouse.copy_out(reader.conn, query.as_string(reader.conn), _OPTIONS)
    rows = np.concatenate([np.empty(0, _OPTIONS), *chunks])
    # The same list however the rows come: by patient, or by all else there is.
    known = ("patient_id",) if may_name else tuple(_OPTIONS.names or ())[1:]
    rows = rows[np.lexsort([rows[name] for name in known])]
    nothing = np.zeros(len(rows), np.int64)
    return Options(
        patient_id=rows["patient_id"] if may_name else np.arange(len(rows)),
        department_id=nothing,
        window_days=nothing,
        window_cost=rows["window_cost"],
        success_rate=rows["success_rate"],
        intervention_cost=rows["intervention_cost"],
    )


def _curve(cost: targeting.Floats, savings: targeting.Floats) -> pd.DataFrame:
    """Add up people by net benefit per dollar, and keep some sums along the way."""
    order = np.argsort(-savings / cost, kind="stable")
    spent, saved = np.cumsum(cost[order]), np.cumsum(savings[order])
    wanted = np.linspace(0, spent[-1], _CURVE_POINTS + 1)[1:] if len(spent) else spent
    at = np.unique(np.minimum(np.searchsorted(spent, wanted), len(spent) - 1))
    people, spent, saved = (
        np.r_[0, values[at]] for values in (np.arange(1, len(spent) + 1), spent, saved)
    )
    return pd.DataFrame(
        {"people": people, "spent": spent, "saved": saved, "net": saved - spent}
    )


_PEOPLE = """
select p.patient_id, p.patient_uuid::text as patient_uuid, d.department_name
from marts.patients as p
inner join marts.departments as d on p.department_id = d.department_id
where p.patient_id = any(%(people)s)
"""


def named(reader: Reader, people: pd.DataFrame) -> pd.DataFrame:
    """Say who people are and where they belong, where the login may know that."""
    if "patient_id" not in people or people.empty:
        return people
    reader.require("patients", "patient_id", "patient_uuid")
    ids = [int(one) for one in people["patient_id"]]
    return people.merge(queries.frame(reader, _PEOPLE, {"people": ids}), "left")


_SCENARIOS = """
select scenario, addressable_share, success_multiplier, cost_inflation
from marts.roi_assumptions order by savings_factor, scenario
"""


def scenarios(reader: Reader) -> pd.DataFrame:
    """Read what each scenario assumes, the gloomiest first."""
    reader.require("roi_assumptions")
    return queries.frame(reader, _SCENARIOS)
