"""Another key in the place of the one in force: everybody is renamed in a transaction.

patient_id and patient_uuid stay, so that nothing has to be scored or built again.
"""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from psycopg import sql

from python_scoring.errors import BadInput
from python_scoring.identities import (
    keys,
    places,
    pseudonyms,
    received,
    rewriting,
    succession,
    trail,
    vault,
)
from python_scoring.identities.places import Place
from python_scoring.identities.pseudonyms import Pseudonyms
from python_scoring.identities.succession import Succession
from python_scoring.intake import world
from python_scoring.warehouse import Connection

_CHUNK = 20_000

_RENAMED = """
create temporary table renamed (
    org_code text, old_name text, new_name text, encrypted bytea
) on commit drop
"""
_RENAME = """
insert into pg_temp.renamed
select * from unnest(%s::text[], %s::text[], %s::text[], %s::bytea[])
"""
_KEPT = "select org_code, pseudonym, encrypted from raw.patient_identifiers"
_PLAIN = sql.SQL(
    "select org_code, {column} from {table} as people"
    " inner join ({loads}) as loads using (load_id)"
)
_REPLACE = """
delete from raw.patient_identifiers;
insert into raw.patient_identifiers (org_code, pseudonym, encrypted, key_fingerprint)
select org_code, new_name, encrypted, (select fingerprint from raw.identity_key)
from pg_temp.renamed
"""
_CHANGED = (
    "raw.patient_identifiers",
    "raw.new_patient_raw_input",
    "raw.rejected_rows",
)
_CLAIMS = ("cms_inpatient_claims", "cms_outpatient_claims")


@dataclass(frozen=True)
class Rotated:
    """What a change of the key came to; ``notes`` say where the keys are."""

    old: str | None
    new: str
    people: int
    records: int
    notes: list[str]


def rotate(conn: Connection, tell: Callable[[str], None] | None = None) -> Rotated:
    """Put another key in force; the first one, where there was none.

    Killed at any moment, everything is under the old key or everything under the new,
    and the key that it needs is there.

    Parameters
    ----------
    conn
        In autocommit mode; its holder has the turn to build.

    Raises
    ------
    BadInput
        The key at hand is not the one in force, or the new one is missing.
    """
    fingerprint = vault.noted(conn)
    found = keys.find(fingerprint)
    if fingerprint is not None:
        vault.check(found, fingerprint)
    change = succession.prepare(found, fingerprint)
    with conn.transaction():
        world.lock(conn)
        vault.lock(conn, alone=True)
        if vault.noted(conn) != fingerprint:
            raise BadInput("another key was put in force meanwhile; nothing changed")
        where = places.find(conn)
        people = _rename(conn, change, where)
        records = received.change_key(conn, change)
        trail.record(
            *(conn, "key_rotation", "raw.identity_key", people),
            {"from": fingerprint, "to": change.new.fingerprint},
        )
    notes = change.finish()
    if tell:
        tell("rewriting tables")
    tables = [place.name for place in where]
    notes += rewriting.rewrite(conn, [*tables, *_CHANGED])
    return Rotated(fingerprint, change.new.fingerprint, people, records, notes)


def _rename(conn: Connection, change: Succession, where: list[Place]) -> int:
    conn.execute(_RENAMED.encode())
    people = 0
    for chunk in _chunks(conn, change, where):
        conn.execute(_RENAME.encode(), tuple(map(list, zip(*chunk, strict=True))))
        people += len(chunk)
    conn.execute(b"create index on pg_temp.renamed (old_name)")
    conn.execute(b"analyze pg_temp.renamed")
    for place in where:
        conn.execute(_renaming(place, is_first=change.old is None))
    if change.old is None:
        _hide_claims(conn)
    vault.note(conn, change.new)
    conn.execute(_REPLACE.encode())
    return people


def _chunks(
    conn: Connection, change: Succession, where: list[Place]
) -> Iterator[list[tuple[str, str, str, bytes]]]:
    """Give everybody's organization, old and new name, and original, encrypted anew."""
    names = Pseudonyms(change.new, pseudonyms.of_the_seed())
    query = _everybody(where) if change.old is None else sql.SQL(_KEPT)
    with conn.cursor("people") as cursor:
        cursor.execute(query)
        while rows := cursor.fetchmany(_CHUNK):
            people = [(row[0], row[1], _original(change, row)) for row in rows]
            yield [
                (org, old, names.of(org, one), change.new.fernet.encrypt(one.encode()))
                for org, old, one in people
                if (org, one) not in names.plain
            ]


def _original(change: Succession, row: tuple[str, str, bytes]) -> str:
    if change.old is None:
        return row[1]
    return change.old.fernet.decrypt(bytes(row[2])).decode()


def _everybody(where: list[Place]) -> sql.Composed:
    """Return the query of all people of a warehouse without a key."""
    queries = [
        sql.SQL("select org_code, {} from {}").format(
            sql.Identifier(place.column), place.relation
        )
        if place.has_org
        else _PLAIN.format(
            column=sql.Identifier(place.column),
            table=place.relation,
            loads=place.organizations(),
        )
        for place in where
        if place.schema == "raw"
    ]
    return sql.SQL(" union ").join(queries)


def _renaming(place: Place, *, is_first: bool) -> sql.Composed:
    """Return the statement that renames the people of a table.

    A pseudonym tells the organization too; what people came with does not.
    """
    column = sql.Identifier(place.column)
    rows: sql.Composable = sql.SQL("")
    condition = sql.SQL("")
    if is_first and place.has_org:
        condition = sql.SQL("and people.org_code = renamed.org_code")
    elif is_first:
        rows = sql.SQL("inner join ({}) as loads using (org_code)").format(
            place.organizations()
        )
        condition = sql.SQL("and people.load_id = loads.load_id")
    return sql.SQL(
        "update {table} as people set {column} = renamed.new_name"
        " from pg_temp.renamed {rows}"
        " where people.{column} = renamed.old_name {condition}"
    ).format(table=place.relation, column=column, rows=rows, condition=condition)


def _hide_claims(conn: Connection) -> None:
    """Give claims numbers under a key that is not kept, as a load does."""
    salt = secrets.token_hex(32)
    for table in _CLAIMS:
        conn.execute(
            sql.SQL(
                "update {} set clm_id ="
                " encode(sha256(convert_to(%s || clm_id, 'UTF8')), 'hex')"
            ).format(sql.Identifier("raw", table)),
            (salt,),
        )
