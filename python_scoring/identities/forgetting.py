"""Take a person out of the warehouse, everywhere but in the audit log, and prove it."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg import sql

from python_scoring.errors import BadInput
from python_scoring.identities import trail, vault
from python_scoring.identities.pseudonyms import Pseudonyms, of_the_seed
from python_scoring.identities.reidentify import original
from python_scoring.intake import documents, world
from python_scoring.warehouse import Connection

ACTION = "forget"

_REGISTERED = """
select registry.org_code, registry.external_id, registry.patient_id,
    registry.patient_uuid::text, kept.encrypted
from raw.patient_registry as registry
left join raw.patient_identifiers as kept
    on registry.org_code = kept.org_code and registry.external_id = kept.pseudonym
where registry.patient_uuid = %(uuid)s::uuid
    or (registry.org_code = %(org)s and registry.external_id = %(called)s)
"""
_BUILDS = r"""
select nspname from pg_catalog.pg_namespace
where (nspname = 'candidate' or nspname ~ '^build_[0-9]+$')
    and to_regclass(nspname || '.patients') is not null
order by 1
"""
# Whose rows a load has, by table: patients count in the load's own line.
_OF_LOADS = {
    "cohort_patients": "external_id",
    "cohort_outcomes": "external_id",
    "cms_beneficiaries": "desynpuf_id",
    "cms_inpatient_claims": "desynpuf_id",
    "cms_outpatient_claims": "desynpuf_id",
}
_COUNTED = ("cohort_patients", "cms_beneficiaries")
_RECORDS = "select input_id, content, key_fingerprint from raw.new_patient_raw_input"
# In an order that foreign keys allow; by person, number, or record.
_DELETE = {
    "raw.patient_feature_engineering_log": "patient_id = %(id)s"
    " or input_id = any(%(inputs)s)",
    "raw.new_patients": "org_code = %(org)s and external_id = %(called)s",
    "raw.new_patient_raw_input": "input_id = any(%(inputs)s)",
    "raw.programme_enrolments": "org_code = %(org)s and external_id = %(called)s",
    "raw.predictions": "patient_id = %(id)s",
    "raw.scored_features": "patient_id = %(id)s",
    "raw.patient_identifiers": "org_code = %(org)s and pseudonym = %(called)s",
    "raw.patient_registry": "patient_id = %(id)s",
    "access.assigned_patients": "patient_id = %(id)s",
}
_LEDGER = """
update raw.prediction_batches as batches
set row_count = batches.row_count - gone.row_count
from (
    select batch_id, count(*) as row_count from raw.predictions
    where patient_id = %(id)s group by batch_id
) as gone
where batches.batch_id = gone.batch_id
"""
_REJECTED = """
delete from raw.rejected_rows as rejected
using raw.loads
where rejected.load_id = loads.load_id and loads.org_code = %(org)s
    and (rejected.value = %(original)s
        or (length(%(original)s) >= 6 and strpos(rejected.value, %(original)s) > 0))
