"""The command that answers whom to call with a budget."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from python_scoring.audit import store as trail
from python_scoring.commands.common import Org, out, ready_warehouse
from python_scoring.errors import BadInput

app = typer.Typer()


@app.command()
def target(
    org: Org,
    budget: Annotated[str, typer.Option(help="USD to spend on interventions.")],
    window: Annotated[
        str | None,
        typer.Option(help="Call in this window only, as 30_day; else in the best one."),
    ] = None,
    capacity: Annotated[
        list[str] | None,
        typer.Option(
            help="DEPARTMENT=N: at most so many patients of it; may be repeated."
        ),
    ] = None,
    scenario: Annotated[
        str, typer.Option(help="conservative, base or optimistic.")
    ] = "base",
    file: Annotated[
        Path | None, typer.Option("--csv", help="Write the whole list to this file.")
    ] = None,
    with_controls: Annotated[
        bool,
        typer.Option(
            "--with-controls",
            help="Also those who are left alone so that effects can be measured.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Answer in JSON, for programs.")
    ] = False,
) -> None:
    """Choose whom to call with a budget, one window a patient, by projected return."""
    from python_scoring import intake_report, targeting_report
    from python_scoring.readmission import budgets

    question = budgets.Question(
        *(org, _dollars(budget), window, _capacities(capacity or []), scenario),
        with_controls=with_controls,
    )
    with ready_warehouse() as conn:
        answer = budgets.answer(conn, question)
        if file is not None:
            targeting_report.write_csv(answer, file)
            trail.record(conn, "export", "target --csv", len(answer.people))
    if as_json:
        intake_report.show_json(targeting_report.as_json(answer))
        return
    targeting_report.show(out, answer)
    if file is not None:
        out.print(f"Wrote {len(answer.people):,} patients to {escape(str(file))}")


def _dollars(text: str) -> float:
    try:
        budget = float(text.replace(",", "").removeprefix("$"))
    except ValueError:
        budget = float("nan")
    if not 0 <= budget < float("inf"):
        raise BadInput(f"--budget {text}: expected USD, a number from 0 on")
    return budget


def _capacities(given: list[str]) -> dict[str, int]:
    capacities: dict[str, int] = {}
    for one in given:
        code, is_split, count = one.partition("=")
        if not (is_split and count.strip().isdecimal()):
            raise BadInput(
                f"--capacity {one}: expected DEPARTMENT=N, as CARDIOLOGY=100"
            )
        code = code.strip().upper()
        if code in capacities:
            raise BadInput(f"--capacity {one}: {code} is given twice")
        capacities[code] = int(count)
    return capacities
