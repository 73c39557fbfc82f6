"""Somebody is forgotten everywhere but in the trail; and what grows old is removed."""

import json
from collections.abc import Iterator
from typing import Any

import golden
import pytest
from conftest import Run
from copies import FIXTURES, Copy
from test_add import PERSON

from python_scoring import pipeline, warehouse
from python_scoring.cohorts import cohort
from python_scoring.errors import BadInput, GateFailed
from python_scoring.identities import ageing, forget, forgetting, scan, trail
from python_scoring.identities.scan import Person
from python_scoring.intake import adding
from python_scoring.intake.documents import split

Lines = list[tuple[Any, ...]]
WHO = "MRN-4711"
LEDGER = """
select count(*) from raw.prediction_batches as batches
full outer join (
    select batch_id, count(*) as row_count from raw.predictions group by 1
) as written using (batch_id)
where batches.row_count is distinct from coalesce(written.row_count, 0)
"""


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Lines:
    written: Lines = []
    monkeypatch.setattr(trail, "record", lambda _, *line: written.append(line))
    return written


def add(*people: dict[str, Any] | bytes) -> adding.Answer:
    parts = [p if isinstance(p, bytes) else json.dumps(p).encode() for p in people]
    with adding.intake() as intake:
        return intake.add(list(split(b"\n".join(parts))))


def person(**changes: Any) -> dict[str, Any]:
    return PERSON | {"external_id": WHO} | changes


def registered(copy: Copy, external_id: str) -> tuple[str, int]:
    [(uuid, number)] = copy.rows(
        "select patient_uuid::text, patient_id from raw.patient_registry"
        " where external_id = %s",
        external_id,
    )
    return uuid, number


def looked(uuid: str, number: int) -> scan.Scan:
    with warehouse.connect() as conn:
        return scan.look(conn, Person([WHO], uuid, number))


def test_nothing_of_a_person_is_left(
    clone: Copy, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone.published()
    add(person(), person(external_id=f"{WHO}0"))
    add(person(age=70))
    add(person(age=999), b'{"external_id": "MRN-4711", ')
    uuid, number = registered(clone, WHO)
    # As where there are roles, and somebody looks after them.
    clone.execute(
        "insert into access.assigned_patients (member, patient_id) values ('x', %s)",
        number,
    )
    before = looked(uuid, number)
    assert {trace.relation.split(".")[0] for trace in before.traces} >= {
        *("raw", "build_1")
    }
    neighbour = registered(clone, f"{WHO}0")
    inputs = clone.value("select count(*) from raw.new_patient_raw_input")

    def fail(**_: Any) -> None:
        raise GateFailed("a test failed")

    with warehouse.connect(autocommit=True) as conn:
        with monkeypatch.context() as patch:
            patch.setattr(pipeline, "build", fail)
            with pytest.raises(GateFailed, match=uuid):
                forget.forget(conn, org_code="BASELINE", external_id=WHO, reason="x")
        # It is in what readers have, by its uuid alone, and that goes on.
        assert {t.relation.split(".")[0] for t in looked(uuid, number).traces} == {
            "build_1"
        }
        done = forget.forget(conn, patient_uuid=uuid, reason="asked to, letter 7")
    assert looked(uuid, number).traces == []
    assert len(done.scan.columns) > 100
    assert done.dropped == [1]
    assert clone.value("select to_regnamespace('build_1') is null")
    assert clone.value("select to_regnamespace('intake_1') is null")
    assert clone.value(LEDGER) == 0
    # and nobody else went
    assert registered(clone, f"{WHO}0") == neighbour
    assert clone.value("select count(*) from marts.patients") == 3001
    left = clone.value("select count(*) from raw.new_patient_raw_input")
    # Two records, a rejected one, and one that cannot be read.
    assert inputs - left == 4
    assert clone.value("select sum(patient_count) from marts.org_tier_summary") == 9003
    assert [line[0] for line in lines] == ["forget", "forget"]
    assert lines[1][3] == {"patient_uuids": [uuid], "reason": "asked to, letter 7"}


@pytest.fixture(scope="module")
def shop(built: Copy) -> Iterator[Copy]:
    copy = built.clone("forgetting").published()
    with copy.in_force():
        with warehouse.connect(autocommit=True) as conn:
            cohort.load(
                conn,
                FIXTURES / "golden" / "golden.csv",
                org="SYNTH",
                as_of=golden.AS_OF,
            )
        add(person(), person(external_id="MRN-1", age=999))
        add(person(age=70))
        yield copy
    copy.drop()


@pytest.mark.usefixtures("lines")
def test_people_of_the_seed_are_refused_in_words(shop: Copy, riskmart: Run) -> None:
    uuid, _ = registered(shop, "BL-0007")
    done = riskmart("forget", uuid, "--reason", "why")
    assert done.code == 2
    assert "seeds/baseline/*.csv" in done.err.replace("\n", "")
    assert registered(shop, "BL-0007")[0] == uuid


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "expected PATIENT_UUID"),
        (["--external-id", "x"], "expected PATIENT_UUID"),
        (["--external-id", "x", "--org", "SYNTH"], "no reason"),
        (["--external-id", "x", "--org", "SYNTH", "--reason", "y"], "no such patient"),
        (["4711", "--reason", "y"], "no patient_uuid"),
    ],
)
def test_what_is_asked_wrongly_is_refused(
    shop: Copy, riskmart: Run, arguments: list[str], told: str
) -> None:
    done = riskmart("forget", *arguments)
    assert (done.code, told in done.err.replace("\n", "")) == (2, True), done.err


