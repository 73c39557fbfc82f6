"""The way back from a patient_uuid to a person: one call, and never without a trace."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from psycopg.pq import TransactionStatus

from python_scoring.errors import BadInput
from python_scoring.identities import trail, vault
from python_scoring.identities.pseudonyms import Pseudonyms
from python_scoring.warehouse import Connection

ACTION = "reidentify"
# Each is named in the audit log; who needs more of them needs them one by one.
MOST = 1000

_PEOPLE = """
select registry.patient_uuid::text, registry.org_code, registry.external_id,
    kept.encrypted
from unnest(%s::uuid[]) with ordinality as asked (patient_uuid, position)
inner join raw.patient_registry as registry using (patient_uuid)
left join raw.patient_identifiers as kept
    on registry.org_code = kept.org_code and registry.external_id = kept.pseudonym
order by asked.position
"""


@dataclass(frozen=True)
class Identified:
    """Who a patient is outside."""

    patient_uuid: str
    org_code: str
    external_id: str


def reidentify(
    conn: Connection, patient_uuids: Sequence[str], reason: str
) -> list[Identified]:
    """Return who patients are: the one call that tells.

    Who asked for whom, and why, is in the audit log for good before the first original
    is decrypted.

    Parameters
    ----------
    conn
        In autocommit mode, and in no transaction: the trace must not be undone.

    Raises
    ------
    BadInput
        There is no reason, somebody is unknown, or the key is not the one in force.
    """
    if conn.info.transaction_status != TransactionStatus.IDLE or not conn.autocommit:
        raise RuntimeError("expected a connection in autocommit mode, idle")
    asked, why = _check(patient_uuids, reason)
    with conn.transaction():
        names = vault.in_force(conn)
        rows = conn.execute(_PEOPLE.encode(), (asked,)).fetchall()
        unknown = sorted(set(asked) - {row[0] for row in rows})
        if unknown:
            raise BadInput(f"no such patient: {', '.join(unknown)}")
        trail.record(
            *(conn, ACTION, "raw.patient_identifiers", len(rows)),
            {"patient_uuids": asked, "reason": why},
        )
    return [
        Identified(uuid, org, original(names, called, kept))
        for uuid, org, called, kept in rows
    ]


def _check(patient_uuids: Sequence[str], reason: str) -> tuple[list[str], str]:
    if not reason.strip():
        raise BadInput("no reason; expected one: it goes into the audit log")
    if not patient_uuids:
        raise BadInput("nobody asked for; expected patient_uuids")
    if len(patient_uuids) > MOST:
        raise BadInput(f"{len(patient_uuids):,} patients; expected at most {MOST:,}")
    try:
        asked = [str(UUID(one)) for one in patient_uuids]
    except ValueError:
        raise BadInput(
            "expected patient_uuids, as reports show them: "
            "123e4567-e89b-12d3-a456-426614174000"
        ) from None
    return list(dict.fromkeys(asked)), reason.strip()


def original(names: Pseudonyms, called: str, kept: bytes | None) -> str:
    """Return what somebody came with; people of a demo or the seed are called that."""
    if kept is None:
        return called
    assert names.key is not None
    return names.key.fernet.decrypt(bytes(kept)).decode()
