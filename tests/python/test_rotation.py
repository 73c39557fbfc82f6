"""Another key: everybody is renamed and stays who they are, or nothing happened."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import golden
import pytest
from conftest import Run
from copies import FIXTURES, REPOSITORY, Copy
from test_intake_store import PERSON

from python_scoring import warehouse
from python_scoring.cohorts import cms, cohort
from python_scoring.errors import BadInput
from python_scoring.identities import (
    keys,
    received,
    rotation,
    scan,
    succession,
    trail,
    vault,
)
from python_scoring.identities.pseudonyms import Pseudonyms
from python_scoring.identities.scan import Person
from python_scoring.intake import adding
from python_scoring.intake.documents import split

GOLDEN = FIXTURES / "golden" / "golden.csv"
IDS = [line.split(",")[0] for line in GOLDEN.read_text().splitlines()[1:]]
WHO = """
select org_code, patient_id, patient_uuid, registered_at from raw.patient_registry
order by patient_id
"""
MARTS = """
select patient_id, patient_uuid, department_id, index_date from marts.patients
order by 1
"""


@pytest.fixture(scope="module")
def demo(built: Copy) -> Iterator[Copy]:
    """Published without a key: a cohort, claims, and records good and bad."""
    copy = built.clone("rotating").published()
    with copy.in_force(), warehouse.connect(autocommit=True) as conn:
        cohort.load(conn, GOLDEN, org="SYNTH", as_of=golden.AS_OF)
        cms.load(conn, FIXTURES / "cms", org="CMS500", as_of=date(2008, 12, 31))
        people = [
            {**PERSON, "org_code": "BASELINE", "external_id": one, **more}
            for one, more in (
                ("MRN-4711", {}),
                ("BL-0007", {}),
                ("MRN-4712", {"age": 999}),
                ("MRN-4713", {"annual_COST": "MRN-4714"}),
            )
        ]
        with adding.intake() as intake:
            intake.add(list(split(json.dumps(people).encode())))
        conn.execute(
            "insert into raw.new_patient_raw_input (content) values (%s)",
            (json.dumps({**people[0], "external_id": "MRN-4715"}).encode(),),
        )
    yield copy
    copy.drop()


@pytest.fixture
def copy(demo: Copy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Copy]:
    demo.administer("create database {} template {}", "one_test", demo.database)
    mine = Copy(demo.project, demo.home, "one_test")
    monkeypatch.setattr(trail, "record", lambda *_: None)
    try:
        with mine.in_force():
            yield mine
    finally:
        mine.drop()


ORIGINALS = [*IDS, *(f"MRN-{number}" for number in range(4711, 4716))]


def originals_left(copy: Copy) -> list[str]:
    with warehouse.connect() as conn:
        return [str(one) for one in scan.look(conn, Person(ORIGINALS)).traces]


def rotate() -> rotation.Rotated:
    with warehouse.connect(autocommit=True) as conn:
        return rotation.rotate(conn)


@pytest.fixture
def begin(
    copy: Copy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[], None]:
    """Put a first key file there, and bring it into force."""

    def run() -> None:
        file = tmp_path / "identity.key"
        keys.write(file, keys.generate())
        monkeypatch.setenv(keys.FILE_VARIABLE, str(file))
        rotate()

    return run


Begin = Callable[[], None]


def originals(copy: Copy) -> dict[int, str]:
    """Who everybody with an original is, by number."""
    with warehouse.connect(autocommit=True) as conn:
        names = vault.in_force(conn)
        assert names.key
        return {
            patient_id: names.key.fernet.decrypt(bytes(kept)).decode()
            for patient_id, kept in copy.rows(
                "select patient_id, encrypted from raw.patient_registry as registry"
                " inner join raw.patient_identifiers as kept on"
                " registry.external_id = pseudonym"
                " and registry.org_code = kept.org_code"
            )
        }


def test_a_demo_comes_under_a_key(copy: Copy, begin: Begin) -> None:
    who, marts = copy.rows(WHO), copy.rows(MARTS)
    assert originals_left(copy)
    begin()
    assert originals_left(copy) == []
    assert copy.rows(WHO) == who
    assert copy.rows(MARTS) == marts
    assert "MRN-4711" in originals(copy).values()
    # The seed's people keep their names, also where they were handed in.
    assert (
        copy.value(
            "select count(*) from raw.patient_registry where external_id like 'BL-%%'"
        )
        == 3000
    )
    assert (
        copy.value(
            "select count(*) from raw.new_patients where external_id = 'BL-0007'"
        )
        == 1
    )


def test_a_rotation_changes_names_and_nobody(copy: Copy, begin: Begin) -> None:
    begin()
    who, people = copy.rows(WHO), originals(copy)
    names = set(copy.rows("select external_id from raw.cohort_patients"))
    done = rotate()
    assert done.people == len(copy.rows("select from raw.patient_identifiers"))
    assert copy.rows(WHO) == who
    assert originals(copy) == people
    assert not names & set(copy.rows("select external_id from raw.cohort_patients"))
    assert originals_left(copy) == []
    # Whoever comes again is found.
    record = {**PERSON, "org_code": "BASELINE", "external_id": "MRN-4711", "age": 70}
    with adding.intake() as intake:
        answer = intake.add(list(split(json.dumps(record).encode())))
    [patient] = answer.people.values()
    assert people[patient["patient_id"]] == "MRN-4711" == patient["external_id"]
    assert copy.rows(WHO) == who
    with warehouse.connect(autocommit=True) as conn:
        waiting = adding.Intake(conn).add_waiting(9)
    assert waiting
    [entry] = waiting.entries
    assert (entry.outcome, entry.external_id) == ("accepted", "MRN-4715")


def test_a_build_goes_by_the_names_of_now(copy: Copy, begin: Begin) -> None:
    begin()
    with warehouse.connect(autocommit=True) as conn:
        names = vault.in_force(conn)
        unchanged = cohort.load(conn, GOLDEN, org="SYNTH", as_of=golden.AS_OF)
    assert unchanged.unchanged
    called = copy.rows("select external_id from raw.cohort_patients where load_id > 1")
    assert {names.of("SYNTH", one) for one in IDS} <= {one for (one,) in called}


@pytest.mark.parametrize("step", ["_rename", "change_key", "record", "finish"])
def test_whatever_fails_leaves_one_key_in_force(
    copy: Copy, begin: Begin, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    begin()
    before = copy.value("select fingerprint from raw.identity_key")
    people = originals(copy)

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("killed")

    where = {
        "_rename": rotation,
        "change_key": received,
        "record": trail,
        "finish": succession.Succession,
    }
    with monkeypatch.context() as patch:
        patch.setattr(where[step], step, fail)
        with pytest.raises(OSError, match="killed"):
            rotate()
    # After the commit, all is new; until then, all is old.
    after = copy.value("select fingerprint from raw.identity_key")
    assert (after == before) == (step != "finish")
    assert originals(copy) == people
    assert rotate().old == after
    assert originals(copy) == people


KILLED = """
import os, signal
from python_scoring import warehouse
from python_scoring.identities import received, rotation, trail
trail.record = lambda *_: None
def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)
received.change_key = kill
with warehouse.connect(autocommit=True) as conn:
    rotation.rotate(conn)
