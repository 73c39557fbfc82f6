"""`riskmart access`: who belongs to which organization, department and patient list."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console

from python_scoring import server, warehouse
from python_scoring.access import members, places, protection
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
        list[str] | None,
        typer.Option(
            help="admin, analyst, clinician, finance, partner, intake or auditor; may "
            "be repeated. A login has the same ones wherever it belongs."
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
            role=role or [],
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
        found = places.places(conn)
        held = {one.member: places.held(conn, one.member) for one in found}
    columns = ["Login", "Organization", "Department", "As"]
    table = make_table("Who may see whom", columns, ["Assigned patients"])
    for one in found:
        is_of_some = one.patient_count is not None
        department = "-" if is_of_some else one.department_code or "all"
        count = f"{one.patient_count:,}" if is_of_some else "-"
        granted = _as_what(one.roles, held[one.member])
        table.add_row(one.member, one.org_code, department, granted, count)
    Console().print(table if found else "Nobody belongs anywhere yet.")


def _as_what(granted: Sequence[str] | None, held: Sequence[str]) -> str:
    """Say as what a login belongs somewhere, and what else it is or is not."""
    words = ["not noted"] if granted is None else [*granted] or ["no role"]
    words += [
        f"{role} (not by this grant)" for role in held if role not in (granted or ())
    ]
    words += [f"{role} (not held)" for role in granted or () if role not in held]
    return ", ".join(words)
