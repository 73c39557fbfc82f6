"""Who changes tier from one build to another."""

from psycopg import sql

from python_scoring.warehouse import Connection

_MIGRATION = """
select new_rows.prediction_window, old_rows.risk_tier, new_rows.risk_tier, count(*)
from {new} as new_rows
inner join {old} as old_rows
    on new_rows.patient_id = old_rows.patient_id
    and new_rows.prediction_window = old_rows.prediction_window
where new_rows.risk_tier <> old_rows.risk_tier
group by new_rows.prediction_window, old_rows.risk_tier, new_rows.risk_tier
order by new_rows.prediction_window, old_rows.risk_tier, new_rows.risk_tier
"""


def tier_migration(
    conn: Connection, new_schema: str, old_schema: str
) -> list[tuple[str, int, int, int]]:
    """Count patients whose tier differs: window, tier before, tier now, patients."""
    query = sql.SQL(_MIGRATION).format(
        new=sql.Identifier(new_schema, "predictions"),
        old=sql.Identifier(old_schema, "predictions"),
    )
    return conn.execute(query).fetchall()
