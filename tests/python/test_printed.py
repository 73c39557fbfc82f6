"""`riskmart report`, `riskmart dashboard` on a bad day, and the tables of both."""

import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from conftest import Run
from copies import REPOSITORY, Copy
from looks import required_chromium

from benchmarks.browsers import browser
from benchmarks.readers import logins
from python_scoring.dashboard import pays, queries, serve, tables
from python_scoring.dashboard.reader import Reader, conninfo
from python_scoring.dashboard.views.targets import as_csv


@pytest.fixture(scope="module")
def shown(filled: Copy) -> Iterator[Copy]:
    filled.administer("create database {} template {}", "reports", filled.database)
    copy = replace(filled, database="reports")
    with copy.in_force(), logins("BASELINE", clinician="CARDIOLOGY"):
        yield copy
    copy.drop()


class _Outline(HTMLParser):
    """Headings, tables and pictures of a document, and all that it points to."""

    def __init__(self) -> None:
        super().__init__()
        self.headings: list[int] = []
        self.counts: dict[str, int] = {}
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        self.addresses += [
            value
            for name, value in attrs
            if name in ("src", "href", "xlink:href") and value
        ]


def _write(riskmart: Run, file: Path, *options: str) -> str:
    done = riskmart("report", "--output", str(file), *options)
    assert done.code == 0, done.err
    assert str(file) in done.out
    return file.read_text()


def test_a_report_stands_alone(shown: Copy, riskmart: Run, tmp_path: Path) -> None:
    text = _write(riskmart, tmp_path / "report.html", "--org", "BASELINE")
    outline = _Outline()
    outline.feed(text)
    assert outline.addresses == []
    assert not re.search(r"url\((?!#)|@import|<script|<link", text)
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids)) > 0
    assert set(re.findall(r"url\(#([^)]+)\)", text)) <= set(ids)
    assert outline.counts["svg"] >= 15
    assert outline.counts["table"] >= outline.counts["svg"]
    assert outline.counts["caption"] == outline.counts["table"]
    assert outline.headings[:3] == [1, 2, 3]
    steps = zip(outline.headings, outline.headings[1:], strict=False)
    assert all(after - before <= 1 for before, after in steps)
    assert '<html lang="en">' in text
    assert "the figures test software, not medicine" in text
    assert "projections from the rules" in text


def test_a_report_names_nobody_and_holds_the_numbers(
    shown: Copy, riskmart: Run, tmp_path: Path
) -> None:
    text = _write(riskmart, tmp_path / "report.html")
    # A name without a letter may be the digits of a drawing's coordinate.
    names = shown.rows(
        "select left(patient_uuid::text, 8) from marts.patients"
        " where left(patient_uuid::text, 8) ~ '[a-f]'"
    )
    assert len(names) > 3000
    assert not [name for (name,) in names if name in text]
    for (name,) in shown.rows("select organization_name from marts.organizations"):
        assert name in text
    net = shown.value(
        "select total_net_benefit from marts.roi_aggregations"
        " where organization_id = 1 and prediction_window = '90_day'"
    )
    assert tables.dollars(net) in text


def test_a_report_of_a_role_says_what_it_may_not_read(
    shown: Copy, riskmart: Run, tmp_path: Path
) -> None:
    file = tmp_path / "report.html"
    text = _write(riskmart, file, "--user", "try_partner")
    assert "Roles that read it: admin, analyst, finance." in text
    assert "Counts under 11 are withheld" in text
    assert "Calibration by tenths" not in text


