"""Two warehouses held against each other, mart by mart.

The same is: keys, integers, categories and texts equal, doubles within 1e-9 of each
other, rows in no order. Left out is what a run says of itself: its number, its
moments, and the random `patient_uuid`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import sql

from python_scoring.publication.relations import relations
from python_scoring.warehouse import Connection

RELATIVE = 1e-9

# Of the run, not of the data.
_OF_A_RUN = {"build_id", "patient_uuid", "evaluation_id", "batch_id"}
# Marts that tell of runs: their numbers of builds, batches and files differ.
NOT_COMPARED = {"builds"}

Rows = list[tuple[Any, ...]]


def marts(conn: Connection) -> list[str]:
    """Names that readers have, in order."""
    return sorted(relations(conn, "marts"))


def compared_columns(conn: Connection, mart: str) -> list[str]:
    """Columns of a mart that say the same in every run."""
    columns = relations(conn, "marts", mart)[mart].columns
    return [
        name for name in columns if name not in _OF_A_RUN and not name.endswith("_at")
    ]


def read(conn: Connection, mart: str, columns: Sequence[str]) -> Rows:
    """Read some columns of a mart."""
    query = sql.SQL("select {} from {}").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier("marts", mart)
    )
    return conn.execute(query).fetchall()


def differences(ours: Rows, theirs: Rows, columns: Sequence[str]) -> list[str]:
    """Say how two sets of rows differ, the first few of it.

    Rows are paired in the order of everything that must be equal, then of the
    doubles: those are close, so that their order is the same but for ties.
    """
    if len(ours) != len(theirs):
        return [f"{len(ours)} rows against {len(theirs)}"]
    found = []
    pairs = zip(sorted(ours, key=_order), sorted(theirs, key=_order), strict=True)
    for mine, other in pairs:
        for name, one, two in zip(columns, mine, other, strict=True):
            if not _same(one, two):
                found.append(f"{name}: {one!r} against {two!r}, in {mine!r}")
    return found[:5]


def _order(row: tuple[Any, ...]) -> tuple[Any, ...]:
    exact = tuple(_key(value) for value in row if not isinstance(value, float))
    doubles = tuple(
        (math.isnan(value), f"{value:+.6e}")
        for value in row
        if isinstance(value, float)
    )
    return (exact, doubles)


def _key(value: Any) -> tuple[str, Any]:
    if value is None:
        return ("", "")
    if isinstance(value, (int, bool)):
        return ("number", int(value))
    return (type(value).__name__, str(value))


def _same(one: Any, two: Any) -> bool:
    if isinstance(one, float) and isinstance(two, float):
        if math.isnan(one) or math.isnan(two):
            return math.isnan(one) and math.isnan(two)
        # Sums that cancel leave the last digits of what was added.
        return math.isclose(one, two, rel_tol=RELATIVE, abs_tol=1e-12)
    if isinstance(one, Mapping) and isinstance(two, Mapping):
        return dict(one) == dict(two)
    return bool(one == two and type(one) is type(two))
