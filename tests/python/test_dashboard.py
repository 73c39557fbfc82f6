"""The dashboard in a real Chromium: every page, every filter, every role."""

import csv
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from copies import Copy
from looks import Look, required_chromium
from playwright.sync_api import Browser, expect

from benchmarks.browsers import KEY, browser, chromium, served
from benchmarks.readers import login_of, logins
from python_scoring import server, warehouse
from python_scoring.readmission import budgets, targeting

PAGES = (
    "Overview",
    "Departments",
    "Target list",
    "One patient",
    "Model trust",
    "What if",
    "Does it pay?",
)
DEPARTMENT = "CARDIOLOGY"

Open = Callable[..., Look]


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with browser(required_chromium()) as started:
        yield started


@pytest.fixture(scope="module")
def shown(chrome: Browser, filled: Copy) -> Iterator[Copy]:
    """Three organizations, published; a login of each role, and one of none."""
    filled.administer("create database {} template {}", "dashboards", filled.database)
    copy = replace(filled, database="dashboards")
    with copy.in_force(), logins("BASELINE", clinician=DEPARTMENT):
        copy.execute("create role try_nobody login; grant riskmart_admin to try_nobody")
        yield copy
        copy.execute("drop role try_nobody")
    copy.drop()


@pytest.fixture(scope="module")
def look(chrome: Browser, shown: Copy) -> Iterator[Open]:
    """Open a page as a role; one server a role, for all tests."""
    with ExitStack() as stack:
        addresses: dict[str, str] = {}

        def open_as(role: str = "", title: str = "Overview", query: str = "") -> Look:
            if role not in addresses:
                login = login_of(role) if role else None
                addresses[role] = stack.enter_context(served(login))
            page = chrome.new_context(accept_downloads=True).new_page()
            found = Look(page)
            found.open(addresses[role] + query)
            if title != "Overview":
                found.go(title)
            return found

        yield open_as
        for context in chrome.contexts:
            context.close()


# Every page.


