"""How long it takes from handing a patient in until every mart has them."""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import intake_checks, intake_people, measure, publication_cost, run
from benchmarks.intake_people import Record, Supply
from benchmarks.intake_stages import Stages
from benchmarks.publication_targets import riskmart
from python_scoring import config, pipeline, warehouse
from python_scoring.cohorts import generator
from python_scoring.intake import adding, documents
from python_scoring.intake.adding import Intake
from python_scoring.warehouse import Connection

BASELINE = "BASELINE"
_POLL_SECONDS = 0.002
_LONGEST_WAIT = 60.0
_COMMITS = 200


@dataclass
class Size:
    """What was measured among so many people.

    Parameters
    ----------
    ways
        Seconds of each hand-over, by the way it was handed over.
    stages
        Mean seconds of a warm patient, by what was done.
    commit_seconds
        Of transactions that write nothing but that they were there.
    faults
        What is not as it should be at the end.
    """

    patients: int
    org_code: str
    machine: dict[str, Any] = field(default_factory=dict)
    ways: dict[str, list[float]] = field(default_factory=dict)
    stages: dict[str, float] = field(default_factory=dict)
    commit_seconds: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def measure_apart(patients: int, options: argparse.Namespace) -> dict[str, Any]:
    """Measure one size in a process and a warehouse of its own."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "result.json"
        counts = [options.single, options.cold, options.batches, options.batch]
        where = [str(options.folder)] if options.folder else []
        command = [sys.executable, "-m", "benchmarks.intake_latency", str(patients)]
        command += [str(file), *map(str, counts), *where]
        subprocess.run(command, cwd=config.PROJECT_DIR, stdout=sys.stderr, check=True)
        measured: dict[str, Any] = json.loads(file.read_text())
    return measured


def main() -> None:
    """Build and publish one size, hand patients in every way, and write it down."""
    patients, file = int(sys.argv[1]), Path(sys.argv[2])
    counts = [int(argument) for argument in sys.argv[3:7]]
    folder = Path(sys.argv[7]) if len(sys.argv) > 7 else None
    with run.fresh_home(folder) as home:
        org_code = publish(patients, home)
        size = measure_size(patients, org_code, home, *counts)
        file.write_text(json.dumps(asdict(size)))


def publish(patients: int, home: Path) -> str:
    """Publish so many people; the organization that new ones come to."""
    pipeline.build()
    if patients <= generator.BASELINE_PATIENTS:
        return BASELINE
    publication_cost.load(patients, home)
    pipeline.build()
    return run.ORGANIZATION


def measure_size(
    patients: int,
    org_code: str,
    home: Path,
    single: int,
    cold: int,
    batches: int,
    batch: int,
) -> Size:
    """Hand patients in by each way, in the published warehouse in force.

    Parameters
    ----------
    home
        Where to write files that are handed in.
    single, cold, batches, batch
        Patients one by one, as processes of their own, calls with many at once, and
        how many those have.
    """
    size = Size(patients, org_code, measure.machine())
    clock = measure.Clock()
    with warehouse.connect(autocommit=True) as conn:
        reference = intake_people.reference_ids(conn, org_code, single)
        people = Supply(org_code, f"BENCH-{time.time_ns()}", reference)
        size.commit_seconds = [_commit(conn) for _ in range(_COMMITS)]
        with clock.step("warm function"):
            _call(size, people, single)
        with clock.step("serve-intake"):
            _serve(size, conn, people, single)
        with clock.step("cold"):
            size.ways["`riskmart add`, cold"] = [
                _cold(home, people.new()) for _ in range(cold)
            ]
        with clock.step("batches"):
            _batches(size, people, batches, batch)
        with clock.step("recount"):
            size.faults += intake_checks.missing(conn, org_code, people.handed)
            size.faults += intake_checks.miscounted(conn)
    return size


def _commit(conn: Connection) -> float:
    """Commit a few bytes of log, and wait until they are on disk."""
    began = time.perf_counter()
    conn.execute("select pg_logical_emit_message(true, 'riskmart', '')")
    return time.perf_counter() - began


def _call(size: Size, people: Supply, count: int) -> None:
    with adding.intake() as intake:
        size.ways["the first of a session"] = [_hand_over(intake, [people.new()])]
        records = list(people.mixed(count))
        with Stages().watching() as stages:
            seconds = [_hand_over(intake, [record]) for record in records]
    size.ways["Python function, warm"] = seconds
    size.stages = stages.means(sum(seconds), count)


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


def _serve(size: Size, conn: Connection, people: Supply, count: int) -> None:
    with _serving():
        size.ways["the first of `serve-intake`"] = [_put_and_wait(conn, people)]
        size.ways["`riskmart serve-intake`, warm"] = [
            _put_and_wait(conn, people) for _ in range(count)
        ]


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
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=_LONGEST_WAIT)


def _put_and_wait(conn: Connection, people: Supply) -> float:
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


def _cold(home: Path, record: Record) -> float:
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


def _batches(size: Size, people: Supply, count: int, batch: int) -> None:
    with adding.intake() as intake:
        _hand_over(intake, [people.new()])
        size.ways[f"{batch:,} in one call"] = [
            _hand_over(intake, [people.new() for _ in range(batch)])
            for _ in range(count)
        ]


if __name__ == "__main__":
    main()
