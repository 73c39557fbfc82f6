"""Random histories of new patients against a full build: rounds of twenty.

python -m benchmarks.intake_histories --histories 200
"""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree
from typing import Any

from benchmarks import histories, run
from python_scoring import config, server, warehouse
from python_scoring.cohorts import loads

_AT_ONCE = 20
_PARTS = ("macros", "models", "seeds", "tests")
_FILES = ("dbt_project.yml", "profiles.yml")


def main() -> int:
    """Play rounds of histories, each in a warehouse of its own; 1 where any differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, default=200)
    parser.add_argument("--submissions", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where state folders are made")
    options = parser.parse_args()
    rounds = [
        play_round(
            min(_AT_ONCE, options.histories - start), options.seed + start, options
        )
        for start in range(0, options.histories, _AT_ONCE)
    ]
    print(_table(rounds))
    return int(any(one["differences"] for one in rounds))


def play_round(count: int, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Play some histories at once, beside a build and a way back."""
    began = time.perf_counter()
    with run.fresh_home(options.folder) as home, _project(home, count):
        server.start()
        with warehouse.connect(autocommit=True) as conn:
            warehouse.prepare(conn)
            histories.load_cohorts(conn, count)
        histories.build_and_publish()
        differences = histories.play(count, seed, options.submissions)
        with warehouse.connect() as conn:
            outcomes = conn.execute(
                "select outcome, count(*) from raw.new_patient_raw_input"
                " group by outcome order by 1"
            ).fetchall()
    for line in differences:
        print(line, file=sys.stderr)
    return {
        "histories": count,
        "seed": seed,
        "outcomes": dict(outcomes),
        "differences": len(differences),
        "seconds": time.perf_counter() - began,
    }


@contextmanager
def _project(home: Path, count: int) -> Iterator[None]:
    """Work on a copy of the project that has an organization for each history."""
    folder = home / "project"
    for part in _PARTS:
        copytree(config.PROJECT_DIR / part, folder / part)
    for name in _FILES:
        (folder / name).write_text((config.PROJECT_DIR / name).read_text())
    seed = folder / "seeds" / "rules" / "organizations.csv"
    seed.write_text(seed.read_text() + histories.organizations(count))
    before = config.PROJECT_DIR, loads.ORGANIZATIONS_FILE
    config.PROJECT_DIR, loads.ORGANIZATIONS_FILE = folder, seed
    try:
        yield
    finally:
        config.PROJECT_DIR, loads.ORGANIZATIONS_FILE = before


def _table(rounds: list[dict[str, Any]]) -> str:
    outcomes = ("accepted", "unchanged", "rejected")
    head = ["histories", "seed", *outcomes, "differences", "seconds"]
    rows = [
        [
            *(one["histories"], one["seed"]),
            *(one["outcomes"].get(outcome, 0) for outcome in outcomes),
            *(one["differences"], f"{one['seconds']:.0f}"),
        ]
        for one in rounds
    ]
    lines = [head, ["---:"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
