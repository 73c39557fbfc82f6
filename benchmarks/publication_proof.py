"""What the warehouse holds, by whoever wrote it: to see that nothing is lost."""

from python_scoring.warehouse import Connection

# A hash of every row, by what wrote it: load, batch, model. Append-only all of them.
_DIGESTS = {
    "loads": ("load_id", "raw.loads"),
    "people": ("load_id", "raw.cohort_patients"),
    "outcomes": ("load_id", "raw.cohort_outcomes"),
    "registry": ("patient_id / 1000", "raw.patient_registry"),
    "batches": ("batch_id", "raw.prediction_batches"),
    "predictions": ("batch_id", "raw.predictions"),
    "models": ("model_version", "raw.model_registry"),
    "builds": ("build_id", "raw.builds"),
}
# What may still change of a row that stays: its group grows, it is marked as old.
_GROWING = ("registry",)
_CHANGING = ("models", "builds")

# Loads and batches are there as a whole or not at all.
_HALF = """
select 'load ' || load_id from raw.loads
where row_count <> (
    select count(*) from raw.cohort_patients as people
    where people.load_id = loads.load_id
)
union all
select 'people of no load ' || load_id from raw.cohort_patients
where load_id not in (select load_id from raw.loads)
union all
select 'batch ' || batch_id from raw.prediction_batches as batches
where row_count <> (
    select count(*) from raw.predictions as written
    where written.batch_id = batches.batch_id
)
union all
select 'predictions of no batch ' || batch_id from raw.predictions
where batch_id not in (select batch_id from raw.prediction_batches)
"""

Rows = dict[tuple[str, str], tuple[int, str]]


def digest(conn: Connection) -> Rows:
    """Count and hash everything raw, by what wrote it."""
    found: Rows = {}
    for name, (key, table) in _DIGESTS.items():
        query = (
            f"select ({key})::text, count(*),"
            f" sum(hashtextextended(t::text, 0))::text from {table} as t group by 1"
        )
        for group, rows, hashed in conn.execute(query.encode()):
            found[name, group] = (rows, hashed)
    return found


def lost(before: Rows, after: Rows) -> list[str]:
    """Say what was there before and is not, or is not the same."""
    found = []
    for (name, key), rows in before.items():
        now = after.get((name, key), (0, ""))
        is_less = now[0] < rows[0]
        is_other = name not in (*_GROWING, *_CHANGING) and now != rows
        if is_less or is_other:
            found.append(f"lost of {name} {key}: {rows} before, {now} now")
    return found


def half_written(conn: Connection) -> list[str]:
    """Name loads and batches that do not have the rows that they say."""
    return [what for (what,) in conn.execute(_HALF.encode())]
