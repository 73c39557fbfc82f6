"""Sections on how the model did: figures, calibration, tiers, groups, thresholds."""

from python_scoring.card import markdown
from python_scoring.card.content import Card, estimate, share
from python_scoring.card.facts import Bin, Evaluation
from python_scoring.card.plot import calibration_plot
from python_scoring.errors import BadInput

# Name in the warehouse, in words, decimals, and what it says.
FIGURES = (
    (
        "auroc",
        "AUROC",
        3,
        "chance that of one person admitted and one not, the first has the higher "
        "score; 0.5 is a coin, 1 is perfect",
    ),
    (
        "auprc",
        "AUPRC",
        3,
        "share admitted among those called first, on average; compare with the "
        "observed rate",
    ),
    (
        "brier",
        "Brier score",
        4,
        "squared distance of risk and outcome; 0 is right",
    ),
    (
        "scaled_brier",
        "Scaled Brier score",
        3,
        "0 is the rate alone, 1 perfect",
    ),
    ("log_loss", "Log loss", 4, "surprise at the outcome; lower is better"),
    ("log_loss_prevalence", "Log loss of the admission rate alone", 4, "to be beaten"),
    (
        "log_loss_condition_count",
        "Log loss of the condition count",
        4,
        "to be beaten",
    ),
    ("log_loss_cost_percentile", "Log loss of the place in costs", 4, "to be beaten"),
    ("expected_rate", "Expected rate", 3, "mean of the predicted risks"),
    ("observed_rate", "Observed rate", 3, "share of people who were admitted"),
    ("observed_expected", "Observed / expected", 3, "1 is right; above, risks too low"),
    (
        "calibration_in_the_large",
        "Calibration in the large",
        3,
        "0 is right; above, risks are too low on the whole",
    ),
    (
        "calibration_slope",
        "Calibration slope",
        3,
        "1 is right; below, risks are too extreme; above, too timid",
    ),
    (
        "calibration_intercept",
        "Calibration intercept",
        3,
        "beside it; 0 is right",
    ),
    ("ici", "ICI", 4, "mean distance of risk and calibration curve; 0 is right"),
    ("e50", "E50", 4, "half of the people are within this distance"),
    ("e90", "E90", 4, "nine in ten are within this distance"),
)
COHORTS = ("Cohort", "People", "AUROC", "Observed / expected")
THRESHOLDS = (0.1, 0.2, 0.4, 0.6)


def figures(card: Card) -> str:
    """Give every figure of everyone, and say how each cohort was judged."""
    facts = card.facts
    rows = [
        [
            words,
            *(estimate(facts.known(days, name), places) for days in facts.windows),
            says,
        ]
        for name, words, places, says in FIGURES
    ]
    windows = [f"{days} days" for days in facts.windows]
    cohorts = [_cohort(card, evaluation) for evaluation in facts.evaluations]
    judged = f"Cohort {facts.judged}, {facts.judged.patient_count:,} people."
    return "\n\n".join(
        [
            card.text("judging.method"),
            judged,
            markdown.table(["Figure", *windows, "What it says"], rows, (0, 4)),
            _not_evaluated(card),
            markdown.table(COHORTS, cohorts, words=(0, 2, 3)),
        ]
    )


def _not_evaluated(card: Card) -> str:
    waiting = [e for e in card.facts.evaluations if not e.is_evaluated]
    if not waiting:
        return "Every cohort that this model was put to has been evaluated:"
    return (
        f"**{len(waiting)} of {len(card.facts.evaluations)} cohorts could not be "
        "evaluated.** That is not a pass: nothing is known of the model there. All "
        f"cohorts, each with its figures at {_windows(card)} days:"
    )


def _windows(card: Card) -> str:
    return ", ".join(map(str, card.facts.windows))


