"""The model card as one Markdown file, written whole or not at all."""

import os
import re
import tempfile
from pathlib import Path

import yaml

from python_scoring import config
from python_scoring.card import about, answers, drift, groups, making, reading, results
from python_scoring.card.content import TITLES, Card
from python_scoring.card.meaning import meanings
from python_scoring.readmission import features
from python_scoring.warehouse import Connection

FOLDER = Path("docs") / "model_cards"
REAL_DATA_FILE = Path("docs") / "real_outcomes.md"
ANSWERS_FILE = Path(features.__file__).with_name("card.toml")


def write(
    conn: Connection,
    model_version: str | None,
    folder: Path | None = None,
    answers_file: Path = ANSWERS_FILE,
) -> Path:
    """Write a model's card from what the warehouse and people say of it.

    Parameters
    ----------
    model_version
        None for the model in force.
    folder
        Made if it is not there; by default ``docs/model_cards`` of the project.

    Returns
    -------
    The file, ``<version>.md``. The same warehouse gives the same file.

    Raises
    ------
    BadInput
        There is no such model, or a figure or an answer is missing, which it
        names. Nothing has been written then.
    """
    card = read(conn, model_version, answers_file)
    path = (
        folder or config.PROJECT_DIR / FOLDER
    ) / f"{card.facts.model.model_version}.md"
    _replace(path, render(card))
    return path


def read(conn: Connection, model_version: str | None, answers_file: Path) -> Card:
    """Read what a card is written from."""
    found = reading.read(conn, features.TARGET, model_version, _gate_org_code())
    given = answers.read(answers_file, is_synthetic=found.model.is_synthetic)
    return Card(found, given, drift.read(conn, found.model.model_version))


def real_data(card: Card) -> str:
    """Say what the method came to on real data, as last measured and written down."""
    path = config.PROJECT_DIR / REAL_DATA_FILE
    opening = card.text("judging.real_data")
    if not path.is_file():
        measure = "`python -m benchmarks.real_outcomes` measures it."
        return f"{opening}\n\n**Not measured yet**: {measure}"
    # Its headings would part this document; what they say stays.
    text = path.read_text(encoding="utf-8").strip()
    text = re.sub(r"^#+ +(.*)$", r"**\1**", text, flags=re.MULTILINE)
    return f"{opening}\n\n{text}"


def _gate_org_code() -> str:
    """Whose cohort the gates look at: the card goes into that one."""
    text = (config.PROJECT_DIR / "dbt_project.yml").read_text(encoding="utf-8")
    return str(yaml.safe_load(text)["vars"]["gate_org_code"])


def render(card: Card) -> str:
    """Write all sections, in order."""
    sections = {
        "summary": about.summary(card),
        "use": about.use(card),
        "cohort": about.cohort(card),
        "outcome": about.outcome(card),
        "predictors": making.predictors(card, meanings()),
        "model": making.model_making(card),
        "figures": results.figures(card),
        "calibration": results.calibration(card),
        "tiers": results.tiers(card),
        "subgroups": groups.subgroups(card),
        "decisions": results.decisions(card),
        "drift": results.drift(card),
        "real_data": real_data(card),
        "limits": about.limits(card),
        "record": about.record(card),
        **{key: about.checklist(card, key) for key in card.answers.checklists},
    }
    version = card.facts.model.model_version
    title = f"# {card.text('title')}\n\nModel card of `{version}`"
    parts = [f"## {TITLES[key]}\n\n{text}" for key, text in sections.items()]
    return "\n\n".join([title, *parts]) + "\n"


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).chmod(0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
