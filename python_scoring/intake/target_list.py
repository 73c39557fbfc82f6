"""Where people stand in the target list: read by (net_benefit desc, patient_id).

There is no stored rank, which one new patient would move for a million others.
Whoever stands above is counted, between the benefits of those asked for, from the
list's index alone.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from psycopg import sql

from python_scoring import warehouse
from python_scoring.publication.builds import BuildRecord
from python_scoring.readmission.features import FEATURE_NAMES
from python_scoring.warehouse import Connection

Row = dict[str, Any]

# Of those with the same benefit, the ones before.
_ASKED = """
select mine.patient_id, mine.organization_id, mine.prediction_window,
    mine.net_benefit, (
        select count(*) from {build}.positive_roi_patients as others
        where others.organization_id = mine.organization_id
            and others.prediction_window = mine.prediction_window
            and others.net_benefit = mine.net_benefit
            and others.patient_id < mine.patient_id
    ) as ties_before
from (select unnest(%(patients)s::bigint[]) as patient_id) as asked
inner join {build}.positive_roi_patients as mine using (patient_id)
"""
# Step 0 is above the highest benefit asked for, step 1 between that and the next.
_BETWEEN = """
select width_bucket(-net_benefit, %(steps)s::float8[]) as step, count(*)
from {build}.positive_roi_patients
where organization_id = %(organization)s and prediction_window = %(window)s
    and net_benefit > %(least)s
group by 1
"""
# The same without width_bucket: each joins the last step that is not above it.
_BETWEEN_DUCKDB = """
select coalesce(steps.step, 0) as step, count(*) as count
from (
    select -net_benefit as place from {build}.positive_roi_patients
    where organization_id = %(organization)s and prediction_window = %(window)s
        and net_benefit > %(least)s
) as others
asof left join (
    select unnest(%(steps)s::double[]) as place,
        generate_subscripts(%(steps)s::double[], 1) as step
) as steps on others.place >= steps.place
group by 1
"""


def make_countable(conn: Connection, schema: str) -> None:
    """Vacuum the list of a build, so that its index alone tells who is in it.

    When dbt is done: transactions of other models would keep rows from being seen as
    everybody's.
    """
    if not warehouse.is_duckdb(conn):
        relation = sql.Identifier(schema, "positive_roi_patients")
        conn.execute(sql.SQL("vacuum {}").format(relation))


def above(
    conn: Connection, build: BuildRecord, patients: Sequence[int]
) -> dict[tuple[int, str], int]:
    """Count who stands above each, by patient and window; of who is in the list."""
    groups: dict[tuple[int, str], list[Row]] = defaultdict(list)
    for row in ask(conn, build, _ASKED, patients=list(patients)):
        groups[row["organization_id"], row["prediction_window"]].append(row)
    found: dict[tuple[int, str], int] = {}
    for (organization, window), rows in groups.items():
        higher = _higher(conn, build, organization, window, rows)
        for row in rows:
            count = higher[-row["net_benefit"]] + row["ties_before"]
            found[row["patient_id"], window] = count
    return found


def _higher(
    conn: Connection,
    build: BuildRecord,
    organization: int,
    window: str,
    rows: Sequence[Row],
) -> dict[float, int]:
    """Count who has a higher benefit than each of these, by minus the benefit."""
    steps = sorted({-row["net_benefit"] for row in rows})
    counted = ask(
        conn,
        build,
        _BETWEEN_DUCKDB if warehouse.is_duckdb(conn) else _BETWEEN,
        steps=steps,
        organization=organization,
        window=window,
        least=-steps[-1],
    )
    by_step = {row["step"]: row["count"] for row in counted}
    totals = accumulate(by_step.get(step, 0) for step in range(len(steps)))
    return dict(zip(steps, totals, strict=True))


def ask(conn: Connection, build: BuildRecord, query: str, **values: Any) -> list[Row]:
    """Ask a build's marts; ``{build}`` is its schema, ``{features}`` its features."""
    names = sql.SQL(", ").join(
        sql.Identifier("features", feature) for feature in FEATURE_NAMES
    )
    schema = sql.Identifier(build.schema)
    statement = sql.SQL(query).format(build=schema, features=names).as_string()
    return warehouse.fetch_as(conn, dict, statement, values)
