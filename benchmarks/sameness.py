"""Whether two sets of marts say the same: keys alike, doubles within 1e-9."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from python_scoring import warehouse
from python_scoring.publication.relations import Relation, relations
from python_scoring.warehouse import Connection

# Of a build and its scoring run, not of its people; and when, which is another time.
_NOT_COMPARED = {"builds", "model_drift"}
_RUN_COLUMNS = {"build_id", "calculated_at"}

# Not what leaves controls out (targeting_*): each twin is drawn for itself. Those marts
# are held against a full build.
_TWINS = {
    "patient_features": "",
    "predictions": "prediction_window, risk_score, risk_tier, reason_1, reason_3",
    "financial_projections": "prediction_window, net_benefit, roi_category",
    "positive_roi_patients": "prediction_window, department_id, net_benefit",
    "roi_uncertainty": "prediction_window, net_benefit_p05, positive_roi_probability",
}
_SUMMARIES = (
    *("org_tier_summary", "dept_risk_distribution", "roi_aggregations"),
    *("roi_by_department", "cohort_comparison"),
    "roi_scenario_totals",
)


def differences(schema: str, other: str) -> list[str]:
    """Compare all marts of two builds, and say where they differ."""
    with warehouse.connect() as conn:
        mine, theirs = relations(conn, schema), relations(conn, other)
        found = [f"{name}: only in one" for name in set(mine) ^ set(theirs)]
        for name in sorted(set(mine) & set(theirs) - _NOT_COMPARED):
            count = _count(conn, name, mine[name], schema, other)
            if count:
                found.append(f"{name}: {count} rows differ")
    return found


def _count(
    conn: Connection, name: str, relation: Relation, schema: str, other: str
) -> int:
    columns = {
        column: described.data_type
        for column, described in relation.columns.items()
        if column not in _RUN_COLUMNS
    }
    near = [c for c, kind in columns.items() if kind == "double precision"]
    exact = [c for c in columns if c not in near]
    sides = [_side(f"{s}.{name}", exact, near) for s in (schema, other)]
    return _value(
        conn,
        f"select count(*) from ({sides[0]}) as a full join ({sides[1]}) as b"
        f" using (key, place) where {_differ(near)}",
    )


def _side(relation: str, exact: Sequence[str], near: Sequence[str]) -> str:
    """Select rows by all that must be alike; of such rows the first, the second, ..."""
    key = f"row({', '.join(exact)})::text"
    order = ", ".join(near) or "1"
    values = "".join(f", {column}" for column in near)
    return (
        f"select {key} as key, row_number() over (partition by {key} order by {order})"
        f" as place, true as is_there{values} from {relation}"
    )


def _differ(near: Iterable[str]) -> str:
    tests = ["a.is_there is null", "b.is_there is null"]
    tests += [
        f"(a.{c} is null) <> (b.{c} is null)"
        f" or abs(a.{c} - b.{c}) > 1e-9 * greatest(1, abs(a.{c}))"
        for c in near
    ]
    return " or ".join(tests)


def twins(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Compare organizations that got the same, and say which differ in what."""
    found = []
    with warehouse.connect() as conn:
        queries = [_people(mart, columns) for mart, columns in _TWINS.items()]
        queries += [_summary(conn, mart) for mart in _SUMMARIES]
        for one, other in pairs:
            for query in queries:
                mine, theirs = (_sorted(conn, query, code) for code in (one, other))
                if not mine or not _alike(mine, theirs):
                    found.append(f"{one} and {other} differ in: {query}")
    return found


def _sorted(conn: Connection, query: str, code: str) -> list[tuple[Any, ...]]:
    """Read rows, in the order of what must be alike."""
    rows = conn.execute(query.encode(), (code,)).fetchall()
    return sorted(rows, key=lambda row: str([v for v in row if not _is_sum(v)]))


def _alike(mine: Sequence[tuple[Any, ...]], theirs: Sequence[tuple[Any, ...]]) -> bool:
    return len(mine) == len(theirs) and all(
        _is_near(a, b)
        for row, other in zip(mine, theirs, strict=True)
        for a, b in zip(row, other, strict=True)
    )


def _is_near(one: Any, other: Any) -> bool:
    """Compare values; sums, which were added in other orders, to nine digits."""
    if _is_sum(one) and _is_sum(other):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return bool(one == other)


def _is_sum(value: Any) -> bool:
    return isinstance(value, float)


def _people(mart: str, columns: str) -> str:
    own = "'{build_id,patient_id,organization_id}'::text[]"
    shown = columns or f"to_jsonb(rows) - {own}"
    return (
        f"select registry.external_id, {shown} from marts.{mart} as rows"
        " inner join raw.patient_registry as registry using (patient_id)"
        " where registry.org_code = %s"
    )


def _summary(conn: Connection, mart: str) -> str:
    columns = relations(conn, "marts", mart)[mart].columns
    shown = [name for name in columns if name not in ("build_id", "organization_id")]
    return (
        f"select {', '.join(shown)} from marts.{mart} where organization_id ="
        " (select organization_id from marts.organizations where org_code = %s)"
    )


def _value(conn: Connection, query: str) -> int:
    row = conn.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])
