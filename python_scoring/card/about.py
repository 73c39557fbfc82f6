"""Sections on what the model is: summary, use, cohort, outcome, record, checklists."""

from collections.abc import Iterator
from datetime import date, timedelta

from python_scoring.card import markdown
from python_scoring.card.content import Card, estimate, moment

HEADLINES = (
    ("auroc", "Orders people (AUROC; 0.5 is chance, 1 is perfect)"),
    ("observed_expected", "Admissions observed / expected (1 is right)"),
    ("calibration_slope", "Calibration slope (1 is right)"),
)


def summary(card: Card) -> str:
    """Say in short what the model is, and give its headline figures."""
    facts = card.facts
    model, judged = facts.model, facts.judged
    admitted = ", ".join(
        f"{facts.known(days, 'auroc').event_count:,} within {days} days"
        for days in facts.windows
    )
    trained = (
        f"Trained on {model.training_patients:,} people; judged on "
        f"{judged.patient_count:,} others (cohort {judged}), of whom were admitted: "
        f"{admitted}."
    )
    rows = [
        [words, *(estimate(facts.known(days, metric)) for days in facts.windows)]
        for metric, words in HEADLINES
    ]
    header = ["Headline figure (95 % interval)", *_days(card)]
    opening = [card.text("predicts"), card.text("training_data"), trained]
    return "\n\n".join(
        [*opening, markdown.table(header, rows), _left_open(card), in_force(card)]
    )


def _days(card: Card) -> list[str]:
    return [f"{days} days" for days in card.facts.windows]


def _left_open(card: Card) -> str:
    counts = [
        f"{sum(item.is_open for item in checklist.items)} of {len(checklist.items)} "
        f"in {markdown.link(checklist.title)}"
        for checklist in card.answers.checklists.values()
    ]
    return f"Questions that are still open, and marked so: {', '.join(counts)}."


def in_force(card: Card) -> str:
    """Say since when or at what times the model was in force."""
    terms = [
        f"from {moment(term.promoted_at)} "
        + (f"to {moment(term.retired_at)}" if term.retired_at else "on, and still")
        for term in card.facts.terms
    ]
    if not terms:
        return "The model has never been in force."
    return f"In force {'; '.join(terms)}."


def use(card: Card) -> str:
    """Say what the model is for, and what it is not for."""
    rows = [
        ["What it puts out", card.text("use.output")],
        ["For whom", card.text("use.people")],
        ["Who uses it", card.text("use.users")],
        ["Part in the decision", card.text("use.decision")],
        ["Developed by", card.text("maintainer.developer")],
        ["Answers for its use", card.text("maintainer.owner")],
    ]
    return "\n\n".join(
        [
            markdown.table(["Question", "Answer"], rows, words=(0, 1)),
            "It is meant:",
            card.points("intended_use"),
            "**Take care. It is not meant for what follows:**",
            card.points("caution"),
        ]
    )


def cohort(card: Card) -> str:
    """Say who the model learnt from and who it was judged on."""
    facts = card.facts
    model, judged = facts.model, facts.judged
    used = [(load.org_code, load.as_of_date, load.row_count) for load in facts.loads]
    rows = [_cohort_row(card, "Trained on", *one) for one in used]
    if not rows:
        gone = ["no longer in the warehouse"] * 3
        rows = [["Trained on", *gone, f"{model.training_rows:,}"]]
    last = (judged.org_code, judged.as_of_date, judged.patient_count)
    rows.append(_cohort_row(card, "Judged on", *last))
    header = ["Part", "Cohort", "Index date", "Followed until", "Rows"]
    counts = [
        [interval, f"{count['at_risk']:,}", f"{count['events']:,}"]
        for interval, count in model.metrics["hazards"].items()
    ]
    return "\n\n".join(
        [
            f"Training read {model.training_rows:,} rows of "
            f"{model.training_patients:,} people.",
            markdown.table(header, rows, words=(0, 1, 2, 3)),
            "Admissions in training, by interval, among those not admitted before:",
            markdown.table(["Interval", "Still at risk", "Admitted"], counts),
            "For numbers by sex, age, race and department see "
            f"{card.filled('cohort', '{subgroups}')}.",
        ]
    )


def _cohort_row(
    card: Card, part: str, org_code: str, index_date: date, rows: int
) -> list[str]:
    until = index_date + timedelta(days=card.facts.windows[-1])
    return [part, org_code, str(index_date), str(until), f"{rows:,}"]


def outcome(card: Card) -> str:
    """Say what is predicted and how it is known."""
    names = ("definition", "readmission", "known", "source")
    return "\n\n".join(card.text(f"outcome.{name}") for name in names)


def record(card: Card) -> str:
    """Give versions, hashes and dates, by which the model can be told from others."""
    return markdown.table(["What", "Value"], _record_rows(card), words=(0, 1))


def _record_rows(card: Card) -> Iterator[list[str]]:
    model, judged = card.facts.model, card.facts.judged
    yield ["Model version", f"`{model.model_version}`"]
    yield ["Predicts", model.target]
    yield ["Registered as", model.role]
    yield ["Trained", moment(model.trained_at)]
    yield ["In force", in_force(card)]
    yield [
        "Training data, SHA-256",
        f"`{model.training_fingerprint}`",
    ]
    yield ["Model file", f"`{model.artifact_file}`"]
    yield ["Model file, SHA-256", f"`{model.artifact_sha256}`"]
    same = judged.artifact_sha256 == model.artifact_sha256
    other = f"another or none (`{judged.artifact_sha256}`): evaluate it anew"
    yield ["Model file that was judged", "the same" if same else other]
    yield ["Judged", f"{judged}, {moment(judged.evaluated_at)}"]
    yield ["Scores and outcomes judged, SHA-256", f"`{judged.scores_sha256}`"]
    libraries = (f"{name} {value}" for name, value in model.library_versions.items())
    yield ["Fitted with", ", ".join(libraries)]


def limits(card: Card) -> str:
    """Say what the model cannot do."""
    return card.points("limits")


def checklist(card: Card, key: str) -> str:
    """Answer a checklist, item by item, or say what is missing."""
    asked = card.answers.checklists[key]
    rows = []
    for item in asked.items:
        answer = card.filled(f"{key}.{item.number}", item.answer)
        rows.append([item.number, item.part, item.question, answer])
    header = ["Item", "Part", "Asked", "Answer"]
    return "\n\n".join([asked.source, markdown.table(header, rows, words=(0, 1, 2, 3))])
