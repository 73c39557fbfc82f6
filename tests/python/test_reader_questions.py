"""The questions of docs/performance/questions.sql, as their readers ask them."""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest
from copies import Copy

from benchmarks import measure, questions
from benchmarks.questions import Asked, Asker

QUESTIONS = questions.questions()


@pytest.fixture(scope="module")
def asking(built: Copy) -> Iterator[list[Asker]]:
    """A published warehouse in force, and logins that read it."""
    built.administer("create database {} template {}", "questions", built.database)
    copy = replace(built, database="questions")
    with copy.in_force(), questions.askers("tries_asking") as who:
        yield who
    copy.drop()


def test_five_questions_are_told() -> None:
    assert list(QUESTIONS) == [
        "tier distribution of a window",
        "high risk per department",
        "target list, first page",
        "diabetics of a department",
        "one patient's record",
    ]
    told = (questions.DOCUMENTS / "questions.sql").read_text()
    for statements in QUESTIONS.values():
        for statement in statements:
            for name in ("organization", "window", "department", "patient"):
                statement = statement.replace(f"%({name})s", f":{name}")
            assert f"{statement};" in told


def test_every_question_has_an_answer_on_every_connection(asking: list[Asker]) -> None:
    asked = Asked(3_000, 3, 1.0, measure.machine())
    asyncio.run(questions.ask_together(asked, asking, QUESTIONS, every=0.05))
    assert asked.errors == {}
    assert len(asked.first) == 3 * len(QUESTIONS)
    assert set(asked.waited) == {asker.login for asker in asking}
    for waited in asked.waited.values():
        # One in twenty of a second may fall just within.
        assert sum(map(len, waited.values())) in (20, 21)
    table = questions.markdown([vars(asked)])
    assert "3 connections" in table
    assert " 0 errors" in table


def test_errors_are_counted_and_told(asking: list[Asker]) -> None:
    asked = Asked(3_000, 1, 0.35, measure.machine())
    # Of one connection's questions, the first is before it counts, the second fails.
    counted = (
        "select set_config('tries.n', (coalesce(nullif("
        "current_setting('tries.n', true), ''), '0')::int + 1)::text, false)"
    )
    fails_once = "select 1 / (2 - current_setting('tries.n')::int)"
    title = "target list, first page"
    of = {title: [counted, fails_once]}
    asyncio.run(questions.ask_together(asked, asking, of, every=0.1))
    assert asked.errors == {f"{title}: division by zero": 1}
    assert len(asked.waited[asking[0].login][title]) == 3
    table = questions.markdown([vars(asked)])
    assert " 1 errors" in table
    assert f"- 1 of {title}: division by zero" in table
    assert "| not asked |" in table


def test_answers_have_rows_and_only_those_of_the_reader(asking: list[Asker]) -> None:
    whole, endocrinology, _ = asking
    answers = {a.login: {t: _ask(a, t) for t in QUESTIONS} for a in asking}
    for asker in (whole, endocrinology):
        for title, tables in answers[asker.login].items():
            assert all(tables), f"{asker.login}: {title}"
    for asker in asking:
        of = answers[asker.login]
        assert len(of["tier distribution of a window"][0]) == 5
        patients, predictions, reasons, projections = of["one patient's record"]
        counts = len(patients), len(predictions), len(reasons), len(projections)
        assert counts == (1, 3, 9, 3)
    pages = {a.login: _ask(a, "target list, first page")[0] for a in asking}
    departments = {login: {row[2] for row in page} for login, page in pages.items()}
    assert len(departments[whole.login]) > 1
    assert len(departments[endocrinology.login]) == 1


def test_one_persons_reasons_are_not_looked_for_among_everybodys(
    asking: list[Asker],
) -> None:
    [reasons] = [s for s in QUESTIONS["one patient's record"] if "_reasons" in s]
    for asker in asking:
        with psycopg.connect(questions.target_of(asker)) as conn:
            values = asker.values(random.Random(1))
            plan = questions.plan_of(conn, reasons, values)
        assert any("predictions_pkey" in line for line in plan), plan
        assert not any("Seq Scan on predictions" in line for line in plan), plan


def _ask(asker: Asker, title: str) -> list[list[tuple[object, ...]]]:
    async def once() -> list[list[tuple[object, ...]]]:
        target = questions.target_of(asker)
        async with await psycopg.AsyncConnection.connect(target) as conn:
            values = asker.values(random.Random(1))
            return await questions.ask(conn, QUESTIONS[title], values)

    return asyncio.run(once())
