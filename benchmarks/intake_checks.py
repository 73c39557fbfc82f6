"""Everybody who was taken in is there, once, and the summaries count them."""

from collections.abc import Iterable

from benchmarks import publication_builds
from python_scoring.warehouse import Connection

# Rows that each person has in each mart.
_ROWS = {
    "patients": 1,
    "patient_features": 1,
    "predictions": 3,
    "financial_projections": 3,
    "prediction_reasons": 9,
}

_MISSING = """
with asked as (
    select distinct external_id from unnest(%s::text[]) as asked (external_id)
), people as (
    select asked.external_id, registry.patient_id from asked
    left join raw.patient_registry as registry
        on asked.external_id = registry.external_id and registry.org_code = %s
)
select count(*) from people
where (
    select count(*) from marts.{mart} as mart
    where mart.patient_id = people.patient_id
) <> {rows}
"""
_ENTERED = """
select count(*) from unnest(%s::text[]) as asked (external_id)
where (
    select count(*) from raw.new_patients as records
    where records.external_id = asked.external_id and records.org_code = %s
) <> 1
"""
# Of people who were never handed in.
_UNASKED = """
select count(*) from raw.new_patients
where external_id like %s and external_id <> all(%s)
"""

_BY_DEPARTMENT_AND_TIER = (
    "select predictions.organization_id, prediction_window, department_id, risk_tier,"
    " count(*) from marts.predictions"
    " inner join marts.patients using (patient_id) group by 1, 2, 3, 4"
)
_BY_DEPARTMENT = (
    "select projections.organization_id, prediction_window, department_id, count(*),"
    " count(*) filter (where is_positive_roi)"
    " from marts.financial_projections as projections"
    " inner join marts.patients using (patient_id) group by 1, 2, 3"
)
# Summaries, and what they should be by the people themselves.
_COUNTS = {
    "organizations": (
        "select organization_id, patient_count from marts.organizations",
        "select organization_id, count(*) from marts.patients group by 1",
    ),
    "org_tier_summary": (
        "select organization_id, prediction_window, risk_tier, patient_count"
        " from marts.org_tier_summary where patient_count > 0",
        "select organization_id, prediction_window, risk_tier, count(*)"
        " from marts.predictions group by 1, 2, 3",
    ),
    "risk_sums": (
        "select organization_id, prediction_window, department_id, risk_tier,"
        " patient_count from marts.risk_sums where patient_count > 0",
        _BY_DEPARTMENT_AND_TIER,
    ),
    "dept_risk_distribution": (
        "select organization_id, prediction_window, department_id, risk_tier,"
        " patient_count from marts.dept_risk_distribution where patient_count > 0",
        _BY_DEPARTMENT_AND_TIER,
    ),
    "roi_sums": (
        "select organization_id, prediction_window, department_id, patient_count,"
        " positive_roi_count from marts.roi_sums where patient_count > 0",
        _BY_DEPARTMENT,
    ),
    "roi_by_department": (
        "select organization_id, prediction_window, department_id, patient_count,"
        " positive_roi_count from marts.roi_by_department where patient_count > 0",
        _BY_DEPARTMENT,
    ),
    "positive_roi_patients": (
        "select patient_id, prediction_window from marts.positive_roi_patients",
        "select patient_id, prediction_window from marts.financial_projections"
        " where is_positive_roi",
    ),
}
_DIFFERING = """
select count(*) from (
    (({one}) except all ({other})) union all (({other}) except all ({one}))
) as differing
"""


def missing(conn: Connection, org_code: str, external_ids: Iterable[str]) -> list[str]:
    """Say which marts do not have all of these people as often as they should."""
    found = []
    ids = list(external_ids)
    for mart, rows in _ROWS.items():
        query = _MISSING.format(mart=mart, rows=rows)
        count = _count(conn, query, ids, org_code)
        if count:
            found.append(
                f"{count:,} of {len(ids):,} people are not as they should in {mart}"
            )
    return found


def not_once(
    conn: Connection, org_code: str, external_ids: Iterable[str], prefix: str
) -> list[str]:
    """Say how many of these new people were not entered, or not once, or unasked."""
    ids = list(external_ids)
    wrong = _count(conn, _ENTERED, ids, org_code)
    unasked = _count(conn, _UNASKED, f"{prefix}%", ids)
    found = [f"{wrong:,} of {len(ids):,} people are not entered once"] if wrong else []
    return found + ([f"{unasked:,} people nobody handed in"] if unasked else [])


def miscounted(conn: Connection) -> list[str]:
    """Count everybody again; say which summaries differ."""
    queries = {
        name: _DIFFERING.format(one=one, other=other)
        for name, (one, other) in _COUNTS.items()
    }
    found = [name for name, query in queries.items() if _count(conn, query)]
    others = publication_builds.IDENTITIES.items()
    return [f"{name} differs from a recount" for name in found] + [
        words for words, query in others if _count(conn, query)
    ]


def _count(conn: Connection, query: str, *values: object) -> int:
    row = conn.execute(query.encode(), values or None).fetchone()
    assert row is not None
    return int(row[0])
