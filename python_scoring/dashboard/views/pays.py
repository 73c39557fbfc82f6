"""Whether it pays: in which scenario, how surely, for which budget, and measured."""

from html import escape

import pandas as pd
import streamlit as st

from python_scoring.dashboard import pays, pays_pictures, words
from python_scoring.dashboard.page import Page, show


def show_pays(page: Page) -> None:
    """Show the page."""
    reader, organization, window = page.reader, page.organization, page.window
    with words.section("Verdict"):
        scenarios = pays.scenarios(reader, organization)
        if scenarios.empty:
            words.empty("No projection of this organization is visible to this login.")
        else:
            _say(pays_pictures.verdicts(scenarios))
            show(pays_pictures.scenarios(scenarios))
    with words.section("How sure are we?"):
        certainty = pays.certainty(reader, organization)
        if certainty.empty:
            words.empty("No projection of this organization is visible to this login.")
        else:
            _show_shares(page, certainty)
            show(pays_pictures.certainty(certainty))
    with words.section("Which budget, and whom first?"):
        _show_frontier(page)
    with words.section("What has it measurably done?"):
        results = pays.results(reader, organization, window)
        if results.empty:
            words.empty("No cohort of this organization is visible to this login.")
        else:
            _say(pays_pictures.findings(results))
            show(pays_pictures.effects(results, window))
    with words.section("Were there as many readmissions to avoid?"):
        backtests = pays.backtests(reader, organization, window)
        if backtests.empty:
            words.empty("No cohort of this organization was scored yet.")
        else:
            show(pays_pictures.backtests(backtests, window))
    with words.section("What do others report?"):
        show(pays_pictures.evidence(pays.evidence(reader)))


def _say(sentences: list[str]) -> None:
    # No Markdown: two prices in one line would be a formula.
    said = "".join(f"<li>{escape(one)}</li>" for one in sentences)
    if said:
        st.html(f'<ul class="rm-said">{said}</ul>')


def _show_shares(page: Page, certainty: pd.DataFrame) -> None:
    of_window = certainty[certainty["prediction_window"] == page.window]
    for _, row in of_window.iterrows():
        cells = st.columns(3)
        for cell, (name, percent) in zip(cells, _COUNTS.items(), strict=True):
            label = f"People above {percent} % likely to pay"
            share = 100 * row[name] / row["patient_count"]
            cell.metric(label, f"{row[name]:,} ({share:.1f} %)")


_COUNTS = {"likely_count": 50, "sure_count": 80, "surest_count": 95}


def _show_frontier(page: Page) -> None:
    curves = pays.frontier(page.reader, page.organization)
    if curves.empty:
        words.empty("No projection of this organization is visible to this login.")
        return
    nobody = pays_pictures.no_frontier(curves)
    if nobody:
        st.warning(nobody)
    else:
        show(pays_pictures.frontier(curves))
