"""The command line: the one place that sets exit codes.

Exit codes: 0 done, 1 a gate or test said no, 2 something handed in is wrong.
Faults of our own are tracebacks.
"""

import io
import os
import signal
import sys
from typing import Annotated, Any

import duckdb
import psycopg
import typer
from rich.markup import escape
from typer.core import TyperGroup

from python_scoring import config
from python_scoring.audit import heads
from python_scoring.commands import (
    access,
    audit,
    builds,
    dashboard,
    identities,
    intake,
    keeping,
    load,
    scoring,
    target,
    tools,
)
from python_scoring.commands.common import err
from python_scoring.duck.connection import in_words as errors_in_words
from python_scoring.duck.connection import interrupt as interrupt_duckdb
from python_scoring.errors import BadInput, RiskmartError

# What there is of a warehouse in one DuckDB file too.
_ON_DUCKDB = {
    *("build", "publish", "load", "add", "synth", "train", "score", "evaluate"),
    *("status", "sql", "dbt", "test", "docs"),
}


class _Words(TyperGroup):
    """Interrupts and a lost server, at any moment of any command, in words."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command, and note the head of the trail outside the database."""
        try:
            return self._in_words(ctx)
        finally:
            if not config.is_duckdb():
                heads.note_pending()

    def _in_words(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise BadInput(f"interrupted; {_STANDS}") from None
        except duckdb.Error as error:
            words = errors_in_words(error)
            if words is None:
                raise
            raise BadInput(f"{words}; {_STANDS}") from None
        except RuntimeError as error:
            # DuckDB's word for a KeyboardInterrupt that came while it was at work.
            if str(error) != "Query interrupted":
                raise
            raise BadInput(f"interrupted; {_STANDS}") from None
        except psycopg.errors.DiskFull as error:
            raise BadInput(f"no room left: {str(error).strip()}; {_STANDS}") from None
        except psycopg.errors.InsufficientPrivilege as error:
            raise BadInput(
                f"{str(error).splitlines()[0]}; expected a database user who may"
            ) from None
        except psycopg.OperationalError as error:
            if error.sqlstate is not None and error.sqlstate[:2] not in ("08", "57"):
                raise
            raise BadInput(
                f"the warehouse ({config.describe()}) went away: "
                f"{str(error).strip()}; {_STANDS}"
            ) from None


_STANDS = "what was committed stands, and readers have one whole build"

app = typer.Typer(
    cls=_Words,
    help="From a patient cohort to risk scores, tiers, ROI and tested marts.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for room in (builds, intake, scoring, keeping, tools, target, dashboard, identities):
    app.add_typer(room.app)
app.add_typer(load.app, name="load")
app.add_typer(access.app, name="access")
app.add_typer(audit.app, name="audit")


def main() -> None:
    """Run the command line; errors in words, faults of ours as tracebacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that knows no accents gets them spelled.
            stream.reconfigure(errors="backslashreplace")
    # Whoever asks us to end gets the same clean end as by ctrl-c.
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    try:
        sys.argv[1:] = _target_first(sys.argv[1:])
        app(prog_name="riskmart")
    except RiskmartError as error:
        err.print(f"[red]error[/] {escape(str(error))}")
        sys.exit(error.exit_code)


def _interrupt(*_: object) -> None:
    interrupt_duckdb()
    raise KeyboardInterrupt


def _target_first(arguments: list[str]) -> list[str]:
    """Let `--target` stand behind a command of ours too; dbt's own stays dbt's."""
    if not arguments or arguments[0] in ("dbt", "mf", "psql", "test"):
        return arguments
    for place, argument in enumerate(arguments):
        if argument == "--target" and place + 1 < len(arguments):
            rest = arguments[:place] + arguments[place + 2 :]
            return ["--target", arguments[place + 1], *rest]
        if argument.startswith("--target="):
            return [argument, *arguments[:place], *arguments[place + 1 :]]
    return arguments


@app.callback()
def choose(
    context: typer.Context,
    target: Annotated[
        str | None,
        typer.Option(
            help="Where the warehouse is kept: postgres or duckdb (RISKMART_TARGET).",
        ),
    ] = None,
) -> None:
    """From a patient cohort to risk scores, tiers, ROI and tested marts."""
    if target:
        os.environ["RISKMART_TARGET"] = target
    command = context.invoked_subcommand
    if config.is_duckdb() and command not in _ON_DUCKDB:
        raise BadInput(
            f"riskmart {command}: not of a DuckDB file, which has no server, logins, "
            f"trail or dashboard; expected one of {', '.join(sorted(_ON_DUCKDB))}, or "
            "the target postgres"
        )
