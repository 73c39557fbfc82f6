"""Under a key: people are found again, and nobody's identifier is in the database."""

import base64
import json
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from conftest import Run
from copies import FIXTURES
from test_intake_store import PERSON

from python_scoring.cohorts import cms, cohort
from python_scoring.errors import BadInput
from python_scoring.identities import keys, pseudonyms, reidentify, scan, trail, vault
from python_scoring.identities.pseudonyms import Pseudonyms
from python_scoring.identities.scan import Person
from python_scoring.intake import store
from python_scoring.intake.documents import split
from python_scoring.warehouse import Connection

MASTER = bytes(range(32))
OTHER = bytes(range(1, 33))
KEY = keys.derive(MASTER)
AS_OF = date(2025, 12, 31)
PEOPLE = FIXTURES / "golden" / "golden.csv"
CLAIMS = FIXTURES / "cms"


@pytest.fixture
def under_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(keys.VARIABLE, base64.b64encode(MASTER).decode())


def rows(conn: Connection, query: str) -> list[tuple[Any, ...]]:
    return conn.execute(query.encode()).fetchall()


def hand_in(conn: Connection, *people: dict[str, Any] | bytes) -> list[store.Entry]:
    names = vault.in_force(conn)
    parts = [p if isinstance(p, bytes) else json.dumps(p).encode() for p in people]
    inputs = store.keep(conn, store.read(split(b"\n".join(parts))), names)
    return store.enter(conn, store.check(inputs, ["SYNTH"], names), names)


def found_of(conn: Connection, *texts: str) -> list[str]:
    return [str(trace) for trace in scan.look(conn, Person(texts)).traces]


def test_pseudonyms_are_stable_and_distinct() -> None:
    names = Pseudonyms(KEY)
    people = [("A", "BC"), ("AB", "C"), ("", "ABC"), ("A", "bc"), ("A", "BC ")]
    called = [names.of(*person) for person in people]
    assert len(set(called)) == len(people)
    assert called == [Pseudonyms(keys.derive(MASTER)).of(*person) for person in people]
    assert not set(called) & {Pseudonyms(keys.derive(OTHER)).of(*p) for p in people}
    assert all(len(one) == 64 for one in called)


def test_columns_are_named_as_people_are() -> None:
    names = Pseudonyms(KEY, frozenset({("A", "seed")}))
    given = pa.chunked_array([pa.array(["x", "seed", "x"]), pa.array(["y"])])
    called = names.of_people("A", given).to_pylist()
    assert called == [names.of("A", one) for one in ("x", "seed", "x", "y")]
    assert called[1] == "seed"
    assert names.of_claims(given).to_pylist() != Pseudonyms(KEY).of_claims(given)
    assert Pseudonyms().of_people("A", given) is given


@pytest.mark.usefixtures("under_key")
def test_nobodys_identifier_is_in_the_database(conn: Connection) -> None:
    people = PEOPLE.read_text().splitlines()[1:]
    cohort.load(conn, PEOPLE, org="SYNTH", as_of=AS_OF)
    cms.load(conn, CLAIMS, org="CMS500", as_of=date(2008, 12, 31))
    hand_in(
        conn,
        {**PERSON, "external_id": "MRN-4711"},
        {**PERSON, "external_id": "MRN-4712", "age": 999},
        {**PERSON, "external_id": "MRN-4713\u0007"},
        {**PERSON, "external_ID": "MRN-4714", "MRN-4715": 1},
        b'{"external_id": "MRN-4716", ',
    )
    beneficiaries = [
        line.split(",")[0].strip('"')
        for file in sorted(CLAIMS.glob("*"))
        for line in file.read_text().splitlines()[1:]
    ]
    claims = [
        line.split(",")[1].strip('"')
        for file in sorted(CLAIMS.glob("*Claims*"))
        for line in file.read_text().splitlines()[1:]
    ]
    texts = [line.split(",")[0] for line in people] + beneficiaries + claims
    texts += [f"MRN-{number}" for number in range(4711, 4717)]
    assert len(set(texts)) > 20
    assert found_of(conn, *sorted(set(texts))) == []
    # The scan does see what is there.
    conn.execute(
        "update raw.cohort_patients set external_id = %s where external_id = ("
        "select min(external_id) from raw.cohort_patients)",
        (texts[0],),
    )
    assert len(found_of(conn, texts[0])) == 1


