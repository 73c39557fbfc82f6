"""Score the current patients that the model in force has not scored as they are."""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from python_scoring import artifacts, drift, ledger, reasons, registry, warehouse
from python_scoring.audit import store as trail
from python_scoring.errors import BadInput
from python_scoring.in_database import choice, curves, dialect, scoring
from python_scoring.readmission import features
from python_scoring.readmission.additive import AdditiveHazards, Floats
from python_scoring.readmission.horizons import HORIZON_DAYS, cumulative_risk
from python_scoring.warehouse import Connection

# Rows worked on at once: the intermediate arrays then stay in the processor's cache.
TILE_ROWS = 8192
# Rows read and written at once: what memory is needed for.
CHUNK_ROWS = 100_000


@dataclass(frozen=True)
class ScoreResult:
    """How many current patients there are, and how many were scored just now."""

    model_version: str
    patients: int
    scored: int
    batch_id: int | None
    scored_in: str = ledger.PYTHON


@dataclass
class _Run:
    """Who is to be scored by what; and of whom it was, for as far as it went."""

    model: registry.Model
    hazards: AdditiveHazards
    tally: drift.Tally
    rescore: bool
    patients: int = 0
    scored: int = 0


def score(
    conn: Connection, *, rescore: bool = False, way: str | None = None
) -> ScoreResult:
    """Append risk and reasons of all unscored current patients to the ledger.

    Unscored is whose newest row is of another model or of other features, or who
    has none. One transaction, all or nothing, in memory that does not grow with the
    cohort. In Python, patients are read through a second connection, as of one
    moment, while the batch is written through ``conn``. The distributions kept with
    it are of everyone, scored now or before. Commits.

    Parameters
    ----------
    rescore
        Score everyone, scored or not.
    way
        ``ledger.PYTHON`` or ``ledger.DATABASE``; by default the faster one. Both
        write the same rows, scores and contributions but for the last digits.

    Raises
    ------
    BadInput
        If no model is in force, or it cannot be trusted or used here.
    """
    with conn.transaction():
        ledger.lock(conn, features.TARGET)
        features.check_built(conn)
        model = registry.champion(conn, features.TARGET)
        if model is None:
            raise BadInput("score: no model in force; run `riskmart train` first")
        way = way or choice.faster(dialect.of(conn).name, _count_current(conn))
        tally = drift.tally(conn, model.model_version)
        write = _in_database if way == ledger.DATABASE else _in_python
        result = write(conn, model, tally, rescore)
        version, batch_id = model.model_version, result.batch_id
        last = batch_id or ledger.latest_batch(conn, features.TARGET, version)
        if last is not None:
            tally.write(conn, last)
        if batch_id is not None:
            detail = {"model_version": version, "scored_in": way}
            trail.record(
                conn, "score", f"batch {batch_id}", result.scored, detail=detail
            )
    conn.commit()
    return result


def _count_current(conn: Connection) -> int:
    row = conn.execute(
        f"select count(*) from {features.PATIENT_FEATURES}"
        " where is_current and purpose = 'cohort'"
    ).fetchone()
    return int(row[0]) if row else 0


def _in_python(
    conn: Connection, model: registry.Model, tally: drift.Tally, rescore: bool
) -> ScoreResult:
    version = model.model_version
    run = _Run(model, load_hazards(model), tally, rescore)
    with (
        warehouse.connect() as reader,
        closing(_score_unscored(reader, run)) as scores,
        closing(_one_ahead(scores)) as chunks,
    ):
        batch = ledger.append(conn, features.TARGET, version, HORIZON_DAYS, chunks)
    batch_id = batch.batch_id if batch else None
    return ScoreResult(version, run.patients, run.scored, batch_id)


def _in_database(
    conn: Connection, model: registry.Model, tally: drift.Tally, rescore: bool
) -> ScoreResult:
    version = model.model_version
    _check_features(model)
    hazards = curves.read(conn, model)
    if hazards is None:
        # Registered by an earlier version of riskmart: exported from its file, once.
        hazards = load_hazards(model)
        curves.record(conn, version, hazards)
    done = scoring.score_unscored(conn, version, hazards, tally, rescore=rescore)
    return ScoreResult(
        version, done.patients, done.scored, done.batch_id, ledger.DATABASE
    )


def load_hazards(model: registry.Model) -> AdditiveHazards:
    """Open a registered model: versions first, then the hash, then the file.

    Raises
    ------
    BadInput
        If it was fitted with another scikit-learn or other features, or its file
        is not the registered one.
    """
    artifacts.check_versions(model.library_versions)
    _check_features(model)
    path = artifacts.path_of(model.artifact_file)
    hazards = artifacts.load_verified(path, model.artifact_sha256)["additive"]
    if not isinstance(hazards, AdditiveHazards):
        raise TypeError(f"{path}: {type(hazards).__name__}; expected AdditiveHazards")
    return hazards


