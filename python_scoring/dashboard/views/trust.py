"""Whether the model can be trusted: calibration, tiers, groups, drift."""

import streamlit as st

from python_scoring.dashboard import pictures, queries, words
from python_scoring.dashboard.page import Page, show


def show_trust(page: Page) -> None:
    """Show the page."""
    reader = page.reader
    with words.section("Did what was predicted come about?"):
        found = queries.evaluations(reader, page.organization)
        judged = found[found["status"] == "evaluated"]
        if judged.empty:
            why = found["reason"].dropna().unique()
            because = f": {why[0]}" if len(why) else ""
            words.empty(
                f"Not evaluated{because}. That is never a pass: of this cohort it is "
                "not known what became of its people."
            )
        else:
            show(pictures.evaluations(found))
            _show_figures(page, int(judged["evaluation_id"].iloc[0]))
    with words.section("Is the cohort like the one that was learnt from?"):
        drift = queries.drift(reader, page.organization)
        if drift.empty:
            words.empty("The model in force has kept no distribution to compare with.")
        else:
            show(pictures.drift(drift, queries.labels(reader)))


def _show_figures(page: Page, evaluation: int) -> None:
    reader, window = page.reader, page.window
    tenths = queries.calibration(reader, evaluation, window, "decile")
    show(pictures.calibration(tenths, window))
    tiers = queries.calibration(reader, evaluation, window, "tier")
    show(pictures.tiers_observed(tiers, window))
    groups = queries.groups(reader, evaluation, window)
    by = ["sex", "age_band", "race", "department"]
    chosen = st.multiselect(
        "Groups", by, default=by, format_func=lambda name: name.replace("_", " ")
    )
    groups = groups[groups["group_name"].isin(chosen)]
    if groups.empty:
        words.empty("No group is chosen.")
    else:
        show(pictures.groups(groups, window))
