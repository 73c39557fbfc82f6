"""What was received, under another key: intake's bytes, faults, and rejected rows."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from python_scoring.identities.masks import mask_fault
from python_scoring.identities.succession import Succession
from python_scoring.intake.record import PatientRecord
from python_scoring.warehouse import Connection

_CHUNK = 2_000
# Columns of files that hold identifiers, by their names there; a line that is no row
# may hold one anywhere.
_IDENTIFIERS = ("external_id", "DESYNPUF_ID", "CLM_ID", "(whole line)")

_RECORDS = """
select input_id, content, key_fingerprint, faults from raw.new_patient_raw_input
"""
_CHANGE = """
update raw.new_patient_raw_input as inputs
set content = changed.content, key_fingerprint = %s,
    faults = coalesce(changed.faults::jsonb, inputs.faults)
from unnest(%s::bigint[], %s::bytea[], %s::text[])
    as changed (input_id, content, faults)
where inputs.input_id = changed.input_id
"""
_MASK_REJECTED = """
update raw.rejected_rows
set value = '(masked, ' || length(value) || ' characters)'
where column_name = any(%s::text[])
"""


def change_key(conn: Connection, change: Succession) -> int:
    """Encrypt intake's bytes under the new key, and mask what was plain; how many."""
    changed = 0
    for rows in _chunks(conn):
        ids, contents, faults = zip(
            *((row[0], _sealed(change, row), _faults(change, row[3])) for row in rows),
            strict=True,
        )
        given = (change.new.fingerprint, list(ids), list(contents), list(faults))
        conn.execute(_CHANGE.encode(), given)
        changed += len(ids)
    if change.old is None:
        conn.execute(_MASK_REJECTED.encode(), (list(_IDENTIFIERS),))
    return changed


def _chunks(conn: Connection) -> Iterator[list[tuple[Any, ...]]]:
    with conn.cursor("received") as cursor:
        cursor.execute(_RECORDS.encode())
        while rows := cursor.fetchmany(_CHUNK):
            yield rows


def _sealed(change: Succession, row: tuple[Any, ...]) -> bytes:
    content, is_plain = bytes(row[1]), row[2] is None
    if not is_plain and change.old:
        content = change.old.fernet.decrypt(content)
    return change.new.fernet.encrypt(content)


def _faults(
    change: Succession, faults: Iterable[Mapping[str, Any]] | None
) -> str | None:
    """Mask the faults that were written without a key; None where they stay."""
    if change.old or faults is None:
        return None
    known = frozenset(PatientRecord.model_fields)
    return json.dumps([mask_fault(fault, known) for fault in faults])
