"""What publication costs beside the build that it ends."""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import measure, run
from python_scoring import config, pipeline, warehouse
from python_scoring.cohorts import cohort, generator
from python_scoring.publication import builds, publish, retention

_BUILDS = 2


def measure_apart(patients: int, options: argparse.Namespace) -> dict[str, Any]:
    """Measure one size in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "result.json"
        where = [str(options.folder)] if options.folder else []
        command = [sys.executable, "-m", "benchmarks.publication_cost"]
        command += [str(patients), str(file), *where]
        # Its own words are progress, not result.
        subprocess.run(command, cwd=config.PROJECT_DIR, stdout=sys.stderr, check=True)
        measured: dict[str, Any] = json.loads(file.read_text())
    return measured


def main() -> None:
    """Load people, build twice, and write how long each part of it took."""
    patients, file = int(sys.argv[1]), Path(sys.argv[2])
    folder = Path(sys.argv[3]) if len(sys.argv) > 3 else None
    with run.fresh_home(folder) as home:
        file.write_text(json.dumps(measure_size(patients, home)))


def measure_size(patients: int, home: Path) -> dict[str, Any]:
    """Time the second build of a size, its publication by parts, and a way back.

    Parameters
    ----------
    patients
        Beside the baseline's 3,000, which are all there is at 3,000.
    """
    clock = measure.Clock()
    with clock.step("first build"):
        pipeline.build()
    if patients > generator.BASELINE_PATIENTS:
        load(patients, home)
    for _ in range(_BUILDS):
        measured = _build()
    with warehouse.connect(autocommit=True) as conn:
        back = publish.go_back(conn).swapped
        began = time.perf_counter()
        stayed = retention.drop_old(conn, 0)
        dropped = time.perf_counter() - began
    assert not stayed
    return {
        "patients": patients,
        "machine": measure.machine(),
        **measured,
        "back_seconds": back.seconds,
        "drop_seconds": dropped,
    }


def load(patients: int, home: Path) -> None:
    people, outcomes = home / "people.parquet", home / "people_outcomes.parquet"
    generator.write_parquet(people, outcomes, patients, run.SEED)
    with warehouse.connect(autocommit=True) as conn:
        cohort.load(conn, people, org=run.ORGANIZATION, as_of=run.AS_OF)


def _build() -> dict[str, Any]:
    """Build and publish; seconds of the whole, of counting, swapping and the rest."""
    began = time.perf_counter()
    done = pipeline.build()
    seconds = time.perf_counter() - began
    assert done.published is not None
    with warehouse.connect(autocommit=True) as conn:
        current = builds.published(conn)
        assert current is not None
        began = time.perf_counter()
        publish._row_counts(conn, current.schema)
        counted = time.perf_counter() - began
    return {
        "build_seconds": seconds,
        "count_seconds": counted,
        "publish_seconds": done.seconds["publish"],
        "swap_seconds": done.published.swapped.seconds,
        "locked_seconds": done.published.swapped.locked_seconds,
        "names": done.published.swapped.name_count,
    }


def markdown(costs: list[dict[str, Any]]) -> str:
    """Write the table, a column per size."""

    def row(name: str, key: str, unit: float, form: str) -> str:
        return (
            f"| {name} | " + " | ".join(f"{c[key] * unit:{form}}" for c in costs) + " |"
        )

    for cost in costs:
        cost["share"] = (cost["count_seconds"] + cost["publish_seconds"]) / cost[
            "build_seconds"
        ]
    return "\n".join(
        [
            row("people", "patients", 1, ",.0f"),
            "| --- |" + " ---: |" * len(costs),
            row("`riskmart build`, warm, with tests, s", "build_seconds", 1, ",.1f"),
            row("count the rows, s", "count_seconds", 1, ".3f"),
            row(
                "publish: swap, manifest, drop old builds, s",
                "publish_seconds",
                1,
                ".3f",
            ),
            row("of it the swap, ms", "swap_seconds", 1000, ".0f"),
            row("of it with the names locked, ms", "locked_seconds", 1000, ".0f"),
            row("names", "names", 1, ".0f"),
            row("counting and publishing, % of the build", "share", 100, ".2f"),
            row("going back, swap, ms", "back_seconds", 1000, ".0f"),
            row("drop two retired builds, ms", "drop_seconds", 1000, ".0f"),
        ]
    )


if __name__ == "__main__":
    main()