def _cohort(card: Card, evaluation: Evaluation) -> list[str]:
    if not evaluation.is_evaluated:
        said = f"**not evaluated**: {evaluation.reason}"
        return [str(evaluation), "none judged", said, "not evaluated"]
    columns = [
        ", ".join(
            estimate(card.facts.figure(days, metric, evaluation=evaluation), 2)
            for days in card.facts.windows
        )
        for metric in ("auroc", "observed_expected")
    ]
    return [str(evaluation), f"{evaluation.patient_count:,}", *columns]


def calibration(card: Card) -> str:
    """Draw predicted against observed risk by decile, and tell it in numbers."""
    facts = card.facts
    deciles = [one for one in facts.bins if one.kind == "decile"]
    if not deciles:
        raise BadInput(f"card: {facts.judged}: no deciles; run `riskmart evaluate`")
    tables = [
        markdown.folded(f"{days} days in numbers", _bins_table(deciles, days, "Tenth"))
        for days in facts.windows
    ]
    return "\n\n".join(
        [
            "People are put in order of their score and parted into tenths. Where a "
            "point lies on the dashed line, as many were admitted as predicted; the "
            "bars are 95 % intervals (Wilson).",
            f"<figure>\n{calibration_plot(facts.windows, deciles)}\n</figure>",
            *tables,
        ]
    )


def _bins_table(bins: list[Bin], days: int, name: str) -> str:
    header = [name, "People", "Expected", "Observed (95 % interval)", "Admitted"]
    rows = [_bin_row(one) for one in bins if one.window_days == days]
    return markdown.table(header, rows)


def _bin_row(one: Bin) -> list[str]:
    if not one.patient_count:
        return [str(one.number), "0", "nobody", "nobody", "0"]
    interval = f"{share(one.observed_rate)} ({share(one.lower)} to {share(one.upper)})"
    return [
        str(one.number),
        f"{one.patient_count:,}",
        share(one.expected_rate),
        interval,
        f"{one.event_count:,}",
    ]


def tiers(card: Card) -> str:
    """Compare each tier's expected admissions with those observed."""
    bins = [one for one in card.facts.bins if one.kind == "tier"]
    if not bins:
        raise BadInput(f"card: {card.facts.judged}: no tiers; run `riskmart evaluate`")
    tables = [
        f"**{days} days**\n\n{_bins_table(bins, days, 'Tier')}"
        for days in card.facts.windows
    ]
    return "\n\n".join([card.text("judging.tiers"), *tables])


def decisions(card: Card) -> str:
    """Show what calling everybody at or above a few thresholds would come to."""
    header = [
        "Window",
        "Threshold",
        "Called",
        "Of those admitted, called",
        "Of those called, admitted",
        "Net benefit, per 1,000 people",
        "Net benefit of calling everybody",
    ]
    rows = [
        row
        for days in card.facts.windows
        for threshold in THRESHOLDS
        for row in [_threshold_row(card, days, threshold)]
    ]
    return "\n\n".join([card.text("judging.decisions"), markdown.table(header, rows)])


def _threshold_row(card: Card, days: int, threshold: float) -> list[str]:
    for one in card.facts.thresholds:
        if one.window_days == days and abs(one.threshold - threshold) < 1e-9:
            break
    else:
        raise BadInput(
            f"card: {card.facts.judged}, {days} days: no threshold {threshold}; run "
            "`riskmart evaluate`"
        )
    benefits = (one.net_benefit, one.net_benefit_all)
    return [
        f"{days} days",
        f"{100 * threshold:.0f} %",
        f"{one.flagged_count:,}",
        share(one.sensitivity),
        share(one.ppv) if one.flagged_count else "nobody called",
        *("too few" if b is None else markdown.number(1000 * b, 1) for b in benefits),
    ]


def drift(card: Card) -> str:
    """Say how far people and scores have moved from those of training."""
    opening = card.text("judging.drift")
    if not card.drift:
        return f"{opening}\n\n**Nothing published yet**: build and publish first."
    header = ["Cohort", "Feature or score", "Index (PSI)"]
    table = markdown.table(header, card.drift, words=(0, 1))
    most = "Those that moved most, of each cohort that it has scored:"
    return f"{opening}\n\n{most}\n\n{table}"
