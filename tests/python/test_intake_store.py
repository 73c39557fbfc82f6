"""Taking records in: all of it kept, the good ones entered, the rest told."""

import json
from datetime import date, timedelta
from typing import Any

import pytest

from python_scoring.intake import store
from python_scoring.intake.documents import split
from python_scoring.intake.store import Entry
from python_scoring.warehouse import Connection

PERSON: dict[str, Any] = {
    "org_code": "SYNTH",
    "external_id": "A-1",
    "source_system": "API",
    "index_date": "2026-06-30",
    "gender": "female",
    "race": "Hispanic",
    "age": 76,
    "conditions": ["chf"],
    "has_diabetes": True,
    "has_esrd": False,
    "total_admissions": 0,
    "total_hospital_days": 0,
    "total_outpatient_visits": 12,
    "annual_cost": 24310.5,
    "inpatient_cost": 0,
}


def hand_in(conn: Connection, *people: dict[str, Any] | bytes) -> list[Entry]:
    parts = [p if isinstance(p, bytes) else json.dumps(p).encode() for p in people]
    inputs = store.keep(conn, store.read(split(b"\n".join(parts))))
    return store.enter(conn, store.check(inputs, ["SYNTH"]))


def rows(conn: Connection, query: str) -> list[tuple[Any, ...]]:
    return conn.execute(query.encode()).fetchall()


def test_a_record_is_kept_and_entered(conn: Connection) -> None:
    sent = json.dumps(PERSON, separators=(" ,", ":\t")).encode()
    [entry] = hand_in(conn, sent)
    assert (entry.outcome, entry.person) == ("accepted", ("SYNTH", "A-1"))
    [kept] = rows(
        conn,
        "select content, source_system, outcome, faults, processed_at >= received_at"
        " from raw.new_patient_raw_input",
    )
    assert kept == (sent, "API", "accepted", None, True)
    [entered] = rows(
        conn,
        "select input_id, index_date, birth_date, age, is_female, race_code, has_chf,"
        " has_diabetes, has_stroke, annual_cost from raw.new_patients",
    )
    day = date(2026, 6, 30)
    assert entered == (entry.input_id, day, None, 76, 1, 5, 1, 1, 0, 24310.5)


def test_saying_it_again_changes_nothing(conn: Connection) -> None:
    hand_in(conn, PERSON)
    listed = {**PERSON, "conditions": ["diabetes", "chf"]}
    del listed["has_diabetes"]
    # Said in other words, it is still the same.
    [again] = hand_in(conn, listed)
    assert again.outcome == "unchanged"
    assert rows(conn, "select count(*) from raw.new_patients") == [(1,)]
    assert rows(conn, "select count(*) from raw.new_patient_raw_input") == [(2,)]


def test_a_correction_is_another_row(conn: Connection) -> None:
    outcomes = [
        hand_in(conn, {**PERSON, **change})[0].outcome
        for change in ({}, {"age": 77}, {}, {"index_date": "2026-07-31"})
    ]
    assert outcomes == ["accepted"] * 4
    found = rows(conn, "select age, index_date from raw.new_patients order by input_id")
    assert [age for age, _ in found] == [76, 77, 76, 76]


def test_good_records_go_in_beside_bad_ones(conn: Connection) -> None:
    good, other, broken, unknown, repeated = hand_in(
        conn,
        PERSON,
        {**PERSON, "external_id": "A-2", "org_code": "CMS500"},
        b'{"external_id": "A-3", ',
        {**PERSON, "external_id": "A-4", "gender": "?", "annual_cost": -1},
        {**PERSON, "age": 70},
    )
    assert good.outcome == "accepted"
    bad = (other, broken, unknown, repeated)
    assert {entry.outcome for entry in bad} == {"rejected"}
    [fault] = other.faults
    assert (fault.field, fault.value) == ("org_code", "CMS500")
    assert fault.expected.endswith("published cohort: SYNTH")
    assert "not JSON" in broken.faults[0].expected
    assert [fault.field for fault in unknown.faults] == ["gender", "annual_cost"]
    assert "record 1 has it" in repeated.faults[0].expected
    assert rows(conn, "select external_id from raw.new_patients") == [("A-1",)]
    noted = rows(
        conn,
        "select position, outcome, jsonb_array_length(faults)"
        " from raw.new_patient_raw_input order by position",
    )
    assert [n[:2] for n in noted[1:]] == [(n, "rejected") for n in range(2, 6)]
    assert noted[0] == (1, "accepted", None)


@pytest.mark.parametrize(("days", "outcome"), [(1, "accepted"), (3, "rejected")])
def test_a_day_to_come_is_refused(conn: Connection, days: int, outcome: str) -> None:
    day = (date.today() + timedelta(days=days)).isoformat()
    [entry] = hand_in(conn, {**PERSON, "index_date": day})
    assert entry.outcome == outcome


def test_what_cannot_be_stored_as_text_is_kept_as_bytes(conn: Connection) -> None:
    sent = b'{"org_code": "a\\u0000b", "external_id": "\\ud800", "x": "\xff"}'
    [entry] = hand_in(conn, sent)
    assert entry.outcome == "rejected"
    strange = b'{"org_code": "a\\u0000b", "external_id": "\\ud800", "\\u0000": 1}'
    [other] = hand_in(conn, strange)
    assert len(other.faults) > 3
    kept = rows(conn, "select content from raw.new_patient_raw_input order by input_id")
    assert kept == [(sent,), (strange,)]


def test_the_same_number_in_two_organizations_is_two_people(conn: Connection) -> None:
    text = json.dumps([PERSON, {**PERSON, "org_code": "OTHER"}]).encode()
    inputs = store.keep(conn, store.read(split(text)))
    entries = store.enter(conn, store.check(inputs, ["OTHER", "SYNTH"]))
    assert [entry.outcome for entry in entries] == ["accepted", "accepted"]
