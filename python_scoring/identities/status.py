"""What the key hides, in words."""

from rich.console import Console

from python_scoring.errors import BadInput
from python_scoring.identities import keys, vault
from python_scoring.identities.keys import Found
from python_scoring.warehouse import Connection

_COUNTS = """
select (select count(*) from raw.patient_identifiers),
    (select count(*) from raw.new_patient_raw_input where key_fingerprint is not null),
    (select count(*) from raw.new_patient_raw_input
    where key_fingerprint is null and processed_at is null)
"""


def in_a_line(conn: Connection) -> str:
    """Say under which key a warehouse is, for whatever reports on it."""
    fingerprint = vault.noted(conn)
    if fingerprint is None and keys.find() is None:
        return f"Identifiers: {vault.DEMO}."
    if fingerprint is None and not vault.has_plain_people(conn):
        return "Identifiers: the first load will be under the key at hand."
    try:
        vault.check(keys.find(fingerprint), fingerprint)
    except BadInput as error:
        return f"Identifiers: {error}."
    return f"Identifiers: pseudonyms under key {fingerprint}, originals encrypted."


def show(console: Console, conn: Connection) -> None:
    """Print which key is at hand, which is in force, and what it hides."""
    fingerprint = vault.noted(conn)
    found = keys.find(fingerprint)
    console.print(f"Key at hand: {_describe(found)}", soft_wrap=True)
    console.print(in_a_line(conn), soft_wrap=True)
    row = conn.execute(_COUNTS.encode()).fetchone()
    assert row is not None
    people, sealed, waiting = row
    console.print(
        f"{people:,} originals and {sealed:,} records encrypted; {waiting:,} records "
        "wait in plain, as other programs put them there."
    )


def _describe(found: Found | None) -> str:
    return f"{found.key.fingerprint}, from {found.where}" if found else "none"
