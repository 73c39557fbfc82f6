"""Commands about who people are: the key, and the way back from a patient_uuid."""

from typing import Annotated

import typer
from rich.markup import escape

from python_scoring import turns
from python_scoring.cli import app, err, out, ready_warehouse
from python_scoring.identities import keys
from python_scoring.tables import query_table

keys_app = typer.Typer(
    help="The key that hides external identifiers.", no_args_is_help=True
)
app.add_typer(keys_app, name="keys")

Reason = Annotated[
    str, typer.Option("--reason", help="Why; it goes into the audit log.")
]


@keys_app.command("init")
def keys_init() -> None:
    """Make a key file of mode 0600, for a warehouse without people."""
    from python_scoring.errors import BadInput
    from python_scoring.identities import vault

    with ready_warehouse() as conn:
        if vault.noted(conn) is None and vault.has_plain_people(conn):
            raise BadInput(
                "people are here under the identifiers that they came with; "
                "`riskmart keys rotate` makes a key and renames them"
            )
        if vault.noted(conn) is not None:
            raise BadInput(
                f"the warehouse is under key {vault.noted(conn)}; expected "
                "`riskmart keys rotate` for another one"
            )
    file = keys.key_file()
    master = keys.generate()
    keys.write(file, master)
    out.print(
        f"Made key {keys.derive(master).fingerprint} in {file}. Keep a copy where the "
        "backups are not: without it nobody is found again.",
        soft_wrap=True,
    )


@keys_app.command("status")
def keys_status() -> None:
    """Show which key is at hand, which is in force, and what it hides."""
    from python_scoring.identities import status

    with ready_warehouse() as conn:
        status.show(out, conn)


@keys_app.command("rotate")
def keys_rotate() -> None:
    """Put a new key in force: everybody gets another pseudonym, and stays who they are.

    Where there was no key, this is how one comes into force.
    """
    from python_scoring.identities import rotation

    with (
        ready_warehouse() as conn,
        turns.take("change of key", tell=err.print),
        err.status("renaming"),
    ):
        done = rotation.rotate(conn)
    was = f"key {done.old}" if done.old else "no key"
    out.print(
        f"{was} -> key {done.new}: {done.people:,} people renamed, {done.records:,} "
        "records encrypted anew."
    )
    for note in done.notes:
        out.print(escape(note), soft_wrap=True)


@app.command()
def reidentify(
    patient_uuids: Annotated[
        list[str], typer.Argument(help="As reports show them.", metavar="PATIENT_UUID")
    ],
    reason: Reason = "",
) -> None:
    """Tell who patients are outside; the question goes into the audit log first."""
    from python_scoring.identities import reidentify as identifying

    with ready_warehouse() as conn:
        found = identifying.reidentify(conn, patient_uuids, reason)
    rows = [(one.patient_uuid, one.org_code, one.external_id) for one in found]
    out.print(query_table(["patient_uuid", "org_code", "external_id"], rows))
