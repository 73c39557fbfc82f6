"""The 27 features: the model's contract, read from the one list that SQL reads too.

A feature's value is computed by dbt alone; this module only knows names, order,
types and how a row of ``int_patient_features`` becomes a row of a matrix.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from python_scoring import config, seeds
from python_scoring.errors import BadInput
from python_scoring.warehouse import Connection

TARGET = "readmission"
INTERMEDIATE_SCHEMA = "intermediate"
PATIENT_FEATURES = f"{INTERMEDIATE_SCHEMA}.int_patient_features"
PATIENT_OUTCOMES = f"{INTERMEDIATE_SCHEMA}.int_patient_outcomes"
FEATURES_FILE = config.PROJECT_DIR / "seeds" / "reference" / "features.csv"

# How each type leaves the database: SQL expression and numpy field.
_COPY_TYPES = {
    "flag": ("cast({} as smallint)", "i2"),
    "code": ("cast({} as smallint)", "i2"),
    "integer": ("cast({} as integer)", "i4"),
    "number": ("cast({} as double precision)", "f8"),
    "optional_integer": (
        "coalesce(cast({} as double precision), 'NaN'::float8)",
        "f8",
    ),
}


@dataclass(frozen=True, slots=True)
class Feature:
    """One line of ``features.csv``; bounds are None where the file has none."""

    feature_id: int
    name: str
    group: str
    is_base_field: bool
    data_type: str
    minimum: float | None
    maximum: float | None
    unit: str
    label: str

    @property
    def is_continuous(self) -> bool:
        """True for counts, costs and scores: what gets a curve, not a level."""
        return self.data_type in {"integer", "optional_integer", "number"}

    @property
    def is_nullable(self) -> bool:
        """True where missing is a value of its own (no admission on record)."""
        return self.data_type == "optional_integer"


def read_features(path: Path = FEATURES_FILE) -> tuple[Feature, ...]:
    """Read the feature list, in order of ``feature_id``.

    Raises
    ------
    BadInput
        If ids are not 1, 2, 3, ... or a data type is unknown.
    """
    features = [_feature(row) for row in seeds.rows(path)]
    features.sort(key=lambda feature: feature.feature_id)
    ids = [feature.feature_id for feature in features]
    if ids != list(range(1, len(ids) + 1)):
        raise BadInput(f"{path.name}, feature_id: {ids}; expected 1, 2, 3, ... once")
    for feature in features:
        if feature.data_type not in _COPY_TYPES:
            raise BadInput(
                f"{path.name}, feature {feature.name}, data_type: "
                f"{feature.data_type!r}; expected one of {sorted(_COPY_TYPES)}"
            )
    return tuple(features)


def _feature(row: Mapping[str, str]) -> Feature:
    return Feature(
        feature_id=int(row["feature_id"]),
        name=row["feature_name"],
        group=row["feature_group"],
        is_base_field=row["is_base_field"] == "true",
        data_type=row["data_type"],
        minimum=float(row["minimum"]) if row["minimum"] else None,
        maximum=float(row["maximum"]) if row["maximum"] else None,
        unit=row["unit"],
        label=row["label"],
    )


FEATURES = read_features()
FEATURE_NAMES = tuple(feature.name for feature in FEATURES)


def copy_columns(relation: str) -> str:
    """Select list of all features of ``relation``, without nulls, in contract order."""
    return ", ".join(
        f"{_COPY_TYPES[feature.data_type][0].format(f'{relation}.{feature.name}')}"
        f" as {feature.name}"
        for feature in FEATURES
    )


def copy_fields() -> list[tuple[str, str]]:
    """Numpy fields of what ``copy_columns`` selects."""
    return [(feature.name, _COPY_TYPES[feature.data_type][1]) for feature in FEATURES]


def matrix(
    columns: Mapping[str, ArrayLike] | NDArray[np.void],
    names: Sequence[str] | None = None,
) -> NDArray[np.float64]:
    """Arrange named columns as the model's matrix.

    Parameters
    ----------
    columns
        A mapping of feature name to (n,) values, or a structured array whose
        other fields are ignored when ``names`` says which are features.
    names
        The columns to take as features; all of ``columns`` by default.

    Returns
    -------
    (n, 27) float64, one contiguous column a feature; missing is NaN.

    Raises
    ------
    BadInput
        If a feature is missing, unknown, or not finite where it must be.
    """
    given = tuple(names if names is not None else _names(columns))
    missing = [name for name in FEATURE_NAMES if name not in given]
    unknown = [name for name in given if name not in FEATURE_NAMES]
    if missing or unknown:
        raise BadInput(
            f"features: missing {missing}, unknown {unknown}; "
            f"expected the {len(FEATURE_NAMES)} of {FEATURES_FILE.name}"
        )
    count = len(np.asarray(columns[FEATURE_NAMES[0]]))
    values = np.empty((count, len(FEATURE_NAMES)), order="F")
    for position, name in enumerate(FEATURE_NAMES):
        values[:, position] = columns[name]
    check_finite(values)
    return values


def _names(columns: Mapping[str, ArrayLike] | NDArray[np.void]) -> Sequence[str]:
    if isinstance(columns, np.ndarray):
        return columns.dtype.names or ()
    return tuple(columns)


def check_finite(values: NDArray[np.float64]) -> None:
    """Refuse NaN and infinity, except NaN in a feature that may be missing.

    Raises
    ------
    BadInput
        Naming the feature, the row (from 1) and the value.
    """
    if values.ndim != 2 or values.shape[1] != len(FEATURES):
        raise BadInput(
            f"features: a matrix of shape {values.shape}; "
            f"expected {len(FEATURES)} columns"
        )
    for feature, column in zip(FEATURES, values.T, strict=True):
        wrong = np.isinf(column) if feature.is_nullable else ~np.isfinite(column)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise BadInput(
                f"feature {feature.name}, row {row + 1}: {column[row]}; "
                "expected a finite number"
            )


def check_built(connection: Connection) -> None:
    """Refuse to go on before dbt has built what Python reads.

    Raises
    ------
    BadInput
        Naming the relation that is not there.
    """
    for relation in (PATIENT_FEATURES, PATIENT_OUTCOMES):
        row = connection.execute("select to_regclass(%s)", (relation,)).fetchone()
        if row is None or row[0] is None:
            raise BadInput(
                f"{relation}: no such relation; expected dbt to have built it, "
                "as `riskmart build` does"
            )