def _check_features(model: registry.Model) -> None:
    fitted, now = model.feature_names, features.FEATURE_NAMES
    if tuple(fitted) == now:
        return
    unseen = ", ".join(name for name in now if name not in fitted)
    gone = ", ".join(name for name in fitted if name not in now)
    raise BadInput(
        f"{model.model_version}: not fitted on the features of "
        f"{features.FEATURES_FILE.name} in their order; never seen by the model: "
        f"{unseen or 'none'}; not there any more: {gone or 'none'}; run "
        "`riskmart train`"
    )


def _one_ahead(chunks: Iterator[ledger.Scores]) -> Generator[ledger.Scores]:
    """Score the next chunk, in a thread, while the last one is being written.

    Closing it waits for the thread, so that its connection is free again.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        upcoming = pool.submit(next, chunks, None)
        while (chunk := upcoming.result()) is not None:
            upcoming = pool.submit(next, chunks, None)
            yield chunk


def _score_unscored(reader: Connection, run: _Run) -> Generator[ledger.Scores]:
    fields = [
        ("patient_id", "i8"),
        ("load_id", "i8"),
        ("features_hash", "i8"),
        ("is_in_force", "i2"),
        *features.copy_fields(),
    ]
    query = _patients_query(run.model.model_version)
    for rows in warehouse.copy_out(reader, query, np.dtype(fields), CHUNK_ROWS):
        x = features.matrix(rows, features.FEATURE_NAMES)
        hashes = ledger.features_hash(x)
        is_new = (rows["is_in_force"] == 0) | (rows["features_hash"] != hashes)
        todo = is_new | run.rescore
        run.patients += len(rows)
        run.scored += int(todo.sum())
        scores = score_matrix(
            run.hazards, rows["patient_id"][todo], _rows_of(x, todo), hashes[todo]
        )
        if run.tally.binnings:
            risks = np.empty((len(rows), len(HORIZON_DAYS)))
            risks[todo] = scores.scores
            risks[~todo] = risk(run.hazards, _rows_of(x, ~todo))
            columns = drift.columns_of(features.FEATURE_NAMES, x, HORIZON_DAYS, risks)
            run.tally.add(rows["load_id"], columns)
        kept = {name: rows[name][todo] for name in features.FEATURE_NAMES}
        yield replace(scores, features=kept)


def _rows_of(x: Floats, chosen: NDArray[np.bool_]) -> Floats:
    """Choose rows, through the transpose, so that columns stay contiguous."""
    return x if chosen.all() else x.T[:, chosen].T


def _patients_query(model_version: str) -> str:
    latest = ledger.latest(features.TARGET, model_version, HORIZON_DAYS[0])
    return f"""
        select
            cast(patients.patient_id as bigint) as patient_id,
            cast(patients.load_id as bigint) as load_id,
            coalesce(latest.features_hash, 0) as features_hash,
            cast(coalesce(latest.is_in_force, 0) as smallint) as is_in_force,
            {features.copy_columns("patients")}
        from {features.PATIENT_FEATURES} as patients
        left join ({latest}) as latest on patients.patient_id = latest.patient_id
        where patients.is_current and patients.purpose = 'cohort'
        order by patients.patient_id
    """


def risk(hazards: AdditiveHazards, x: Floats) -> Floats:
    """Compute the risk of every window, (n, w), and no reasons."""
    risks = np.empty((len(x), len(HORIZON_DAYS)))
    for start in range(0, len(x), TILE_ROWS):
        tile = slice(start, start + TILE_ROWS)
        risks[tile] = cumulative_risk(hazards.eta(x[tile]))
    return risks


def score_matrix(
    hazards: AdditiveHazards,
    patient_ids: NDArray[np.int64],
    x: Floats,
    hashes: NDArray[np.int64],
) -> ledger.Scores:
    """Compute risk and the top three reasons of every window, with their values.

    A row's result is the same to the bit whatever rows stand around it.

    Parameters
    ----------
    patient_ids, hashes
        (n,) handed through.
    x
        (n, 27) features.
    """
    count, windows = len(x), len(HORIZON_DAYS)
    risks = np.empty((count, windows))
    ids = np.empty((count, windows, ledger.REASONS), dtype=np.int16)
    contributions, values = np.empty((2, count, windows, ledger.REASONS))
    for start in range(0, count, TILE_ROWS):
        tile = slice(start, start + TILE_ROWS)
        parts = hazards.contributions(x[tile])
        eta = hazards.eta_of(parts)
        risks[tile] = cumulative_risk(eta)
        weights = reasons.path_weights(hazards.reference_eta, eta)
        phi = reasons.window_contributions(parts, weights)
        for window in range(windows):
            top = reasons.top_three(phi[window])
            ids[tile, window], contributions[tile, window] = top
            values[tile, window] = np.take_along_axis(x[tile], top[0] - 1, axis=1)
    return ledger.Scores(patient_ids, hashes, risks, ids, contributions, values)
