"""The ten questions of docs/dashboard.md: page, SQL and metric give the same number."""

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace

import pandas as pd
import pytest
from asking import Asking
from copies import REPOSITORY, Copy
from looks import Look, required_chromium
from playwright.sync_api import Browser

from benchmarks.browsers import browser, served
from python_scoring.dashboard import pays_pictures

DOCUMENT = REPOSITORY / "docs" / "dashboard.md"


def questions() -> dict[int, tuple[str, str]]:
    """Page and SQL of each question, by its number."""
    text = DOCUMENT.read_text()
    asked = re.findall(r"^\| (\d+) \| [^|]*\? \| ([^,|]+?)(?:,.*)? \|$", text, re.M)
    answers = dict(re.findall(r"^-- (\d+)\n(select .*;)$", text, re.M))
    return {int(n): (page, answers[n]) for n, page in asked}


def metrics() -> dict[int, list[str]]:
    """What `riskmart mf` is asked of a question, by its number."""
    text = DOCUMENT.read_text()
    lines = re.findall(r"^# (\d+)\n\./riskmart mf (query .*)$", text, re.M)
    return {int(number): shlex.split(line) for number, line in lines}


def _cell(caption: str, row: str, column: str) -> Callable[[Look], str]:
    """Read a cell of a table by what heads it."""

    def read(look: Look) -> str:
        table = look.page.locator("table").filter(
            has=look.page.locator("caption").filter(has_text=caption)
        )
        heads = table.locator("thead th").all_text_contents()
        line = table.locator("tbody tr").filter(
            has=look.page.locator("th").filter(has_text=re.compile(f"^{row}$"))
        )
        cells = line.first.locator("th, td").all_text_contents()
        return cells[heads.index(column)]

    return read


def _first(selector: str) -> Callable[[Look], str]:
    return lambda look: look.page.locator(selector).first.text_content() or ""


def _metric(label: str) -> Callable[[Look], str]:
    def read(look: Look) -> str:
        metric = look.page.locator('[data-testid="stMetric"]').filter(has_text=label)
        value = metric.locator('[data-testid="stMetricValue"]')
        return (value.text_content() or "").strip()

    return read


def _last_of(caption: str) -> Callable[[Look], str]:
    def read(look: Look) -> str:
        table = look.page.locator("table").filter(
            has=look.page.locator("caption").filter(has_text=caption)
        )
        return table.locator("tbody th").last.text_content() or ""

    return read


def _measured(look: Look) -> str:
    """Read the effect, or in words why there is none."""
    effect = "measured effect, points (95 % interval)"
    found = _cell("Measured effect", "[A-Za-z0-9_]+", effect)(look)
    if found == "–":
        return _cell("Measured effect", "[A-Za-z0-9_]+", "finding")(look)
    return found.split()[0]


def _points_or_words(value: object) -> str:
    words = pays_pictures.STATUSES.get(str(value))
    return words or f"{float(str(value)):+.1f}"


def _whole(value: object) -> str:
    return f"{round(float(str(value))):,}"


def _dollars(value: object) -> str:
    return f"${_whole(value)}".replace("$-", "-$")


def _figure(value: object) -> str:
    return f"{float(str(value)):.2f}"


READ: dict[int, tuple[Callable[[Look], str], Callable[[object], str]]] = {
    1: (_metric("High or critical, 30 days"), _whole),
    2: (_cell("Projected return by window", "30 days", "net benefit"), _dollars),
    3: (_last_of("Net benefit by department"), str),
    4: (_first(".rm-table tbody a"), str),
    5: (_cell("Why this score", "1", "reason"), str),
    6: (_metric("ROI of the next dollar"), lambda value: f"{_whole(value)} %"),
    # The first row of a window is the conservative scenario's.
    7: (_cell("Net benefit by scenario", "30 days", "net benefit"), _dollars),
    8: (lambda look: _metric("above 95 %")(look).split()[0], _whole),
    9: (_measured, _points_or_words),
    10: (_cell("The model in force", "30 days", "observed / expected"), _figure),
}


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with browser(required_chromium()) as started:
        yield started


@pytest.fixture(scope="module")
def look(built: Copy, chrome: Browser) -> Iterator[Look]:
    with built.in_force(), served(None) as address:
        found = Look(chrome.new_page())
        found.open(address)
        yield found


def test_every_question_has_a_page_and_a_line_of_sql() -> None:
    asked = questions()
    assert list(asked) == list(READ) == list(range(1, 11))


def _seen(number: int, look: Look) -> str:
    title, _ = questions()[number]
    look.go(title)
    look.page.locator(".rm-table").first.wait_for(state="attached")
    return READ[number][0](look)


@pytest.mark.parametrize("number", READ)
def test_a_page_and_its_sql_give_the_same_answer(
    number: int, look: Look, built: Copy
) -> None:
    _, query = questions()[number]
    _, write = READ[number]
    assert _seen(number, look) == write(built.value(query.rstrip(";")))


def test_a_measured_effect_is_the_same_on_its_page(
    built: Copy, chrome: Browser
) -> None:
    built.administer("create database {} template {}", "measured", built.database)
    copy = replace(built, database="measured")
    with copy.in_force():
        copy.execute(
            "update marts.programme_results set programme_code = 'CALLS',"
            " status = 'measured', finding = 'fewer_readmissions', effect = -0.0512,"
            " effect_lower = -0.0934, effect_upper = -0.0091, treatment_rate = 0.18,"
            " control_rate = 0.2312, before_after_change = -0.4, control_change = -0.1"
        )
        with served(None) as address:
            look = Look(chrome.new_page())
            look.open(address)
            value = copy.value(questions()[9][1].rstrip(";"))
            assert _seen(9, look) == _points_or_words(value) == "-5.1"
            assert "CALLS: Fewer readmissions." in look.text()
            assert "regression to the mean" in look.text()
            charts = '[data-testid="stVegaLiteChart"]'
            assert look.page.locator(charts).count() == 5
            assert look.errors == []
    copy.drop()


@pytest.mark.parametrize("number", metrics())
def test_a_metric_and_its_sql_give_the_same_answer(
    number: int, built: Copy, tmp_path_factory: pytest.TempPathFactory
) -> None:
    asking = Asking(built, tmp_path_factory.mktemp("asking"))
    file = asking.folder / "answer.csv"
    asking.mf(*metrics()[number], "--csv", str(file))
    rows = pd.read_csv(file)
    window = next(name for name in map(str, rows) if name.endswith("__window"))
    is_asked = (rows["organization__org_code"] == "BASELINE") & (
        rows[window] == "30_day"
    )
    answer = rows[is_asked].iloc[0]
    _, query = questions()[number]
    with built.in_force():
        expected = built.value(query.rstrip(";"))
    if isinstance(expected, str):
        assert answer["department__department_name"] == expected
    else:
        assert is_asked.sum() == 1
        assert answer.iloc[-1] == pytest.approx(float(expected), rel=1e-9)


def test_four_questions_are_metrics_too() -> None:
    assert list(metrics()) == [1, 2, 3, 10]


def test_the_readme_asks_the_same() -> None:
    text = (REPOSITORY / "README.md").read_text()
    rows = dict(re.findall(r"^\| (\d+) \|.*\| `([^`]+)` \|$", text, re.M))
    assert [int(number) for number in rows] == list(range(1, 11))
    for number, line in rows.items():
        metric = shlex.join(["mf", *metrics().get(int(number), [])])
        assert line in (questions()[int(number)][1].rstrip(";"), metric)
