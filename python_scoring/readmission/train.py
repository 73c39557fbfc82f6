"""Train the readmission model on labelled histories and put it in force."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from python_scoring import artifacts, drift, registry, warehouse
from python_scoring.audit import store as trail
from python_scoring.errors import BadInput
from python_scoring.in_database import curves
from python_scoring.readmission import features, hazards, selection
from python_scoring.readmission.additive import AdditiveHazards, Floats
from python_scoring.readmission.hazards import FittedHazards
from python_scoring.readmission.horizons import (
    HORIZON_DAYS,
    INTERVALS,
    at_risk,
    cumulative_risk,
    happened,
)
from python_scoring.readmission.selection import Comparison
from python_scoring.readmission.training_set import (
    FOLDS,
    TrainingSet,
    check_training,
)
from python_scoring.readmission.versions import version_of
from python_scoring.warehouse import Connection

REFERENCE_NAME = "median training member"


@dataclass(frozen=True)
class TrainResult:
    """What a training came to.

    ``is_unchanged`` tells that the model in force already is this one;
    ``is_synthetic`` that it has seen generated people only. ``chosen`` names a
    candidate for each hazard, ``candidates`` holds the figures of all.
    """

    model_version: str
    is_unchanged: bool
    is_synthetic: bool
    rows: int
    patients: int
    metrics: dict[str, Any]
    chosen: dict[str, str]
    candidates: dict[str, dict[str, dict[str, Any]]]


def train(conn: Connection, seed: int) -> TrainResult:
    """Fit on every labelled training row, register the model, put it in force.

    Where a team has brought training histories of its own, the synthetic ones are
    left out: people drawn by a generator teach nothing about real ones. The same
    rows and seed give the same version; then nothing is written. Commits.

    Raises
    ------
    BadInput
        If there are no rows to learn from, or too few or odd ones; the model in
        force stays.
    GateFailed
        If no candidate beats the naive ones; the model in force stays.
    """
    features.check_built(conn)
    training, is_synthetic = read_training(conn)
    check_training(training)
    training = training.in_canonical_order()
    data = fingerprint(training, seed)
    comparison = selection.compare(training, seed)
    selection.check_beats_naive(comparison)
    fitted = hazards.fit_hazards(training, seed, comparison.chosen)
    version = version_of(data, fitted.additive)
    current = registry.champion(conn, features.TARGET)
    is_unchanged = _is_in_force(current, version)
    if current is not None and is_unchanged:
        metrics = current.metrics
    else:
        metrics = {
            **out_of_fold_metrics(training, comparison),
            "seed": seed,
            "is_synthetic": is_synthetic,
        }
    with conn.transaction():
        if not is_unchanged:
            _register(conn, fitted, training, comparison, version, data, metrics)
        # Also of a model that was registered before they were kept.
        curves.record(conn, version, fitted.additive)
        _record_distributions(conn, version, fitted.additive, training.x)
        detail = {"seed": seed, "is_unchanged": is_unchanged, "fingerprint": data}
        trail.record(conn, "training", version, len(training.days), detail=detail)
    conn.commit()
    return TrainResult(
        version,
        is_unchanged,
        is_synthetic,
        rows=len(training.days),
        patients=_count_people(training),
        metrics=metrics,
        chosen=dict(comparison.chosen),
        candidates=comparison.figures,
    )


def _count_people(training: TrainingSet) -> int:
    return len(np.unique(training.patient_ids))


def read_training(conn: Connection) -> tuple[TrainingSet, bool]:
    """Read the labelled training rows, a team's own where there are any.

    Returns
    -------
    The rows, in no particular order, and whether they are synthetic.

    Raises
    ------
    BadInput
        If there are none.
    """
    loads, is_synthetic = _training_loads(conn)
    fields = [("patient_id", "i8"), ("days", "i2"), *features.copy_fields()]
    chunks = list(
        warehouse.copy_out(conn, _training_query(loads), np.dtype(fields))
        if loads
        else ()
    )
    if not chunks:
        raise BadInput(
            "training: no person with a known outcome; expected a labelled history. "
            "`riskmart synth --training` writes a synthetic one, `riskmart load "
            "cohort FILE --training --outcomes FILE` takes your own; then build"
        )
    rows = np.concatenate(chunks)
    x = features.matrix(rows, features.FEATURE_NAMES)
    return TrainingSet(rows["patient_id"], x, rows["days"]), is_synthetic


def has_training_rows(conn: Connection) -> bool:
    """Whether there is a labelled history to learn from."""
    return bool(_training_loads(conn)[0])


def _training_loads(conn: Connection) -> tuple[list[int], bool]:
    found = conn.execute(
        "select load_id, source = 'synth' from raw.loads"
        " where purpose = 'training' and has_outcomes order by load_id"
    ).fetchall()
    own = [load_id for load_id, is_synthetic in found if not is_synthetic]
    if own:
        return own, False
    return [load_id for load_id, _ in found], True


def _training_query(loads: list[int]) -> str:
    return f"""
        select
            cast(patients.patient_id as bigint) as patient_id,
            cast(coalesce(outcomes.days_to_readmission, 0) as smallint) as days,
            {features.copy_columns("patients")}
        from {features.PATIENT_FEATURES} as patients
        inner join {features.PATIENT_OUTCOMES} as outcomes
            using (load_id, patient_id)
        where patients.purpose = 'training'
            and patients.load_id in ({", ".join(map(str, loads))})
    """


def fingerprint(training: TrainingSet, seed: int) -> str:
    """SHA-256 of feature list, seed, features and outcomes, whatever their order."""
    training = training.in_canonical_order()
    digest = hashlib.sha256("\n".join(features.FEATURE_NAMES).encode())
    digest.update(f"\n{seed}\n{HORIZON_DAYS}\n".encode())
    values = training.x + 0.0  # no -0.0
    values[np.isnan(values)] = np.nan
    for array, kind in (
        (training.patient_ids, "<i8"),
        (values, "<f8"),
        (training.days, "<i2"),
    ):
        digest.update(np.ascontiguousarray(array, dtype=kind).tobytes())
    return digest.hexdigest()


def _is_in_force(current: registry.Model | None, version: str) -> bool:
    return (
        current is not None
        and current.model_version == version
        and current.library_versions == artifacts.library_versions()
        # An earlier version of riskmart did not note them.
        and bool(current.candidates)
        and artifacts.is_intact(
            artifacts.path_of(current.artifact_file), current.artifact_sha256
        )
    )


def out_of_fold_metrics(
    training: TrainingSet, comparison: Comparison
) -> dict[str, Any]:
    """Judge what was chosen on people it has not seen, and count what it saw.

    Returns
    -------
    ``{"horizons": {"30": {"events", "log_loss", "auroc", "brier"}, ...},
    "hazards": {"days 1-30": {"at_risk", "events"}, ...}, "folds": 5}``
    """
    days = training.days
    counts = {
        str(interval): {
            "at_risk": int(at_risk(days, interval).sum()),
            "events": int(happened(days, interval).sum()),
        }
        for interval in INTERVALS
    }
    horizons = selection.horizon_figures(comparison, days)
    return {"horizons": horizons, "hazards": counts, "folds": FOLDS}


def _register(
    conn: Connection,
    fitted: FittedHazards,
    training: TrainingSet,
    comparison: Comparison,
    version: str,
    data: str,
    metrics: dict[str, Any],
) -> None:
    """Write the file first: a registered model is always one that can be loaded."""
    versions = artifacts.library_versions()
    metadata = {
        "model_version": version,
        "training_fingerprint": data,
        "library_versions": versions,
    }
    content = {
        # Apart: who only scores need not import all that they are made of.
        "pipelines": artifacts.packed(fitted.pipelines),
        "additive": fitted.additive,
        "metadata": metadata,
    }
    artifact_file = f"{version}.joblib"
    sha256 = artifacts.save(content, artifacts.path_of(artifact_file))
    model = registry.Model(
        model_version=version,
        target=features.TARGET,
        training_fingerprint=data,
        training_rows=len(training.days),
        training_patients=_count_people(training),
        feature_names=list(features.FEATURE_NAMES),
        reference_patient=_describe_reference(fitted.additive),
        library_versions=versions,
        metrics=metrics,
        candidates=comparison.figures,
        chosen=dict(comparison.chosen),
        artifact_file=artifact_file,
        artifact_sha256=sha256,
    )
    registry.register(conn, model)


def _record_distributions(
    conn: Connection, version: str, additive: AdditiveHazards, x: Floats
) -> None:
    risks = cumulative_risk(additive.eta(x))
    columns = drift.columns_of(features.FEATURE_NAMES, x, HORIZON_DAYS, risks)
    drift.record_training(conn, version, columns)


def _describe_reference(additive: AdditiveHazards) -> dict[str, Any]:
    """Spell the reference patient out for readers; null is missing."""
    values = {
        name: None if np.isnan(value) else float(value)
        for name, value in zip(additive.feature_names, additive.reference, strict=True)
    }
    return {
        "name": REFERENCE_NAME,
        "values": values,
        "log_odds": [float(eta) for eta in additive.reference_eta],
    }