"""


@dataclass(frozen=True)
class Known:
    """Somebody to be forgotten: what the warehouse calls them, and they themselves.

    ``org_code`` and names are empty where only builds still know them, as after a
    command that was broken off.
    """

    patient_uuid: str
    patient_id: int
    org_code: str = ""
    called: str = ""
    original: str = ""


@dataclass(frozen=True)
class Deleted:
    """Rows deleted, by table; tables that held none are left out."""

    person: Known
    tables: dict[str, int]


def find(
    conn: Connection, patient_uuid: str | None, org_code: str, external_id: str
) -> Known:
    """Find somebody by uuid, or by what they are called outside.

    Raises
    ------
    BadInput
        There is nobody, they are of the seed, or the key is not the one in force.
    """
    with conn.transaction():
        names = vault.in_force(conn)
    called = names.of(org_code, external_id) if external_id else None
    asked = {"uuid": _uuid(patient_uuid), "org": org_code, "called": called}
    row = conn.execute(_REGISTERED.encode(), asked).fetchone()
    if row is None:
        return _in_a_build(conn, asked["uuid"])
    org, called, patient_id, uuid, kept = row
    known = Known(uuid, patient_id, org, called, original(names, called, kept))
    if (org, known.original) in of_the_seed():
        raise BadInput(
            f"patient {uuid} is of the baseline seed, which is in the repository; "
            "expected their lines to be taken out of seeds/baseline/*.csv, and a build"
        )
    return known


def _uuid(given: str | None) -> str | None:
    try:
        return str(UUID(given)) if given else None
    except ValueError:
        raise BadInput(f"{given}: no patient_uuid; expected one") from None


def _in_a_build(conn: Connection, patient_uuid: str | None) -> Known:
    for (schema,) in conn.execute(_BUILDS.encode()).fetchall():
        query = sql.SQL("select patient_id from {} where patient_uuid = %s::uuid")
        row = conn.execute(
            query.format(sql.Identifier(schema, "patients")), (patient_uuid,)
        ).fetchone()
        if row and patient_uuid:
            return Known(patient_uuid, row[0])
    raise BadInput(
        "no such patient; of a `forget` that was broken off, expected the patient_uuid "
        "that it printed"
    )


def delete(conn: Connection, person: Known, reason: str) -> Deleted:
    """Delete somebody from raw, and note it in the audit log, in one transaction."""
    tables: dict[str, int] = {}
    with conn.transaction():
        world.lock(conn)
        names = vault.in_force(conn)
        given: dict[str, Any] = {
            **{"id": person.patient_id, "org": person.org_code},
            **{"called": person.called, "original": person.original},
            "inputs": list(_records(conn, person, names)),
        }
        for table, column in _OF_LOADS.items():
            tables[f"raw.{table}"] = _from_loads(conn, table, column, given)
        tables["raw.rejected_rows"] = conn.execute(_REJECTED.encode(), given).rowcount
        conn.execute(_LEDGER.encode(), given)
        for table, condition in _DELETE.items():
            tables[table] = _delete(conn, table, condition, given)
        found = {table: rows for table, rows in tables.items() if rows}
        trail.record(
            *(conn, ACTION, "raw", sum(found.values())),
            {"patient_uuids": [person.patient_uuid], "reason": reason},
        )
    return Deleted(person, found)


def _delete(conn: Connection, table: str, condition: str, given: dict[str, Any]) -> int:
    """Delete rows of a table; none where it is not there, as before any build."""
    row = conn.execute("select to_regclass(%s) is null", (table,)).fetchone()
    if row and row[0]:
        return 0
    return conn.execute(
        f"delete from {table} where {condition}".encode(), given
    ).rowcount


def _from_loads(
    conn: Connection, table: str, column: str, given: dict[str, Any]
) -> int:
    """Delete somebody's rows of all loads; a load that was theirs alone goes too."""
    deleted = sql.SQL(
        "delete from {} as rows using raw.loads where rows.load_id = loads.load_id"
        " and loads.org_code = %(org)s and rows.{} = %(called)s returning rows.load_id"
    ).format(sql.Identifier("raw", table), sql.Identifier(column))
    loads = [load for (load,) in conn.execute(deleted, given)]
    if table in _COUNTED and loads:
        conn.execute(
            "update raw.loads set row_count = row_count - 1"
            " where load_id = any(%s::bigint[])",
            (loads,),
        )
        conn.execute(
            "delete from raw.loads where row_count = 0 and load_id = any(%s::bigint[])",
            (loads,),
        )
    return len(loads)


def _records(conn: Connection, person: Known, names: Pseudonyms) -> Iterator[int]:
    """Find what was received of somebody, taken in or not."""
    if not person.original:
        return
    with conn.cursor("records") as cursor:
        cursor.execute(_RECORDS.encode())
        for input_id, content, fingerprint in cursor:
            if _is_of(vault.opened(bytes(content), fingerprint, names), person):
                yield input_id


def _is_of(content: bytes, person: Known) -> bool:
    try:
        [document] = documents.split(content)
    except (BadInput, ValueError):
        document = None
    if document is None or document.fields is None:
        return _mentions(content, person.original)
    org, external_id = (
        unicodedata.normalize("NFC", str(document.fields.get(name, "")).strip())
        for name in ("org_code", "external_id")
    )
    return external_id == person.original and org in (person.org_code, "")


def _mentions(content: bytes, name: str) -> bool:
    """Whether a name stands in bytes that nobody can read, and in no longer one."""
    text = content.decode("utf-8", "replace")
    at = text.find(name)
    while at >= 0:
        around = text[max(0, at - 1) : at] + text[at + len(name) : at + len(name) + 1]
        if not any(character.isalnum() for character in around):
            return True
        at = text.find(name, at + 1)
    return False
