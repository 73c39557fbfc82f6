"""The ten questions of docs/dashboard.md: the page and the SQL give the same number."""

import re
from collections.abc import Callable, Iterator

import pytest
from copies import REPOSITORY, Copy
from looks import Look, required_chromium

from benchmarks.browsers import browser, served

DOCUMENT = REPOSITORY / "docs" / "dashboard.md"


def questions() -> dict[int, tuple[str, str]]:
    """Page and SQL of each question, by its number."""
    text = DOCUMENT.read_text()
    asked = re.findall(r"^\| (\d+) \| .*\? \| ([^,|]+?)(?:,.*)? \|$", text, re.M)
    answers = dict(re.findall(r"^-- (\d+)\n(select .*;)$", text, re.M))
    return {int(n): (page, answers[n]) for n, page in asked}


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
        return line.locator("th, td").all_text_contents()[heads.index(column)]

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


def _counted(look: Look) -> str:
    found = re.search(r"([\d,]+) people with a positive", look.text())
    assert found
    return found.group(1)


def _whole(value: object) -> str:
    return f"{round(float(str(value))):,}"


def _dollars(value: object) -> str:
    return f"${_whole(value)}".replace("$-", "-$")


def _figure(value: object) -> str:
    return f"{float(str(value)):.2f}"


READ: dict[int, tuple[Callable[[Look], str], Callable[[object], str]]] = {
    1: (_metric("High or critical, 30 days"), _whole),
    2: (_cell("Projected return by window", "30 days", "net benefit"), _dollars),
    3: (_cell("People by department", "Cardiology", "Critical"), _whole),
    4: (_last_of("Net benefit by department"), str),
    5: (_counted, _whole),
    6: (_first(".rm-table tbody a"), str),
    7: (_cell("Why this score", "1", "reason"), str),
    8: (_cell("The model in force", "30 days", "observed / expected"), _figure),
    9: (_cell("expected by group", "female", "observed / expected"), _figure),
    10: (_metric("People reached"), _whole),
}


@pytest.fixture(scope="module")
def look(built: Copy) -> Iterator[Look]:
    path = required_chromium()
    with browser(path) as chrome, built.in_force(), served(None) as address:
        found = Look(chrome.new_page())
        found.open(address)
        yield found


def test_every_question_has_a_page_and_a_line_of_sql() -> None:
    asked = questions()
    assert list(asked) == list(READ) == list(range(1, 11))


@pytest.mark.parametrize("number", READ)
def test_a_page_and_its_sql_give_the_same_answer(
    number: int, look: Look, built: Copy
) -> None:
    title, query = questions()[number]
    read, write = READ[number]
    look.go(title)
    look.page.locator(".rm-table").first.wait_for(state="attached")
    assert read(look) == write(built.value(query.rstrip(";")))
