"""`riskmart add`: at once in every mart, or nowhere; and told what is wrong."""

import io
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import Run
from copies import REPOSITORY, Copy

from python_scoring import warehouse
from python_scoring.errors import BadInput, GateFailed
from python_scoring.intake import adding, plan, record, serving, world
from python_scoring.intake.documents import split
from python_scoring.publication import builds

PERSON: dict[str, Any] = {
    "org_code": "BASELINE",
    "external_id": "NEW-1",
    "source_system": "FRONTEND_FORM",
    "index_date": "2026-01-15",
    "gender": "female",
    "race": "White",
    "age": 78,
    "conditions": ["chf", "diabetes"],
    "has_esrd": False,
    "total_admissions": 2,
    "total_hospital_days": 9,
    "last_admission_date": "2025-12-20",
    "total_outpatient_visits": 12,
    "annual_cost": 24500,
    "inpatient_cost": 15000,
}
# Everything that a new patient changes, in one statement and so as of one moment.
SEEN = """
select
    (select count(*) from marts.patients where data_source = 'NEW_PATIENT'),
    (select count(*) from marts.patient_features) - 3000,
    (select count(*) from marts.predictions) / 3 - 3000,
    (select count(*) from marts.prediction_history) / 3 - 3000,
    (select count(*) from marts.financial_projections) / 3 - 3000,
    (select sum(patient_count) from marts.org_tier_summary) / 3 - 3000,
    (select sum(patient_count) from marts.dept_risk_distribution) / 3 - 3000,
    (select sum(patient_count) from marts.roi_aggregations) / 3 - 3000,
    (select sum(patient_count) from marts.roi_by_department) / 3 - 3000,
    (select patient_count from marts.organizations) - 3000,
    (select coalesce(sum(patient_count), 0) / 27 from marts.cohort_comparison
        where data_source = 'NEW_PATIENT')
"""
TRACES = """
select (select count(*) from raw.new_patient_raw_input),
    (select count(*) from raw.new_patients),
    (select count(*) from raw.patient_registry),
    (select count(*) from raw.predictions),
    (select count(*) from raw.prediction_batches),
    (select count(*) from raw.scored_features),
    (select count(*) from raw.patient_feature_engineering_log),
    (select max(intake_entry_id) from raw.builds)
"""


def person(**changes: Any) -> dict[str, Any]:
    return PERSON | changes


def lines(*people: dict[str, Any] | bytes) -> bytes:
    return b"\n".join(
        p if isinstance(p, bytes) else json.dumps(p).encode() for p in people
    )


def take(*people: dict[str, Any] | bytes, **options: bool) -> adding.Answer:
    with adding.intake() as intake:
        return intake.add(list(split(lines(*people))), **options)


def seen(copy: Copy) -> set[int]:
    """How many new patients each mart has: one number, if they agree."""
    [row] = copy.rows(SEEN)
    return {int(value) for value in row}


@pytest.fixture(scope="module")
def published_once(built: Copy) -> Iterator[Copy]:
    """A published warehouse of its own for this module."""
    copy = built.clone("adding").published()
    yield copy
    copy.drop()


@pytest.fixture
def shop(published_once: Copy) -> Iterator[Copy]:
    """The published warehouse as it was, in force."""
    copy = published_once
    copy.administer("create database {} template {}", "one_test", copy.database)
    mine = Copy(copy.project, copy.home, "one_test")
    try:
        with mine.in_force():
            yield mine
    finally:
        mine.drop()


def test_a_patient_is_in_every_mart_at_once(shop: Copy) -> None:
    answer = take(PERSON)
    assert seen(shop) == {1}
    [entry] = answer.entries
    patient = answer.people["BASELINE", "NEW-1"]
    assert (entry.outcome, patient["department_code"]) == ("accepted", "CARDIOLOGY")
    shown = shop.rows(
        "select p.prediction_window, p.risk_score, p.risk_tier, f.net_benefit, ("
        " select count(*) from marts.positive_roi_patients as others"
        " where others.prediction_window = p.prediction_window"
        " and (others.net_benefit, -others.patient_id)"
        " > (f.net_benefit, -p.patient_id))"
        " from marts.predictions as p inner join marts.financial_projections as f"
        " using (patient_id, prediction_window)"
        " inner join marts.patients using (patient_id)"
        " where patient_uuid = %s order by 1",
        patient["patient_uuid"],
    )
    keys = ("risk_score", "risk_tier", "net_benefit", "above_in_target_list")
    told = [(name, *(w[key] for key in keys)) for name, w in patient["windows"].items()]
    assert told == shown
    assert all(len(w["reasons"]) == 3 for w in patient["windows"].values())
    place = shop.value(
        "select avg((annual_cost <= 24500)::int) from marts.patients"
        " where data_source = 'X_TEST'"
    )
    assert patient["features"]["cost_percentile"] == pytest.approx(float(place))
    assert shop.rows(
        "select build_id, patient_id, length(feature_version)"
        " from raw.patient_feature_engineering_log"
    ) == [(answer.build_id, patient["patient_id"], 12)]


