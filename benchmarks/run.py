"""One size, from generated files to tested marts, in a warehouse of its own."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks import floor, measure, row_by_row
from python_scoring import config, pipeline, server, warehouse
from python_scoring.cohorts import cohort, generator
from python_scoring.dbt import Project
from python_scoring.embedded import identity
from python_scoring.errors import GateFailed

ORGANIZATION = "SYNTH"
SEED = 1
AS_OF = date(2025, 12, 31)
ROW_BY_ROW_PATIENTS = 300

SETUP = ("start the server", "read the project, first time")
TRAINING = ("training cohort", "train")
TESTS = "tests"


@dataclass
class Result:
    """What one run measured: seconds, and bytes.

    ``patients`` is the size asked for; the baseline's 3,000 are there as well.
    """

    patients: int
    all_patients: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    our_peak_bytes: int = 0
    score_seconds: float = 0.0
    score_peak_bytes: int = 0
    server_peak_bytes: int = 0
    database_bytes: int = 0
    tests: int = 0
    floor_bytes: int = 0
    floor_copy_seconds: float = 0.0
    floor_score_seconds: float = 0.0
    row_by_row_seconds_per_patient: float = 0.0
    row_by_row_measured: int = 0
    machine: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        return asdict(self)


@contextmanager
def fresh_home(parent: Path | None) -> Iterator[Path]:
    """Make a state folder, and leave neither it nor its server behind."""
    home = Path(tempfile.mkdtemp(prefix="riskmart-bench-", dir=parent))
    given = {
        "RISKMART_HOME": str(home),
        "DBT_TARGET_PATH": str(home / "target"),
        "DBT_LOG_PATH": str(home / "logs"),
    }
    before = dict(os.environ)
    for name in list(os.environ):
        if name.startswith("PG") or name == "RISKMART_DSN":
            del os.environ[name]
    os.environ.update(given)
    try:
        yield home
    finally:
        server.stop()
        shutil.rmtree(identity.FALLBACK_ROOT / config.state_hash(), ignore_errors=True)
        shutil.rmtree(home)
        os.environ.clear()
        os.environ.update(before)


def measure_size(
    patients: int, home: Path, row_by_row_patients: int = ROW_BY_ROW_PATIENTS
) -> Result:
    """Run every step for one size in the warehouse in force, and time it.

    Parameters
    ----------
    home
        The state folder in force; also holds the generated files.
    row_by_row_patients
        How many to take through the row-by-row way.
    """
    result = Result(patients)
    clock = measure.Clock(result.seconds)
    with clock.step(SETUP[0]):
        server.start()
        with warehouse.connect(autocommit=True) as conn:
            warehouse.prepare(conn)
    result.machine = measure.machine()
    with clock.step(SETUP[1]):
        Project().parse()
    with measure.ServerMemory() as memory:
        _load(clock, patients, home)
        _build(clock)
        result.tests = _test(clock)
        # Before the comparisons, which are no part of ours.
        result.our_peak_bytes = measure.peak_memory()
    result.server_peak_bytes = memory.peak
    _compare(result, home, row_by_row_patients)
    return result


def _load(clock: measure.Clock, patients: int, home: Path) -> None:
    people = home / "people.parquet"
    outcomes = home / "people_outcomes.parquet"
    with clock.step("generate"):
        generator.write_parquet(people, outcomes, patients, SEED)
    with clock.step("load"), warehouse.connect(autocommit=True) as conn:
        cohort.load(conn, people, org=ORGANIZATION, as_of=AS_OF)
    people.unlink()
    outcomes.unlink()


def _build(clock: measure.Clock) -> None:
    done = pipeline.build(tests=False, on_step=lambda step: print(f"  {step} ..."))
    for step, seconds in done.seconds.items():
        if step != "server":
            clock.add(step, seconds)


def make_for_tests(project: Project) -> None:
    """Make what tests alone read, which a build without tests leaves out."""
    project.invoke("run", "--select", *pipeline.FOR_TESTS)


def _test(clock: measure.Clock) -> int:
    """Run every test of the project; how many there are."""
    with clock.step(TESTS):
        project = Project()
        project.parse()
        make_for_tests(project)
        nodes = project.invoke("test")
    bad = [f"{node.name}: {node.message}" for node in nodes.values() if node.is_bad]
    if bad:
        raise GateFailed("\n".join(bad))
    return len(nodes)


def _compare(result: Result, home: Path, row_by_row_patients: int) -> None:
    clock = measure.Clock()
    with warehouse.connect(autocommit=True) as conn:
        result.database_bytes = measure.database_size(conn)
        row = conn.execute("select count(*) from candidate.patients").fetchone()
        assert row is not None
        result.all_patients = row[0]
        with clock.step("floor: copy"):
            copied = floor.copy_seconds(conn, home)
        result.floor_copy_seconds, result.floor_bytes = copied
        with clock.step("floor: score"):
            result.floor_score_seconds = floor.score_seconds(conn)
    with clock.step("row by row"):
        rows = row_by_row.seconds_per_patient(row_by_row_patients)
    result.row_by_row_seconds_per_patient, result.row_by_row_measured = rows
    with clock.step("score anew"):
        result.score_seconds, result.score_peak_bytes = score_apart()


def score_apart() -> tuple[float, int]:
    """Score everybody anew in a process of its own: its seconds, and peak memory."""
    command = [sys.executable, "-m", "python_scoring", "score", "--rescore"]
    began, peak = time.perf_counter(), 0
    process = subprocess.Popen(
        command, cwd=config.PROJECT_DIR, stdout=subprocess.DEVNULL
    )
    # Not by getrusage: what a process was forked from counts there as its own.
    while process.poll() is None:
        peak = max(peak, measure.peak_of(process.pid))
        time.sleep(0.02)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return time.perf_counter() - began, peak


def warm_build_seconds() -> list[float]:
    """Time the whole command `riskmart build`, with every test: first, then warm."""
    command = [sys.executable, "-m", "python_scoring", "build"]
    seconds = []
    for name in ("first", "warm"):
        print(f"  build, {name} ...", file=sys.stderr, flush=True)
        began = time.perf_counter()
        subprocess.run(
            command, cwd=config.PROJECT_DIR, stdout=subprocess.DEVNULL, check=True
        )
        seconds.append(time.perf_counter() - began)
    return seconds
