"""Sections on how the model is made: its predictors, its candidates, its reference."""

import re

from python_scoring.card import markdown
from python_scoring.card.content import Card
from python_scoring.card.meaning import Meaning
from python_scoring.errors import BadInput


def predictors(card: Card, meanings: dict[str, Meaning]) -> str:
    """List the features in order, with the reference patient's values.

    Raises
    ------
    BadInput
        The model has a feature that the feature list does not know.
    """
    model = card.facts.model
    unknown = [name for name in model.feature_names if name not in meanings]
    if unknown:
        raise BadInput(
            f"card: {model.model_version} has features {unknown} that are not in "
            "features.csv; expected a meaning for each"
        )
    values: dict[str, float | None] = model.reference_patient["values"]
    rows = []
    for place, name in enumerate(model.feature_names, start=1):
        meaning = meanings[name]
        shown = meaning.value(values[name])
        rows.append([str(place), f"`{name}`", meaning.words, meaning.unit, shown])
    header = ["No.", "Feature", "Meaning", "Unit", "Reference patient"]
    paragraphs = [card.text(f"predictors.{n}") for n in ("measured", "missing", "race")]
    return "\n\n".join([*paragraphs, markdown.table(header, rows, words=range(5))])


def model_making(card: Card) -> str:
    """Say how the model was made and chosen."""
    name = card.facts.model.reference_patient["name"]
    reference = (
        f"{card.text('model.reference')} Its values are in "
        f"{card.filled('model', '{predictors}')}."
    )
    if name not in reference:
        raise BadInput(f"{card.answers.file}, text.model.reference: no {name!r} in it")
    return "\n\n".join(
        [
            card.text("model.hazards"),
            card.text("model.additive"),
            card.text("model.choice"),
            candidates(card),
            card.text("model.calibration"),
            reference,
        ]
    )


def candidates(card: Card) -> str:
    """Compare the candidates by their cross-validated log loss, best first."""
    model = card.facts.model
    if not model.candidates:
        raise BadInput(
            f"card: {model.model_version} was registered without its candidates; "
            "run `riskmart train`"
        )
    hazards = sorted(model.candidates, key=_first_day)
    names = {name for hazard in hazards for name in model.candidates[hazard]}
    losses = {name: [_log_loss(card, one, name) for one in hazards] for name in names}
    rows = [
        [_words(name), *(_shown(card, one, name) for one in hazards)]
        for name in sorted(names, key=lambda name: (losses[name], name))
    ]
    header = ["Candidate (log loss; chosen in bold)", *hazards]
    return markdown.table(header, rows)


def _first_day(interval: str) -> int:
    """Put intervals in order: `days 1-30` is before `days 31-60`."""
    found = re.search(r"\d+", interval)
    return int(found[0]) if found else 0


def _words(name: str) -> str:
    return name.replace("_", " ")


def _log_loss(card: Card, hazard: str, name: str) -> float:
    model = card.facts.model
    value = model.candidates[hazard].get(name, {}).get("log_loss")
    if value is None:
        raise BadInput(
            f"card: {model.model_version}, candidate {name}, {hazard}: no log_loss in "
            "the registry; run `riskmart train`"
        )
    return float(value)


def _shown(card: Card, hazard: str, name: str) -> str:
    text = markdown.number(_log_loss(card, hazard, name), 4)
    return f"**{text}**" if card.facts.model.chosen.get(hazard) == name else text
