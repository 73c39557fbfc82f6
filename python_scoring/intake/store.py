"""Take records in: kept as they came, checked, and entered, in one transaction."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Literal
from uuid import uuid4

from psycopg import sql

from python_scoring import warehouse
from python_scoring.identities import vault
from python_scoring.identities.masks import mask_fault
from python_scoring.identities.pseudonyms import Pseudonyms
from python_scoring.intake import documents, record
from python_scoring.intake.documents import Document
from python_scoring.intake.record import CONDITIONS, Fault, PatientRecord
from python_scoring.warehouse import Connection

Outcome = Literal["accepted", "unchanged", "rejected"]
Person = tuple[str, str]

DEMO = Pseudonyms()

_KNOWN = frozenset(PatientRecord.model_fields)

# Somebody may be a day ahead of the server.
_TOLERANCE = timedelta(days=1)

_COLUMNS = (
    *("org_code", "external_id", "source_system", "index_date", "birth_date", "age"),
    *("is_female", "race_code", "has_esrd"),
    *(f"has_{name}" for name in CONDITIONS),
    *("total_admissions", "total_hospital_days", "last_admission_date"),
    *("total_outpatient_visits", "annual_cost", "inpatient_cost"),
)


@dataclass(frozen=True)
class Received:
    """A record as it came, and what it says or what is wrong with it."""

    document: Document
    record: PatientRecord | None
    faults: Sequence[Fault]


@dataclass(frozen=True)
class Input:
    """A record that was kept; ``is_plain`` where its bytes are not encrypted yet.

    ``org_codes`` are the organizations that whoever left it here may hand people in
    of; None for all that we may.
    """

    input_id: int
    received_at: datetime
    received: Received
    is_plain: bool = False
    org_codes: frozenset[str] | None = None


@dataclass(frozen=True)
class Entry:
    """One record and what became of it.

    ``person``, organization and what somebody is called in the warehouse, is None where
    it was rejected, and so are the day that the record is of and the external id.
    """

    input_id: int
    position: int
    outcome: Outcome
    person: Person | None
    faults: Sequence[Fault]
    index_date: date | None = None
    external_id: str | None = None


@dataclass(frozen=True)
class Checked:
    """A record without a fault of its own, or its faults."""

    given: Input
    values: tuple[Any, ...] | None
    faults: list[Fault]

    @property
    def external_id(self) -> str | None:
        """What its sender calls the person."""
        says = self.given.received.record
        return says.external_id if says and self.values else None

    @property
    def person(self) -> Person | None:
        """Whose record it is."""
        return None if self.values is None else (self.values[0], self.values[1])

    def withheld(self, why: Fault) -> "Checked":
        """Return it as one that is not taken in, whatever it says itself."""
        return Checked(self.given, None, self.faults or [why])


def read(found: Iterable[Document]) -> list[Received]:
    """Read what records say, each by itself: what takes time and holds nobody up."""
    return [_read(document) for document in found]


def _read(document: Document) -> Received:
    if document.fields is None:
        return Received(document, None, [Fault(None, None, document.fault or "")])
    return Received(document, *record.read(document.fields))


def keep(
    conn: Connection, received: Iterable[Received], names: Pseudonyms = DEMO
) -> list[Input]:
    """Write down what was received, to the byte; encrypted where there is a key."""
    by_position = {one.document.position: one for one in received}
    submission = uuid4()
    columns = (
        *("submission_id", "position", "content", "key_fingerprint", "source_system"),
    )
    rows = (
        (submission, at, _at_rest(one, names), _fingerprint(names), _source(one))
        for at, one in by_position.items()
    )
    warehouse.insert(
        conn,
        "raw.new_patient_raw_input",
        columns,
        rows,
        ("uuid", "int4", "bytea", "text", "text"),
    )
    kept = conn.execute(
        "select input_id, received_at, position from raw.new_patient_raw_input"
        " where submission_id = %s order by position",
        (submission,),
    )
    return [Input(row[0], row[1], by_position[row[2]]) for row in kept]


def _at_rest(received: Received, names: Pseudonyms) -> bytes:
    content = received.document.content
    return names.key.fernet.encrypt(content) if names.key else content


def _fingerprint(names: Pseudonyms) -> str | None:
    return names.key.fingerprint if names.key else None


def _source(received: Received) -> str | None:
    """Say where it says that it comes from, if that is a system we know."""
    given = (received.document.fields or {}).get("source_system")
    return given if given in record.SOURCE_SYSTEMS else None


def is_waiting(conn: Connection) -> bool:
    """Whether other programs have put something there."""
    row = conn.execute(
        "select exists (select 1 from raw.new_patient_raw_input"
        " where processed_at is null)"
    ).fetchone()
    return bool(row and row[0])


def waiting(conn: Connection, most: int, names: Pseudonyms = DEMO) -> list[Input]:
    """Read records that other programs have put there, the first ones first.

    The bytes of each are one JSON object; anything else is a fault of it. They are
    plain, or encrypted by a change of the key since.
    """
    rows = conn.execute(
        "select input_id, received_at, content, key_fingerprint, submitted_by"
        " from raw.new_patient_raw_input"
        " where processed_at is null order by input_id limit %s",
        (most,),
    ).fetchall()
    reach = _reach(conn, {row[4] for row in rows})
    found = []
    for position, (input_id, received, content, key, who) in enumerate(rows, start=1):
        plain = vault.opened(bytes(content), key, names)
        document = _read(documents.one(plain, position))
        found.append(Input(input_id, received, document, key is None, reach[who]))
    return found


def _reach(
    conn: Connection, submitters: Iterable[str]
) -> dict[str, frozenset[str] | None]:
    """Ask of which organizations logins may hand people in; None is all."""
    row = conn.execute("select to_regproc('access.may_hand_in') is not null").fetchone()
    if not (row and row[0]):
        return dict.fromkeys(submitters)
    rows = conn.execute(
        "select who, access.may_hand_in(who) from unnest(%s::text[]) as asked (who)",
        (sorted(submitters),),
    ).fetchall()
    return {who: None if codes is None else frozenset(codes) for who, codes in rows}


def first_waiting(conn: Connection, why: str) -> Input | None:
    """Find the first one that waits, unread: its fault is known already."""
    row = conn.execute(
        "select input_id, received_at, content, key_fingerprint is null"
        " from raw.new_patient_raw_input"
        " where processed_at is null order by input_id limit 1"
    ).fetchone()
    if row is None:
        return None
    input_id, received_at, content, is_plain = row
    unread = Document(1, bytes(content), None, why)
    return Input(input_id, received_at, _read(unread), is_plain)


def still_waiting(conn: Connection, inputs: Sequence[Input]) -> list[Input]:
    """Leave out what somebody else has taken in, and whoever is there twice.

    Each is a submission of its own, so that the second is a correction of the first:
    it and all after it wait for the next time.
    """
    rows = conn.execute(
        "select input_id from raw.new_patient_raw_input"
        " where processed_at is null and input_id = any(%s::bigint[]) for update",
        ([one.input_id for one in inputs],),
    )
    left = {input_id for (input_id,) in rows}
    kept: list[Input] = []
    people: set[Person] = set()
    for one in inputs:
        person = _person_of(one)
        if person in people:
            break
        people |= {person} if person else set()
        kept += [one] if one.input_id in left else []
    return kept


def _person_of(given: Input) -> Person | None:
    says = given.received.record
    return (says.org_code, says.external_id) if says else None


def check(
    inputs: Sequence[Input], organizations: Iterable[str], names: Pseudonyms = DEMO
) -> list[Checked]:
    """Check records that were kept, each by itself and beside the others.

    Parameters
    ----------
    organizations
        Codes of those that have a cohort to be ranked in.
    names
        What people are called in the warehouse.
    """
    known = sorted(organizations)
    return _without_repeats([_check(given, known, names) for given in inputs])


def enter(
    conn: Connection, checked: Sequence[Checked], names: Pseudonyms = DEMO
) -> list[Entry]:
    """Enter the good ones, and note what became of each.

    A record that says what the person's record of that day says already is
    unchanged; it is kept and changes nothing.
    """
    standing = _standing(conn, [c.person for c in checked if c.person])
    entries, rows = [], []
    for one in checked:
        outcome = _outcome(one, standing)
        entries.append(_entry(one, outcome))
        if outcome == "accepted" and one.values:
            rows.append((one.given.input_id, *one.values, one.given.received_at))
    _write(conn, rows)
    _remember(conn, checked, names)
    _note(conn, entries, [_source(one.given.received) for one in checked], names)
    _encrypt(conn, [one.given for one in checked], names)
    return entries


def _check(given: Input, organizations: Sequence[str], names: Pseudonyms) -> Checked:
    says, faults = given.received.record, list(given.received.faults)
    if says is None:
        return Checked(given, None, faults)
    if says.org_code not in organizations:
        known = ", ".join(organizations) or "none is published"
        words = f"the code of an organization with a published cohort: {known}"
        faults.append(Fault("org_code", says.org_code, words))
    elif given.org_codes is not None and says.org_code not in given.org_codes:
        mine = ", ".join(sorted(given.org_codes)) or "none"
        words = f"an organization that whoever left the record belongs to: {mine}"
        faults.append(Fault("org_code", says.org_code, words))
    latest = (given.received_at + _TOLERANCE).date()
    if says.index_date > latest:
        faults.append(Fault("index_date", str(says.index_date), "a day that has come"))
    return Checked(given, None if faults else _values(says, names), faults)


def _values(read: PatientRecord, names: Pseudonyms) -> tuple[Any, ...]:
    """Arrange a record as `_COLUMNS`, under the name that the person has here."""
    flags = (int(read.has(name)) for name in CONDITIONS)
    called = names.of(read.org_code, read.external_id)
    return (
        *(read.org_code, called, read.source_system),
        *(read.index_date, read.birth_date, read.age),
        *(read.gender, read.race, int(read.has_esrd), *flags),
        *(read.total_admissions, read.total_hospital_days, read.last_admission_date),
        *(read.total_outpatient_visits, read.annual_cost, read.inpatient_cost),
    )


def _without_repeats(checked: Sequence[Checked]) -> list[Checked]:
    """Reject whoever is in a submission for a second time: neither is surely right."""
    first: dict[Person, int] = {}
    kept = []
    for one in checked:
        if one.person and one.person in first:
            words = f"once in a submission; record {first[one.person]} has it already"
            fault = Fault("external_id", one.external_id, words)
            kept.append(Checked(one.given, None, [fault]))
            continue
        if one.person:
            first[one.person] = one.given.received.document.position
        kept.append(one)
    return kept


def _standing(
    conn: Connection, people: Sequence[Person]
) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Find the last record of each person and day, by person and day."""
    if not people:
        return {}
    columns = sql.SQL(", ").join(map(sql.Identifier, _COLUMNS))
    query = sql.SQL(
        "select distinct on (org_code, external_id, index_date) {}"
        " from raw.new_patients inner join (select unnest(%s::text[]) as org_code,"
        " unnest(%s::text[]) as external_id) as people using (org_code, external_id)"
        " order by org_code, external_id, index_date, input_id desc"
    ).format(columns)
    organizations, external_ids = zip(*people, strict=True)
    found = conn.execute(query, (list(organizations), list(external_ids)))
    return {(*row[:2], row[3]): row for row in found}