def test_what_a_report_reads_is_what_its_exposure_names(
    shown: Copy, riskmart: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: set[str] = set()
    ask = queries.frame

    def noting(reader: Reader, query: Any, values: Any = None) -> pd.DataFrame:
        text = query if isinstance(query, str) else query.as_string(reader.conn)
        read.update(re.findall(r'(?:from|join) "?marts"?\."?(\w+)', text))
        return ask(reader, query, values)

    monkeypatch.setattr(queries, "frame", noting)
    monkeypatch.setattr(pays, "frame", noting)
    # An outsider reads suppressed twins; a clinician what is of a department.
    for login in ("try_admin", "try_clinician", "try_partner"):
        _write(riskmart, tmp_path / "report.html", "--user", login)
    exposures = yaml.safe_load((REPOSITORY / "models" / "exposures.yml").read_text())
    [named] = [
        exposure["depends_on"]
        for exposure in exposures["exposures"]
        if exposure["name"] == "report"
    ]
    names = {re.sub(r"^ref\('(core_)?(\w+)'\)$", r"\2", one) for one in named}
    assert names == read


def test_a_report_fits_its_paper(shown: Copy, riskmart: Run, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    _write(riskmart, file, "--org", "BASELINE")
    with browser(required_chromium()) as chrome:
        # A4 less its margins, at 96 points to the inch.
        page = chrome.new_page(viewport={"width": 672, "height": 1000})
        page.goto(file.as_uri())
        page.emulate_media(media="print")
        wide = page.evaluate(
            "[...document.querySelectorAll('table, svg')]"
            ".filter(one => one.getBoundingClientRect().right > 673).length"
        )
        assert wide == 0
        assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--org", "NOWHERE"], "--org NOWHERE: riskmart (past every policy) sees"),
        (["--user", "no_such_login"], 'role "no_such_login" does not exist'),
        (["--user", "try_auditor"], "may not read organizations"),
        (["--user", "try_plain"], "(no role of riskmart) may not read organizations"),
        (["--output", "/nowhere/report.html"], "/nowhere is not a folder"),
        (["--output", "x" * 300], "expected a file that can be written"),
    ],
)
def test_what_cannot_be_reported_is_said(
    shown: Copy, riskmart: Run, options: list[str], words: str
) -> None:
    shown.execute("create role try_plain login")
    done = riskmart("report", *options)
    shown.execute("drop role try_plain")
    assert done.code == 2
    assert words in " ".join(done.err.split())


def test_a_port_in_use_is_said(shown: Copy, riskmart: Run) -> None:
    with socket.socket() as taken:
        taken.bind((serve.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = riskmart("dashboard", "--port", str(port))
    assert done.code == 2
    assert f"--port {port}: Address already in use" in done.err


def test_the_server_is_for_this_machine_and_tells_nobody(shown: Copy) -> None:
    command = serve.command(8501)
    assert "--server.address=127.0.0.1" in command
    assert "--browser.gatherUsageStats=false" in command
    key = serve.new_key()
    assert key != serve.new_key()
    assert key not in " ".join(command)
    assert serve.environment("cleo", key)[serve.KEY] == key
    assert "user=cleo" in conninfo("cleo")


def test_a_table_heads_rows_and_columns_and_escapes() -> None:
    frame = pd.DataFrame({"a": ["<b>"], "n": [None], "hidden": [1]})
    columns = {
        "a": tables.text("A & B"),
        "n": tables.money("USD"),
        "gone": tables.text(""),
    }
    text = tables.html(frame, columns, 'A "title"')
    assert '<th scope="row">&lt;b&gt;</th>' in text
    assert '<th scope="col">A &amp; B</th>' in text
    assert '<td class="rm-number">–</td>' in text
    assert 'aria-label="A &quot;title&quot;"' in text
    assert "hidden" not in text


@pytest.mark.parametrize(
    ("amount", "written", "short"),
    [
        (0.4, "$0", "$0"),
        (-0.4, "$0", "$0"),
        (1234.5, "$1,234", "$1.2k"),
        (-2_500_000, "-$2,500,000", "-$2.5M"),
    ],
)
def test_dollars_are_written_whole_or_short(
    amount: float, written: str, short: str
) -> None:
    assert tables.dollars(amount) == written
    assert tables.short_dollars(amount) == short


def test_no_cell_of_a_file_is_a_formula() -> None:
    people = pd.DataFrame({"reason": ["=1+1", "age 80"], "net_benefit": [-1.0, 2.0]})
    assert as_csv(people).decode().split() == [
        "reason,net_benefit",
        "'=1+1,-1.0",
        "age",
        "80,2.0",
    ]
