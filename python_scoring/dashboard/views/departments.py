"""Which department has whom, and who there is at high risk."""

import streamlit as st

from python_scoring.dashboard import lists, pictures, queries, tables, words
from python_scoring.dashboard.page import Page, show

_SHOWN = 50


def show_departments(page: Page) -> None:
    """Show the page."""
    reader = page.reader
    with words.section("Departments and tiers"):
        cells = queries.department_tiers(reader, page.organization, page.window)
        if cells.empty:
            words.empty("No department of this organization is visible to this login.")
        else:
            is_suppressed = queries.is_suppressed(reader, "dept_risk_distribution")
            show(pictures.heat_map(cells, page.window, is_suppressed=is_suppressed))
    with words.section("What it would come to"):
        returns = queries.department_returns(reader, page.organization, page.window)
        if returns.empty:
            words.empty("No department of this organization is visible to this login.")
        else:
            show(pictures.department_returns(returns, page.window))
    with words.section("High and critical risk"):
        _show_people(page)


def _show_people(page: Page) -> None:
    reader = page.reader
    reader.require("patients", "patient_id", "patient_uuid")
    reader.require("predictions", "patient_id")
    seen = queries.departments(reader)
    names = dict(zip(seen["department_id"], seen["department_name"], strict=True))
    department = st.selectbox(
        "Department", list(names), format_func=lambda number: names[number]
    )
    people = queries.high_risk(
        reader, page.organization, page.window, int(department), _SHOWN
    )
    if people.empty:
        words.empty(
            f"Nobody of {names[department]} whom this login sees is in tier 4 or 5 at "
            f"{pictures.window_name(page.window)}."
        )
        return
    title = (
        f"{names[department]}, {pictures.window_name(page.window)}: "
        f"the {len(people)} highest scores of tiers 4 and 5"
    )
    st.html(tables.html(lists.with_reasons(people), lists.columns(page), title))
    st.caption(
        "Who is at risk, whatever it pays: controls of the holdout among them. Whom to "
        "call is on the page Target list."
    )
