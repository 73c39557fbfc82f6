"""What several commands share: where to print, options, a warehouse in their turn."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Annotated

import duckdb
import psycopg
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from python_scoring import server, status, turns, warehouse
from python_scoring.errors import BadInput, RiskmartError
from python_scoring.turns import Tell
from python_scoring.warehouse import Connection

# A pipe has no width: a table there is as wide as it needs to be.
_PIPE_WIDTH = None if sys.stdout.isatty() else 200
out = Console(width=_PIPE_WIDTH)
err = Console(stderr=True, soft_wrap=True)

ORG = typer.Option("--org", help="Code from seeds/rules/organizations.csv.")
Org = Annotated[str, ORG]


@contextmanager
def ready_warehouse() -> Iterator[Connection]:
    """Connect to a running warehouse with its raw tables in place."""
    server.ensure_running()
    with warehouse.connect(autocommit=True) as conn:
        warehouse.prepare(conn)
        yield conn


def make_ready() -> None:
    """Have the warehouse running, with its raw tables in place, for another program."""
    with ready_warehouse():
        pass


@contextmanager
def progress() -> Iterator[tuple[Tell, Tell]]:
    """Show what is being done: functions to tell of a step, and of a dbt node."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as shown:
        task = shown.add_task("starting", total=None)
        step = ""

        def on_step(name: str) -> None:
            nonlocal step
            step = name
            shown.update(task, description=name)
            if name.startswith("waiting") and not err.is_terminal:
                err.print(name)

        def on_node(name: str) -> None:
            shown.update(task, description=f"{step}: {name}")

        yield on_step, on_node


@contextmanager
def told_what_readers_have() -> Iterator[None]:
    """Add to whatever fails what readers have, and where the candidate is."""
    try:
        yield
    except RiskmartError as error:
        have = ""
        # Where nothing was ever made, there is no record of builds to ask either.
        nothing = (
            *(psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName),
            duckdb.CatalogException,
        )
        with suppress(BadInput, *nothing), warehouse.connect() as conn:
            have = status.readers_have(conn)
        raise type(error)(f"{error}\n{have}".rstrip()) from None


@contextmanager
def in_turn(what: str, *, shared: bool = False) -> Iterator[Connection]:
    """Connect when no build is at work, and keep one from beginning."""
    with ready_warehouse() as conn, turns.take(what, shared=shared, tell=err.print):
        yield conn