@pytest.mark.usefixtures("under_key")
def test_everybody_has_an_original_that_the_key_opens(conn: Connection) -> None:
    cohort.load(conn, PEOPLE, org="SYNTH", as_of=AS_OF)
    cohort.load(conn, PEOPLE, org="SYNTH", as_of=date(2026, 3, 31))
    kept = rows(
        conn,
        "select external_id, encrypted from raw.cohort_patients left join"
        " raw.patient_identifiers on external_id = pseudonym where load_id = 1",
    )
    given = {line.split(",")[0] for line in PEOPLE.read_text().splitlines()[1:]}
    assert {KEY.fernet.decrypt(bytes(one)).decode() for _, one in kept} == given
    called = {pseudonyms.pseudonym(KEY.pseudonym_key, "SYNTH", one) for one in given}
    assert {one for one, _ in kept} == called
    assert rows(conn, "select count(*) from raw.patient_identifiers") == [(len(given),)]


@pytest.mark.usefixtures("under_key")
def test_outcomes_find_their_people(conn: Connection, tmp_path: Path) -> None:
    ids = [line.split(",")[0] for line in PEOPLE.read_text().splitlines()[1:]]
    outcomes = tmp_path / "outcomes.csv"

    def write(*people: str) -> None:
        lines = [f"{one},{7 if one == people[0] else ''}" for one in people]
        outcomes.write_text("\n".join(["external_id,days_to_readmission", *lines]))

    write(*ids, "STRANGER-1")
    options: dict[str, Any] = {"org": "SYNTH", "as_of": AS_OF, "outcomes": outcomes}
    done = cohort.load(conn, PEOPLE, **options, max_reject_share=0.2)
    assert done.rejected == 1
    [reject] = done.rejects
    assert (reject.line, reject.value) == (len(ids) + 2, "(masked, 10 characters)")
    assert found_of(conn, "STRANGER-1") == []
    assert rows(conn, "select count(*) from raw.cohort_outcomes") == [(len(ids),)]
    write(*ids[1:])
    options["as_of"] = date(2026, 3, 31)
    with pytest.raises(BadInput, match="1 people of the cohort: the one of line 2"):
        cohort.load(conn, PEOPLE, **options)


@pytest.mark.usefixtures("under_key")
def test_rejected_identifiers_are_masked(conn: Connection, tmp_path: Path) -> None:
    header, *people = PEOPLE.read_text().splitlines()
    torn = people[1].rsplit(",", 1)[0]
    file = tmp_path / "people.csv"
    file.write_text("\n".join([header, *people, people[0], torn, ""]))
    done = cohort.load(conn, file, org="SYNTH", as_of=AS_OF, max_reject_share=0.2)
    values = {reject.column: reject.value for reject in done.rejects}
    assert set(values) == {"external_id", "(whole line)"}
    assert all(value and value.startswith("(masked, ") for value in values.values())
    stored = rows(conn, "select value from raw.rejected_rows")
    assert {value for (value,) in stored} == set(values.values())


def spoilt(file: Path, column: str, value: str) -> Path:
    """Write the people with one value changed, that of the second row."""
    header, *people = [line.split(",") for line in PEOPLE.read_text().splitlines()]
    people[1][header.index(column)] = value
    file.write_text("\n".join(map(",".join, [header, *people])))
    return file


