"""How long it takes from handing a patient in until every mart has them."""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import (
    intake_checks,
    intake_people,
    intake_ways,
    measure,
    publication_cost,
    run,
)
from benchmarks.intake_people import Supply
from python_scoring import config, pipeline, warehouse
from python_scoring.cohorts import generator
from python_scoring.warehouse import Connection

BASELINE = "BASELINE"
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
    processor_seconds
        Of a warm patient, a mean: what this process and its server process used.
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
    processor_seconds: dict[str, float] = field(default_factory=dict)
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
            called = intake_ways.call(people, single)
        size.stages, size.processor_seconds = called.stages, called.processor
        with clock.step("serve-intake"):
            first, served = intake_ways.serve(conn, people, single)
        with clock.step("cold"):
            started = [intake_ways.cold(home, people.new()) for _ in range(cold)]
        with clock.step("batches"):
            at_once = intake_ways.hand_in_at_once(people, batches, batch)
        size.ways = {
            "the first of a session": [called.first],
            "Python function, warm": called.seconds,
            "the first of `serve-intake`": [first],
            "`riskmart serve-intake`, warm": served,
            "`riskmart add`, cold": started,
            f"{batch:,} in one call": at_once,
        }
        with clock.step("recount"):
            size.faults += intake_checks.missing(conn, org_code, people.handed)
            size.faults += intake_checks.miscounted(conn)
    return size


def _commit(conn: Connection) -> float:
    """Commit a few bytes of log, and wait until they are on disk."""
    began = time.perf_counter()
    conn.execute("select pg_logical_emit_message(true, 'riskmart', '')")
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
