"""The section on groups of people: by sex, age, race and department."""

from collections.abc import Iterator

from python_scoring.card import markdown
from python_scoring.card.content import Card, estimate, share
from python_scoring.errors import BadInput

SMALL = " †"


def subgroups(card: Card) -> str:
    """Give each group's numbers and figures; mark the small, leave none out."""
    opening = (
        "Groups marked † had too few people admitted, or too few not admitted, for a "
        "figure to say much; where it could not be had at all it says so. Intervals "
        "are 95 %."
    )
    first, *others = card.facts.windows
    return "\n\n".join(
        [
            opening,
            f"**{first} days**",
            _groups_table(card, first),
            *(markdown.folded(f"{d} days", _groups_table(card, d)) for d in others),
        ]
    )


def _groups_table(card: Card, days: int) -> str:
    header = [
        "By",
        "Group",
        "People",
        "Admitted",
        "Expected",
        "Observed",
        "Observed / expected",
        "AUROC",
    ]
    rows = list(_group_rows(card, days))
    if not rows:
        raise BadInput(f"card: {card.facts.judged}: no groups of people")
    return markdown.table(header, rows, words=(0, 1))


def _group_rows(card: Card, days: int) -> Iterator[list[str]]:
    for group in card.facts.groups(days):
        kind, value = group
        of = {
            metric: card.facts.figure(days, metric, group)
            for metric in ("expected_rate", "observed_rate")
        }
        observed = of["observed_rate"]
        yield [
            kind.replace("_", " "),
            value.replace("_", " ").capitalize() + (SMALL if observed.is_small else ""),
            f"{observed.patient_count:,}",
            f"{observed.event_count:,}",
            share(of["expected_rate"].value),
            share(observed.value),
            estimate(card.facts.figure(days, "observed_expected", group), 2),
            estimate(card.facts.figure(days, "auroc", group), 2),
        ]
