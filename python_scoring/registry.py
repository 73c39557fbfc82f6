"""The model registry: which models there are, and which one was in force when."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from psycopg.types.json import Jsonb

from python_scoring import warehouse
from python_scoring.audit import store as trail
from python_scoring.errors import BadInput
from python_scoring.warehouse import Connection


@dataclass(frozen=True, kw_only=True)
class Model:
    """One row of ``raw.model_registry``.

    Parameters
    ----------
    role
        What it was registered as: ``champion``, to be in force, or ``challenger``.
    candidates
        Cross-validated figures, by hazard and candidate.
    chosen
        The candidate that a hazard is made of, by hazard.
    """

    model_version: str
    target: str
    training_fingerprint: str
    training_rows: int
    feature_names: list[str]
    reference_patient: dict[str, Any]
    library_versions: dict[str, str]
    metrics: dict[str, Any]
    artifact_file: str
    artifact_sha256: str
    training_patients: int | None = None
    candidates: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    chosen: dict[str, str] = field(default_factory=dict)
    role: str = "champion"


_COLUMNS = ", ".join(Model.__dataclass_fields__)
_FILLED = ", ".join(
    f"{name} = case when old.candidates = '{{}}' then excluded.{name}"
    f" else old.{name} end"
    for name in ("training_patients", "metrics", "candidates", "chosen")
)
_QUALIFIED = ", ".join(f"models.{name}" for name in Model.__dataclass_fields__)


def champion(conn: Connection, target: str) -> Model | None:
    """Find the model in force for a target, or None before the first training."""
    return _find(
        conn,
        f"select {_COLUMNS} from raw.model_registry"
        " where target = %(target)s and is_champion",
        {"target": target},
    )


def in_force(conn: Connection, target: str, day: date) -> Model | None:
    """Find the model that was in force when a day ended (UTC), or None before any.

    Its file columns are the present ones: they may have been written anew.
    """
    return _find(
        conn,
        f"select {_QUALIFIED} from raw.model_terms as terms"
        " inner join raw.model_registry as models using (model_version)"
        " where terms.target = %(target)s"
        " and terms.promoted_at < (%(day)s::date + 1)::timestamp at time zone 'UTC'"
        " order by terms.promoted_at desc limit 1",
        {"target": target, "day": day},
    )


def find(conn: Connection, version: str) -> Model | None:
    """Find a registered model by its version."""
    return _find(
        conn,
        f"select {_COLUMNS} from raw.model_registry where model_version = %(version)s",
        {"version": version},
    )


def _find(conn: Connection, query: str, values: dict[str, Any]) -> Model | None:
    found = warehouse.fetch_as(conn, Model, query, values)
    return found[0] if found else None


def register(conn: Connection, model: Model) -> None:
    """Enter a model; a champion is put in force, and the one before it retired.

    A version already registered is put in force again; its file may have been
    written anew by other libraries, so these three columns follow. What an earlier
    version of riskmart did not note of it is filled in, and the rest stays as it
    was. A challenger changes nothing about what is in force. The
    caller commits.
    """
    values = {
        **model.__dict__,
        "reference_patient": Jsonb(model.reference_patient),
        "library_versions": Jsonb(model.library_versions),
        "metrics": Jsonb(model.metrics),
        "candidates": Jsonb(model.candidates),
        "chosen": Jsonb(model.chosen),
    }
    slots = ", ".join(f"%({name})s" for name in Model.__dataclass_fields__)
    with conn.transaction():
        conn.execute(
            "insert into raw.model_registry as old"
            f" ({_COLUMNS}, is_champion, trained_at)"
            f" values ({slots}, false, clock_timestamp())"
            " on conflict (model_version) do update set"
            " artifact_file = excluded.artifact_file,"
            " artifact_sha256 = excluded.artifact_sha256,"
            " library_versions = excluded.library_versions,"
            f" {_FILLED}",
            values,
        )
        is_promoted = model.role == "champion" and _promote(
            conn, model.target, model.model_version
        )
        _record_registration(conn, model)
        if is_promoted:
            _record_promotion(conn, model.target, model.model_version)


def _record_registration(conn: Connection, model: Model) -> None:
    detail = {
        "target": model.target,
        "role": model.role,
        "training_fingerprint": model.training_fingerprint,
        "artifact_sha256": model.artifact_sha256,
    }
    rows = model.training_rows
    trail.record(conn, "registration", model.model_version, rows, detail=detail)


def _record_promotion(conn: Connection, target: str, version: str) -> None:
    trail.record(conn, "promotion", version, detail={"target": target})


def promote(conn: Connection, target: str, version: str) -> None:
    """Put a registered version in force, if it is not; the caller commits.

    Its term begins at the moment at which the other model's ends.

    Raises
    ------
    BadInput
        If the target has no such version; the model in force stays.
    """
    with conn.transaction():
        if _promote(conn, target, version):
            _record_promotion(conn, target, version)


def _promote(conn: Connection, target: str, version: str) -> bool:
    """Put a version in force; False if it was."""
    known = conn.execute(
        "select is_champion, clock_timestamp() from raw.model_registry"
        " where target = %s and model_version = %s",
        (target, version),
    ).fetchone()
    if known is None:
        raise BadInput(f"{version}: no such model; expected a registered {target} one")
    is_champion, now = known
    if not is_champion:
        _replace(conn, target, version, now)
    return not is_champion


def _replace(conn: Connection, target: str, version: str, now: datetime) -> None:
    conn.execute(
        "update raw.model_registry set is_champion = false"
        " where target = %s and is_champion",
        (target,),
    )
    conn.execute(
        "update raw.model_terms set retired_at = %s"
        " where target = %s and retired_at is null",
        (now, target),
    )
    conn.execute(
        "update raw.model_registry set is_champion = true where model_version = %s",
        (version,),
    )
    conn.execute(
        "insert into raw.model_terms (target, model_version, promoted_at)"
        " values (%s, %s, %s)",
        (target, version, now),
    )