@pytest.mark.usefixtures("under_key")
def test_a_rejected_value_is_in_raw_alone(
    conn: Connection, tmp_path: Path, riskmart: Run
) -> None:
    file = spoilt(tmp_path / "people.csv", "annual_cost", "Ann Other")
    with pytest.raises(BadInput) as refused:
        cohort.load(conn, file, org="SYNTH", as_of=AS_OF)
    conn.rollback()
    place = "people.csv, line 3, column annual_cost: '(masked, 9 characters)'; expected"
    assert place in str(refused.value)
    assert "Ann" not in str(refused.value)
    command = ("load", "cohort", str(file), "--org", "SYNTH", "--as-of", str(AS_OF))
    for told in ("1 rows rejected", "already loaded"):
        done = riskmart(*command, "--max-reject-share", "0.5")
        said = " ".join((done.out + done.err).split())
        assert (done.code, told in said, "Ann" in said) == (0, True, False), said
        assert (place in said) == (told == "1 rows rejected")
    again = cohort.load(conn, file, org="SYNTH", as_of=AS_OF, max_reject_share=0.5)
    assert (again.unchanged, again.rejects[0].value) == (True, "(masked, 9 characters)")
    assert rows(conn, "select value from raw.rejected_rows") == [("Ann Other",)]


def test_without_a_key_a_rejected_value_is_shown(
    conn: Connection, tmp_path: Path
) -> None:
    file = spoilt(tmp_path / "people.csv", "annual_cost", "Ann Other")
    with pytest.raises(BadInput, match="line 3, column annual_cost: 'Ann Other'"):
        cohort.load(conn, file, org="SYNTH", as_of=AS_OF)


@pytest.mark.usefixtures("under_key")
def test_a_first_row_in_the_place_of_a_header_is_not_shown(
    conn: Connection, tmp_path: Path
) -> None:
    header, *people = PEOPLE.read_text().splitlines()
    file = tmp_path / "people.csv"
    names = [*header.split(",")[:-1], "Ann Other", "Ann Other"]
    file.write_text("\n".join([",".join(names), *people]))
    with pytest.raises(BadInput, match=rf"column {len(names) - 1} is there") as refused:
        cohort.load(conn, file, org="SYNTH", as_of=AS_OF)
    assert f"unknown column {len(names) - 1}" in str(refused.value)
    assert "Ann" not in str(refused.value)


@pytest.mark.usefixtures("under_key")
def test_a_fault_is_stored_with_its_value_and_shown_without(conn: Connection) -> None:
    born = {**PERSON, "birth_date": "1931-02-03", "last_admission_date": "1931-02-01"}
    del born["age"]
    given = [
        {**PERSON, "annual_cost": "Ann Other"},
        {**PERSON, "external_id": "MRN-2", "Ann Other": "Ann Other", "age": None},
        {**born, "external_id": "MRN-3"},
        {**PERSON, "external_id": "MRN-4", "conditions": ["chf"], "has_chf": False},
    ]
    entries = hand_in(conn, *given)
    assert {entry.outcome for entry in entries} == {"rejected"}
    told = store.shown(entries, vault.in_force(conn))
    words = json.dumps([asdict(fault) for one in told for fault in one.faults])
    for secret in ("Ann", "1931", "chf", "MRN"):
        assert secret not in words
    [cost] = told[0].faults
    assert (cost.field, cost.value) == ("annual_cost", "(masked, 9 characters)")
    assert cost.expected.startswith("a number from 0 to")
    fields = [fault.field for fault in told[1].faults]
    assert fields == ["age", "(masked, 9 characters)"]
    [(kept,)] = rows(
        conn,
        "select faults -> 0 from raw.new_patient_raw_input order by input_id limit 1",
    )
    assert kept["value"] == "Ann Other"
    assert store.shown(entries, Pseudonyms()) == entries


