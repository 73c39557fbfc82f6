"""What each setting of the embedded server is worth: a build with it and without.

Usage: ``python -m benchmarks.settings --patients 300000``

Every build is of the same people in one warehouse; those with all settings as they are
stand between the others, so that each ratio is of neighbours.
"""

import argparse
import statistics
from pathlib import Path

from benchmarks import measure, run
from python_scoring import pipeline, server, warehouse
from python_scoring.cohorts import cohort, generator

# As PostgreSQL has them by itself, for what we set otherwise.
WITHOUT = {
    "parallel plans at PostgreSQL's costs": {
        "parallel_setup_cost": "1000",
        "parallel_tuple_cost": "0.1",
    },
    "no parallel plans": {"max_parallel_workers_per_gather": "0"},
    "work_mem 4 MB": {"work_mem": "4MB"},
    "maintenance_work_mem 64 MB": {"maintenance_work_mem": "64MB"},
    "just-in-time compilation on": {"jit": "on"},
    "random pages at 4.0": {"random_page_cost": "4.0"},
}


def main(arguments: list[str] | None = None) -> None:
    """Build with and without each, and print what it came to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.settings")
    parser.add_argument("--patients", type=int, default=300_000, metavar="N")
    parser.add_argument("--folder", type=Path, help="where to work")
    options = parser.parse_args(arguments)
    with run.fresh_home(options.folder) as home:
        _load(options.patients, home)
        pipeline.build(tests=False)
        rows = [(name, *_ratio(given)) for name, given in WITHOUT.items()]
    about = measure.size()
    print(
        f"Measured on {measure.today()}, {about['cores']} cores, "
        f"{about['memory_gib']:g} GiB, {about['system']}.\n"
    )
    print(f"| {options.patients:,} people | as it is, s | so, s | times as long |")
    print("| --- | ---: | ---: | ---: |")
    for name, usual, other in rows:
        print(f"| {name} | {usual:.1f} | {other:.1f} | {other / usual:.2f} |")


def _load(patients: int, home: Path) -> None:
    people, outcomes = home / "people.parquet", home / "outcomes.parquet"
    generator.write_parquet(people, outcomes, patients, run.SEED)
    server.start()
    with warehouse.connect(autocommit=True) as conn:
        warehouse.prepare(conn)
        cohort.load(conn, people, org=run.ORGANIZATION, as_of=run.AS_OF)


def _ratio(given: dict[str, str]) -> tuple[float, float]:
    """Time a build as it is, one with these settings, and one as it is again."""
    before = _build_seconds()
    _set(given)
    other = _build_seconds()
    _set(dict.fromkeys(given))
    return statistics.mean([before, _build_seconds()]), other


def _set(given: dict[str, str] | dict[str, None]) -> None:
    with warehouse.connect(autocommit=True) as conn:
        for name, value in given.items():
            change = "reset {}" if value is None else "set {} = '{}'"
            conn.execute(f"alter system {change.format(name, value)}".encode())
        conn.execute("select pg_reload_conf()")


def _build_seconds() -> float:
    """Seconds of what the database works on: features and marts, without tests."""
    done = pipeline.build(tests=False)
    return done.seconds["seeds and features"] + done.seconds["marts"]


if __name__ == "__main__":
    main()
