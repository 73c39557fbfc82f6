"""How far scored cohorts have moved from training, as the published marts have it.

The index is worked out in SQL alone, so it is read from its mart and not from raw.
"""

from python_scoring.card.content import TOO_FEW
from python_scoring.card.markdown import number
from python_scoring.warehouse import Connection

MART = "marts.model_drift"
# The features that moved most, for each cohort; the mart has them all.
SHOWN = 10

_QUERY = f"""
    with

    ranked as (
        select
            organizations.org_code,
            drift.feature_name,
            drift.psi,
            row_number() over (
                partition by organizations.org_code
                order by drift.psi desc nulls last, drift.feature_name
            ) as place
        from {MART} as drift
        inner join marts.organizations using (organization_id)
        where drift.model_version = %s
    )

    select org_code, feature_name, psi
    from ranked
    where place <= {SHOWN}
    order by org_code, place
"""


def read(conn: Connection, model_version: str) -> list[tuple[str, ...]]:
    """Read cohort, feature or score, and index; of each cohort the ten that moved most.

    Empty where nothing has been published of this model.
    """
    found = conn.execute("select to_regclass(%s)", (MART,)).fetchone()
    if found is None or found[0] is None:
        return []
    rows = conn.execute(_QUERY.encode(), (model_version,)).fetchall()
    return [
        (org_code, f"`{name}`", TOO_FEW if psi is None else number(psi, 3))
        for org_code, name, psi in rows
    ]
