"""The benchmark of intake, on few people; and that what it checks can fail."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from copies import Copy

from benchmarks import intake_latency, intake_people, intake_report, intake_together
from benchmarks.intake_builds import Acknowledged
from benchmarks.intake_latency import BASELINE
from benchmarks.intake_people import Supply
from python_scoring import warehouse
from python_scoring.intake import adding, documents
from python_scoring.publication import builds
from python_scoring.warehouse import Connection

SINGLE = 10
PROCESSES, SUBMISSIONS, AT_ONCE = 3, 10, 2


@pytest.fixture
def published(clone: Copy) -> Copy:
    return clone.published()


@pytest.fixture
def handed(published: Copy) -> list[str]:
    """Three people, taken in."""
    people = Supply(BASELINE, "TEST")
    records = [people.new() for _ in range(3)]
    with adding.intake() as intake:
        answer = intake.add(list(documents.split(intake_people.content(records))))
    assert answer.count("accepted") == len(records)
    return people.handed


@pytest.fixture
def spoiling(handed: list[str]) -> Iterator[Connection]:
    """A connection that sees the build's tables by their names, and undoes all."""
    with warehouse.connect() as conn:
        build = builds.published(conn)
        assert build is not None
        conn.execute(f"set local search_path = {build.schema}, raw".encode())
        # Or the keys between the tables stop us.
        conn.execute("set local session_replication_role = replica")
        yield conn
        conn.rollback()


def test_a_small_run_hands_in_by_every_way(published: Copy, tmp_path: Path) -> None:
    counts = {"single": SINGLE, "cold": 1, "batches": 1, "batch": 30}
    size = intake_latency.measure_size(3000, BASELINE, tmp_path, **counts)
    assert size.faults == []
    assert {way: len(seconds) for way, seconds in size.ways.items()} == {
        "the first of a session": 1,
        "Python function, warm": SINGLE,
        "the first of `serve-intake`": 1,
        "`riskmart serve-intake`, warm": SINGLE,
        "`riskmart add`, cold": 1,
        "30 in one call": 1,
    }
    outcomes = published.rows(
        "select outcome, count(*) from raw.new_patient_raw_input group by 1"
    )
    # One before, for the session's tables, twice; cold, and thirty at once.
    assert outcomes == [("accepted", 1 + SINGLE + 1 + SINGLE + 1 + 1 + 30)]
    # Of the ten, one is of the cohort, and one is handed in again.
    newcomers = "select count(*) from raw.patient_registry where external_id like %s"
    assert published.value(newcomers, "BENCH-%") == 54 - 2
    assert all(seconds >= 0 for seconds in size.stages.values())
    total = sum(size.stages.values()) * SINGLE
    assert total == pytest.approx(sum(size.ways["Python function, warm"]))
    again = json.loads(json.dumps({"load_before": 0.0, "machine": size.machine}))
    table = intake_report.markdown({**again, "sizes": [asdict(size)]})
    assert all(way in table for way in size.ways)
    assert all(stage in table for stage in size.stages)


def test_processes_at_once_lose_nobody(published: Copy) -> None:
    together = intake_together.hand_in_together(
        BASELINE, PROCESSES, SUBMISSIONS, AT_ONCE
    )
    assert (together.errors, together.faults) == ([], [])
    assert len(together.seconds) == PROCESSES * SUBMISSIONS
    people = PROCESSES * SUBMISSIONS * AT_ONCE
    assert together.people == people
    assert published.value("select count(*) from marts.patients") == 3000 + people


def _found(conn: Connection, handed: list[str]) -> list[str]:
    return intake_together.found_wrong(conn, BASELINE, handed, "TEST")


_NEWEST = "patient_id = (select max(patient_id) from patients)"
SABOTAGE = {
    "a person gone": f"delete from patients where {_NEWEST}",
    "a prediction gone": f"delete from predictions where {_NEWEST}"
    " and prediction_window = '30_day'",
    "projections gone": f"delete from financial_projections where {_NEWEST}",
    "features gone": f"delete from patient_features where {_NEWEST}",
    "not on the list": "delete from positive_roi_patients"
    " where patient_id = (select max(patient_id) from positive_roi_patients)",
    "not counted in a tier": "update org_tier_summary"
    " set patient_count = patient_count - 1",
    "counted twice": "update organizations set patient_count = patient_count + 1",
    "sums as before": "update risk_sums set patient_count = patient_count - 1"
    " where patient_count > 1",
    "of another department": f"update patients"
    f" set department_id = department_id % 10 + 1 where {_NEWEST}",
    "amounts as before": "update roi_aggregations"
    " set total_net_benefit = total_net_benefit * 0.999",
}


@pytest.mark.parametrize("statement", SABOTAGE.values(), ids=SABOTAGE)
def test_what_is_spoilt_is_found(
    spoiling: Connection, handed: list[str], statement: str
) -> None:
    assert _found(spoiling, handed) == []
    assert spoiling.execute(statement.encode()).rowcount > 0
    assert _found(spoiling, handed) != []


def test_people_lost_double_or_unasked_are_found(
    spoiling: Connection, handed: list[str]
) -> None:
    assert "1 of 4 people are not entered once" in _found(spoiling, [*handed, "TEST-X"])
    assert _found(spoiling, handed[1:]) == ["1 people nobody handed in"]
    spoiling.execute(
        b"update raw.new_patients set external_id = 'TEST-000001'"
        b" where external_id = 'TEST-000002'"
    )
    assert "2 of 3 people are not entered once" in _found(spoiling, handed)


def test_a_reader_misses_whom_it_was_told_of(handed: list[str]) -> None:
    seen = Acknowledged(BASELINE)
    seen.ids += handed
    with warehouse.connect(autocommit=True) as conn:
        seen.look(conn)
        assert (seen.looks, seen.faults) == (1, [])
        seen.ids.append("TEST-NOBODY")
        seen.look(conn, 1)
    assert seen.faults[0] == (
        "after 1 people: 1 of 1 people are not as they should in patients"
    )


def test_a_target_missed_is_said() -> None:
    def size(seconds: float) -> intake_report.Measured:
        ways = {"Python function, warm": [0.1, 0.1, seconds]}
        return {"patients": 3000, "ways": ways}

    assert "| yes |" in intake_report._latencies([size(0.4)])
    assert "| yes |" in intake_report._latencies([{**size(0.4), "patients": 10**6}])
    slow = {**size(0.1), "ways": {"10,000 in one call": [3.0, 10.1, 4.0]}}
    assert "| longest < 10 s | NO |" in intake_report._latencies([slow])
