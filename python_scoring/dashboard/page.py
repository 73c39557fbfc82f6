"""What every page is given, and how it shows a picture."""

from dataclasses import dataclass
from urllib.parse import urlencode

import streamlit as st

from python_scoring.dashboard import tables
from python_scoring.dashboard.pictures import Picture
from python_scoring.dashboard.reader import Reader


@dataclass(frozen=True)
class Page:
    """Who looks, at which organization and window."""

    reader: Reader
    organization: int
    org_code: str
    window: str
    # Of the address that people open; links need it too.
    key: str

    def link_to_patient(self, patient_uuid: str) -> str:
        """Write the address of one person's page, from the root: see `app`."""
        asked = {"person": patient_uuid, "org": self.org_code, "key": self.key}
        return f"/?{urlencode(asked)}"


def show(picture: Picture) -> None:
    """Show a picture: heading, chart, what has to be said, and the table twin."""
    st.subheader(picture.title, anchor=False)
    if picture.chart is not None:
        st.altair_chart(picture.chart, width="stretch", theme=None)
    if picture.note:
        st.caption(picture.note)
    if picture.chart is None:
        st.html(picture.html)
    else:
        st.html(tables.folded(picture.title, picture.html))
