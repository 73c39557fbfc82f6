"""Other tools on the warehouse: SQL, psql, dbt, MetricFlow, the checks, docs."""

import hashlib
import os
import sys
from typing import Annotated

import duckdb
import psycopg
import typer

from python_scoring import config, status
from python_scoring.audit import store as trail
from python_scoring.commands.common import err, make_ready, out, ready_warehouse
from python_scoring.duck.connection import in_words as errors_in_words
from python_scoring.embedded import binaries
from python_scoring.errors import BadInput
from python_scoring.identities import keys

app = typer.Typer()
docs_app = typer.Typer(help="Pages made from the project.", no_args_is_help=True)
app.add_typer(docs_app, name="docs")

# Every word is the other program's, --help too.
_PASSED_ON = {
    "ignore_unknown_options": True,
    "allow_extra_args": True,
    "help_option_names": [],
}


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="One SQL statement.")],
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Run one SQL statement and print what it returns."""
    with ready_warehouse() as conn:
        try:
            count = status.show_query(out, conn, query, as_csv=csv)
            if csv:
                # Not the statement itself, for whom it may name.
                digest = hashlib.sha256(query.encode()).hexdigest()
                detail = {"query_sha256": digest}
                trail.record(conn, "export", "sql --csv", count, detail=detail)
        except psycopg.Error as error:
            raise BadInput(str(error).strip()) from None
        except duckdb.Error as error:
            said = errors_in_words(error) or str(error).strip()
            raise BadInput(said) from None


@app.command(context_settings={"ignore_unknown_options": True})
def psql(
    arguments: Annotated[list[str] | None, typer.Argument(help="For psql.")] = None,
) -> None:
    """Open psql on the warehouse."""
    make_ready()
    sys.stdout.flush()
    program = str(binaries.client("psql"))
    environment = {**keys.without_key(os.environ), **config.libpq_environment()}
    os.execve(program, [program, *(arguments or [])], environment)


@app.command(context_settings=_PASSED_ON)
def dbt(context: typer.Context) -> None:
    """Run dbt itself on the warehouse: riskmart dbt build --select patients+."""
    from python_scoring import dbt as dbt_project

    make_ready()
    raise typer.Exit(dbt_project.passthrough(context.args))


@app.command(context_settings=_PASSED_ON)
def mf(context: typer.Context) -> None:
    """Ask the metrics, by MetricFlow: riskmart mf query --metrics net_benefit."""
    from python_scoring import semantic

    make_ready()
    raise typer.Exit(semantic.passthrough(context.args))


@app.command("test", context_settings={"ignore_unknown_options": True})
def run_checks(
    arguments: Annotated[list[str] | None, typer.Argument(help="For pytest.")] = None,
) -> None:
    """Run every check of the project: style, types, SQL, tests."""
    from python_scoring import checks

    raise typer.Exit(checks.run(err, arguments or []))


@docs_app.command("er")
def docs_er() -> None:
    """Draw the marts and their keys (Mermaid) into docs/er_diagram.md."""
    from python_scoring import diagram
    from python_scoring.dbt import Project

    project = Project()
    project.parse()
    out.print(f"Wrote {diagram.write(project.manifest)}", soft_wrap=True)
