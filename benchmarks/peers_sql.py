"""SQL that two peers share: the rules as small tables, and the summaries."""

from collections.abc import Mapping
from pathlib import Path

from benchmarks.peers_work import BASE_FIELDS, Rules
from python_scoring.readmission.features import FEATURE_NAMES, FEATURES
from python_scoring.readmission.horizons import HORIZON_DAYS

_SUMMARIES = Path(__file__).with_name("peers_summaries.sql")
_SQL_TYPES = {
    "flag": "smallint",
    "code": "smallint",
    "integer": "integer",
    "optional_integer": "integer",
    "number": "double precision",
}

FEATURE_COLUMNS = ",\n".join(f"{f.name} {_SQL_TYPES[f.data_type]}" for f in FEATURES)
BASE_COLUMNS = ",\n".join(BASE_FIELDS)


def statements(file: Path, given: Mapping[str, str]) -> list[str]:
    """Split a script of ours, and fill in what it names in braces.

    No text in it holds a semicolon.
    """
    lines = (
        line for line in file.read_text().splitlines() if line.lstrip()[:2] != "--"
    )
    script = "\n".join(lines)
    for name, text in given.items():
        script = script.replace("{" + name + "}", text)
    return [part for part in script.split(";") if part.strip()]


def rule_tables(rules: Rules) -> list[str]:
    """Make the small tables that the rest joins to."""
    tiers = range(1, rules.tiers + 1)
    bounds = [0.0, *rules.tier_bounds, 2.0]
    rates = [
        f"({tier}, {days}, {_double(rules.costs[tier - 1, place])},"
        f" {_double(rules.success_rates[tier - 1, place])})"
        for tier in tiers
        for place, days in enumerate(HORIZON_DAYS)
    ]
    tables = {
        "windows (window_days)": [f"({days}::smallint)" for days in HORIZON_DAYS],
        "departments (department_id)": [f"({d}::smallint)" for d in rules.departments],
        "tiers (risk_tier, lower_bound, upper_bound)": [
            f"({tier}::smallint, {_double(bounds[tier - 1])}, {_double(bounds[tier])})"
            for tier in tiers
        ],
        "rates (risk_tier, window_days, intervention_cost, success_rate)": rates,
    }
    return [
        f"create table {head.split()[0]} as select * from"
        f" (values {', '.join(rows)}) as {head}"
        for head, rows in tables.items()
    ]


def _double(value: float) -> str:
    return f"{float(value)!r}::double precision"


def summaries(materialized: str) -> list[str]:
    """Make the summaries, as tables or as materialized views."""
    return statements(_SUMMARIES, {"materialized": materialized})


def category_case(rules: Rules, percent: str) -> str:
    """Write the ROI category of a percentage as SQL."""
    bounds = zip(rules.categories, rules.category_bounds, strict=False)
    branches = " ".join(f"when {percent} > {b:g} then '{name}'" for name, b in bounds)
    return f"case {branches} else '{rules.categories[-1]}' end"


def comparison(materialized: str, quartiles: str) -> str:
    """Describe the cohort by feature, in one pass.

    Parameters
    ----------
    quartiles
        An engine's own way to the three at once, with {feature}.
    """
    measures = ",\n".join(
        f"count({name}) as {name}_count, avg({name}) as {name}_mean,"
        f" stddev_samp({name}) as {name}_deviation,"
        f" {quartiles.format(feature=name)} as {name}_quartiles"
        for name in FEATURE_NAMES
    )
    rows = "\nunion all\n".join(
        f"select cast({place} as smallint) as feature_id, people as patient_count,"
        f" (people - {name}_count) / cast(people as double precision)"
        f" as missing_share, cast({name}_mean as double precision) as mean,"
        f" cast({name}_deviation as double precision) as standard_deviation,"
        f" {name}_quartiles[1] as first_quartile, {name}_quartiles[2] as median,"
        f" {name}_quartiles[3] as third_quartile from measured"
        for place, name in enumerate(FEATURE_NAMES, start=1)
    )
    return (
        f"create {materialized} cohort_comparison as with measured as"
        f" (select count(*) as people, {measures} from features) {rows}"
    )


def answers(rules: Rules) -> dict[str, str]:
    """Select what is compared, by table, sorted by key."""
    places = " ".join(
        f"when '{name}' then {place}"
        for place, name in enumerate(rules.categories, start=1)
    )
    category = f"case roi_category {places} end as category"
    rates = "predictions.risk_score, features.department_id"
    return {
        "projections": f"select projections.*, {rates}, {category} from projections"
        " inner join predictions using (patient_id, window_days)"
        " inner join features using (patient_id) order by patient_id, window_days",
        "positive_roi_patients": f"select *, {category} from positive_roi_patients"
        " order by patient_id, window_days",
        "org_tier_summary": "select * from org_tier_summary"
        " order by window_days, risk_tier",
        "dept_risk_distribution": "select * from dept_risk_distribution"
        " order by window_days, department_id, risk_tier",
        "roi_aggregations": "select * from roi_aggregations order by window_days",
        "roi_by_department": "select * from roi_by_department"
        " order by window_days, department_id",
        "cohort_comparison": "select * from cohort_comparison order by feature_id",
    }