@pytest.mark.parametrize("title", PAGES)
def test_a_page_shows_data_with_twins_and_without_errors(
    look: Open, title: str
) -> None:
    page = look("", title)
    page.page.locator(".rm-table tbody tr").first.wait_for(state="attached")
    charts = page.page.locator('[data-testid="stVegaLiteChart"]')
    drawn = page.page.locator('[data-testid="stVegaLiteChart"] :is(canvas, svg)')
    twins = page.page.locator("details.rm-twin table")
    if title != "Target list":
        drawn.first.wait_for()
        assert charts.count() == twins.count() > 0
    for table in page.page.locator(".rm-table").all():
        assert table.locator("caption").text_content()
        assert table.locator('thead th[scope="col"]').count() > 1
        assert table.locator('tbody th[scope="row"]').count() > 0
    assert not page.page.locator('[data-testid="stException"]').count()
    assert (page.errors, page.foreign) == ([], [])
    assert page.page.locator("html").get_attribute("lang") == "en"
    assert "projection" in page.text()
    assert "the figures test software, not medicine" in page.text()
    levels = page.page.evaluate(
        "[...document.querySelectorAll('[data-testid=stMain] :is(h1,h2,h3,h4)')]"
        ".map(one => Number(one.tagName[1]))"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    steps = np.diff(levels)
    assert steps.max() <= 1, levels


def test_the_organization_of_an_address_stays_on_the_next_page(look: Open) -> None:
    page = look("", query="&org=SYNTH")
    shown = "Synthetic cohort for trials and benchmarks, as of"
    page.says(shown)
    # Somebody in a hurry leaves a page while its script still runs.
    for title in ("Departments", "Overview", "What if", "Departments", "Overview"):
        page.head_for(title)
    page.says(shown)
    for title in ("Departments", "Overview"):
        page.go(title)
        page.says(shown)
    page.choose("Organization", "Baseline care-management panel (synthetic)")
    page.says("Baseline care-management panel (synthetic), as of")
    page.go("Departments")
    page.says("Baseline care-management panel (synthetic), as of")
    assert shown not in page.text()


def test_what_an_address_says_is_text_and_no_markdown(look: Open) -> None:
    picture = "![a picture](http://elsewhere.invalid/a.png)"
    page = look("", query=f"&person={picture}")
    page.says(f"{picture} is no person's name here")
    assert not page.page.locator('[data-testid="stAlert"] img').count()
    assert page.foreign == []


_CONTRASTS = """() => {
  const channels = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(v => v / 255)
      .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const found = channels(getComputedStyle(at).backgroundColor);
      if (found.length === 3 || found[3] > 0.9) return found.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const bad = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const at = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !at.checkVisibility()) continue;
    if (['STYLE', 'SCRIPT', 'NOSCRIPT'].includes(at.tagName)) continue;
    // A slider's value is a child of its thumb, and stands above it.
    if (at.closest('[role=slider], [data-testid=stSliderThumbValue]')) continue;
    const [r, g, b, a = 1] = channels(getComputedStyle(at).color);
    const under = ground(at);
    let faint = a;
    for (let up = at; up; up = up.parentElement) {
      faint *= Number(getComputedStyle(up).opacity);
    }
    // The ends of a slider show when it is pointed at.
    if (faint === 0) continue;
    const over = [r, g, b].map((v, i) => faint * v + (1 - faint) * under[i]);
    const [low, high] = [light(over), light(under)].sort((p, q) => p - q);
    const contrast = (high + 0.05) / (low + 0.05);
    if (contrast < 4.5) bad.push([texts.currentNode.data.trim(), contrast]);
  }
  return bad;
}"""


@pytest.mark.parametrize("title", PAGES)
def test_text_stands_out_from_its_ground(look: Open, title: str) -> None:
    page = look("", title)
    page.page.locator(".rm-table").first.wait_for(state="attached")
    # What fades in is faint until it is there.
    page.page.wait_for_function(
        "document.getAnimations().every(one => !(one instanceof CSSTransition))"
    )
    assert page.page.evaluate(_CONTRASTS) == []


def test_the_keyboard_reaches_and_works_everything(look: Open) -> None:
    page = look("", "Overview").page
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "(document.activeElement.textContent"
                " || document.activeElement.getAttribute('aria-label')"
                " || document.activeElement.value || '').trim()"
            )
        )
    assert reached >= set(PAGES) | {"Table: Risk tiers by window"}
    fold = page.locator("details.rm-twin").first
    assert fold.get_attribute("open") is None
    fold.locator("summary").focus()
    page.keyboard.press("Enter")
    assert fold.get_attribute("open") is not None
    page.get_by_role("radio", name="30 days").focus()
    page.keyboard.press("ArrowDown")
    page.get_by_text("High or critical, 60 days").wait_for()


def test_the_keyboard_opens_every_table_of_a_page(look: Open) -> None:
    page = look("", "Does it pay?").page
    page.locator("details.rm-twin").first.wait_for(state="attached")
    tables = page.locator(".rm-table")
    unseen = {one for one in range(tables.count())}
    page.get_by_role("radio", name="30 days").focus()
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.tagName") == "SUMMARY":
            page.keyboard.press("Enter")
        unseen -= {
            page.evaluate(
                "[...document.querySelectorAll('.rm-table')]"
                ".indexOf(document.activeElement)"
            )
        }
        if not unseen:
            break
    assert not unseen
    assert page.locator("details.rm-twin:not([open])").count() == 0


def test_without_its_key_an_address_shows_nothing(look: Open, shown: Copy) -> None:
    page = look()
    before = page.page.url
    assert f"key={KEY}" in before
    other = Look(page.page.context.new_page())
    other.open(before.split("?")[0] + "?key=guessed")
    other.says("Open the address that ./riskmart dashboard printed")
    assert not other.page.locator(".rm-table").count()
    assert "Baseline" not in other.text()
    page.page.reload()
    page.settle()
    assert "Baseline" in page.text()


# Filters.


