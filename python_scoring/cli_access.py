"""`riskmart access`: who belongs to which organization, department and patient list."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console

from python_scoring import server, warehouse
from python_scoring.access import members, protection
from python_scoring.errors import BadInput
from python_scoring.tables import make_table
from python_scoring.warehouse import Connection

app = typer.Typer(help="Who may see whom.", no_args_is_help=True)

Login = Annotated[str, typer.Argument(help="Name of a database login.")]


@contextmanager
def _protected() -> Iterator[Connection]:
    server.ensure_running()
    with warehouse.connect(autocommit=True) as conn:
        why = protection.why_off(conn)
        if why:
            raise BadInput(why)
        warehouse.prepare(conn)
        yield conn


@app.command()
def grant(
    login: Login,
    org: Annotated[str, typer.Option(help="Code of an organization.")],
    role: Annotated[
        str | None,
        typer.Option(
            help="admin, analyst, clinician, finance, partner, intake or auditor."
        ),
    ] = None,
    department: Annotated[
        list[str] | None, typer.Option(help="Code of a department; may be repeated.")
    ] = None,
    patient: Annotated[
        list[str] | None, typer.Option(help="A patient_uuid; may be repeated.")
    ] = None,
) -> None:
    """Let a login see an organization, or only departments or patients of it."""
    with _protected() as conn:
        members.grant(
            conn,
            login,
            org,
            role=role,
            departments=department or [],
            patients=patient or [],
        )
    Console().print(f"{login} belongs to {org}.")


@app.command()
def revoke(
    login: Login,
    org: Annotated[
        str | None, typer.Option(help="Of this organization alone; else everything.")
    ] = None,
) -> None:
    """Take away what a login sees; at once."""
    with _protected() as conn:
        count = members.revoke(conn, login, org)
    Console().print(f"{login}: {count} memberships taken away.")


@app.command("list")
def show() -> None:
    """Show who belongs where."""
    with _protected() as conn:
        found = members.members(conn)
    columns = ["Login", "Organization", "Department", "Roles"]
    table = make_table("Who may see whom", columns, ["Assigned patients"])
    for one in found:
        department = one.department_code or "all"
        granted = ", ".join(one.roles) or "none"
        table.add_row(
            *(one.member, one.org_code, department, granted), f"{one.patient_count:,}"
        )
    Console().print(table if found else "Nobody belongs anywhere yet.")
