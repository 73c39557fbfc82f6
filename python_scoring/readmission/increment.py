"""Score the few people of an intake by the model that a build was scored by."""

from dataclasses import replace

import numpy as np
from psycopg import sql

from python_scoring import ledger, registry, warehouse
from python_scoring.errors import BadInput
from python_scoring.readmission import features, score
from python_scoring.readmission.additive import AdditiveHazards
from python_scoring.readmission.horizons import HORIZON_DAYS
from python_scoring.warehouse import Connection

# By the latest row of the ledger, as `score` does it, over a session's own tables.
_PEOPLE = f"""
select people.patient_id,
    coalesce(latest.features_hash, 0) as features_hash,
    cast(coalesce(latest.model_version = {{model_version}}, false) as integer)
        as is_in_force,
    {features.copy_columns("people")}
from pg_temp.int_patient_features as people
left join lateral (
    select predictions.features_hash, batches.model_version
    from pg_temp.raw_predictions as predictions
    inner join pg_temp.raw_visible_batches as batches using (batch_id)
    where batches.target = '{features.TARGET}'
        and predictions.patient_id = people.patient_id
    order by batch_id desc
    limit 1
) as latest on true
where people.is_current
order by people.patient_id
"""
_OWN_BATCH = """
insert into pg_temp.raw_visible_batches
select batch_id, target, model_version, scored_at, row_count
from raw.prediction_batches where batch_id = {batch_id};
insert into pg_temp.raw_predictions
select predictions.* from pg_temp.int_patient_features as people
inner join raw.predictions using (patient_id)
where people.is_current and predictions.batch_id = {batch_id}
"""

# Opened once a process: its hash was compared then.
_opened: dict[tuple[str, str], AdditiveHazards] = {}


def open_model(conn: Connection, build_id: int) -> None:
    """Open a build's model, before anybody has to wait for it.

    Raises
    ------
    BadInput
        It is not there any more, or cannot be used here.
    """
    _hazards(_model_of(conn, build_id))


def score_people(conn: Connection, build_id: int, entry_id: int) -> int:
    """Append scores of the people in ``pg_temp.int_patient_features`` to the ledger.

    Of those whose latest row is of other features or another model; the new rows are
    in the session's own ledger afterwards. The caller commits.

    Parameters
    ----------
    entry_id
        Up to whom people were taken in.

    Returns
    -------
    int
        How many were scored.

    Raises
    ------
    BadInput
        The build's model is not there any more, or cannot be used here.
    """
    model = _model_of(conn, build_id)
    fields = [
        ("patient_id", "i8"),
        ("features_hash", "i8"),
        ("is_in_force", "i4"),
        *features.copy_fields(),
    ]
    version = sql.Literal(model.model_version).as_string()
    query = _PEOPLE.format(model_version=version)
    chunks = list(warehouse.copy_out(conn, query, np.dtype(fields)))
    if not chunks:
        return 0
    rows = np.concatenate(chunks)
    x = features.matrix(rows, features.FEATURE_NAMES)
    hashes = ledger.features_hash(x)
    todo = (rows["is_in_force"] == 0) | (rows["features_hash"] != hashes)
    if not todo.any():
        return 0
    scores = score.score_matrix(
        _hazards(model), rows["patient_id"][todo], x[todo], hashes[todo]
    )
    kept = {name: rows[name][todo] for name in features.FEATURE_NAMES}
    batch = ledger.append(
        conn,
        features.TARGET,
        model.model_version,
        HORIZON_DAYS,
        [replace(scores, features=kept)],
        intake_entry_id=entry_id,
    )
    assert batch is not None
    conn.execute(_OWN_BATCH.format(batch_id=batch.batch_id).encode())
    return int(todo.sum())


def _model_of(conn: Connection, build_id: int) -> registry.Model:
    row = conn.execute(
        "select model_version from raw.builds where build_id = %s", (build_id,)
    ).fetchone()
    model = registry.find(conn, row[0]) if row and row[0] else None
    if model is None:
        raise BadInput(f"build {build_id} was scored by no model that is registered")
    return model


def _hazards(model: registry.Model) -> AdditiveHazards:
    key = (model.model_version, model.artifact_sha256)
    if key not in _opened:
        _opened[key] = score.load_hazards(model)
    return _opened[key]
