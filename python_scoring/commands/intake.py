"""`riskmart add` and `serve-intake`: new patients, one by one."""

from typing import TYPE_CHECKING, Annotated

import typer

from python_scoring import config, server
from python_scoring.audit import heads
from python_scoring.commands.common import err, out
from python_scoring.errors import BadInput

if TYPE_CHECKING:
    from python_scoring.intake.answer import Answer

app = typer.Typer()


@app.command()
def add(
    file: Annotated[
        str | None,
        typer.Argument(help="JSON or CSV, one patient or many; or -."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Answer in JSON, for programs.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Answer the same, and change nothing.")
    ] = False,
    all_or_nothing: Annotated[
        bool,
        typer.Option("--all-or-nothing", help="Nobody, where one record has a fault."),
    ] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of a record.")
    ] = False,
) -> None:
    """Take new patients in: at once they are in every mart."""
    from python_scoring import intake_report
    from python_scoring.intake import adding, documents, record

    if schema:
        intake_report.show_json(record.json_schema())
        return
    if file is None:
        raise BadInput("add: expected a .json or .csv file, or - to read what is piped")
    records = list(documents.split(*documents.read(file)))
    server.ensure_running()
    with adding.intake() as intake:
        answer = intake.add(
            records, is_dry_run=dry_run, is_all_or_nothing=all_or_nothing
        )
    if as_json:
        intake_report.show_json(answer.as_json())
    else:
        intake_report.show(out, answer)
    if answer.count("rejected"):
        raise typer.Exit(BadInput.exit_code)


@app.command("serve-intake")
def serve_intake() -> None:
    """Take in what programs put into raw.new_patient_raw_input, until interrupted."""
    from python_scoring import intake_report
    from python_scoring.intake import adding, serving

    server.ensure_running()
    with adding.intake() as intake:

        def told(answer: "Answer") -> None:
            heads.note(intake.conn)
            intake_report.show_line(out, answer)

        err.print(f"Waiting for new patients in {config.describe()}; ctrl-c ends it.")
        serving.serve(intake, tell=told, complain=intake_report.complain)