def test_a_correction_is_an_update_with_history(shop: Copy) -> None:
    take(PERSON)
    take(person(annual_cost=900, conditions=[], inpatient_cost=0))
    take(person(index_date="2025-01-01", last_admission_date="2024-12-30", age=77))
    late = take(person(index_date="2025-01-02", last_admission_date="2025-01-01"))
    assert not late.counts(late.entries[0])
    assert shop.value("select count(*) from raw.new_patients") == 4
    [(age, cost)] = shop.rows(
        "select age, annual_cost from marts.patients where data_source = 'NEW_PATIENT'"
    )
    assert (age, cost) == (78, 900)
    history = shop.rows(
        "select is_active, count(*) from marts.prediction_history"
        " inner join marts.patients using (patient_id)"
        " where data_source = 'NEW_PATIENT' group by is_active order by 1"
    )
    assert history == [(False, 3), (True, 3)]


@pytest.mark.parametrize(
    ("day", "admitted", "is_replaced"),
    [("2025-12-30", "2025-12-20", False), ("2025-12-31", "2025-12-20", True)],
)
def test_of_a_person_of_the_cohort_the_later_day_counts(
    shop: Copy, day: str, admitted: str, is_replaced: bool
) -> None:
    """Nobody is there twice, and the cohort's people are not ranked anew."""
    places = "select md5(string_agg(patient_id || ' ' || cost_percentile, ','"
    places += " order by patient_id)) from marts.patients where patient_id <> 1"
    before = shop.value(places)
    late = person(external_id="BL-0001", index_date=day, last_admission_date=admitted)
    answer = take(late)
    source = "NEW_PATIENT" if is_replaced else "X_TEST"
    assert answer.people["BASELINE", "BL-0001"]["data_source"] == source
    assert shop.value("select count(*) from marts.patients") == 3000
    assert shop.value("select patient_count from marts.organizations") == 3000
    assert shop.value(places) == before
    active = "select count(*) from marts.prediction_history where is_active"
    assert shop.value(active) == 9000


def test_a_target_list_that_is_built_is_counted_from_its_index(base: Copy) -> None:
    """All pages but the last are known to be everybody's."""
    schema = base.value("select 'build_' || max(build_id) from marts.builds")
    pages, known = base.rows(
        "select relpages, relallvisible from pg_class where oid = %s::regclass",
        f"{schema}.positive_roi_patients",
    )[0]
    assert pages > 50
    assert known >= pages - 1


def test_a_dry_run_answers_the_same_and_leaves_no_trace(shop: Copy) -> None:
    before = shop.rows(TRACES)
    dry = take(PERSON, is_dry_run=True)
    assert seen(shop) == {0}
    assert shop.rows(TRACES) == before
    real = take(PERSON)
    numbered = real.people["BASELINE", "NEW-1"]
    nameless = numbered | {"patient_id": None, "patient_uuid": None}
    assert dry.people == {("BASELINE", "NEW-1"): nameless}


def test_good_records_go_in_and_faults_are_told(
    shop: Copy, riskmart: Run, tmp_path: Path
) -> None:
    file = tmp_path / "people.json"
    bad = person(external_id="NEW-2", age=-1, gender="x", org_code="NOBODY")
    file.write_bytes(lines(PERSON, bad, b'{"age": '))
    done = riskmart("add", str(file), "--json")
    answer = json.loads(done.out)
    assert (done.code, done.err) == (2, "")
    assert [r["outcome"] for r in answer["records"]] == ["accepted"] + ["rejected"] * 2
    faults = answer["records"][1]["faults"]
    assert {fault["field"] for fault in faults} == {"age", "gender"}
    assert answer["records"][2]["faults"][0]["field"] is None
    assert seen(shop) == {1}
    assert shop.value("select count(*) from raw.new_patient_raw_input") == 3


