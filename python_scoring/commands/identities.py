"""Commands about who people are: the key, and the way back from a patient_uuid."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from python_scoring import turns
from python_scoring.commands.common import err, out, progress, ready_warehouse
from python_scoring.errors import BadInput
from python_scoring.identities import keys
from python_scoring.tables import query_table

if TYPE_CHECKING:
    from python_scoring.identities.forget import Forgotten

app = typer.Typer()
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


@app.command()
def forget(
    patient_uuid: Annotated[
        str | None, typer.Argument(help="As reports show it.")
    ] = None,
    external_id: Annotated[
        str,
        typer.Option(
            "--external-id",
            help="Or what they are called outside; - reads it, so that no process "
            "list shows it.",
        ),
    ] = "",
    org: Annotated[str, typer.Option("--org", help="Whose patient, with that.")] = "",
    reason: Reason = "",
) -> None:
    """Remove a person everywhere but from the audit log, and prove it."""
    from python_scoring.identities import forget as forgetting

    if bool(patient_uuid) == bool(external_id) or bool(external_id) != bool(org):
        raise BadInput("forget: expected PATIENT_UUID, or --external-id ID --org CODE")
    is_typed = external_id not in ("", "-")
    if external_id == "-":
        external_id = sys.stdin.readline().strip()
    with ready_warehouse() as conn, progress() as (on_step, _):
        done = forgetting.forget(
            conn,
            patient_uuid=patient_uuid,
            org_code=org,
            external_id=external_id,
            reason=reason,
            on_step=on_step,
        )
    _show_forgotten(done)
    if is_typed:
        out.print(
            "While this ran, the process list showed what they are called outside; so "
            "may your shell's history. `--external-id -` reads it.",
            soft_wrap=True,
        )


def _show_forgotten(done: "Forgotten") -> None:
    out.print(f"Patient {done.deleted.person.patient_uuid} is forgotten.")
    for table, rows in done.deleted.tables.items():
        out.print(f"  {table}: {rows:,} rows deleted")
    out.print(f"Readers see build {done.build_id}, made without them.")
    if done.dropped:
        numbers = ", ".join(map(str, done.dropped))
        out.print(f"Builds {numbers} held them and are gone; there is no way back.")
    out.print(
        f"Looked for uuid, number and names in {len(done.scan.columns)} columns of "
        f"{done.scan.relations} tables, and found nothing:"
    )
    out.print(escape("  " + ", ".join(done.scan.columns)), soft_wrap=True)
    for note in done.notes:
        out.print(escape(note), soft_wrap=True)


@app.command()
def retention() -> None:
    """Remove records and replaced scores that are older than dbt_project.yml says."""
    from python_scoring.identities import ageing

    with ready_warehouse() as conn, turns.take("retention", tell=err.print):
        done = ageing.remove(conn)
    for what, count, var in (
        ("records' bytes", done.records, "raw_input_days_kept"),
        ("replaced scores", done.scores, "history_days_kept"),
    ):
        kept = f"kept for good ({var} is null)"
        out.print(f"{what}: {kept if count is None else f'{count:,} removed'}")
    for note in done.notes:
        out.print(escape(note), soft_wrap=True)
