"""The database's side of the key: which one is in force, and the originals it keeps."""

from collections.abc import Mapping, Sequence
from itertools import islice

from python_scoring import config
from python_scoring.errors import BadInput
from python_scoring.identities import keys
from python_scoring.identities.keys import Found, Key
from python_scoring.identities.pseudonyms import Pseudonyms, of_the_seed
from python_scoring.warehouse import Connection

DEMO = "demo: no key; external identifiers are stored as they came"

# "key", for an advisory lock of ours: whoever writes identifiers shares it to the end
# of the transaction, whoever changes the key has it alone.
_LOCK = 0x6B6579
_CHUNK = 100_000

_NOTED = "select fingerprint from raw.identity_key"
_NOTE = """
insert into raw.identity_key (fingerprint) values (%s)
on conflict (is_one) do update
set fingerprint = excluded.fingerprint, in_force_since = clock_timestamp()
"""
_HAS_PEOPLE = """
select exists (select 1 from raw.loads)
    or exists (select 1 from raw.new_patients)
    or exists (select 1 from raw.new_patient_raw_input where processed_at is not null)
"""
_REGISTERED = "select to_regclass('raw.patient_registry') is not null"
_HAS_STRANGERS = """
select exists (
    select 1 from raw.patient_registry
    where (org_code, external_id) not in (
        select unnest(%s::text[]), unnest(%s::text[])
    )
)
"""
# Neither pseudonyms nor tokens have commas: to write them out as arrays takes longer.
_KNOWN = """
select pseudonym from raw.patient_identifiers
where org_code = %s and pseudonym = any(string_to_array(%s, ','))
"""
_REMEMBER = """
insert into raw.patient_identifiers (org_code, pseudonym, encrypted, key_fingerprint)
select %s, pseudonym, convert_to(token, 'UTF8'), %s
from (
    select
        unnest(string_to_array(%s, ',')) as pseudonym,
        unnest(string_to_array(%s, ',')) as token
) as newcomers
order by pseudonym
on conflict do nothing
"""


def lock(conn: Connection, *, alone: bool = False) -> None:
    """Keep the key as it is to the transaction's end, or have it alone to change it."""
    how = "" if alone else "_shared"
    conn.execute(f"select pg_advisory_xact_lock{how}(%s)".encode(), (_LOCK,))


def noted(conn: Connection) -> str | None:
    """Return the fingerprint of the key in force; None in a demo."""
    row = conn.execute(_NOTED.encode()).fetchone()
    return row[0] if row else None


def note(conn: Connection, key: Key) -> None:
    """Note that a key is in force now."""
    conn.execute(_NOTE.encode(), (key.fingerprint,))


def in_force(conn: Connection) -> Pseudonyms:
    """Return what people are called in a warehouse; to be asked before one writes.

    In the transaction that writes: until it ends, the key stays. A warehouse without
    people takes the key that is there.

    Raises
    ------
    BadInput
        The key is missing, another one is in force, or people are there under the
        identifiers that they came with.
    """
    found = keys.find(noted(conn))
    lock(conn, alone=bool(found) and noted(conn) is None)
    fingerprint = noted(conn)
    if found and fingerprint is None and not has_plain_people(conn):
        note(conn, found.key)
    else:
        check(found, fingerprint)
    if found is None:
        return Pseudonyms()
    return Pseudonyms(found.key, of_the_seed())


def check(found: Found | None, fingerprint: str | None) -> None:
    """Check that a key is the one in force, or that none is.

    Raises
    ------
    BadInput
        It is not: what it would write, nobody would find again.
    """
    if found is None and fingerprint is not None:
        raise BadInput(
            f"no key, and the warehouse is under key {fingerprint}; expected it in "
            f"{keys.VARIABLE}, {keys.FILE_VARIABLE} or {keys.key_file()}"
        )
    if found is not None and fingerprint is None:
        raise BadInput(
            f"the key from {found.where} is not in force: people are here under the "
            f"identifiers that they came with; {_way_into_force()}"
        )
    if found is not None and found.key.fingerprint != fingerprint:
        raise BadInput(
            f"the key from {found.where} is {found.key.fingerprint}, and the warehouse "
            f"is under key {fingerprint}; expected that one"
        )


def _way_into_force() -> str:
    if config.is_duckdb():
        return "expected no key, or another file, into which all is loaded under it"
    return "`riskmart keys rotate` brings it into force"


def opened(content: bytes, fingerprint: str | None, names: Pseudonyms) -> bytes:
    """Return bytes as they were received.

    Parameters
    ----------
    fingerprint
        Of the key that they are encrypted under; None where they are plain.

    Raises
    ------
    BadInput
        They are under a key that is not the one in force.
    """
    if fingerprint is None:
        return content
    if names.key is None or names.key.fingerprint != fingerprint:
        raise BadInput(
            f"a record is under key {fingerprint}; expected the one in force"
        )
    return names.key.fernet.decrypt(content)


def has_plain_people(conn: Connection) -> bool:
    """Whether somebody is here whom no key hides; asked where none is in force."""
    row = conn.execute(_HAS_PEOPLE.encode()).fetchone()
    return bool(row and row[0]) or _has_strangers(conn)


def _has_strangers(conn: Connection) -> bool:
    """Whether the registry knows more people than the seed, of loads since removed."""
    row = conn.execute(_REGISTERED.encode()).fetchone()
    if not (row and row[0]):
        return False
    seed = sorted(of_the_seed())
    row = conn.execute(
        _HAS_STRANGERS.encode(), ([o for o, _ in seed], [i for _, i in seed])
    ).fetchone()
    return bool(row and row[0])


def remember(
    conn: Connection, names: Pseudonyms, org_code: str, people: Mapping[str, str]
) -> int:
    """Keep the originals of people who are not known yet, encrypted; how many.

    Parameters
    ----------
    people
        What they are called here, by external id.
    """
    hidden = ((name, one) for one, name in people.items() if names.hides(org_code, one))
    kept = 0
    while chunk := list(islice(hidden, _CHUNK)):
        kept += _remember(conn, names, org_code, chunk)
    return kept


def _remember(
    conn: Connection,
    names: Pseudonyms,
    org_code: str,
    people: Sequence[tuple[str, str]],
) -> int:
    assert names.key is not None
    asked = (org_code, ",".join(name for name, _ in people))
    known = {name for (name,) in conn.execute(_KNOWN.encode(), asked)}
    fresh = [(name, one) for name, one in people if name not in known]
    if not fresh:
        return 0
    encrypt = names.key.fernet.encrypt
    return conn.execute(
        _REMEMBER.encode(),
        (
            *(org_code, names.key.fingerprint),
            ",".join(name for name, _ in fresh),
            ",".join(encrypt(one.encode()).decode() for _, one in fresh),
        ),
    ).rowcount
