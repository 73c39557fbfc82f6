"""Whom to call: the people with a positive projected return."""

import pandas as pd
import streamlit as st

from python_scoring.dashboard import lists, pictures, queries, tables, words
from python_scoring.dashboard.page import Page
from python_scoring.dashboard.queries import Filters

_ROWS_OF_PAGE = 50


def show_targets(page: Page) -> None:
    """Show the page."""
    with words.section("Whom to call"):
        reader = page.reader
        reader.require("positive_roi_patients")
        if not reader.names_people:
            st.caption("Who these people are is withheld from this login.")
        departments = queries.departments(reader)
        names = dict(
            zip(
                departments["department_id"],
                departments["department_name"],
                strict=True,
            )
        )
        filters = _ask(page, names)
        count = queries.target_count(reader, page.organization, page.window, filters)
        if not count:
            words.empty(
                "Nobody: no person whom this login sees has a positive projected "
                f"return at {pictures.window_name(page.window)} under these filters."
            )
            return
        _show_list(page, filters, count, names)


def _ask(page: Page, departments: dict[int, str]) -> Filters:
    labels = queries.labels(page.reader)
    left, right = st.columns(2)
    chosen = left.multiselect(
        "Departments", list(departments), format_func=lambda d: departments[d]
    )
    tiers = right.multiselect("Risk tiers", [1, 2, 3, 4, 5])
    reasons = left.multiselect(
        "With one of these reasons",
        sorted(labels, key=lambda name: labels[name]),
        format_func=lambda name: labels[name],
    )
    least = right.number_input(
        "Net benefit of at least, USD", min_value=0.0, value=0.0, step=100.0
    )
    are_controls_out = st.checkbox(
        "Leave controls out",
        value=True,
        help="One in ten people is left alone on purpose, drawn by chance: what the "
        "programme is measured against. Calling them spoils the measurement.",
    )
    sort = left.selectbox("Sort by", list(queries.SORTS))
    order = right.radio("Order", ["highest first", "lowest first"], horizontal=True)
    return Filters(
        departments=[int(d) for d in chosen],
        tiers=tiers,
        reasons=reasons,
        least_net_benefit=float(least),
        are_controls_out=are_controls_out,
        sort=queries.SORTS[sort],
        is_descending=order == "highest first",
    )


def _show_list(
    page: Page, filters: Filters, count: int, departments: dict[int, str]
) -> None:
    more = count > queries.COUNTED_ROWS
    counted = f"more than {queries.COUNTED_ROWS:,}" if more else f"{count:,}"
    st.markdown(f"**{counted}** people with a positive projected return.")
    last = max(1, -(-min(count, queries.COUNTED_ROWS) // _ROWS_OF_PAGE))
    number = 1
    if last > 1:
        number = st.number_input(f"Page, of {last:,}", 1, last, 1)
    offset = (int(number) - 1) * _ROWS_OF_PAGE
    people = _named(
        queries.targets(
            page.reader,
            page.organization,
            page.window,
            filters,
            _ROWS_OF_PAGE,
            offset,
        ),
        departments,
    )
    if filters.are_controls_out:
        people = people.drop(columns="arm")
    days = pictures.window_name(page.window)
    title = f"Target list, {days}: {offset + 1:,} to {offset + len(people):,}"
    st.html(tables.html(lists.with_reasons(people), lists.columns(page), title))
    _offer_file(page, filters, departments)


def _offer_file(page: Page, filters: Filters, departments: dict[int, str]) -> None:
    limit = queries.CSV_ROWS
    st.caption(
        f"The file holds the whole list as filtered, up to {limit:,} rows, in CSV."
    )
    # Made when asked for: most who look at the list want no file.
    if st.button("Make the CSV file"):
        with st.spinner("Writing the list"):
            everybody = _named(
                queries.targets(
                    page.reader, page.organization, page.window, filters, limit
                ),
                departments,
            )
        shown = [name for name in lists.FILE_COLUMNS if name in everybody]
        st.download_button(
            f"Download CSV, {len(everybody):,} people",
            as_csv(everybody[shown]),
            file_name=f"target_list_{page.window}.csv",
            mime="text/csv",
        )


def _named(people: pd.DataFrame, departments: dict[int, str]) -> pd.DataFrame:
    return people.assign(department_name=people["department_id"].map(departments))


def as_csv(people: pd.DataFrame) -> bytes:
    """Write a list as CSV, whose text no spreadsheet takes for a formula."""
    texts = people.select_dtypes(include=["object", "string"]).columns
    safe = people.assign(
        **{name: people[name].map(_no_formula, na_action="ignore") for name in texts}
    )
    return safe.to_csv(index=False).encode()


def _no_formula(value: object) -> object:
    is_formula = isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t")
    return f"'{value}" if is_formula else value
