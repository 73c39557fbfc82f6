"""Commands that write to the warehouse, each on input of its own at every run."""

import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from benchmarks.publication_builds import clone_candidate
from python_scoring import warehouse
from python_scoring.cohorts import generator
from python_scoring.publication import builds, publish

REPOSITORY = Path(__file__).resolve().parents[1]
_PEOPLE = 400


@dataclass
class Target:
    """Something to kill: a command, and what to make ready before it."""

    name: str
    command: Callable[[], list[str]]
    seconds: float = 0.0

    def run(self) -> None:
        """Run it to its good end, and note how long it takes."""
        self.seconds = succeed(self.command())


def targets(folder: Path) -> list[Target]:
    """List the commands that write: what there is to kill."""
    return [
        Target("load", lambda: _load_command(folder)),
        Target("score", lambda: riskmart("score", "--rescore")),
        Target("build", lambda: riskmart("build")),
        Target("publish", _publish_command),
        Target("rollback", _rollback_command),
    ]


def succeed(command: list[str]) -> float:
    """Run a command that has to succeed; its seconds."""
    began = time.perf_counter()
    subprocess.run(
        command,
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    return time.perf_counter() - began


def riskmart(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "python_scoring", *arguments]


def _load_command(folder: Path) -> list[str]:
    """Write people that were never there, and load them as of a day of their own."""
    with warehouse.connect() as conn:
        row = conn.execute("select coalesce(max(load_id), 0) from raw.loads").fetchone()
    assert row is not None
    people, outcomes = folder / "people.parquet", folder / "people_outcomes.parquet"
    generator.write_parquet(people, outcomes, _PEOPLE, random.randrange(10**6))
    day = date(2020, 1, 1) + timedelta(days=row[0])
    return riskmart(
        "load", "cohort", str(people), "--org", "SYNTH", "--as-of", f"{day}"
    )


def _publish_command() -> list[str]:
    """Make a candidate, unless one is left, and publish it without dbt's tests."""
    with warehouse.connect(autocommit=True) as conn:
        if builds.candidate(conn) is None:
            clone_candidate(conn)
    return [sys.executable, "-m", "benchmarks.publication_targets"]


def _rollback_command() -> list[str]:
    with warehouse.connect(autocommit=True) as conn:
        kept = [build.build_id for build in builds.retired(conn)]
    return riskmart("publish", "--build", str(random.choice(kept)))


def main() -> None:
    """Publish the candidate that is there: the one to be killed."""
    with warehouse.connect(autocommit=True) as conn:
        candidate = builds.candidate(conn)
        if candidate is not None:
            publish.publish(conn, candidate)


if __name__ == "__main__":
    main()