def test_another_window_changes_every_page(look: Open) -> None:
    page = look("", "Departments")
    for title in PAGES[1:]:
        page.go(title)
        if not page.page.get_by_role("radio", name="30 days").is_checked():
            page.changes(lambda: page.window(30))
        page.changes(lambda: page.window(90))
        assert any("90 days" in caption for caption in page.captions()), title
    assert page.errors == []


def test_another_organization_changes_the_page(look: Open, shown: Copy) -> None:
    page = look()
    names = [
        name
        for (name,) in shown.rows(
            "select organization_name from marts.organizations order by organization_id"
        )
    ]
    assert len(names) == 3
    assert names[0] in page.text()
    page.changes(lambda: page.choose("Organization", names[1]))
    assert names[1] in page.text()
    people = shown.value(
        "select count(*) from marts.patients as p inner join marts.organizations as o"
        " on p.organization_id = o.organization_id where o.organization_name = %s",
        names[1],
    )
    assert f"People{people:,}" in page.text()


def test_filters_of_the_target_list_do_what_they_say(look: Open, shown: Copy) -> None:
    page = look("", "Target list")
    where = "organization_id = 1 and prediction_window = '30_day' and not is_control"
    count = "select count(*) from marts.positive_roi_patients where " + where

    def says(condition: str) -> None:
        page.says(f"{shown.value(f'{count} {condition}'):,} people with a positive")

    says("")
    page.changes(lambda: page.choose("Departments", "Nephrology"))
    kidney = "and department_id = 2"
    says(kidney)
    assert "Cardiology" not in page.tables()
    page.changes(lambda: page.choose("Risk tiers", "4", "5"))
    high = f"{kidney} and risk_tier in (4, 5)"
    says(high)
    page.changes(lambda: page.choose("With one of these reasons", "complexity index"))
    complex_ = f"{high} and 'complexity_index' in (reason_1, reason_2, reason_3)"
    says(complex_)
    page.changes(lambda: page.fill("Net benefit of at least, USD", "200"))
    says(f"{complex_} and net_benefit >= 200")
    page.changes(
        lambda: page.fill("Net benefit of at least, USD", "99999999"),
        of="[data-testid=stAlert]",
    )
    page.says("Nobody: no person whom this login sees")


