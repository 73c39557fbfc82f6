"""An attacker with every suppressed mart over two builds."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from benchmarks.attacker import LEAST, Knowledge, Name, Tables, found_out
from benchmarks.hostile import PATIENT
from python_scoring import pipeline, warehouse
from python_scoring.intake import adding
from python_scoring.intake.documents import split
from python_scoring.warehouse import Connection

WINDOWS = ("30_day", "60_day", "90_day")
ROUNDS = 10


def look_at_changes() -> list[tuple[str, int, int]]:
    """Add a few people again and again, and count what the attacker finds."""
    pipeline.build()
    tried, found = 0, 0
    with warehouse.connect(autocommit=True) as conn, adding.intake() as intake:
        before = _look(conn)
        for number in range(ROUNDS):
            people = [_person(number, one) for one in range(1 + number % 4)]
            intake.add(list(split(json.dumps(people).encode())))
            after = _look(conn)
            pair = list(zip(before, after, strict=True))
            tried += len(small(true_counts(1, after[1])))
            for is_growth in (False, True):
                found += len(attack(*map(list, pair), is_growth=is_growth))
            before = after
    return [("counts under 11, and changes, over two builds", tried, found)]


def _look(conn: Connection) -> tuple[Tables, Tables]:
    """Read what is published of organization 1, and the truth."""
    row = conn.execute("select build_id from marts.builds where is_published")
    [number] = row.fetchone() or (None,)
    schema = f"build_{number}"
    return read(conn, schema), read(conn, schema, "")


def _person(number: int, one: int) -> dict[str, Any]:
    costs = {"annual_cost": 4_000 * (one + 1) + 900 * number, "inpatient_cost": 1_000}
    name = f"FEW-{number}-{one}"
    return {**PATIENT, **costs, "external_id": name, "age": 58 + 3 * number + one}


def read(conn: Connection, schema: str, suffix: str = "_suppressed") -> Tables:
    """Read the tables of organization 1; without a suffix, the true ones."""

    def rows(mart: str, columns: str, counts: str) -> list[tuple[Any, ...]]:
        return conn.execute(
            f"select {columns}, {counts} from {schema}.{mart}{suffix}"
            " where organization_id = 1".encode()
        ).fetchall()

    place = "department_id, prediction_window"
    cells = rows("dept_risk_distribution", f"{place}, risk_tier", "patient_count")
    tiers = "prediction_window, previous_tier, risk_tier"
    moves = rows("tier_migration", tiers, "patient_count")
    returns = rows(
        "roi_by_department", place, "positive_roi_count, excellent_roi_count"
    )
    return Tables(
        {(d, w, t): count for d, w, t, count in cells},
        {(d, w): (p, e) for d, w, p, e in returns},
        {(w, before, now): count for w, before, now, count in moves},
    )


def true_counts(build: int, truth: Tables) -> dict[Name, int]:
    """Return what is to be worked out, by the attacker's names."""
    counts: Counter[Name] = Counter()
    for (department, window, tier), count in truth.cells.items():
        counts[build, "x", department, window, tier] = count or 0
        counts[build, "t", window, tier] += count or 0
        if window == WINDOWS[0]:
            counts[build, "n", department] += count or 0
    for (department, window), pair in truth.returns.items():
        for kind, count in zip("pe", pair, strict=True):
            counts[build, kind, department, window] = count or 0
    for (window, before, now), count in truth.moves.items():
        counts[build, "m", window, before, now] = count or 0
        counts[build, "m"] += (count or 0) * (window == WINDOWS[0])
    return dict(counts)


def attack(
    seen: list[Tables], truths: list[Tables], *, is_growth: bool
) -> dict[Name, float]:
    """Work out what can be of one build or two, held against the truth.

    Parameters
    ----------
    seen, truths
        Published and true tables, by build.
    is_growth
        Whether the attacker knows that nobody left.

    Returns
    -------
    The counts and changes under 11 that are found out.
    """
    knowledge = Knowledge()
    for build, tables in enumerate(seen):
        knowledge.learn(build, tables)
    truth: dict[Name, int] = {}
    for build, tables in enumerate(truths):
        truth |= true_counts(build, tables)
    if len(seen) == 2:
        knowledge.learn_change(is_growth=is_growth)
        for name in [name for name in truth if name[0] == 0]:
            truth["change", *name[1:]] = truth[1, *name[1:]] - truth[name]
    # An attacker who took something for known that is not so would prove nothing.
    assert knowledge.allows(truth)
    return found_out(knowledge.intervals(small(truth)))


def small(truth: Mapping[Name, int]) -> list[Name]:
    """List the counts, and changes, of 1 to 10."""
    return [name for name, count in truth.items() if 1 <= abs(count) < LEAST]
