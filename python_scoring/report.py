"""What a build came to, as tables for the terminal."""

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

from rich.console import Console, Group
from rich.table import Table

from python_scoring import config
from python_scoring.identities import status as identities
from python_scoring.pipeline import Build
from python_scoring.status import show_not_evaluated
from python_scoring.tables import make_table
from python_scoring.warehouse import Connection

_TIERS = """
select o.org_code || ' as of ' || o.as_of_date, t.prediction_window, t.tier_name,
    t.patient_count, t.patient_percent
from marts.org_tier_summary as t
inner join marts.organizations as o on t.organization_id = o.organization_id
order by o.organization_id, t.prediction_window, t.risk_tier
"""
_ROI = """
select o.org_code || ' as of ' || o.as_of_date, r.prediction_window, r.patient_count,
    r.positive_roi_count, r.excellent_roi_count, r.total_intervention_cost,
    r.total_expected_savings, r.total_net_benefit
from marts.roi_aggregations as r
inner join marts.organizations as o on r.organization_id = o.organization_id
order by o.organization_id, r.prediction_window
"""
_DEPARTMENTS = """
select o.org_code || ' as of ' || o.as_of_date, d.department_name, count(p.patient_id),
    100.0 * count(p.patient_id) / nullif(sum(count(p.patient_id)) over organization, 0),
    coalesce(max(h.high_risk_count), 0)
from marts.organizations as o
cross join marts.departments as d
left join marts.patients as p
    on o.organization_id = p.organization_id and d.department_id = p.department_id
left join (
    select organization_id, department_id, sum(patient_count) as high_risk_count
    from marts.high_risk_by_department
    where prediction_window = '30_day'
    group by organization_id, department_id
) as h
    on o.organization_id = h.organization_id and d.department_id = h.department_id
group by o.organization_id, o.org_code, o.as_of_date, d.department_id, d.department_name
window organization as (partition by o.organization_id)
order by o.organization_id, d.department_id
"""
_TIER_CHANGES = """
select m.prediction_window, m.previous_tier_name, m.tier_name, m.patient_count,
    m.previous_tier = m.risk_tier
from marts.tier_migration as m
inner join marts.organizations as o on m.organization_id = o.organization_id
where o.org_code = %s and m.patient_count > 0
order by m.prediction_window, m.previous_tier, m.risk_tier
"""


def show_build(console: Console, conn: Connection, done: Build) -> None:
    """Print what the marts hold now, where they are, and how long it took."""
    for table in (*tier_tables(conn), *roi_tables(conn), *department_tables(conn)):
        console.print(table)
    if done.trained:
        console.print(f"Model {done.trained.model_version}, trained just now.")
    if done.scored:
        console.print(
            f"{done.scored.scored:,} of {done.scored.patients:,} patients scored in "
            f"this run, by {done.scored.model_version}."
        )
    if done.evaluated:
        show_not_evaluated(console, done.evaluated)
    console.print(_steps(done))
    if done.unit_tests_passed_in:
        console.print(
            "Unit tests: not run, since these files passed them in build "
            f"{done.unit_tests_passed_in}; --full-refresh runs them again."
        )
    for warning in done.warnings:
        console.print(f"[yellow]warning[/] {warning}")
    console.print(identities.in_a_line(conn), soft_wrap=True)
    console.print(where())


def show_tier_changes(console: Console, conn: Connection, org: str) -> None:
    """Print who moved between tiers when a cohort took another's place."""
    rows = conn.execute(_TIER_CHANGES.encode(), (org,)).fetchall()
    if not rows:
        console.print(f"Nobody of {org} was scored before this cohort: nobody moved.")
        return
    title = f"{org}: who moved between tiers"
    table = make_table(title, ["Window", "From", "To"], ["Patients"])
    stayed: dict[str, int] = {}
    for window, before, now, count, is_same in rows:
        stayed[window] = stayed.get(window, 0) + count * is_same
        if not is_same:
            table.add_row(window, before, now, f"{count:,}")
    if table.row_count:
        console.print(table)
    else:
        console.print(f"Nobody of {org} moved between tiers.")
    shown = ", ".join(f"{window} {count:,}" for window, count in stayed.items())
    console.print(f"Stayed in their tier: {shown}.")


def where() -> Group:
    """Where the warehouse is and how to look at it."""
    if config.is_duckdb():
        return Group(
            f"Warehouse: {config.describe()}",
            'Look at it with `./riskmart sql "select …"`; other tools open the file '
            "while no riskmart command has it open.",
        )
    return Group(
        f"Warehouse: {config.describe()}",
        'Look at it with `./riskmart psql` or `./riskmart sql "select …"`; '
        "for other tools `./riskmart db dsn` prints where to connect.",
    )


def tier_tables(conn: Connection) -> Iterator[Table]:
    """Patients by tier, a table per organization and a row per window."""
    for org, rows in _by_organization(conn, _TIERS):
        windows: dict[str, list[str]] = {}
        tiers: dict[str, None] = {}
        for window, tier, count, percent in rows:
            windows.setdefault(window, []).append(f"{count:,} {percent:.1f}%")
            tiers[tier] = None
        table = make_table(f"{org}: patients by risk tier", ["Window"], [*tiers])
        for window, cells in windows.items():
            table.add_row(window, *cells)
        yield table


def roi_tables(conn: Connection) -> Iterator[Table]:
    """Projected return, a table per organization and a row per window."""
    counts = ["Patients", "Positive", "Excellent"]
    amounts = ["ROI %", "Cost", "Savings", "Net"]
    for org, rows in _by_organization(conn, _ROI):
        title = f"{org}: projected return (assumptions, not results)"
        table = make_table(title, ["Window"], [*counts, *amounts])
        for window, patients, positive, excellent, cost, savings, net in rows:
            numbers = [f"{count:,}" for count in (patients, positive, excellent)]
            roi = f"{100 * net / cost:.1f}" if cost else "-"
            money = [_dollars(amount) for amount in (cost, savings, net)]
            table.add_row(window, *numbers, roi, *money)
        yield table


def department_tables(conn: Connection) -> Iterator[Table]:
    """Where the patients belong, and how many are high risk at 30 days."""
    numbers = ["Patients", "Share %", "High risk or critical, 30 days"]
    for org, rows in _by_organization(conn, _DEPARTMENTS):
        table = make_table(f"{org}: departments", ["Department"], numbers)
        for name, count, percent, high in rows:
            share = "-" if percent is None else f"{percent:.1f}"
            table.add_row(name, f"{count:,}", share, f"{high:,}")
        yield table


def _steps(done: Build) -> Table:
    table = make_table("Seconds by step", ["Step"], ["Seconds"])
    for name, seconds in done.seconds.items():
        table.add_row(name, f"{seconds:.1f}")
    table.add_row("total", f"{sum(done.seconds.values()):.1f}")
    return table


def _by_organization(
    conn: Connection, query: str
) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    """Rows of a query, without their first column, grouped by it."""
    rows = conn.execute(query.encode()).fetchall()
    for org, group in groupby(rows, key=itemgetter(0)):
        yield org, [row[1:] for row in group]


def _dollars(amount: float) -> str:
    sign, size = ("-" if amount < 0 else ""), abs(amount)
    for unit, divisor in (("bn", 1e9), ("M", 1e6), ("k", 1e3)):
        if size >= divisor:
            return f"{sign}${size / divisor:,.1f}{unit}"
    return f"{sign}${size:,.0f}"
