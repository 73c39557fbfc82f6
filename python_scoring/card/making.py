"""Sections on how the model is made: its predictors, its candidates, its reference."""

import re

from python_scoring.card import markdown
from python_scoring.card.content import Card
from python_scoring.card.meaning import Meaning
from python_scoring.errors import BadInput

FOLDED = ("auroc", "brier")


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
            "The three together, on the people trained on, each predicted by a model "
            "that had not seen them:",
            out_of_fold(card),
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
        [card.text(f"candidates.{name}"), *(_shown(card, one, name) for one in hazards)]
        for name in sorted(names, key=lambda name: (losses[name], name))
    ]
    header = ["Candidate (log loss ± one standard error; chosen in bold)", *hazards]
    return markdown.table(header, rows)


def _first_day(interval: str) -> int:
    """Put intervals in order: `days 1-30` is before `days 31-60`."""
    found = re.search(r"\d+", interval)
    return int(found[0]) if found else 0


def _log_loss(card: Card, hazard: str, name: str, figure: str = "log_loss") -> float:
    model = card.facts.model
    value = model.candidates[hazard].get(name, {}).get(figure)
    if value is None:
        raise BadInput(
            f"card: {model.model_version}, candidate {name}, {hazard}: no {figure} in "
            "the registry; run `riskmart train`"
        )
    return float(value)


def _shown(card: Card, hazard: str, name: str) -> str:
    loss, error = (
        markdown.number(_log_loss(card, hazard, name, figure), 4)
        for figure in ("log_loss", "se")
    )
    is_chosen = card.facts.model.chosen.get(hazard) == name
    return f"**{loss} ± {error}**" if is_chosen else f"{loss} ± {error}"


def out_of_fold(card: Card) -> str:
    """Tell how the chosen did on the training people, each held out once."""
    horizons = card.facts.model.metrics.get("horizons", {})
    missing = [days for days in card.facts.windows if str(days) not in horizons]
    if missing:
        raise BadInput(
            f"card: {card.facts.model.model_version}: no out-of-fold figures for "
            f"{missing} days in the registry; run `riskmart train`"
        )
    rows = [
        [f"{days} days", *(markdown.number(horizons[str(days)][f], 4) for f in FOLDED)]
        for days in card.facts.windows
    ]
    return markdown.table(["Window", "AUROC", "Brier score"], rows)