@pytest.mark.usefixtures("under_key")
def test_records_are_encrypted_and_read_again(conn: Connection) -> None:
    sent = json.dumps({**PERSON, "external_id": "MRN-1"}).encode()
    queued = json.dumps({**PERSON, "external_id": "MRN-2"}).encode()
    [entry] = hand_in(conn, sent)
    assert (entry.external_id, entry.outcome) == ("MRN-1", "accepted")
    assert entry.person == ("SYNTH", Pseudonyms(KEY).of("SYNTH", "MRN-1"))
    conn.execute(
        "insert into raw.new_patient_raw_input (content) values (%s)", (queued,)
    )
    names = vault.in_force(conn)
    waiting = store.waiting(conn, 10, names)
    [other] = store.enter(conn, store.check(waiting, ["SYNTH"], names), names)
    assert other.external_id == "MRN-2"
    stored = rows(
        conn,
        "select content, key_fingerprint from raw.new_patient_raw_input order by 1",
    )
    opened = [vault.opened(bytes(content), key, names) for content, key in stored]
    assert sorted(opened) == sorted([sent, queued])
    assert all(content not in (sent, queued) for content, _ in stored)


@pytest.mark.usefixtures("under_key")
def test_saying_it_again_is_the_same_person(conn: Connection) -> None:
    person = {**PERSON, "external_id": "MRN-1"}
    outcomes = [hand_in(conn, p)[0].outcome for p in (person, person)]
    [corrected] = hand_in(conn, {**person, "age": 77})
    assert [*outcomes, corrected.outcome] == ["accepted", "unchanged", "accepted"]
    assert rows(conn, "select count(distinct external_id) from raw.new_patients") == [
        (1,)
    ]
    _, twice = hand_in(conn, person, {**person, "age": 70})
    assert (twice.outcome, twice.faults[0].value) == ("rejected", "MRN-1")


@pytest.mark.usefixtures("under_key")
def test_people_of_the_seed_keep_their_names(conn: Connection) -> None:
    names = vault.in_force(conn)
    assert names.of("BASELINE", "BL-0001") == "BL-0001"
    assert names.of("SYNTH", "BL-0001") != "BL-0001"
    assert names.of("BASELINE", "BL-9999") != "BL-9999"
    people = {one: names.of("BASELINE", one) for one in ("BL-0001", "BL-9999")}
    assert vault.remember(conn, names, "BASELINE", people) == 1


