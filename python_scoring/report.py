"""What a build came to, as tables for the terminal."""

from rich.console import Console, Group
from rich.table import Table

from python_scoring import config
from python_scoring.pipeline import Build
from python_scoring.tables import add_columns
from python_scoring.warehouse import Connection

_TIERS = """
select o.org_code, t.prediction_window, t.tier_name, t.patient_count, t.patient_percent
from marts.org_tier_summary as t
inner join marts.organizations as o on t.organization_id = o.organization_id
order by o.organization_id, t.prediction_window, t.risk_tier
"""
_ROI = """
select o.org_code, r.prediction_window, r.patient_count, r.positive_roi_count,
    r.excellent_roi_count, r.average_roi_percent, r.total_intervention_cost,
    r.total_expected_savings, r.total_net_benefit
from marts.roi_aggregations as r
inner join marts.organizations as o on r.organization_id = o.organization_id
order by o.organization_id, r.prediction_window
"""
_DEPARTMENTS = """
select o.org_code, d.department_name, count(p.patient_id),
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
group by o.organization_id, o.org_code, d.department_id, d.department_name
window organization as (partition by o.organization_id)
order by o.organization_id, d.department_id
"""


def show_build(console: Console, conn: Connection, done: Build) -> None:
    """Print what the marts hold now, where they are, and how long it took."""
    console.print(tier_table(conn), roi_table(conn), department_table(conn))
    if done.trained:
        console.print(f"Model {done.trained.model_version}, trained just now.")
    if done.scored:
        console.print(
            f"{done.scored.scored:,} of {done.scored.patients:,} patients scored by "
            f"{done.scored.model_version}; the others had a current score."
        )
    console.print(_steps(done))
    for warning in done.warnings:
        console.print(f"[yellow]warning[/] {warning}")
    console.print(where())


def where() -> Group:
    """Where the warehouse is and how to look at it."""
    return Group(
        f"Warehouse: {config.describe()}",
        'Look at it with `./riskmart psql` or `./riskmart sql "select …"`; '
        "for other tools `./riskmart db dsn` prints where to connect.",
    )


def tier_table(conn: Connection) -> Table:
    """Tiers side by side, a row per organization and window."""
    table = Table(title="Patients by risk tier")
    rows: dict[tuple[str, str], list[str]] = {}
    names: list[str] = []
    for org, window, tier, count, percent in conn.execute(_TIERS):
        rows.setdefault((org, window), []).append(f"{count:,} ({percent:.1f} %)")
        if tier not in names:
            names.append(tier)
    add_columns(table, ["Organization", "Window"], names)
    for (org, window), cells in rows.items():
        table.add_row(org, window, *cells)
    return table


def roi_table(conn: Connection) -> Table:
    """Projected return, a row per organization and window."""
    table = Table(title="Projected return on intervention (assumptions, not results)")
    add_columns(
        table,
        ["Organization", "Window"],
        ["Patients", "Positive", "Excellent", "Mean ROI %", "Cost", "Savings", "Net"],
    )
    for org, window, *counts, mean, cost, savings, net in conn.execute(_ROI):
        numbers = [f"{count:,}" for count in counts]
        money = [f"${amount:,.0f}" for amount in (cost, savings, net)]
        table.add_row(org, window, *numbers, _or_dash(mean, ",.1f"), *money)
    return table


def department_table(conn: Connection) -> Table:
    """Where the patients belong, and how many are high risk at 30 days."""
    table = Table(title="Departments")
    add_columns(
        table,
        ["Organization", "Department"],
        ["Patients", "Share %", "High risk or critical, 30 days"],
    )
    for org, name, count, percent, high in conn.execute(_DEPARTMENTS):
        table.add_row(org, name, f"{count:,}", _or_dash(percent, ".1f"), f"{high:,}")
    return table


def _steps(done: Build) -> Table:
    table = Table(title="Seconds by step", show_header=False)
    add_columns(table, ["Step"], ["Seconds"])
    for name, seconds in done.seconds.items():
        table.add_row(name, f"{seconds:.1f}")
    table.add_row("total", f"{sum(done.seconds.values()):.1f}")
    return table


def _or_dash(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
