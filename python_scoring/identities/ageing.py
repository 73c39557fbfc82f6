"""What is kept for so many days: intake's bytes, and scores that others replaced."""

from dataclasses import dataclass

from python_scoring import project_vars
from python_scoring.identities import rewriting, trail
from python_scoring.intake import world
from python_scoring.warehouse import Connection

# The values of its faults go with a record; what was expected stays.
_RECORDS = """
update raw.new_patient_raw_input as inputs
set content = '', key_fingerprint = null, faults = case
    when faults is not null then (
        select jsonb_agg(fault || '{"value": null}')
        from jsonb_array_elements(inputs.faults) as fault
    )
end
where processed_at < clock_timestamp() - make_interval(days => %s)
    and length(content) > 0
"""
# A score is replaced by one of a later batch for the same patient and window.
_REPLACED = """
create temporary table replaced on commit drop as
select old.batch_id, old.patient_id, old.window_days
from raw.predictions as old
inner join raw.prediction_batches as batches on old.batch_id = batches.batch_id
where batches.scored_at < clock_timestamp() - make_interval(days => %s)
    and exists (
        select from raw.predictions as later
        where later.patient_id = old.patient_id
            and later.window_days = old.window_days and later.batch_id > old.batch_id
    )
"""
_COUNT_OFF = """
update raw.prediction_batches as batches
set row_count = batches.row_count - gone.row_count
from (
    select batch_id, count(*) as row_count from pg_temp.replaced group by batch_id
) as gone
where batches.batch_id = gone.batch_id
"""
_SCORES = """
delete from raw.predictions as old using pg_temp.replaced as gone
where old.batch_id = gone.batch_id and old.patient_id = gone.patient_id
    and old.window_days = gone.window_days
"""
_FEATURES = """
delete from raw.scored_features as old using (
    select distinct batch_id, patient_id from pg_temp.replaced
) as gone
where old.batch_id = gone.batch_id and old.patient_id = gone.patient_id
"""


@dataclass(frozen=True)
class Aged:
    """How much went; None of what is kept for good."""

    records: int | None
    scores: int | None
    notes: list[str]


def remove(conn: Connection) -> Aged:
    """Remove what is older than the vars say; a second time at once finds nothing.

    Parameters
    ----------
    conn
        In autocommit mode; its holder has the turn to build.

    Raises
    ------
    BadInput
        A var is neither null nor a number of days.
    """
    record_days = project_vars.days("raw_input_days_kept")
    score_days = project_vars.days("history_days_kept")
    with conn.transaction():
        world.lock(conn)
        records = None if record_days is None else _records(conn, record_days)
        scores = None if score_days is None else _scores(conn, score_days)
        if records or scores:
            detail = {"records": records, "scores": scores}
            total = (records or 0) + (scores or 0)
            trail.record(conn, "retention", "raw", total, detail)
    tables = ["raw.new_patient_raw_input"] if records else []
    tables += ["raw.predictions", "raw.scored_features"] if scores else []
    return Aged(records, scores, rewriting.rewrite(conn, tables))


def _records(conn: Connection, days: int) -> int:
    return conn.execute(_RECORDS.encode(), (days,)).rowcount


def _scores(conn: Connection, days: int) -> int:
    conn.execute(_REPLACED.encode(), (days,))
    conn.execute(_COUNT_OFF.encode())
    conn.execute(_FEATURES.encode())
    return conn.execute(_SCORES.encode()).rowcount
