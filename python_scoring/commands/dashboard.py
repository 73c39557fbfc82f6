"""`riskmart dashboard` and `riskmart report`: the marts as pictures."""

import os
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from python_scoring import config, server
from python_scoring.commands.common import err, out
from python_scoring.errors import BadInput
from python_scoring.identities import keys

app = typer.Typer()

Login = Annotated[
    str | None,
    typer.Option("--user", help="Database login to read as: it sees what it may see."),
]


@app.command()
def dashboard(
    port: Annotated[int, typer.Option(min=1, max=65535, help="On 127.0.0.1.")] = 8501,
    user: Login = None,
) -> None:
    """Open the dashboard over the published marts, on this machine alone."""
    from python_scoring.dashboard import reader, serve

    server.ensure_running()
    login = reader.check(user)
    _check_free(port, serve.HOST)
    key = serve.new_key()
    out.print(f"Reading as {login}, from the {config.describe()}.", soft_wrap=True)
    out.print(f"Open {serve.address(port, key)}", soft_wrap=True, highlight=False)
    err.print("Whoever has that address sees what this login sees. Ctrl-c ends it.")
    sys.stdout.flush()
    environment = keys.without_key(serve.environment(user, key))
    command = serve.command(port)
    os.execve(command[0], command, environment)


@app.command()
def report(
    org: Annotated[
        str | None, typer.Option(help="Code of an organization; each one by default.")
    ] = None,
    output: Annotated[
        Path, typer.Option(help="The file to write.", dir_okay=False)
    ] = Path("riskmart_report.html"),
    user: Login = None,
) -> None:
    """Write the dashboard's pictures as one HTML file, without anybody's rows."""
    from python_scoring.dashboard import printed, reader

    server.ensure_running()
    reader.check(user)
    if not output.parent.is_dir():
        raise BadInput(f"--output {output}: {output.parent} is not a folder")
    try:
        with err.status("drawing"), reader.reading(user) as who:
            text = printed.report(who, org)
    except reader.NotForThisLogin as error:
        named = f"--user {user}: " if user else ""
        raise BadInput(f"{named}{error} `riskmart access grant` gives one.") from None
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInput(
            f"--output {output}: {error.strerror}; expected a file that can be written"
        ) from None
    out.print(f"Wrote {output}", soft_wrap=True)


def _check_free(port: int, host: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise BadInput(
                f"--port {port}: {error.strerror}; choose another, as --port {port + 1}"
            ) from None
