"""How many at which risk, what it would come to, and how that changed."""

import pandas as pd
import streamlit as st

from python_scoring.dashboard import pictures, queries, tables, words
from python_scoring.dashboard.page import Page, show


def show_overview(page: Page) -> None:
    """Show the page."""
    reader = page.reader
    with words.section("Who is at risk"):
        tiers = queries.tiers(reader, page.organization)
        if tiers.empty:
            words.empty("No person of this organization is visible to this login.")
        else:
            is_suppressed = queries.is_suppressed(reader, "org_tier_summary")
            _show_counts(page, tiers)
            show(pictures.tier_distribution(tiers, is_suppressed=is_suppressed))
    with words.section("What it would come to"):
        returns = queries.returns(reader, page.organization)
        if returns.empty:
            words.empty("No projection of this organization is visible to this login.")
        else:
            show(pictures.waterfall(returns, page.window))
            show(pictures.returns(returns))
    with words.section("How it changed"):
        builds = queries.builds(reader)
        if builds.empty:
            words.empty("No build has told of its rows yet.")
        else:
            show(pictures.builds(builds))


def _show_counts(page: Page, tiers: pd.DataFrame) -> None:
    of_window = tiers[tiers["prediction_window"] == page.window]
    high = of_window[of_window["risk_tier"] >= 4]
    people, at_high_risk = st.columns(2)
    people.metric("People", _count(of_window["patient_count"]))
    days = pictures.window_name(page.window)
    at_high_risk.metric(f"High or critical, {days}", _count(high["patient_count"]))


def _count(counts: "pd.Series[int]") -> str:
    """Add up; a withheld count makes it "at least"."""
    least = "at least " if counts.isna().any() else ""
    return f"{least}{tables.count('').write(counts.fillna(0).sum())}"
