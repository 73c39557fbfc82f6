"""The web page: Streamlit runs this file once for each look at a page."""

import hmac
import os
from collections.abc import Callable

import pandas as pd
import streamlit as st

from python_scoring.dashboard import cautions, queries, tables, words
from python_scoring.dashboard.page import Page
from python_scoring.dashboard.reader import Reader, reading
from python_scoring.dashboard.serve import KEY, LOGIN
from python_scoring.dashboard.views import (
    departments,
    overview,
    patient,
    pays,
    targets,
    trust,
    what_if,
)

_WINDOWS = ("30_day", "60_day", "90_day")
_PAGES: dict[str, tuple[str, Callable[[Page], None]]] = {
    "Overview": ("overview", overview.show_overview),
    "Departments": ("departments", departments.show_departments),
    "Target list": ("targets", targets.show_targets),
    "One patient": ("patient", patient.show_patient),
    "Model trust": ("trust", trust.show_trust),
    "What if": ("what-if", what_if.show_what_if),
    "Does it pay?": ("pays", pays.show_pays),
}
_STYLE = """
[data-testid="stCaptionContainer"], [data-testid="stCaptionContainer"] p {
    color: #444 !important; opacity: 1 !important; }
[data-testid="stMainBlockContainer"] { padding: 3rem 2rem; }
[data-testid="stIconMaterial"] { color: #444 !important; }
h1 { font-size: 2rem !important; } h2 { font-size: 1.45rem !important; }
h3 { font-size: 1.1rem !important; }
a:focus-visible, button:focus-visible, summary:focus-visible {
    outline: 3px solid #d55e00 !important; outline-offset: 2px; }
"""


def run() -> None:
    """Show the page that was asked for, or say why not."""
    st.set_page_config(page_title="riskmart", layout="wide")
    st.html(f"<style>{_STYLE}{tables.STYLE}</style>")
    key = os.environ.get(KEY, "")
    if not _is_admitted(key):
        st.title("riskmart", anchor=False)
        st.info("Open the address that ./riskmart dashboard printed, to the end of it.")
        return
    # Streamlit's own files are looked for below an address that is not the root's.
    first = "patient" if "person" in st.query_params else "overview"
    pages = [
        st.Page(_nothing, title=title, url_path=path, default=path == first)
        for title, (path, _) in _PAGES.items()
    ]
    chosen = st.navigation(pages)
    with words.told(), reading(os.environ.get(LOGIN) or None) as reader:
        _show(chosen.title, reader, key)


def _nothing() -> None:
    """Stand for a page, which is shown below with what it needs."""


def _is_admitted(key: str) -> bool:
    given = st.query_params.get("key", "")
    if not st.session_state.get("is_admitted"):
        if not hmac.compare_digest(given.encode(), key.encode()):
            return False
        st.session_state["is_admitted"] = True
    if given != key:
        # So that the page can be loaded again.
        st.query_params["key"] = key
    return True


def _show(title: str, reader: Reader, key: str) -> None:
    st.title(title, anchor=False)
    st.sidebar.caption(words.plain(f"Reading as {reader.named}"))
    found = queries.organizations(reader)
    if found.empty:
        words.empty(
            f"{reader.named} belongs to no organization. Whoever runs the warehouse "
            "gives access: "
            f"./riskmart access grant {reader.login} --org CODE --role ROLE"
        )
        return
    row = _organization(found)
    window = st.sidebar.radio(
        "Window", _WINDOWS, format_func=lambda w: f"{w.removesuffix('_day')} days"
    )
    st.caption(words.plain(f"{row['organization_name']}, as of {row['as_of_date']}"))
    st.info(cautions.caution(row["data_source"], row["organization_name"]))
    number, code = int(row["organization_id"]), str(row["org_code"])
    page = Page(reader, number, code, window, key)
    with st.spinner("Reading the marts"):
        _PAGES[title][1](page)


def _organization(found: pd.DataFrame) -> "pd.Series[str]":
    """Ask which organization, where there is more than one to see."""
    codes = list(found["org_code"])
    # Kept under a key: an address says it once, and the next page's says nothing.
    asked = st.query_params.get("org")
    if asked in codes and st.session_state.get("asked") != asked:
        st.session_state["asked"] = st.session_state["organization"] = asked
    # Who leaves a page before it is whole makes Streamlit forget what was chosen
    # on it; what is kept apart from the box is not forgotten.
    if st.session_state.get("organization") not in codes:
        kept = st.session_state.get("kept")
        st.session_state["organization"] = kept if kept in codes else codes[0]
    code = str(st.session_state["organization"])
    st.session_state["kept"] = code
    if len(codes) > 1:
        names = dict(zip(codes, found["organization_name"], strict=True))
        code = st.sidebar.selectbox(
            "Organization",
            codes,
            key="organization",
            format_func=lambda one: names[one],
        )
    return found[found["org_code"] == code].iloc[0]


run()