@pytest.mark.usefixtures("lines")
def test_a_load_counts_who_is_left(shop: Copy) -> None:
    ids = shop.rows("select external_id from raw.cohort_patients where load_id = 2")
    with warehouse.connect(autocommit=True) as conn:
        counts = []
        for (external_id,) in sorted(ids):
            one = forgetting.Known(
                patient_uuid="00000000-0000-0000-0000-000000000000",
                patient_id=-1,
                org_code="SYNTH",
                called=external_id,
                original=external_id,
            )
            with conn.transaction(force_rollback=True):
                deleted = forgetting.delete(conn, one, "why")
                assert deleted.tables == {"raw.cohort_patients": 1}
                counts += conn.execute(
                    "select row_count from raw.loads where load_id = 2"
                ).fetchall()
        assert counts == [(len(ids) - 1,)] * len(ids)


def test_what_is_old_is_removed_once(
    shop: Copy, lines: Lines, monkeypatch: pytest.MonkeyPatch, riskmart: Run
) -> None:
    kept = riskmart("retention")
    assert (kept.code, kept.out.count("kept for good")) == (0, 2)
    days: dict[str, int | None] = {"raw_input_days_kept": 30, "history_days_kept": 30}
    monkeypatch.setattr(ageing.project_vars, "days", lambda name: days[name])

    def run() -> tuple[int | None, int | None]:
        with warehouse.connect(autocommit=True) as conn:
            done = ageing.remove(conn)
        return done.records, done.scores

    assert run() == (0, 0)
    days["raw_input_days_kept"] = days["history_days_kept"] = 0
    current = "select count(*) from raw.predictions"
    before = shop.value(current)
    records = shop.value("select count(*) from raw.new_patient_raw_input")
    # The corrected person was scored twice.
    assert run() == (records, 3)
    assert shop.value(current) == before - 3
    assert shop.value(LEDGER) == 0
    assert shop.rows(
        "select distinct length(content), faults -> 0 ->> 'value'"
        " from raw.new_patient_raw_input"
    ) == [(0, None)]
    assert (
        shop.value(
            "select count(*) from raw.new_patient_raw_input"
            " where faults -> 0 ->> 'expected' like 'a whole number%%'"
        )
        == 1
    )
    assert run() == (0, 0)
    assert [line[0] for line in lines] == ["retention"]


def test_a_var_that_is_no_number_of_days_is_refused(
    shop: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (shop.project / "dbt_project.yml").read_text()
    spoilt = text.replace("raw_input_days_kept: null", "raw_input_days_kept: soon")
    assert spoilt != text
    try:
        (shop.project / "dbt_project.yml").write_text(spoilt)
        with (
            warehouse.connect(autocommit=True) as conn,
            pytest.raises(BadInput, match="raw_input_days_kept is 'soon'"),
        ):
            ageing.remove(conn)
    finally:
        (shop.project / "dbt_project.yml").write_text(text)