def _outcome(one: Checked, standing: dict[tuple[Any, ...], tuple[Any, ...]]) -> Outcome:
    if one.values is None:
        return "rejected"
    before = standing.get((*one.values[:2], one.values[3]))
    return "unchanged" if before == one.values else "accepted"


def _entry(one: Checked, outcome: Outcome) -> Entry:
    position = one.given.received.document.position
    day = one.values[3] if one.values else None
    return Entry(
        one.given.input_id,
        position,
        outcome,
        one.person,
        one.faults,
        day,
        one.external_id,
    )


def _write(conn: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    columns = ("input_id", *_COLUMNS, "received_at")
    warehouse.insert(conn, "raw.new_patients", columns, rows)


def _remember(conn: Connection, checked: Sequence[Checked], names: Pseudonyms) -> None:
    people: dict[str, dict[str, str]] = {}
    for one in checked:
        if one.person and one.external_id:
            org_code, called = one.person
            people.setdefault(org_code, {})[one.external_id] = called
    for org_code, named in people.items():
        vault.remember(conn, names, org_code, named)


def _encrypt(conn: Connection, inputs: Sequence[Input], names: Pseudonyms) -> None:
    """Encrypt what other programs have left plain."""
    plain = [one for one in inputs if one.is_plain and names.key]
    if not plain:
        return
    conn.execute(
        "update raw.new_patient_raw_input as inputs"
        " set content = sealed.content, key_fingerprint = %s"
        " from (select unnest(%s::bigint[]) as input_id,"
        " unnest(%s::bytea[]) as content) as sealed"
        " where inputs.input_id = sealed.input_id",
        (
            _fingerprint(names),
            [one.input_id for one in plain],
            [_at_rest(one.received, names) for one in plain],
        ),
    )


def shown(entries: Iterable[Entry], names: Pseudonyms) -> list[Entry]:
    """Give entries as they are shown outside `raw`: under a key, no rejected value."""
    if not names.are_on:
        return list(entries)
    return [
        replace(entry, faults=[Fault(**_outside(fault)) for fault in entry.faults])
        for entry in entries
    ]


def _outside(fault: Fault) -> dict[str, Any]:
    return mask_fault(asdict(fault), _KNOWN, is_outside=True)


def _stored(fault: Fault, names: Pseudonyms) -> dict[str, Any]:
    """Give a fault as it is stored: under a key, without what may identify anybody."""
    return mask_fault(asdict(fault), _KNOWN) if names.are_on else asdict(fault)


def _note(
    conn: Connection,
    entries: Sequence[Entry],
    sources: Sequence[str | None],
    names: Pseudonyms,
) -> None:
    """Note what became of each, in one statement: an update apiece takes seconds."""
    faults = [json.dumps([_stored(f, names) for f in e.faults]) for e in entries]
    conn.execute(
        "update raw.new_patient_raw_input as inputs set outcome = notes.outcome,"
        " faults = case when notes.outcome = 'rejected'"
        " then cast(notes.faults as json) end,"
        " source_system = coalesce(inputs.source_system, notes.source_system),"
        " processed_at = clock_timestamp()"
        " from (select unnest(%s::bigint[]) as input_id,"
        " unnest(%s::text[]) as outcome, unnest(%s::text[]) as faults,"
        " unnest(%s::text[]) as source_system) as notes"
        " where inputs.input_id = notes.input_id",
        (
            [e.input_id for e in entries],
            [e.outcome for e in entries],
            faults,
            list(sources),
        ),
    )
