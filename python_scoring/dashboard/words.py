"""What a page says where it cannot show anything."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import streamlit as st

from python_scoring import config
from python_scoring.dashboard.reader import NotForThisLogin, NothingPublished


@contextmanager
def told() -> Iterator[None]:
    """Say in words why a page cannot be shown; faults of ours go on as they are."""
    try:
        yield
    except NotForThisLogin as error:
        st.info(plain(str(error)))
    except NothingPublished as error:
        st.title("Nothing to show yet")
        st.info(plain(str(error)))
    except psycopg.errors.QueryCanceled:
        st.warning("This took too long and was stopped. Choose less, or try again.")
    except psycopg.errors.InsufficientPrivilege as error:
        st.info(plain(f"The database refuses: {_first_line(error)}."))
    except psycopg.OperationalError as error:
        _say_stopped(error)


@contextmanager
def section(title: str) -> Iterator[None]:
    """Head a part of a page; what may not be read is said there."""
    st.header(title, anchor=False)
    try:
        yield
    except (NotForThisLogin, NothingPublished) as error:
        st.info(plain(str(error)))


def empty(what: str) -> None:
    """Say that there is nothing of what was asked for."""
    st.info(plain(what))


def plain(text: str) -> str:
    r"""Take what others named for text: Streamlit reads Markdown, pictures included.

    Examples
    --------
    >>> print(plain("$5 *off* ![](http://x)"))
    \$5 \*off\* \!\[\]\(http\:\/\/x\)
    """
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)


def _say_stopped(error: psycopg.OperationalError) -> None:
    st.title("The warehouse does not answer", anchor=False)
    said = f"No connection to the {config.describe()}: {_first_line(error)}"
    st.error(plain(said))
    if config.is_team_server():
        st.markdown("Whoever runs that server can start it; then try again.")
    else:
        st.markdown("It may be stopped. In a terminal, in the project's folder:")
        st.code("./riskmart db start", language="sh")
    st.button("Try again")


def _first_line(error: psycopg.Error) -> str:
    said = str(error).strip()
    return said.splitlines()[0] if said else "it is gone"
