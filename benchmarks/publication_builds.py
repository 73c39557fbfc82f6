"""Builds to publish by the hundred: copies of what is published, one thing changed."""

from psycopg import sql

from python_scoring.publication import builds, provenance, publish
from python_scoring.publication.builds import CANDIDATE_SCHEMA, BuildRecord
from python_scoring.publication.publish import Publication
from python_scoring.publication.relations import relations
from python_scoring.warehouse import Connection

# One patient changes tier, and the summary counts again: whoever compares the two
# finds them at odds where one is of another build.
_CHANGES = """
update candidate.predictions set risk_tier = risk_tier % 5 + 1
where (patient_id, prediction_window) = (
    select patient_id, '30_day' from candidate.patients order by random() limit 1
);
update candidate.org_tier_summary as summary set patient_count = (
    select count(*) from candidate.predictions as predicted
    where predicted.organization_id = summary.organization_id
        and predicted.prediction_window = summary.prediction_window
        and predicted.risk_tier = summary.risk_tier
);
update candidate.financial_projections as projected set risk_tier = predicted.risk_tier
from candidate.predictions as predicted
where projected.patient_id = predicted.patient_id
    and projected.prediction_window = predicted.prediction_window
    and projected.risk_tier <> predicted.risk_tier
"""

# Have rows once a cohort took the place of one that was scored.
MAY_BE_EMPTY = {"tier_change_sums", "past_predictions"}

# What has to hold between marts, as violations; all in one statement.
IDENTITIES = {
    "tier counts differ from the predictions": """
select count(*) from (
    select organization_id, prediction_window, risk_tier, count(*)
    from marts.predictions group by 1, 2, 3
    except
    select organization_id, prediction_window, risk_tier, patient_count
    from marts.org_tier_summary
) as differing
""",
    "projections without their prediction": """
select count(*) from marts.financial_projections as projected
full join marts.predictions as predicted
    using (patient_id, prediction_window, risk_tier)
where projected.organization_id is null or predicted.organization_id is null
""",
    "totals differ from the projections": """
select count(*) from marts.roi_aggregations as totals
where abs(totals.total_net_benefit - (
    select sum(net_benefit) from marts.financial_projections as projected
    where projected.organization_id = totals.organization_id
        and projected.prediction_window = totals.prediction_window
)) > 1e-6 * totals.total_expected_savings
""",
}


def clone_candidate(conn: Connection) -> BuildRecord:
    """Make a candidate of the published tables, noted as any build is."""
    source = builds.published(conn)
    assert source is not None
    build_id = builds.begin(conn, provenance.project_fingerprint())
    conn.execute(f"create schema if not exists {CANDIDATE_SCHEMA}".encode())
    for name in relations(conn, source.schema):
        conn.execute(
            sql.SQL(
                "create table {new} (like {old} including all);"
                "insert into {new} select * from {old};"
                "alter table {new} enable row level security,"
                " force row level security;"
                "create policy readers on {new} for select using (true)"
            ).format(
                new=sql.Identifier(CANDIDATE_SCHEMA, name),
                old=sql.Identifier(source.schema, name),
            )
        )
    conn.execute(_CHANGES.encode())
    builds.finish(
        conn, build_id, "candidate", row_counts=source.row_counts, test_count=0
    )
    return builds.get(conn, build_id)


def publish_clone(conn: Connection) -> Publication:
    """Make a candidate and publish it."""
    return publish.publish(conn, clone_candidate(conn))


def mart_names(conn: Connection) -> list[str]:
    """Names in `marts`, in order."""
    rows = conn.execute(
        "select viewname from pg_views where schemaname = 'marts' order by 1"
    )
    return [name for (name,) in rows]


def faults(conn: Connection) -> list[str]:
    """Say what is not whole of what is published: builds mixed, empty, at odds."""
    found, seen = [], set()
    with conn.transaction():
        for name in mart_names(conn):
            query = sql.SQL("select count(*), max(build_id), min(build_id) from {}")
            where = sql.Identifier("marts", name)
            row = conn.execute(query.format(where)).fetchone()
            assert row is not None
            if not row[0] and name not in MAY_BE_EMPTY:
                found.append(f"{name} is empty")
            if row[0] and name != builds.MART:
                seen |= {*row[1:]}
        published = builds.published(conn)
        if published is None or seen != {published.build_id}:
            found.append(f"names show builds {seen}, published is {published}")
        for words, query_text in IDENTITIES.items():
            row = conn.execute(query_text.encode()).fetchone()
            if row is None or row[0]:
                found.append(words)
    return found
