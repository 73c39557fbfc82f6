"""`riskmart audit ...`: show the trail, verify it, archive it, import reads."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from python_scoring import config, server
from python_scoring.audit import access_log, archive, show, verify
from python_scoring.audit.verify import Verdict
from python_scoring.commands.common import err, out, ready_warehouse
from python_scoring.errors import GateFailed
from python_scoring.warehouse import Connection

app = typer.Typer(
    help="The trail: what was done and who read, by whom and when.",
    no_args_is_help=True,
)


@contextmanager
def _as_ourselves() -> Iterator[Connection]:
    """Connect as who logged in: the role that builds may not read the trail."""
    with ready_warehouse() as conn:
        conn.execute("set role none")
        yield conn


@app.command("verify")
def verify_chain(
    file: Annotated[
        Path | None,
        typer.Option("--archive", help="An archived month's file instead."),
    ] = None,
) -> None:
    """Recompute the chain, and hold it against the heads noted outside."""
    if file is not None:
        _tell(_verify_file(file))
        return
    with _as_ourselves() as conn, err.status("verifying"):
        verdict = verify.verify(conn)
    _tell(verdict)


def _verify_file(file: Path) -> Verdict:
    """Hold a file against the warehouse too, where that is there."""
    if config.is_team_server() or server.is_running():
        with _as_ourselves() as conn:
            return verify.verify_file(file, conn)
    err.print("The warehouse is not running: the file is held against itself only.")
    return verify.verify_file(file)


def _tell(verdict: Verdict) -> None:
    for note in verdict.notes:
        out.print(f"[yellow]note[/] {escape(note)}", soft_wrap=True)
    if verdict.faults:
        more = verdict.fault_count - len(verdict.faults)
        lines = [*verdict.faults, *([f"and {more:,} more"] if more else [])]
        raise GateFailed("the trail was tampered with:\n  " + "\n  ".join(lines))
    if not (verdict.first and verdict.last):
        out.print("No entry yet.")
        return
    out.print(
        f"{verdict.count:,} entries, {verdict.first.entry_id} to "
        f"{verdict.last.entry_id}: each follows the one before, and the "
        f"{verdict.noted:,} noted outside are among them. Head {verdict.last.hash}.",
        soft_wrap=True,
    )


@app.command("show")
def show_entries(
    last: Annotated[int, typer.Option("--last", min=1, help="How many.")] = 20,
    action: Annotated[
        str | None, typer.Option(help="Of one kind only: load, publish, ...")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="From then on, UTC."
        ),
    ] = None,
) -> None:
    """Show the last entries of the trail."""
    with _as_ourselves() as conn:
        found = show.entries(conn, last, action, since)
    table = Table(*show.COLUMNS)
    for row in found:
        table.add_row(*map(escape, row))
    out.print(table)


@app.command("archive")
def archive_months(
    before: Annotated[str, typer.Option(help="Months before this one, YYYY-MM.")],
    folder: Annotated[
        Path | None, typer.Option("--to", help="Folder of the archived months.")
    ] = None,
) -> None:
    """Write old months to files, read them back, and drop them."""
    with _as_ourselves() as conn:
        done = archive.archive(conn, before, folder, tell=err.print)
    for month in done:
        out.print(
            f"{month.month}: {month.entries:,} entries are in {month.file}",
            soft_wrap=True,
        )
    if not done:
        out.print(f"No month before {before} is in the database.")


@app.command("import-log")
def import_log(
    files: Annotated[
        list[Path], typer.Argument(help="Logs of the server: .csv, .json or stderr's.")
    ],
) -> None:
    """Take in who read what, out of the server's log; a line counts once."""
    with _as_ourselves() as conn:
        done = access_log.take_in(conn, files)
    for one in done:
        out.print(
            f"{one.file}: {one.reads:,} reads, {one.new:,} of them new", soft_wrap=True
        )
