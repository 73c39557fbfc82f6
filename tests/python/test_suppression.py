"""Nobody works a small count out of the suppressed marts, of one build or of two."""

import itertools
import json
import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from copies import Copy
from numpy.typing import NDArray
from test_add import PERSON

from benchmarks.attacker import (
    LEAST,
    Count,
    Knowledge,
    Name,
    Tables,
    found_out,
    rounded,
)
from benchmarks.security_suppression import WINDOWS, attack, read, true_counts
from python_scoring import project_vars, warehouse
from python_scoring.intake import adding, plan
from python_scoring.intake.documents import split
from python_scoring.publication import builds

TIERS = range(1, 6)
SUMMARIES = ("risk_sums", "roi_sums", "tier_change_sums")


@pytest.fixture(scope="module")
def shop(built: Copy) -> Iterator[Copy]:
    copy = built.clone("suppressing").published()
    with copy.in_force():
        yield copy
    copy.drop()


def look(schema: str, suffix: str = "_suppressed") -> Tables:
    with warehouse.connect() as conn:
        return read(conn, schema, suffix)


def test_the_least_count_is_the_projects() -> None:
    assert project_vars.count("smallest_published_count") == LEAST


def test_a_few_who_come_are_not_seen(shop: Copy) -> None:
    build = shop.value("select build_id from marts.builds where is_published")
    schema = f"build_{build}"
    seen, truths = [look(schema)], [look(schema, "")]
    people = [
        PERSON | {"external_id": f"FEW-{n}", "age": 60 + 7 * n, "annual_cost": 9000 * n}
        for n in range(1, 5)
    ]
    with adding.intake() as intake:
        intake.add(list(split(json.dumps(people).encode())))
    seen.append(look(schema))
    truths.append(look(schema, ""))
    assert truths[0].cells != truths[1].cells
    assert {count for one in seen for count in one.cells.values()} >= {None, LEAST}
    for is_growth in (False, True):
        assert attack(seen, truths, is_growth=is_growth) == {}


# People of small departments, some of whom were there before: department, and tier
# (from 0), tier before and return by window. Return: 0 none, 1 positive, 2 excellent.
People = dict[str, NDArray[np.int64]]


def draw(seed: int) -> tuple[People, People]:
    """A small organization, and the same with a few people more."""
    random = np.random.default_rng(seed)
    sizes = random.integers(5, 130, 3)
    count = int(sizes.sum())
    skew = random.uniform(0.2, 3.0, 5)
    people = {
        "department": np.repeat(np.arange(1, 4), sizes),
        "tier": random.choice(5, (count, 3), p=skew / skew.sum()),
        "before": random.choice(5, (count, 3), p=skew[::-1] / skew.sum()),
        "return": random.integers(0, 3, (count, 3)),
        "is_old": random.random(count) < 0.7,
    }
    few = random.choice(count, 4)
    more = {name: np.concatenate([a, a[few]]) for name, a in people.items()}
    return people, more


def count(people: People) -> Tables:
    """The true tables of some people."""
    cells = {key: 0 for key in itertools.product(range(1, 4), WINDOWS, TIERS)}
    returns = {key: [0, 0] for key in itertools.product(range(1, 4), WINDOWS)}
    moves = {key: 0 for key in itertools.product(WINDOWS, TIERS, TIERS)}
    for place, department in enumerate(people["department"].tolist()):
        for number, window in enumerate(WINDOWS):
            tier, before, gain = (
                int(people[name][place, number])
                for name in ("tier", "before", "return")
            )
            cells[department, window, tier + 1] += 1
            returns[department, window][0] += gain > 0
            returns[department, window][1] += gain > 1
            moves[window, before + 1, tier + 1] += bool(people["is_old"][place])
    pairs: dict[tuple[int, str], tuple[Count, Count]] = {
        key: (pair[0], pair[1]) for key, pair in returns.items()
    }
    return Tables(dict(cells), pairs, dict(moves))


def publish(copy: Copy, truth: Tables) -> Tables:
    """What the models make of some people, by the SQL that the build keeps."""
    with warehouse.connect() as conn:
        build = builds.published(conn)
        assert build
        schema = build.schema
        for table in SUMMARIES:
            conn.execute(f"delete from {schema}.{table}".encode())
        _insert(conn, schema, truth)
        for step in plan.read(conn, build.build_id):
            if step.name.endswith("_suppressed"):
                statement = step.statement.replace(plan.BUILD, schema)
                conn.execute(
                    f"delete from {step.relation}".replace(plan.BUILD, schema).encode()
                )
                names = ", ".join(step.columns)
                target = step.relation.replace(plan.BUILD, schema)
                conn.execute(
                    f"insert into {target} ({names}) select {names}"
                    f" from ({statement}\n) as made".encode()
                )
        conn.commit()
    seen = look(schema)
    return replace(
        seen,
        cells={key: count for key, count in seen.cells.items() if key in truth.cells},
        returns={k: pair for k, pair in seen.returns.items() if k in truth.returns},
    )