def test_all_or_nothing_takes_nobody_where_one_has_a_fault(
    shop: Copy, riskmart: Run, tmp_path: Path
) -> None:
    file = tmp_path / "people.json"
    file.write_bytes(lines(PERSON, person(external_id="NEW-2", org_code="NOBODY")))
    done = riskmart("add", str(file), "--all-or-nothing")
    assert done.code == 2
    assert "NOBODY" in done.out
    assert "0 accepted, 0 unchanged, 2 rejected" in done.out
    assert seen(shop) == {0}
    assert shop.rows(
        "select outcome, count(*) from raw.new_patient_raw_input group by 1"
    ) == [("rejected", 2)]


def test_all_or_nothing_counts_a_person_who_is_there_twice(shop: Copy) -> None:
    answer = take(PERSON, person(annual_cost=30000), is_all_or_nothing=True)
    assert [entry.outcome for entry in answer.entries] == ["rejected"] * 2
    assert seen(shop) == {0}


def test_a_form_can_be_made_from_the_schema(shop: Copy, riskmart: Run) -> None:
    schema = json.loads(riskmart("add", "--schema").out)
    assert set(schema["properties"]) >= set(PERSON)
    assert schema == record.json_schema()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "expected a .json or .csv file"),
        (("nowhere.json",), "nowhere.json: No such file or directory"),
    ],
)
def test_bad_arguments_are_told_in_words(
    shop: Copy, riskmart: Run, arguments: tuple[str, ...], words: str
) -> None:
    done = riskmart("add", *arguments)
    assert (done.code, done.out) == (2, "")
    assert words in done.err


