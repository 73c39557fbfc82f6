"""Whom to call with a budget: for the terminal, as CSV, and as JSON."""

import csv
import math
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from python_scoring.errors import BadInput
from python_scoring.readmission.budgets import Answer, Person
from python_scoring.readmission.targeting import Totals
from python_scoring.tables import make_table

NOBODY = "none: no patient's projected return is positive"
_SHOWN = 20
_COLUMNS = tuple(field.name for field in fields(Person))


def show(console: Console, answer: Answer) -> None:
    """Print the figures, what the same money does otherwise, and the first people."""
    question = answer.question
    console.print(
        f"{escape(question.org_code)}, budget ${question.budget:,.2f}, scenario "
        f"{escape(question.scenario)}"
        + (f", window {escape(question.window)}" if question.window else "")
        + "".join(
            f", at most {most:,} of {escape(code)}"
            for code, most in question.capacities.items()
        )
        + ("" if question.with_controls else ", controls left alone"),
        soft_wrap=True,
    )
    if answer.paying_count == 0:
        console.print(_nobody(answer), soft_wrap=True)
        return
    if not answer.people:
        console.print(
            f"Nobody: {answer.paying_count:,} patients have a positive projected "
            "return, and none of them can be called for this budget and capacities."
        )
        return
    table = make_table(
        None, ["Strategy"], ["Patients", "Cost", "Savings", "Net", "ROI %"]
    )
    for name, totals in _strategies(answer):
        roi = totals.roi_percent
        table.add_row(
            name,
            f"{totals.patients:,.0f}",
            *(_dollars(v) for v in (totals.cost, totals.savings, totals.net)),
            "" if roi is None else f"{roi:,.1f}",
        )
    console.print(table)
    console.print(
        f"Chosen: {answer.choice.method}; no choice nets more than "
        f"${answer.choice.most_net:,.2f} ({answer.choice.gap_percent:.4f} % above). "
        f"{_next_dollar(answer)}"
        f"{answer.paying_count:,} patients have a positive projected return. "
        f"Probability that this list pays: {_percent(answer.probability_pays)} %, by "
        "the scenarios' assumptions, which are no results: that the programme works at "
        "all is taken for granted.",
        soft_wrap=True,
    )
    _show_people(console, answer)


def _nobody(answer: Answer) -> str:
    """Say that nobody pays; controls were not looked at unless they were asked for."""
    left_out = "" if answer.question.with_controls else " (controls not counted)"
    return f"{NOBODY}{left_out}"


def _next_dollar(answer: Answer) -> str:
    """Say what more money would bring."""
    more = answer.choice.next_net_per_dollar
    if more is None:
        return ""
    limits = ", capacities aside" if answer.question.capacities else ""
    return f"ROI of the next dollar{limits}: {100 * more:,.0f} %. "


def _dollars(value: float) -> str:
    """Write whole dollars, as `-$1,234`."""
    rounded = round(value)
    return f"{'-' if rounded < 0 else ''}${abs(rounded):,}"


def _percent(share: float) -> str:
    """Write a probability in percent; of assumptions, none is certain."""
    if share > 0.99:
        return ">99"
    return "<1" if share < 0.01 else f"{100 * share:.0f}"


def _strategies(answer: Answer) -> list[tuple[str, Totals]]:
    return [
        ("This list", answer.choice.totals),
        ("Risk-blind", answer.risk_blind),
        ("At random", answer.at_random),
    ]


def _show_people(console: Console, answer: Answer) -> None:
    table = make_table(
        None,
        ["", "patient_uuid", "Department", "Window"],
        ["Cost", "Savings", "Net", "Pays %"],
    )
    for person in answer.people[:_SHOWN]:
        table.add_row(
            str(person.rank),
            person.patient_uuid,
            escape(person.department_code),
            person.prediction_window,
            _dollars(person.intervention_cost),
            _dollars(person.expected_savings),
            _dollars(person.net_benefit),
            _percent(person.positive_roi_probability),
        )
    console.print(table)
    if len(answer.people) > _SHOWN:
        console.print(
            f"The first {_SHOWN} of {len(answer.people):,}; --csv FILE writes all."
        )


def as_json(answer: Answer) -> dict[str, Any]:
    """Give the answer as it is printed for programs; amounts in USD."""
    names = ("best", "risk_blind", "random")
    totals = dict(zip(names, (t for _, t in _strategies(answer)), strict=True))
    question = answer.question
    return {
        "org_code": question.org_code,
        "budget": question.budget,
        "scenario": question.scenario,
        "prediction_window": question.window,
        "capacities": dict(question.capacities),
        "verdict": _nobody(answer) if answer.paying_count == 0 else "",
        "positive_roi_count": answer.paying_count,
        "method": answer.choice.method,
        "most_net_benefit": answer.choice.most_net,
        "next_dollar_roi_percent": _in_percent(answer.choice.next_net_per_dollar),
        "positive_roi_probability": answer.probability_pays,
        "strategies": {
            name: {
                "patient_count": one.patients,
                "intervention_cost": one.cost,
                "expected_savings": one.savings,
                "net_benefit": one.net,
                "roi_percent": one.roi_percent,
            }
            for name, one in totals.items()
        },
        "patients": [asdict(person) for person in answer.people],
    }


def _in_percent(share: float | None) -> float | None:
    return None if share is None or math.isinf(share) else 100 * share


def write_csv(answer: Answer, file: Path) -> None:
    """Write the whole list.

    Raises
    ------
    BadInput
        The file cannot be written.
    """
    try:
        with file.open("w", newline="", encoding="utf-8") as lines:
            writer = csv.writer(lines, lineterminator="\n")
            writer.writerow(_COLUMNS)
            writer.writerows(
                [getattr(person, name) for name in _COLUMNS] for person in answer.people
            )
    except OSError as error:
        raise BadInput(
            f"--csv {file}: {error.strerror}; expected a file that can be written"
        ) from None
