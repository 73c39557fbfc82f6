"""The warehouse itself: `riskmart db`, `status`, `backup`, `restore`."""

from pathlib import Path
from typing import Annotated

import psycopg
import typer
from rich.markup import escape

from python_scoring import config, server, status, warehouse
from python_scoring.access import protection
from python_scoring.commands.common import err, make_ready, out, ready_warehouse
from python_scoring.errors import BadInput

app = typer.Typer()
db_app = typer.Typer(help="The server and its roles.", no_args_is_help=True)
app.add_typer(db_app, name="db")


@app.command()
def backup(
    folder: Annotated[
        Path | None, typer.Option("--to", help="Folder of the backups.")
    ] = None,
    keep: Annotated[int, typer.Option(help="How many stay, this one included.")] = 14,
) -> None:
    """Back up the whole warehouse and its models."""
    from python_scoring import backup as backups

    with err.status("backing up"):
        made = backups.make(folder, keep, tell=err.print)
    status.show_backup(out, made)


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="One backup's folder.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Although the warehouse holds data.")
    ] = False,
) -> None:
    """Restore a backup beside what is there, compare it, and put it in force."""
    from python_scoring import restore as restoring

    with err.status("restoring"):
        restored = restoring.restore(folder, replace=replace, tell=err.print)
    status.show_restored(out, restored)


@app.command("status")
def show_status() -> None:
    """Show where the warehouse is and what it holds."""
    if config.is_duckdb() and not config.duckdb_file().exists():
        out.print(f"{config.describe()}: not there yet; `riskmart build` makes it")
        return
    if config.is_embedded() and not server.is_running():
        out.print(f"{config.describe()}: not running; `riskmart db start` starts it")
        raise typer.Exit(1)
    with ready_warehouse() as conn:
        status.show(out, conn)


@db_app.command("start")
def db_start() -> None:
    """Start the embedded server (or find it running) and make the raw tables."""
    make_ready()
    out.print(f"Ready: {config.describe()}")


@db_app.command("stop")
def db_stop() -> None:
    """Stop the embedded server."""
    if config.is_team_server():
        raise BadInput(f"db stop: {config.describe()} is not ours to stop")
    server.stop()
    out.print("Stopped.")


@db_app.command("init-roles")
def db_init_roles(
    builder: Annotated[
        list[str] | None,
        typer.Option(help="A login that builds, loads and scores; may be repeated."),
    ] = None,
) -> None:
    """Make the roles, and put rows under row-level security; once for each database."""
    server.ensure_running()
    with warehouse.connect(autocommit=True) as conn:
        done = protection.init(conn, builder or [])
    out.print(f"Roles made: {', '.join(done.made) or 'none, they were there'}.")
    for note in done.missing:
        out.print(f"[yellow]off[/] {escape(note)}")
    out.print("The next `riskmart build` publishes under row-level security.")


@db_app.command("dsn")
def db_dsn() -> None:
    """Print where to connect, without a password."""
    given = {k: v for k, v in config.connection_parameters().items() if k != "password"}
    print(psycopg.conninfo.make_conninfo("", **given))
