"""Run Streamlit with everything imported beforehand: who comes first waits for less."""

from streamlit.web import cli

from python_scoring.dashboard.views import (  # noqa: F401
    departments,
    overview,
    patient,
    pays,
    targets,
    trust,
    what_if,
)

if __name__ == "__main__":
    cli.main(prog_name="streamlit")
