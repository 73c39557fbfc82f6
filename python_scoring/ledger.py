"""The scoring ledger: append-only, one batch a run, one transaction a batch."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from python_scoring import warehouse
from python_scoring.warehouse import Connection

REASONS = 3
SCORED_FEATURES = "raw.scored_features"

# Where a batch was scored, as it is noted.
PYTHON, DATABASE = "python", "database"


@dataclass(frozen=True)
class Scores:
    """Scores of some patients over w windows, with their reasons.

    Parameters
    ----------
    patient_ids, features_hash
        (n,)
    scores
        (n, w) probabilities.
    reason_features, reason_contributions, reason_values
        (n, w, 3) feature ids, log-odds and the features' values (NaN is missing),
        the weightiest first.
    features
        (n,) each: what the scores were made from, as columns of
        ``raw.scored_features``; without, the batch cannot be replayed.
    """

    patient_ids: NDArray[np.int64]
    features_hash: NDArray[np.int64]
    scores: NDArray[np.float64]
    reason_features: NDArray[np.int16]
    reason_contributions: NDArray[np.float64]
    reason_values: NDArray[np.float64]
    features: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch:
    """What one run added to the ledger."""

    batch_id: int
    row_count: int


def features_hash(x: NDArray[np.float64]) -> NDArray[np.int64]:
    """Hash each row of features: other features, another hash.

    One step of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) a column over the
    value's bit pattern, the same on every machine and in every run. A step is a
    bijection, so that a change in one feature always shows; several at once
    escape with a chance of 2^-64.

    Parameters
    ----------
    x
        (n, f) features. All NaN count as one value, and so do 0.0 and -0.0.

    Returns
    -------
    (n,) signed 64-bit hashes.
    """
    state = np.full(len(x), x.shape[1], dtype=np.uint64)
    scratch = np.empty_like(state)
    for column in x.T:
        value = column + 0.0
        value[np.isnan(value)] = np.nan
        state ^= value.view(np.uint64)
        state += np.uint64(0x9E3779B97F4A7C15)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            np.right_shift(state, np.uint64(shift), out=scratch)
            state ^= scratch
            state *= np.uint64(factor)
        np.right_shift(state, np.uint64(31), out=scratch)
        state ^= scratch
    return state.view(np.int64)


def latest(target: str, model_version: str, window_days: int) -> str:
    """Write the query of each patient's newest row, as readers see it.

    Columns patient_id, features_hash, and is_in_force: 1 where the row is of
    ``model_version``, else 0. Newest whatever the model, so that going back to an
    earlier model scores everyone again. One window stands for all, since a batch
    writes every window.
    """
    return (
        sql.SQL(
            """
            select distinct on (predictions.patient_id)
                predictions.patient_id,
                predictions.features_hash,
                cast(
                    case
                        when prediction_batches.model_version = {model_version} then 1
                        else 0
                    end as smallint
                ) as is_in_force
            from raw.predictions
            inner join raw.visible_batches as prediction_batches using (batch_id)
            where prediction_batches.target = {target}
                and predictions.window_days = {window_days}
            order by predictions.patient_id, predictions.batch_id desc
            """
        )
        .format(
            target=sql.Literal(target),
            model_version=sql.Literal(model_version),
            window_days=sql.Literal(window_days),
        )
        .as_string()
    )


def newest_scores(target: str) -> str:
    """Write the query of each patient's newest score in each window.

    Columns patient_id, window_days and score, as readers see it.
    """
    return (
        sql.SQL(
            """
            select distinct on (predictions.patient_id, predictions.window_days)
                predictions.patient_id,
                predictions.window_days,
                predictions.score
            from raw.predictions
            inner join raw.visible_batches as prediction_batches using (batch_id)
            where prediction_batches.target = {target}
            order by
                predictions.patient_id,
                predictions.window_days,
                predictions.batch_id desc
            """
        )
        .format(target=sql.Literal(target))
        .as_string()
    )


def latest_batch(conn: Connection, target: str, model_version: str) -> int | None:
    """Find the latest batch of a model, or None before the first."""
    row = conn.execute(
        "select max(batch_id) from raw.visible_batches"
        " where target = %s and model_version = %s",
        (target, model_version),
    ).fetchone()
    return row[0] if row else None


def lock(conn: Connection, target: str) -> None:
    """Wait for other runs that score the target, until this transaction ends.

    To be taken before reading what is unscored: two runs at once would both find
    the same patients.
    """
    conn.execute(
        "select pg_advisory_xact_lock(hashtextextended('riskmart.ledger.' || %s, 0))",
        (target,),
    )


def append(
    conn: Connection,
    target: str,
    model_version: str,
    window_days: tuple[int, ...],
    chunks: Iterable[Scores],
    *,
    intake_entry_id: int | None = None,
) -> Batch | None:
    """Write one batch, chunk by chunk, in one transaction.

    Parameters
    ----------
    window_days
        (w,) days of the windows that the chunks' scores are of.
    chunks
        Consumed one at a time; an error in between leaves nothing behind.
    intake_entry_id
        Of few people, whom intake has just taken in: up to whom.

    Returns
    -------
    The batch, or None where the chunks held no patient: then nothing is written.
    """
    batch_id, rows, expected = None, 0, 0
    if intake_entry_id is not None:
        # Counted before, since whoever takes people in may change no batch.
        chunks = list(chunks)
        expected = sum(chunk.scores.size for chunk in chunks)
    with conn.transaction():
        for chunk in chunks:
            if not len(chunk.patient_ids):
                continue
            if batch_id is None:
                batch_id = open_batch(
                    conn,
                    target,
                    model_version,
                    intake_entry_id=intake_entry_id,
                    row_count=expected,
                )
            columns = rows_of(chunk, batch_id, window_days)
            rows += warehouse.copy_in(conn, "raw.predictions", columns)
            _keep_features(conn, chunk, batch_id)
        if batch_id is None:
            return None
        if intake_entry_id is None:
            close_batch(conn, batch_id, rows)
    return Batch(batch_id, rows)


def open_batch(
    conn: Connection,
    target: str,
    model_version: str,
    *,
    scored_in: str = PYTHON,
    intake_entry_id: int | None = None,
    row_count: int = 0,
) -> int:
    """Enter a batch, to be closed in the same transaction, and return its number."""
    row = conn.execute(
        "insert into raw.prediction_batches"
        " (target, model_version, scored_at, row_count, intake_entry_id, scored_in)"
        " values (%s, %s, now(), %s, %s, %s) returning batch_id",
        (target, model_version, row_count, intake_entry_id, scored_in),
    ).fetchone()
    if row is None:
        raise RuntimeError("insert returning gave no row")
    return int(row[0])


def close_batch(conn: Connection, batch_id: int, row_count: int) -> None:
    """Note how many rows a batch has got."""
    conn.execute(
        "update raw.prediction_batches set row_count = %s where batch_id = %s",
        (row_count, batch_id),
    )
    # The marts are made from it next: no plan should guess how much there is.
    warehouse.analyze(conn, "raw.predictions", "raw.prediction_batches")


def _keep_features(conn: Connection, chunk: Scores, batch_id: int) -> None:
    if chunk.features:
        batch = np.full(len(chunk.patient_ids), batch_id, dtype=np.int64)
        keys = {"batch_id": batch, "patient_id": chunk.patient_ids}
        warehouse.copy_in(conn, SCORED_FEATURES, {**keys, **chunk.features})


def rows_of(
    chunk: Scores, batch_id: int, window_days: tuple[int, ...]
) -> dict[str, NDArray[Any]]:
    """Lay patients and windows out as the table's rows, by patient, then window."""
    patients, windows = chunk.scores.shape
    if windows != len(window_days):
        raise ValueError(f"scores of {windows} windows; expected {window_days}")
    columns: dict[str, NDArray[Any]] = {
        "batch_id": np.full(patients * windows, batch_id, dtype=np.int64),
        "patient_id": np.repeat(chunk.patient_ids, windows),
        "window_days": np.tile(np.array(window_days, dtype=np.int16), patients),
        "features_hash": np.repeat(chunk.features_hash, windows),
        "score": chunk.scores.reshape(-1),
    }
    for reason in range(REASONS):
        name = f"reason_{reason + 1}"
        features = chunk.reason_features[:, :, reason]
        contributions = chunk.reason_contributions[:, :, reason]
        columns[f"{name}_feature_id"] = features.reshape(-1)
        columns[f"{name}_contribution"] = contributions.reshape(-1)
        columns[f"{name}_value"] = chunk.reason_values[:, :, reason].reshape(-1)
    return columns