def test_controls_are_on_the_list_only_when_asked_for(look: Open, shown: Copy) -> None:
    page = look("", "Target list")
    assert "leave alone" not in page.tables()
    page.page.get_by_text("Leave controls out").click()
    count = (
        "select count(*) from marts.positive_roi_patients"
        " where organization_id = 1 and prediction_window = '30_day'"
    )
    page.says(f"{shown.value(count):,} people with a positive")
    page.settle()
    # Chance may leave the first pages without one.
    before = shown.value(
        "select min(place) - 1 from (select is_control, row_number() over"
        " (order by net_benefit desc, patient_id) as place"
        " from marts.positive_roi_patients where organization_id = 1"
        " and prediction_window = '30_day') as placed where is_control"
    )
    number = page.page.get_by_label("Page, of")
    number.fill(str(before // 50 + 1))
    number.press("Enter")
    first = page.page.locator(".rm-table tbody tr").filter(has_text="leave alone").first
    person = first.locator("a").inner_text()
    assert shown.value(
        "select is_control from marts.programme_holdout"
        " where left(patient_uuid::text, 8) = %s",
        person,
    )


def test_the_target_list_is_sorted_and_paged_as_asked(look: Open, shown: Copy) -> None:
    page = look("", "Target list")

    def first() -> str:
        return page.page.locator(".rm-table tbody a").first.inner_text()

    def wanted(order: str, offset: int = 0) -> str:
        return shown.value(
            "select left(patient_uuid::text, 8) from marts.positive_roi_patients where"
            " organization_id = 1 and prediction_window = '30_day' and not is_control"
            f" order by {order}, patient_id limit 1 offset {offset}"
        )

    assert first() == wanted("net_benefit desc")
    page.changes(lambda: page.choose("Sort by", "risk score"))
    assert first() == wanted("risk_score desc")
    page.changes(
        lambda: page.page.get_by_text("lowest first", exact=True).first.click()
    )
    assert first() == wanted("risk_score")
    last = page.page.get_by_label("Page, of", exact=False)
    page.changes(lambda: (last.fill("2"), last.press("Enter")))
    assert first() == wanted("risk_score", 50)


def test_the_file_holds_the_list_as_filtered(
    look: Open, shown: Copy, tmp_path: Path
) -> None:
    page = look("", "Target list")
    page.changes(lambda: page.choose("Risk tiers", "5"))
    page.page.get_by_role("button", name="Make the CSV file").click()
    with page.page.expect_download() as waiting:
        page.page.get_by_role("button", name="Download CSV").click()
    file = tmp_path / "list.csv"
    waiting.value.save_as(file)
    with file.open(newline="") as text:
        rows = list(csv.DictReader(text))
    expected = shown.rows(
        "select patient_uuid::text from marts.positive_roi_patients where"
        " organization_id = 1 and prediction_window = '30_day' and risk_tier = 5"
        " and not is_control"
        " order by net_benefit desc, patient_id"
    )
    assert [row["patient_uuid"] for row in rows] == [one for (one,) in expected]
    assert all(": " in row["reason_1"] for row in rows)


def test_a_department_shows_its_people_at_high_risk(look: Open, shown: Copy) -> None:
    page = look("", "Departments")
    page.changes(lambda: page.choose("Department", "Pulmonology"))
    seen = page.page.locator(".rm-table").last.locator("tbody a").all_inner_texts()
    expected = shown.rows(
        "select left(p.patient_uuid::text, 8) from marts.predictions as r"
        " inner join marts.patients as p on r.patient_id = p.patient_id"
        " where p.organization_id = 1 and p.department_id = 4 and r.risk_tier >= 4"
        " and r.prediction_window = '30_day'"
        " order by r.risk_score desc, p.patient_id limit 50"
    )
    assert seen == [one for (one,) in expected]


def test_a_person_of_the_list_has_a_page(look: Open, shown: Copy) -> None:
    page = look("", "Target list")
    link = page.page.locator(".rm-table tbody a").first
    short = link.inner_text()
    link.click()
    page.page.get_by_role("heading", level=1, name="One patient").wait_for()
    page.settle()
    page.says("Why this score, 30 days")
    assert any(caption.startswith(f"Person {short}") for caption in page.captions())
    assert page.errors == []
    other = shown.value(
        "select patient_uuid::text from marts.patients where organization_id = 1"
        " order by patient_id desc limit 1"
    )
    field = "Person (patient_uuid or patient_id)"
    page.changes(lambda: page.fill(field, other))
    assert f"Person {other}" in page.captions()
    page.fill(field, "00000000-0000-0000-0000-000000000000")
    page.says("Nobody called 00000000-0000-0000-0000-000000000000 is visible")
    page.fill(field, "Smith'; drop table")
    page.says("is no person's name here; expected a patient_uuid")


def test_groups_are_chosen(look: Open) -> None:
    page = look("", "Model trust")
    assert "CARDIOLOGY" in page.tables()
    remove = page.page.get_by_role("button", name="Remove department")
    page.changes(lambda: remove.click())
    assert "CARDIOLOGY" not in page.tables()
    assert "female" in page.tables()


# What if.


def _best(
    shown: Copy, budget: float, cost: float, success: float, scenario: str = "base"
) -> list[str]:
    """What `riskmart target` does under the same assumptions: how many, what net."""
    with shown.in_force(), warehouse.connect() as conn:
        options = budgets.read_options(conn, "BASELINE", "30_day")
        assumed = budgets.read_assumptions(conn, scenario)
    changed = replace(
        assumed,
        intervention_cost_multiplier=cost,
        success_multiplier=assumed.success_multiplier * success,
    )
    projection = targeting.project(options, changed)
    totals = targeting.best(options, projection, budget).totals
    return [f"{totals.patients:,.0f}", f"${totals.net / 1000:,.1f}k"]


def _metrics(page: Look) -> list[str]:
    return page.page.locator('[data-testid="stMetricValue"]').all_inner_texts()


def test_a_budget_buys_the_best_and_other_assumptions_move_it(
    look: Open, shown: Copy
) -> None:
    page = look("", "What if")
    assert _metrics(page)[:3:2] == _best(shown, 50_000, 1, 1)
    metric = '[data-testid="stMetricValue"]'
    page.changes(lambda: page.fill("Budget, USD", "20000"), of=metric)
    assert _metrics(page)[:3:2] == _best(shown, 20_000, 1, 1)
    cost = page.page.get_by_role("slider", name="Cost of interventions, times")
    success = page.page.get_by_role("slider", name="Success rates, times")
    page.changes(lambda: (cost.focus(), cost.press("ArrowRight")), of=metric)
    assert _metrics(page)[:3:2] == _best(shown, 20_000, 1.05, 1)
    page.changes(lambda: (success.focus(), success.press("ArrowLeft")), of=metric)
    assert _metrics(page)[:3:2] == _best(shown, 20_000, 1.05, 0.95)


def test_a_scenario_is_another_return_for_the_same_budget(
    look: Open, shown: Copy
) -> None:
    page = look("", "What if")
    metric = '[data-testid="stMetricValue"]'
    for scenario in ("conservative", "optimistic"):
        page.changes(
            lambda name=scenario: page.page.get_by_text(name, exact=True).click(),
            of=metric,
        )
        assert _metrics(page)[:3:2] == _best(shown, 50_000, 1, 1, scenario)
        page.says(f"The {scenario} scenario:")
    assert "controls left alone" in page.text()
    assert page.errors == []


def test_no_budget_and_no_positive_return_say_none(look: Open) -> None:
    page = look("", "What if")
    page.fill("Budget, USD", "0")
    page.says("None: there is no budget.")
    page.fill("Budget, USD", "1")
    page.says("None: the budget is below the price of every intervention that pays.")
    success = page.page.get_by_role("slider", name="Success rates, times")
    success.focus()
    for _ in range(20):
        success.press("ArrowLeft")
    page.says("None: under these assumptions nobody whom this login sees")
    expect(page.page.locator(".rm-table")).to_have_count(0)
    assert page.errors == []


# Roles.


# The pictures of the page that asks whether it pays.
_PAYS = (
    "Net benefit by scenario, everybody offered it",
    "How sure the return is, everybody offered it",
    "Net benefit by budget and by who is called first",
    "Measured effect on readmissions, 30 days",
    "Readmissions expected and observed, 30 days",
    "Published evidence",
)


def _everywhere(look: Open, role: str) -> dict[str, str]:
    """What each page shows to a role, tables folded away included."""
    page = look(role)
    said = {}
    for title in PAGES:
        page.go(title)
        said[title] = page.text()
    assert (page.errors, page.foreign) == ([], [])
    return said


def test_a_clinician_sees_nobody_of_another_department(look: Open, shown: Copy) -> None:
    names = shown.rows(
        "select left(patient_uuid::text, 8), department_id = 1 and organization_id = 1"
        " from marts.patients"
        # Figures in a row may read like a name without a letter.
        " where left(patient_uuid::text, 8) ~ '[a-f]'"
    )
    said = " ".join(_everywhere(look, "clinician").values())
    assert [name for name, is_own in names if is_own and name in said]
    assert not [name for name, is_own in names if not is_own and name in said]
    pays = _everywhere(look, "clinician")["Does it pay?"]
    for mart in ("roi_scenario_totals", "targeting_frontier", "programme_results"):
        assert f"may not read {mart}. Roles that read it: admin, analyst" in pays
    own = shown.value(
        "select count(*) from marts.roi_uncertainty as u inner join marts.patients as p"
        " using (patient_id) where p.organization_id = 1 and p.department_id = 1"
        " and prediction_window = '30_day' and positive_roi_probability > 0.95"
    )
    assert f"People above 95 % likely to pay{own:,} (" in pays
    assert "Finkelstein" in pays
    page = look("clinician", "One patient")
    other = shown.value(
        "select patient_uuid::text from marts.patients where organization_id = 1"
        " and department_id = 2 limit 1"
    )
    page.fill("Person (patient_uuid or patient_id)", other)
    page.says(f"Nobody called {other} is visible to this login here.")


def test_an_analyst_sees_no_name_of_a_person(look: Open, shown: Copy) -> None:
    names = {
        name
        for (name,) in shown.rows(
            "select left(patient_uuid::text, 8) from marts.patients"
            " where left(patient_uuid::text, 8) ~ '[a-f]'"
        )
    }
    said = _everywhere(look, "analyst")
    assert not [name for name in names if name in " ".join(said.values())]
    assert "Who these people are is withheld from this login." in said["Target list"]
    assert "may not read patients (patient_id, patient_uuid)" in said["One patient"]
    assert "Roles that read it: admin, clinician." in said["One patient"]
    assert "Calibration by tenths of risk" in said["Model trust"]
    for title in _PAYS:
        assert title in said["Does it pay?"]


def test_finance_sees_dollars_and_nothing_clinical(look: Open, shown: Copy) -> None:
    said = _everywhere(look, "finance")
    assert "From savings to net benefit" in said["Overview"]
    assert "People reached" in said["What if"]
    assert "may not read positive_roi_patients" in said["Target list"]
    for title in _PAYS:
        assert title in said["Does it pay?"]
    together = " ".join(said.values())
    labels = [name for (name,) in shown.rows("select label from marts.reason_words")]
    assert not [name for name in labels if f": {name}" in together]
    for clinical in ("raises risk", "lowers risk", "risk score", "tier 4"):
        assert clinical not in together
    columns = look("finance", "What if").page.locator("thead th").all_inner_texts()
    assert not {"person", "department", "reasons", "tier"} & set(columns)


def test_a_partner_sees_rounded_counts_and_words(look: Open) -> None:
    said = _everywhere(look, "partner")
    assert "Counts under 11 are withheld" in said["Overview"]
    assert "Roles that read it: admin, analyst, finance." in said["Overview"]
    assert "may not read financial_projections" in said["What if"]
    for mart in ("roi_uncertainty", "projection_backtests", "intervention_evidence"):
        assert f"may not read {mart}." in said["Does it pay?"]
    page = look("partner", "Departments")
    cells = page.page.locator("table").first.locator("td").all_text_contents()
    counts = [int(cell.replace(",", "")) for cell in cells if cell != "–"]
    assert counts
    assert not [count for count in counts if count % 11]


def test_an_auditor_reads_in_words_that_marts_are_not_theirs(look: Open) -> None:
    page = look("auditor")
    page.says("may not read organizations. Roles that read it: admin, analyst")
    assert not page.page.locator(".rm-table").count()


def test_who_belongs_nowhere_is_told_how_to(look: Open) -> None:
    page = look("nobody")
    page.says("try_nobody (admin) belongs to no organization")
    page.says("./riskmart access grant try_nobody --org CODE --role ROLE")


# Nothing there.


def test_a_stopped_database_is_said_and_how_to_start_it(
    chrome: Browser, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RISKMART_DSN", raising=False)
    with served(None) as address:
        page = Look(chrome.new_context().new_page())
        page.open(address)
        page.says("The warehouse does not answer")
        page.says("./riskmart db start")
        assert "Traceback" not in page.text()
        server.start()
        with warehouse.connect(autocommit=True) as conn:
            warehouse.prepare(conn)
        page.page.get_by_role("button", name="Try again").click()
        page.says("Nothing is published yet.")
        assert page.errors == []


# Without a browser.


@pytest.mark.parametrize(("ci", "outcome"), [("true", "Failed"), ("", "Skipped")])
def test_a_missing_chromium_is_skipped_here_and_fails_in_ci(
    ci: str, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("CI", ci)
    assert chromium() is None
    with pytest.raises(BaseException, match="Chromium is not installed") as said:
        required_chromium()
    assert type(said.value).__name__ == outcome
