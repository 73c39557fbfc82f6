"""One person: why this score, against whom, and how it was before."""

import uuid

import pandas as pd
import streamlit as st

from python_scoring.dashboard import pictures, queries, tables, words
from python_scoring.dashboard.page import Page, show

_FACTS = {
    "department_name": tables.text("department"),
    "age": tables.count("age, years"),
    "gender": tables.text("gender"),
    "race": tables.text("recorded race"),
    "index_date": tables.day("as of"),
    "annual_cost": tables.money("annual cost"),
    "cost_percentile": tables.share("cost percentile", 0),
    "data_source": tables.text("source"),
}
_RETURN = {
    "window": tables.text("window"),
    "expected_savings": tables.money("savings"),
    "intervention_cost": tables.money("cost"),
    "net_benefit": tables.money("net benefit"),
    "roi_percent": tables.percent("ROI", 0),
    "roi_category": tables.text("category"),
}


def show_patient(page: Page) -> None:
    """Show the page."""
    person = _choose(page)
    if person is None:
        return
    patient_id = int(person["patient_id"].iloc[0])
    reader = page.reader
    st.html(tables.html(person, _FACTS, f"Person {person['patient_uuid'].iloc[0]}"))
    with words.section("Why this score"):
        reasons = queries.reasons(reader, patient_id, page.window)
        if reasons.empty:
            words.empty("This person has no score at this window.")
        else:
            show(pictures.contributions(reasons, page.window))
    with words.section("What it would come to"):
        returns = queries.return_of_one(reader, patient_id)
        names = returns["prediction_window"].map(pictures.window_name)
        title = "Projected return by window"
        st.html(tables.html(returns.assign(window=names), _RETURN, title))
        st.caption(pictures.PROJECTED)
    with words.section("How it was before"):
        scores = queries.score_history(reader, patient_id)
        if scores.empty:
            words.empty("This person was never scored.")
        else:
            show(pictures.score_history(scores))
    with words.section("Against whom"):
        reference = None
        if reader.may("reference_statistics"):
            reference = queries.reference(reader, page.organization)
        else:
            st.caption("The reference cohort's figures are withheld from this login.")
        show(pictures.features(queries.features(reader, patient_id), reference))


def _choose(page: Page) -> pd.DataFrame | None:
    """Ask whom, and find them; None where there is nobody, said in words."""
    with words.told():
        page.reader.require("patients", "patient_id", "patient_uuid")
        wanted = st.text_input(
            "Person (patient_uuid or patient_id)",
            value=st.query_params.get("person", ""),
            help="As in the target list. Empty: the first of that list.",
        ).strip()
        if not wanted:
            wanted = _first_of_list(page)
        if not wanted:
            words.empty("Name a person: nobody is on the target list to begin with.")
            return None
        if not _is_a_name(wanted):
            st.warning(
                f"{words.plain(wanted)} is no person's name here; expected a "
                "patient_uuid, as 1fc9a437-a047-4eef-948f-da2d7de90d4f, or a "
                "patient_id, as 1234."
            )
            return None
        person = queries.patient(page.reader, page.organization, wanted)
        if not person.empty:
            return person
        words.empty(f"Nobody called {wanted} is visible to this login here.")
    return None


def _first_of_list(page: Page) -> str:
    first = queries.targets(
        page.reader, page.organization, page.window, queries.Filters(), 1
    )
    return "" if first.empty else str(first["patient_uuid"].iloc[0])


def _is_a_name(wanted: str) -> bool:
    if wanted.isascii() and wanted.isdecimal():
        return len(wanted) < 19
    try:
        uuid.UUID(wanted)
    except ValueError:
        return False
    return True
