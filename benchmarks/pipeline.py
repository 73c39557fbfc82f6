"""Measure the whole pipeline at several sizes.

Usage: ``python -m benchmarks.pipeline --patients 3000 30000 300000 1000000 --warm``

Each size runs in a process and a warehouse of its own, so that peak memory is of
that size alone, and nothing stays. A million people need about 15 GB of disk.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import report, run
from python_scoring import config


def main(arguments: list[str] | None = None) -> None:
    """Run the sizes asked for; print Markdown, and write JSON where asked."""
    options = _parser().parse_args(arguments)
    if options.only:
        _measure_here(options)
        return
    runs = [_measure_apart(patients, options) for patients in options.patients]
    warm = _measure_warm(options) if options.warm else []
    if options.json:
        content = {"runs": runs, "warm_build_seconds": warm}
        options.json.write_text(json.dumps(content, indent=2) + "\n")
    print(report.markdown(runs, warm) if runs else f"warm builds, s: {warm}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pipeline", description="Measure the whole pipeline."
    )
    parser.add_argument("--patients", type=int, nargs="*", default=[], metavar="N")
    parser.add_argument(
        "--warm", action="store_true", help="also time `riskmart build` twice"
    )
    parser.add_argument("--json", type=Path, help="write everything measured there")
    parser.add_argument(
        "--row-by-row",
        type=_count,
        default=run.ROW_BY_ROW_PATIENTS,
        metavar="N",
        help="people to take through the row-by-row way",
    )
    parser.add_argument(
        "--folder", type=Path, help="where to work; the system's for temporary files"
    )
    parser.add_argument("--only", action="store_true", help=argparse.SUPPRESS)
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected a whole number from 1")
    return int(text)


def _measure_apart(patients: int, options: argparse.Namespace) -> dict[str, Any]:
    """Measure one size in a process of its own."""
    load = os.getloadavg()[0]
    print(f"{patients:,} people; load {load:.1f}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "result.json"
        command = [
            *(sys.executable, "-m", "benchmarks.pipeline", "--only"),
            *("--patients", str(patients), "--json", str(file)),
            *("--row-by-row", str(options.row_by_row)),
            *(("--folder", str(options.folder)) if options.folder else ()),
        ]
        # Its own words are progress, not result.
        subprocess.run(command, cwd=config.PROJECT_DIR, stdout=sys.stderr, check=True)
        measured: dict[str, Any] = json.loads(file.read_text())
    return measured


def _measure_here(options: argparse.Namespace) -> None:
    [patients] = options.patients
    with run.fresh_home(options.folder) as home:
        result = run.measure_size(patients, home, options.row_by_row)
    options.json.write_text(json.dumps(result.as_dict()))


def _measure_warm(options: argparse.Namespace) -> list[float]:
    with run.fresh_home(options.folder):
        return run.warm_build_seconds()


if __name__ == "__main__":
    main()
