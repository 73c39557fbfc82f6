"""Programs that hand patients in at the same time, each a process of its own."""

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from benchmarks import intake_checks, intake_people
from benchmarks.intake_people import Supply
from python_scoring import warehouse
from python_scoring.intake import adding, documents

_REPOSITORY = Path(__file__).resolve().parents[1]
_LONGEST = 1800.0


@dataclass
class Together:
    """What came of programs that handed patients in at once.

    Parameters
    ----------
    wall_seconds
        From the common start to the last one's end.
    seconds
        Of each submission, waiting for its turn included.
    errors
        What submissions ended with, but for being taken in; a deadlock is one.
    faults
        What is not as it should be afterwards.
    """

    processes: int
    submissions: int
    at_once: int
    wall_seconds: float = 0.0
    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def people(self) -> int:
        """How many were to be taken in."""
        return self.processes * self.submissions * self.at_once


def hand_in_together(
    org_code: str, processes: int, submissions: int, at_once: int
) -> Together:
    """Let processes hand in new people of one organization, and count afterwards."""
    together = Together(processes, submissions, at_once)
    prefix = f"TOGETHER-{time.time_ns()}"
    with ExitStack() as stack:
        given = (org_code, submissions, at_once)
        running = [_start(f"{prefix}-{i}", *given) for i in range(processes)]
        for process in running:
            stack.enter_context(process)
        handed = _gather(together, running)
    with warehouse.connect(autocommit=True) as conn:
        together.faults += found_wrong(conn, org_code, handed, prefix)
    if len(handed) != together.people:
        words = f"{len(handed):,} acknowledged of {together.people:,}"
        together.faults.append(words)
    return together


def found_wrong(
    conn: psycopg.Connection, org_code: str, handed: list[str], prefix: str
) -> list[str]:
    """Say who is lost or there twice, and what does not count them."""
    return [
        *intake_checks.not_once(conn, org_code, handed, prefix),
        *intake_checks.missing(conn, org_code, handed),
        *intake_checks.miscounted(conn),
    ]


def _start(
    prefix: str, org_code: str, submissions: int, at_once: int
) -> subprocess.Popen[str]:
    given = [org_code, prefix, str(submissions), str(at_once)]
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.intake_together", *given],
        cwd=_REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _gather(together: Together, running: list[subprocess.Popen[str]]) -> list[str]:
    """Start all of them at once; whom they were told is in."""
    handed: list[str] = []
    for process in running:
        assert process.stdout is not None
        process.stdout.readline()
    began = time.perf_counter()
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in running:
        text, _ = process.communicate(timeout=_LONGEST)
        said = json.loads(text)
        together.seconds += said["seconds"]
        together.errors += said["errors"]
        handed += said["handed"]
    together.wall_seconds = time.perf_counter() - began
    return handed


def main() -> None:
    """Hand people in, some at once, when told to; say who was taken in, and when."""
    org_code, prefix = sys.argv[1:3]
    submissions, at_once = map(int, sys.argv[3:])
    people = Supply(org_code, prefix)
    seconds, errors, handed = [], [], []
    with adding.intake() as intake:
        print("ready", flush=True)
        sys.stdin.readline()
        for _ in range(submissions):
            records = [people.new() for _ in range(at_once)]
            content = intake_people.content(records)
            began = time.perf_counter()
            try:
                answer = intake.add(list(documents.split(content)))
            except psycopg.Error as error:
                errors.append(f"{type(error).__name__}: {error}")
                continue
            seconds.append(time.perf_counter() - began)
            handed += [entry.person[1] for entry in answer.entries if entry.person]
    print(json.dumps({"seconds": seconds, "errors": errors, "handed": handed}))


if __name__ == "__main__":
    main()