def _insert(conn: warehouse.Connection, schema: str, truth: Tables) -> None:
    for (department, window, tier), count in truth.cells.items():
        if count:
            conn.execute(
                f"insert into {schema}.risk_sums (organization_id, prediction_window,"
                " department_id, risk_tier, patient_count, total_risk_score)"
                " values (1, %s, %s, %s, %s, 0)".encode(),
                (window, department, tier, count),
            )
    for (department, window), pair in truth.returns.items():
        conn.execute(
            f"insert into {schema}.roi_sums"
            " select 1, %s, %s, 0, %s, %s, 0, 0, 0, 0".encode(),
            (window, department, *pair),
        )
    for (window, before, now), count in truth.moves.items():
        if count:
            conn.execute(
                f"insert into {schema}.tier_change_sums"
                " select 1, %s, %s, %s, %s".encode(),
                (window, before, now, count),
            )


@pytest.mark.parametrize("seed", range(4))
def test_small_organizations_tell_nothing(shop: Copy, seed: int) -> None:
    truths = [count(people) for people in draw(seed)]
    seen = [publish(shop, truth) for truth in truths]
    assert any(count is not None for count in seen[0].cells.values())
    for is_growth in (False, True):
        assert attack(seen, truths, is_growth=is_growth) == {}


@pytest.mark.parametrize("seed", range(4, 8))
def test_whatever_is_hidden_could_be_empty(shop: Copy, seed: int) -> None:
    seen = publish(shop, count(draw(seed)[0]))
    knowledge = Knowledge()
    knowledge.learn(0, seen)
    hidden: list[Name] = [
        (0, "x", *key) for key, shown in seen.cells.items() if shown is None
    ]
    assert hidden
    intervals = knowledge.intervals(hidden)
    assert {low for low, _ in intervals.values()} == {0}


# One department of 50: ten in each tier of the first window, all in one tier of the
# others, who are shown as 55.
SPREAD = Tables(
    {
        (1, window, tier): 10 if window == WINDOWS[0] else 50 * (tier == 1)
        for window, tier in itertools.product(WINDOWS, TIERS)
    },
    {(1, window): (0, 0) for window in WINDOWS},
    {key: 0 for key in itertools.product(WINDOWS, TIERS, TIERS)},
)


def only_rounded(truth: Tables) -> Tables:
    """What would be published if each cell stood alone."""
    return Tables(
        {key: rounded(count or 0) for key, count in truth.cells.items()},
        {k: (rounded(p or 0), rounded(e or 0)) for k, (p, e) in truth.returns.items()},
        {key: rounded(count or 0) for key, count in truth.moves.items()},
    )


def test_windows_that_tell_of_each_other_are_withheld(shop: Copy) -> None:
    """Sabotage: rounding alone lets the attacker find each ten."""
    found = attack([only_rounded(SPREAD)], [SPREAD], is_growth=False)
    assert {name: ten for name, ten in found.items() if name[3] == WINDOWS[0]} == {
        (0, "x", 1, WINDOWS[0], tier): 10 for tier in TIERS
    }
    seen = publish(shop, SPREAD)
    assert set(seen.cells.values()) == {None}
    assert attack([seen], [SPREAD], is_growth=False) == {}


def test_the_attacker_finds_people_in_true_totals() -> None:
    """Sabotage: cells are rounded, and the totals of departments are true."""
    truths = [count(people) for people in draw(1)]
    knowledge = Knowledge()
    for build, truth in enumerate(truths):
        knowledge.learn(build, only_rounded(truth))
        for name, total in true_counts(build, truth).items():
            if name[1] == "n":
                knowledge.bounds[name] = (total, total)
    knowledge.learn_change(is_growth=True)
    assert found_out(knowledge.intervals([("change", "n", d) for d in (1, 2, 3)]))


def test_the_attacker_finds_cells_that_are_hidden_alone() -> None:
    """Sabotage: only small cells are hidden, and beside them stand true totals."""
    truth = count(draw(2)[0])
    knowledge = Knowledge()
    knowledge.learn(0, only_rounded(truth))
    for name, true_count in true_counts(0, truth).items():
        if name[1] in "nt" or (name[1] == "x" and true_count >= LEAST):
            knowledge.bounds[name] = (true_count, true_count)
    names = [name for name in knowledge.bounds if name[1] == "x"]
    found = found_out(knowledge.intervals(names))
    assert found
    assert all(true_counts(0, truth)[name] == low for name, low in found.items())
    assert all(math.isfinite(low) for low in found.values())