"""


def test_a_killed_rotation_leaves_all_old(copy: Copy, begin: Begin) -> None:
    begin()
    before = copy.rows("select * from raw.patient_identifiers order by 1, 2")
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", KILLED], env=environment, cwd=REPOSITORY, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert copy.rows("select * from raw.patient_identifiers order by 1, 2") == before
    people = originals(copy)
    rotate()
    assert originals(copy) == people


def test_another_key_rotates_nothing(copy: Copy, begin: Begin) -> None:
    begin()
    file = keys.key_file()
    file.unlink()
    keys.write(file, keys.generate())
    with pytest.raises(BadInput, match="expected that one"):
        rotate()


def test_the_command_shows_no_key(copy: Copy, begin: Begin, riskmart: Run) -> None:
    begin()
    old = keys.key_file().read_text().strip()
    done = riskmart("keys", "rotate")
    assert done.code == 0, done.err
    new = keys.key_file().read_text().strip()
    assert new != old
    assert not [one for one in (old, new) if one in done.out + done.err]
    status = riskmart("keys", "status")
    assert "originals encrypted" in status.out


def test_an_answer_has_no_rejected_value(
    copy: Copy, begin: Begin, riskmart: Run, tmp_path: Path
) -> None:
    file = tmp_path / "person.json"
    person = {**PERSON, "org_code": "BASELINE", "external_id": "MRN-4720"}
    file.write_text(json.dumps({**person, "annual_cost": "Ann Other"}))

    def said(*options: str) -> str:
        done = riskmart("add", str(file), *options)
        assert done.code == 2
        return " ".join((done.out + done.err).split())

    assert "Ann Other" in said("--dry-run")
    begin()
    for options in ((), ("--json",), ("--dry-run",)):
        text = said(*options)
        assert ("Ann" in text, "MRN" in text) == (False, False)
        assert "annual_cost" in text
        assert "9 characters" in text
    with adding.intake() as intake:
        intake.conn.execute(
            "insert into raw.new_patient_raw_input (content) values (%s)",
            (file.read_bytes(),),
        )
        answer = intake.add_waiting(10)
    assert answer
    assert "Ann" not in json.dumps(answer.as_json())


def test_pseudonyms_of_two_organizations_differ(copy: Copy, begin: Begin) -> None:
    with warehouse.connect(autocommit=True) as conn:
        cohort.load(conn, GOLDEN, org="CMS500", as_of=golden.AS_OF)
    begin()
    with warehouse.connect(autocommit=True) as conn:
        names = vault.in_force(conn)
    for org in ("SYNTH", "CMS500"):
        called = copy.rows(
            "select external_id from raw.cohort_patients inner join raw.loads"
            " using (load_id) where org_code = %s",
            org,
        )
        assert sorted(called) == sorted((names.of(org, one),) for one in IDS)
    assert isinstance(names, Pseudonyms)