def test_what_is_piped_may_be_csv(
    shop: Copy, riskmart: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = PERSON | {"conditions": "chf;diabetes", "has_esrd": "false"}
    text = ",".join(cells) + "\n" + ",".join(map(str, cells.values())) + "\n"
    piped = io.TextIOWrapper(io.BytesIO(text.encode()))
    monkeypatch.setattr(sys, "stdin", piped)
    done = riskmart("add", "-")
    assert done.code == 0, done.out + done.err
    assert "heart failure: raises risk" in done.out
    assert seen(shop) == {1}


def test_nobody_is_taken_in_before_a_build_is_published(clone: Copy) -> None:
    with pytest.raises(BadInput, match="before a build is published"):
        take(PERSON)
    assert clone.value("select count(*) from raw.new_patient_raw_input") == 0


def test_what_fails_a_data_test_is_not_taken_in(shop: Copy) -> None:
    """The models' own tests look at the new rows, and name what is wrong."""
    [current] = shop.rows("select build_id from raw.builds where status = 'published'")
    shop.execute(
        "update raw.intake_steps set statement = replace(statement, '0.4 * chronic',"
        " '40 * chronic') where build_id = %s and name = 'int_patient_features'",
        current[0],
    )
    before = shop.rows(TRACES)
    with pytest.raises(GateFailed, match="features_are_within_their_bounds"):
        take(PERSON)
    assert seen(shop) == {0}
    assert shop.rows(TRACES) == before


def test_every_path_model_and_test_is_in_the_plan(shop: Copy) -> None:
    """A model of the path that lost its tag would leave a mart behind."""
    with warehouse.connect() as conn:
        current = builds.published(conn)
        assert current is not None
        steps = plan.read(conn, current.build_id)
    kinds = {step.name: step.kind for step in steps if step.kind != "test"}
    with_patients = shop.rows(
        "select c.relname from pg_class as c inner join pg_attribute as a"
        " on c.oid = a.attrelid where a.attname = 'patient_id' and c.relkind = 'r'"
        f" and c.relnamespace = '{current.schema}'::regnamespace"
    )
    of_people = {name for (name,) in with_patients}
    assert {name for name, kind in kinds.items() if kind == "mart"} == of_people
    tests = {step.name for step in steps if step.kind == "test"}
    assert {
        "assert_projections_follow_the_rules",
        "assert_patients_are_whom_their_features_tell_of",
        "features_are_within_their_bounds",
        "predictions_are_the_active_ones_of_the_ledger",
        "past_predictions_are_the_rest_of_the_ledger",
    } <= tests


def _never(error: Exception) -> None:
    raise error


def hand_in(copy: Copy, *contents: bytes) -> None:
    for content in contents:
        copy.execute(
            "insert into raw.new_patient_raw_input (content) values (%s)", content
        )


def test_other_programs_hand_in_by_the_table(shop: Copy) -> None:
    """What is no record is rejected; what comes is taken in, in its order."""
    hand_in(shop, lines(PERSON), b"nonsense", lines(PERSON, PERSON), b"")
    told: list[adding.Answer] = []
    with adding.intake() as intake:
        serving.serve(intake, told.append, _never, is_stopped=lambda: bool(told))
    [answer] = told
    outcomes = [entry.outcome for entry in answer.entries]
    assert outcomes == ["accepted", "rejected", "rejected", "rejected"]
    assert seen(shop) == {1}
    assert not shop.value(
        "select count(*) from raw.new_patient_raw_input where processed_at is null"
    )


def test_one_that_fails_a_test_does_not_hold_up_the_others(shop: Copy) -> None:
    """It is rejected with the test's name, and serving goes on."""
    shop.execute(
        "update raw.intake_steps set statement = replace(statement, '0.4 * chronic',"
        " '4 * chronic') where name = 'int_patient_features'"
    )
    healthy = person(external_id="NEW-2", conditions=[])
    hand_in(shop, lines(PERSON), lines(healthy))
    told: list[adding.Answer] = []
    with adding.intake() as intake:
        serving.serve(intake, told.append, _never, is_stopped=lambda: len(told) > 1)
    assert [e.outcome for a in told for e in a.entries] == ["rejected", "accepted"]
    assert "features_are_within_their_bounds" in told[0].entries[0].faults[0].expected
    assert seen(shop) == {1}


def test_a_correction_that_waits_with_its_record_is_one(shop: Copy) -> None:
    """Each row of the table is a submission of its own."""
    hand_in(shop, lines(PERSON), lines(person(annual_cost=30000)))
    told: list[adding.Answer] = []
    with adding.intake() as intake:
        serving.serve(intake, told.append, _never, is_stopped=lambda: len(told) > 1)
    assert [e.outcome for a in told for e in a.entries] == ["accepted"] * 2
    cost = "select annual_cost from marts.patients where data_source = 'NEW_PATIENT'"
    assert shop.value(cost) == 30000
    assert shop.value(
        "select array_agg(distinct source_system) from raw.new_patient_raw_input"
    ) == ["FRONTEND_FORM"]


def test_a_fault_of_ours_rejects_one_record_and_is_told(
    shop: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = record.read

    def stumble(fields: dict[str, Any]) -> Any:
        if fields.get("external_id") == "NEW-1":
            raise ZeroDivisionError
        return real(fields)

    monkeypatch.setattr(record, "read", stumble)
    hand_in(shop, lines(PERSON), lines(person(external_id="NEW-2")))
    told: list[adding.Answer] = []
    complaints: list[Exception] = []
    with adding.intake() as intake:
        serving.serve(
            intake, told.append, complaints.append, is_stopped=lambda: len(told) > 1
        )
    assert [e.outcome for a in told for e in a.entries] == ["rejected", "accepted"]
    assert [type(error) for error in complaints] == [ZeroDivisionError]
    assert seen(shop) == {1}


def test_serve_intake_ends_in_words(shop: Copy) -> None:
    command = [sys.executable, "-m", "python_scoring", "serve-intake"]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert "Waiting for new patients" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert "interrupted" in process.stderr.read()
    assert process.returncode == 2


@pytest.mark.parametrize("moment", ["put", "check"])
def test_a_killed_add_leaves_nothing(
    shop: Copy, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its server process goes away in the middle of it."""
    before = shop.rows(TRACES)
    real = getattr(world.World, moment)

    def killed(self: world.World) -> None:
        real(self)
        shop.execute("select pg_terminate_backend(%s)", self.conn.info.backend_pid)

    monkeypatch.setattr(world.World, moment, killed)
    with pytest.raises(psycopg.OperationalError):
        take(PERSON)
    assert seen(shop) == {0}
    assert shop.rows(TRACES) == before
    monkeypatch.undo()
    take(PERSON)
    assert seen(shop) == {1}


def test_readers_never_see_half_a_patient(shop: Copy) -> None:
    """One statement over all marts agrees with itself, beside forty intakes."""
    stop, seen_by_reader = threading.Event(), set()

    def look() -> None:
        while not stop.is_set():
            seen_by_reader.add(frozenset(seen(shop)))

    reader = threading.Thread(target=look)
    reader.start()
    with adding.intake() as intake:
        for n in range(40):
            intake.add(list(split(lines(person(external_id=f"NEW-{n}")))))
    stop.set()
    reader.join()
    assert seen(shop) == {40}
    assert len(seen_by_reader) > 3
    assert all(len(counts) == 1 for counts in seen_by_reader)


def test_two_intakes_at_once_lose_nobody(shop: Copy) -> None:
    failed: list[BaseException] = []

    def hand_in(name: str) -> None:
        try:
            with adding.intake() as intake:
                for n in range(10):
                    intake.add(list(split(lines(person(external_id=f"{name}-{n}")))))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=hand_in, args=(name,)) for name in "ABC"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert seen(shop) == {30}