def test_a_key_is_not_mixed_into_a_demo(
    conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort.load(conn, PEOPLE, org="SYNTH", as_of=AS_OF)
    before = rows(conn, "select * from raw.cohort_patients order by 2")
    monkeypatch.setenv(keys.VARIABLE, base64.b64encode(MASTER).decode())
    for attempt in (
        lambda: cohort.load(conn, PEOPLE, org="SYNTH", as_of=date(2026, 1, 1)),
        lambda: hand_in(conn, PERSON),
    ):
        with pytest.raises(BadInput, match="riskmart keys rotate"):
            attempt()
    assert rows(conn, "select * from raw.cohort_patients order by 2") == before
    assert rows(conn, "select count(*) from raw.new_patient_raw_input") == [(0,)]


def test_status_says_that_it_is_a_demo(conn: Connection, riskmart: Run) -> None:
    for command in (("keys", "status"), ("status",)):
        assert vault.DEMO in riskmart(*command).out


def register(conn: Connection, called: str) -> str:
    """Register somebody as a build would, and return the uuid."""
    conn.execute(
        "create table if not exists raw.patient_registry (org_code text,"
        " external_id text, patient_id bigint, patient_uuid uuid)"
    )
    [(uuid,)] = conn.execute(
        "insert into raw.patient_registry values ('SYNTH', %s, 1, gen_random_uuid())"
        " returning patient_uuid::text",
        (called,),
    ).fetchall()
    conn.commit()
    return str(uuid)


@pytest.mark.usefixtures("under_key")
def test_the_way_back_is_in_the_trail_first(
    conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_in(conn, {**PERSON, "external_id": "MRN-1"})
    uuid = register(conn, Pseudonyms(KEY).of("SYNTH", "MRN-1"))
    lines: list[tuple[Any, ...]] = []
    monkeypatch.setattr(trail, "record", lambda _, *line: lines.append(line))
    true_original = reidentify.original

    def original(*given: Any) -> str:
        # Committed: nothing that follows can undo it.
        assert lines
        assert conn.info.transaction_status == 0
        return true_original(*given)

    monkeypatch.setattr(reidentify, "original", original)
    conn.autocommit = True
    [found] = reidentify.reidentify(conn, [uuid, uuid], "call back, request 12")
    assert (found.org_code, found.external_id) == ("SYNTH", "MRN-1")
    [(action, name, count, detail)] = lines
    assert (action, name, count) == ("reidentify", "raw.patient_identifiers", 1)
    assert detail == {"patient_uuids": [uuid], "reason": "call back, request 12"}


@pytest.mark.usefixtures("under_key")
def test_the_command_tells_and_the_log_does_not(
    conn: Connection, riskmart: Run
) -> None:
    hand_in(conn, {**PERSON, "external_id": "MRN-1"})
    uuid = register(conn, Pseudonyms(KEY).of("SYNTH", "MRN-1"))
    done = riskmart("reidentify", uuid, "--reason", "call back")
    assert (done.code, "MRN-1" in done.out) == (0, True), done.err
    refused = riskmart("reidentify", uuid)
    assert (refused.code, "MRN-1" in refused.out + refused.err) == (2, False)
    [line] = rows(
        conn, "select detail::text from audit.audit_log where action = 'reidentify'"
    )
    assert "call back" in line[0]
    assert uuid in line[0]
    assert "MRN-1" not in line[0]


@pytest.mark.usefixtures("under_key")
def test_without_reason_or_trace_there_is_no_answer(
    conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_in(conn, {**PERSON, "external_id": "MRN-1"})
    uuid = register(conn, Pseudonyms(KEY).of("SYNTH", "MRN-1"))
    conn.autocommit = True
    lines: list[Any] = []
    monkeypatch.setattr(trail, "record", lambda *line: lines.append(line))
    for asked, reason, told in (
        ([uuid], "  ", "no reason"),
        ([], "why", "nobody asked for"),
        ([uuid] * (reidentify.MOST + 1), "why", "at most 1,000"),
        (["4711"], "why", "expected patient_uuids"),
        (["123e4567-e89b-12d3-a456-426614174000"], "why", "no such patient"),
    ):
        with pytest.raises(BadInput, match=told):
            reidentify.reidentify(conn, asked, reason)
    assert not lines

    def fail(*_: Any) -> None:
        raise OSError("no trail")

    monkeypatch.setattr(trail, "record", fail)
    monkeypatch.setattr(reidentify, "original", lambda *_: pytest.fail("it was told"))
    with pytest.raises(OSError, match="no trail"):
        reidentify.reidentify(conn, [uuid], "why")
    with conn.transaction(), pytest.raises(RuntimeError, match="idle"):
        reidentify.reidentify(conn, [uuid], "why")


@pytest.mark.parametrize(
    ("name", "is_found"),
    [
        ("MRN-4711", True),
        ("MRN-471", False),
        ("MRN-47110", False),
        ("Ä.ö\\*(1)", True),
        ("ö\\*(1)", True),
        ("A7", True),
        ("7", False),
    ],
)
def test_a_scan_finds_words_and_no_parts_of_them(
    conn: Connection, name: str, is_found: bool
) -> None:
    held = 'see MRN-4711, Ä.ö\\*(1) and "A7"'
    conn.execute(
        "create table raw.somewhere as select %s::text as a, to_jsonb(%s::text) as b,"
        " array[%s::text] as c, convert_to(%s, 'UTF8') as d",
        (held,) * 4,
    )
    found = {trace.column for trace in scan.look(conn, Person([name])).traces}
    # What is short counts where it is all there is, or stands in quotes.
    expected = {"a", "b", "c", "d"} if len(name) >= 6 else {"a"}
    assert found == (expected if is_found else set())
