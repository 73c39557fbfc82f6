"""What every section of a card is written from, and the sections' titles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from python_scoring.card import markdown
from python_scoring.card.answers import OPEN, Answers
from python_scoring.card.facts import Facts, Figure
from python_scoring.errors import BadInput

TITLES: Mapping[str, str] = {
    "summary": "In short",
    "use": "Intended use",
    "cohort": "Cohort and dates",
    "outcome": "Outcome",
    "predictors": "Predictors",
    "model": "Model",
    "figures": "Figures",
    "calibration": "Calibration",
    "tiers": "Tiers",
    "subgroups": "Groups of people",
    "decisions": "Whom to call",
    "drift": "Drift",
    "real_data": "The method on real data",
    "limits": "Limits",
    "record": "Record",
    "tripod": "TRIPOD+AI",
    "probast": "PROBAST",
    "hti1": "HTI-1 source attributes",
}
TOO_FEW = "too few"


@dataclass(frozen=True)
class Card:
    """A model's facts and what people have written of it.

    ``drift`` are the rows of the drift table, worst first by cohort; none where
    nothing has been published.
    """

    facts: Facts
    answers: Answers
    drift: Sequence[tuple[str, ...]] = ()

    def text(self, name: str) -> str:
        """Find a text, its {section} slots turned into links."""
        return self.filled(f"text.{name}", self.answers.text(name))

    def points(self, name: str) -> str:
        """Find a list, as one."""
        filled = (self.filled(f"lists.{name}", p) for p in self.answers.points(name))
        return markdown.bullets(filled)

    def filled(self, name: str, text: str) -> str:
        """Turn the {section} slots of a text into links, and mark what is open.

        Raises
        ------
        BadInput
            A slot names no section.
        """
        links = {key: markdown.link(title) for key, title in TITLES.items()}
        try:
            return text.format_map(links).replace(OPEN, f"**{OPEN.strip()}** ")
        except (KeyError, IndexError, ValueError) as error:
            raise BadInput(
                f"{self.answers.file}, {name}: {text!r}: {error} names no section; "
                f"expected slots of {', '.join(TITLES)}"
            ) from None


def estimate(figure: Figure, decimals: int = 3) -> str:
    """Write a figure with its interval, where it has one."""
    if figure.value is None:
        return TOO_FEW
    value = markdown.number(figure.value, decimals)
    if figure.lower is None or figure.upper is None:
        return value
    ends = (markdown.number(end, decimals) for end in (figure.lower, figure.upper))
    return f"{value} ({' to '.join(ends)})"


def share(value: float | None) -> str:
    """Write a share in percent, where there is one."""
    return TOO_FEW if value is None else markdown.percent(value)


def moment(when: datetime) -> str:
    """Write a time to the minute, in UTC."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
