"""The model registry: which models there are and which one is in force."""

from dataclasses import dataclass
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from python_scoring.warehouse import Connection


@dataclass(frozen=True, kw_only=True)
class Model:
    """One row of ``raw.model_registry``."""

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


_COLUMNS = ", ".join(Model.__dataclass_fields__)


def champion(conn: Connection, target: str) -> Model | None:
    """Find the model in force for a target, or None before the first training."""
    with conn.cursor(row_factory=class_row(Model)) as cursor:
        cursor.execute(
            f"select {_COLUMNS} from raw.model_registry"
            " where target = %s and is_champion",
            (target,),
        )
        return cursor.fetchone()


def register(conn: Connection, model: Model) -> None:
    """Put a model in force and retire the one before it.

    A version already registered is put in force again; its file may have been
    written anew by other libraries, so these three columns follow, and the rest
    stays as it was. The caller commits.
    """
    conn.execute(
        "update raw.model_registry set is_champion = false"
        " where target = %s and is_champion and model_version <> %s",
        (model.target, model.model_version),
    )
    values = {
        **model.__dict__,
        "reference_patient": Jsonb(model.reference_patient),
        "library_versions": Jsonb(model.library_versions),
        "metrics": Jsonb(model.metrics),
    }
    slots = ", ".join(f"%({name})s" for name in Model.__dataclass_fields__)
    conn.execute(
        f"insert into raw.model_registry ({_COLUMNS}, is_champion)"
        f" values ({slots}, true)"
        " on conflict (model_version) do update set is_champion = true,"
        " artifact_file = excluded.artifact_file,"
        " artifact_sha256 = excluded.artifact_sha256,"
        " library_versions = excluded.library_versions",
        values,
    )
