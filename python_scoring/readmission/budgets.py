"""What `riskmart target` asks of the published marts, and what it makes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psycopg
from psycopg import sql

from python_scoring import warehouse
from python_scoring.errors import BadInput
from python_scoring.readmission import targeting
from python_scoring.readmission.targeting import (
    Assumptions,
    Choice,
    Options,
    Projection,
    Spread,
    Totals,
)
from python_scoring.warehouse import Connection

MARTS = "marts"

_OPTIONS = np.dtype(
    [
        ("patient_id", np.int64),
        ("department_id", np.int64),
        ("window_days", np.int64),
        ("window_cost", np.float64),
        ("success_rate", np.float64),
        ("intervention_cost", np.float64),
    ]
)
_OPTIONS_QUERY = """
select projections.patient_id,
    patients.department_id::bigint as department_id,
    split_part(projections.prediction_window, '_', 1)::bigint as window_days,
    projections.window_cost, projections.success_rate, projections.intervention_cost
from {schema}.financial_projections as projections
inner join {schema}.patients as patients using (patient_id)
where projections.organization_id = {organization}
    and ({with_controls} or not projections.is_control)
order by projections.patient_id, window_days
"""
_PEOPLE = """
select patients.patient_id, patients.patient_uuid::text, departments.department_code
from {schema}.patients as patients
inner join {schema}.departments as departments using (department_id)
where patients.patient_id = any(%s)
"""


@dataclass(frozen=True)
class Person:
    """One line of the list: who is called, in which window, at what return, USD."""

    rank: int
    patient_uuid: str
    department_code: str
    prediction_window: str
    intervention_cost: float
    expected_savings: float
    net_benefit: float
    positive_roi_probability: float


@dataclass(frozen=True)
class Question:
    """Whom to call: as asked on the command line."""

    org_code: str
    budget: float
    window: str | None = None
    capacities: Mapping[str, int] = field(default_factory=dict)
    scenario: str = "base"
    # Controls are left alone, or nothing is measured.
    with_controls: bool = False


@dataclass(frozen=True)
class Answer:
    """The list for a budget, and what the same money does for who knows less."""

    question: Question
    choice: Choice
    people: Sequence[Person]
    risk_blind: Totals
    at_random: Totals
    paying_count: int
    probability_pays: float


def answer(conn: Connection, question: Question, schema: str = MARTS) -> Answer:
    """Choose whom to call.

    Raises
    ------
    BadInput
        Nothing is published; an unknown organization, window, department or scenario; a
        budget or capacity that is no number from 0 on; nobody in the cohort.
    """
    try:
        assumptions = read_assumptions(conn, question.scenario, schema)
        # How sure a return is, is always asked of the projection itself.
        base = read_assumptions(conn, schema=schema)
        capacities = _capacities(conn, question.capacities, schema)
        options = read_options(
            *(conn, question.org_code, question.window, schema),
            with_controls=question.with_controls,
        )
        spread = read_spread(conn, schema)
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        raise BadInput(
            f"target: {str(error).splitlines()[0]}; expected a published build of this "
            "version (`riskmart build`)"
        ) from None
    projection = targeting.project(options, assumptions)
    savings = targeting.project(options, base).savings
    given: tuple[Options, Projection, float] = (options, projection, question.budget)
    choice = targeting.best(*given, capacities=capacities)
    probabilities = [
        spread.probability_pays(float(savings[i]), float(projection.cost[i]))
        for i in choice.chosen
    ]
    return Answer(
        question,
        choice,
        _people(conn, options, projection, choice.chosen, probabilities, schema),
        targeting.risk_blind(*given, capacities=capacities).totals,
        targeting.at_random(*given, capacities=capacities),
        len(np.unique(options.patient_id[projection.net > 0])),
        spread.probability_pays(
            float(savings[choice.chosen].sum()), choice.totals.cost
        ),
    )


def read_options(
    conn: Connection,
    org_code: str,
    window: str | None = None,
    schema: str = MARTS,
    *,
    with_controls: bool = False,
) -> Options:
    """Read an organization's patients and windows, or one window alone.

    Parameters
    ----------
    with_controls
        Whether those are among them whom programmes leave alone.

    Raises
    ------
    BadInput
        There is no such organization or window, or it has no patients.
    """
    organization_id = _organization(conn, org_code, schema)
    query = sql.SQL(_OPTIONS_QUERY).format(
        schema=sql.Identifier(schema),
        organization=sql.Literal(organization_id),
        with_controls=sql.Literal(with_controls),
    )
    chunks = list(warehouse.copy_out(conn, query.as_string(conn), _OPTIONS))
    if not chunks:
        raise BadInput(
            f"organization {org_code}: nobody is in its cohort"
            f"{'' if with_controls else ', or controls alone (--with-controls)'}; "
            "expected patients with projected returns (`riskmart load`, then "
            "`riskmart build`)"
        )
    rows = np.concatenate(chunks)
    options = Options(*(rows[name] for name in _OPTIONS.names or ()))
    if window is None:
        return options
    windows = {f"{days}_day": days for days in np.unique(options.window_days)}
    if window not in windows:
        raise BadInput(f"window {window}: expected one of {', '.join(windows)}")
    return options.take(options.window_days == windows[window])


def read_assumptions(
    conn: Connection, scenario: str = "base", schema: str = MARTS
) -> Assumptions:
    """Read what a scenario assumes.

    Raises
    ------
    BadInput
        There is no such scenario.
    """
    rows = _rows(
        conn,
        "select scenario, addressable_share, success_multiplier, cost_inflation"
        " from {schema}.roi_assumptions order by savings_factor, scenario",
        schema,
    )
    known = {name: Assumptions(*values) for name, *values in rows}
    if scenario not in known:
        raise BadInput(f"scenario {scenario}: expected one of {', '.join(known)}")
    return known[scenario]


def read_spread(conn: Connection, schema: str = MARTS) -> Spread:
    """Read how uncertain savings are under all scenarios together."""
    [values] = _rows(
        conn,
        "select downside_spread, upside_spread from {schema}.roi_assumptions"
        " where scenario = 'base'",
        schema,
    )
    return Spread(*values)


def _rows(
    conn: Connection, query: str, schema: str, *values: Any
) -> list[tuple[Any, ...]]:
    statement = sql.SQL(query).format(schema=sql.Identifier(schema))
    return conn.execute(statement, values or None).fetchall()


def _organization(conn: Connection, org_code: str, schema: str) -> int:
    rows = _rows(
        conn,
        "select org_code, organization_id from {schema}.organizations order by 2",
        schema,
    )
    known = dict(rows)
    if org_code not in known:
        raise BadInput(
            f"organization {org_code}: expected one with a cohort, "
            f"{', '.join(known) or 'of which there is none'}"
        )
    return int(known[org_code])


def _capacities(
    conn: Connection, given: Mapping[str, int], schema: str
) -> dict[int, int]:
    known = dict(
        _rows(
            conn,
            "select department_code, department_id from {schema}.departments"
            " order by department_id",
            schema,
        )
    )
    unknown = [code for code in given if code not in known]
    if unknown:
        raise BadInput(
            f"capacity: unknown department {', '.join(unknown)}; "
            f"expected one of {', '.join(known)}"
        )
    return {int(known[code]): most for code, most in given.items()}


def _people(
    conn: Connection,
    options: Options,
    projection: Projection,
    chosen: targeting.Integers,
    probabilities: Sequence[float],
    schema: str,
) -> list[Person]:
    ids = options.patient_id[chosen].tolist()
    who = {
        patient_id: (uuid, department)
        for patient_id, uuid, department in _rows(conn, _PEOPLE, schema, ids)
    }
    lines = zip(ids, chosen, probabilities, strict=True)
    return [
        Person(
            rank,
            *who[patient_id],
            prediction_window=f"{options.window_days[position]}_day",
            intervention_cost=float(projection.cost[position]),
            expected_savings=float(projection.savings[position]),
            net_benefit=float(projection.net[position]),
            positive_roi_probability=probability,
        )
        for rank, (patient_id, position, probability) in enumerate(lines, start=1)
    ]
