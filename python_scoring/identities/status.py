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
    try:
        return f"Identifiers: {_say(conn)}."
    except BadInput as error:
        return f"Identifiers: {error}."


def _say(conn: Connection) -> str:
    fingerprint = vault.noted(conn)
    found = keys.find(fingerprint)
    if fingerprint is None and found is None:
        return vault.DEMO
    if fingerprint is None and not vault.has_plain_people(conn):
        return "nobody is here yet; the first load will be under the key at hand"
    vault.check(found, fingerprint)
    return f"pseudonyms under key {fingerprint}, originals encrypted"


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
