"""A model as rows of `raw.model_curves`, and the model that such rows are."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

import numpy as np

from python_scoring import registry
from python_scoring.errors import BadInput
from python_scoring.readmission import versions
from python_scoring.readmission.additive import AdditiveHazards, Floats
from python_scoring.readmission.terms import (
    CodeTable,
    Curve,
    CurveAndSteps,
    Steps,
    Term,
)
from python_scoring.warehouse import Connection

# feature_id, hazard, part, place, lies_at, log_odds
Row = tuple[int, int, str, int, float | None, float]


def rows_of(hazards: AdditiveHazards) -> list[Row]:
    """Lay a model's terms out as the table's rows."""
    return [
        (feature_id, *row)
        for feature_id, term in enumerate(hazards.terms, start=1)
        for row in _rows(term)
    ]


def _rows(term: Term) -> Iterator[tuple[int, str, int, float | None, float]]:
    if isinstance(term, CurveAndSteps):
        yield from _rows(term.curve)
        yield from _rows(term.steps)
        return
    part, points, elsewhere = _parts(term)
    for hazard, values in enumerate(term.values.tolist(), start=1):
        yield hazard, part, 0, None, float(elsewhere[hazard - 1])
        for place, (point, value) in enumerate(
            zip(points.tolist(), values, strict=True), start=1
        ):
            yield hazard, part, place, point, value


def _parts(term: Curve | Steps | CodeTable) -> tuple[str, Floats, Floats]:
    if isinstance(term, Curve):
        return "curve", term.knots, term.missing
    if isinstance(term, Steps):
        return "steps", np.append(term.edges, np.inf), term.missing
    return "code", term.codes, term.other


def hazards_of(model: registry.Model, rows: Iterable[Row]) -> AdditiveHazards:
    """Put a model together from its rows and its line in the registry.

    Raises
    ------
    BadInput
        They are not what the model was registered as: its version says so, which is
        a hash of what it computes.
    """
    by_feature = {
        feature_id: [row[1:] for row in group]
        for feature_id, group in groupby(sorted(rows, key=_key), lambda row: row[0])
    }
    try:
        found = _hazards(model, by_feature)
    except (KeyError, TypeError, ValueError, np.exceptions.AxisError):
        found = None
    if found is None or versions.version_of(model.training_fingerprint, found) != (
        model.model_version
    ):
        raise BadInput(
            f"raw.model_curves: the rows of {model.model_version} are not the model "
            "that was registered; some were changed, added or removed. Delete them: "
            "the next `riskmart score --in-database` exports the model's file anew"
        )
    return found


def _key(row: Row) -> tuple[int, int, str, int]:
    return row[:4]


def _hazards(
    model: registry.Model, by_feature: dict[int, list[tuple[Any, ...]]]
) -> AdditiveHazards:
    given = model.reference_patient
    values = [given["values"][name] for name in model.feature_names]
    reference = np.array([np.nan if v is None else float(v) for v in values])
    ids = range(1, len(model.feature_names) + 1)
    if set(by_feature) != set(ids):
        raise KeyError(sorted(by_feature))
    return AdditiveHazards(
        tuple(model.feature_names),
        reference,
        np.array(given["log_odds"], dtype=np.float64),
        tuple(_term(by_feature[feature_id]) for feature_id in ids),
    )


def _term(rows: list[tuple[Any, ...]]) -> Term:
    terms = [_whole(part, rows) for part in sorted({row[1] for row in rows})]
    if len(terms) == 1:
        return terms[0]
    curve, steps = terms
    if not isinstance(curve, Curve) or not isinstance(steps, Steps):
        raise ValueError("a feature of parts that do not go together")
    return CurveAndSteps(curve, steps)


def _whole(part: str, rows: list[tuple[Any, ...]]) -> Curve | Steps | CodeTable:
    of_part = [row for row in rows if row[1] == part]
    hazards = [list(group) for _, group in groupby(of_part, lambda row: row[0])]
    values = np.array([[row[4] for row in group] for group in hazards])
    points = [[row[3] for row in group[1:]] for group in hazards]
    if any(other != points[0] for other in points):
        raise ValueError("hazards of different points")
    at, elsewhere = np.array(points[0], dtype=np.float64), values[:, 0]
    known = np.ascontiguousarray(values[:, 1:])
    if part == "curve":
        return Curve(at, known, elsewhere)
    if part == "steps":
        return Steps(at[:-1], known, elsewhere)
    return CodeTable(at, known, elsewhere)


def record(conn: Connection, model_version: str, hazards: AdditiveHazards) -> None:
    """Keep a registered model's terms, unless they are there."""
    rows = [(model_version, *row) for row in rows_of(hazards)]
    with conn.transaction(), conn.cursor() as cursor:
        cursor.executemany(
            "insert into raw.model_curves values (%s, %s, %s, %s, %s, %s, %s)"
            " on conflict do nothing",
            rows,
        )


def read(conn: Connection, model: registry.Model) -> AdditiveHazards | None:
    """Read a model from its rows; None where it was registered before they were kept.

    Raises
    ------
    BadInput
        The rows are not the model.
    """
    rows = conn.execute(
        "select feature_id, hazard, part, place, lies_at, log_odds"
        " from raw.model_curves where model_version = %s",
        (model.model_version,),
    ).fetchall()
    return hazards_of(model, rows) if rows else None
