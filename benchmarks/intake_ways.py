"""The ways to hand new patients in, each timed until every mart has them."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks import intake_people
from benchmarks.intake_people import Record, Supply
from benchmarks.intake_stages import Stages
from benchmarks.publication_targets import riskmart
from python_scoring import config
from python_scoring.intake import adding, documents
from python_scoring.intake.adding import Intake
from python_scoring.warehouse import Connection

_POLL_SECONDS = 0.002
_LONGEST_WAIT = 60.0


@dataclass(frozen=True)
class Called:
    """Seconds of a session's first patient, and of each warm one.

    Parameters
    ----------
    stages
        Mean seconds of a warm patient, by what was done.
    processor
        What this process and its server process used of it.
    """

    first: float
    seconds: list[float]
    stages: dict[str, float]
    processor: dict[str, float]


def call(people: Supply, count: int) -> Called:
    """Hand people in one by one, by the Python function."""
    with adding.intake() as intake:
        first = _hand_over(intake, [people.new()])
        records = list(people.mixed(count))
        processes = _processes(intake.conn)
        before = _processor_seconds(processes)
        with Stages().watching() as stages:
            seconds = [_hand_over(intake, [record]) for record in records]
        after = _processor_seconds(processes)
    processor = {name: (after[name] - before[name]) / count for name in processes}
    return Called(first, seconds, stages.means(sum(seconds), count), processor)


def _processes(conn: Connection) -> dict[str, psutil.Process]:
    server_process = psutil.Process(conn.info.backend_pid)
    return {"ours": psutil.Process(), "the server's": server_process}


def _processor_seconds(processes: dict[str, psutil.Process]) -> dict[str, float]:
    """Read what processes used so far: on a busy machine less than what went by."""
    times = {name: process.cpu_times() for name, process in processes.items()}
    return {name: used.user + used.system for name, used in times.items()}


def _hand_over(intake: Intake, records: list[Record]) -> float:
    """Hand records over as bytes; every one has to be taken in."""
    content = intake_people.content(records)
    began = time.perf_counter()
    answer = intake.add(list(documents.split(content)))
    seconds = time.perf_counter() - began
    if answer.count("rejected"):
        raise RuntimeError(f"rejected: {answer.entries[0]}")
    return seconds


_INSERT = """
insert into raw.new_patient_raw_input (content, source_system) values (%s, 'API')
"""
# What every mart is to have: the person, and one more in the counts.
_SEEN = """
select exists (
    select from marts.patients
    inner join raw.patient_registry as registry using (patient_id)
    where registry.org_code = %(org)s and registry.external_id = %(id)s
),
organizations.patient_count, (
    select sum(patient_count) from marts.org_tier_summary as tiers
    where tiers.organization_id = organizations.organization_id
)
from marts.organizations where org_code = %(org)s
"""


def serve(conn: Connection, people: Supply, count: int) -> tuple[float, list[float]]:
    """Let `riskmart serve-intake` take in the first, and so many more."""
    with _serving():
        first = put_and_wait(conn, people)
        return first, [put_and_wait(conn, people) for _ in range(count)]


@contextmanager
def _serving() -> Iterator[None]:
    process = subprocess.Popen(
        riskmart("serve-intake"),
        cwd=config.PROJECT_DIR,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        process.stderr.readline()
        yield
        if process.poll() is not None:
            raise RuntimeError(f"serve-intake ended: {process.stderr.read()}")
    finally:
        process.terminate()
        process.communicate(timeout=_LONGEST_WAIT)


def put_and_wait(conn: Connection, people: Supply) -> float:
    """Insert somebody new; the seconds until person and counts are there."""
    record = people.new()
    asked = {"org": people.org_code, "id": record["external_id"]}
    _, patients, rows = _seen(conn, asked)
    content = json.dumps(record).encode()
    began = time.perf_counter()
    conn.execute(_INSERT.encode(), (content,))
    while True:
        found = _seen(conn, asked)
        seconds = time.perf_counter() - began
        if found == (True, patients + 1, rows + 3):
            return seconds
        if found != (False, patients, rows):
            raise RuntimeError(f"half there: {found}, after {patients} and {rows}")
        if seconds > _LONGEST_WAIT:
            raise RuntimeError(f"not there after {_LONGEST_WAIT:.0f} s")
        time.sleep(_POLL_SECONDS)


def _seen(conn: Connection, asked: dict[str, str]) -> tuple[bool, int, int]:
    row = conn.execute(_SEEN.encode(), asked).fetchone()
    assert row is not None
    return row[0], int(row[1]), int(row[2])


def cold(home: Path, record: Record) -> float:
    """Take one patient in by a command, from its start to its end."""
    file = home / "new_patient.json"
    file.write_text(json.dumps(record))
    began = time.perf_counter()
    subprocess.run(
        riskmart("add", str(file)),
        cwd=config.PROJECT_DIR,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - began


def hand_in_at_once(people: Supply, batches: int, batch: int) -> list[float]:
    """Hand in many by one call, some times."""
    with adding.intake() as intake:
        _hand_over(intake, [people.new()])
        return [
            _hand_over(intake, [people.new() for _ in range(batch)])
            for _ in range(batches)
        ]
