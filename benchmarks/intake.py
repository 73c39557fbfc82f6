"""Take new patients in, in every way there is: how long until every mart has them.

Usage: ``python -m benchmarks.intake --patients 3000 100000 1000000``, and
``--processes 10`` and ``--builds 2`` for what happens at the same time. Each size
and part has a warehouse of its own, and nothing stays.
"""

import argparse
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import (
    intake_builds,
    intake_latency,
    intake_report,
    intake_together,
    measure,
    run,
)
from python_scoring import pipeline


def main(arguments: list[str] | None = None) -> None:
    """Run the parts asked for; print Markdown, and write JSON where asked."""
    options = _parser().parse_args(arguments)
    measured: dict[str, Any] = {"load_before": os.getloadavg()[0]}
    if options.processes or options.builds:
        measured |= _at_once(options)
    if options.patients:
        measured["sizes"] = []
    for patients in options.patients:
        size = intake_latency.measure_apart(patients, options)
        measured["sizes"].append(size)
        measured.setdefault("machine", size["machine"])
        _write(measured, options.json)
    _write(measured, options.json)
    if "machine" in measured:
        print(intake_report.markdown(measured))


def _write(measured: dict[str, Any], file: Path | None) -> None:
    """Write what there is so far: a later size may take an hour, and fail."""
    if file:
        file.write_text(json.dumps(measured, indent=2) + "\n")


def _at_once(options: argparse.Namespace) -> dict[str, Any]:
    """Hand in beside others who do, and beside builds, on the baseline's people."""
    measured: dict[str, Any] = {}
    with run.fresh_home(options.folder):
        pipeline.build()
        measured["machine"] = measure.machine()
        if options.processes:
            together = intake_together.hand_in_together(
                intake_latency.BASELINE, options.processes, options.submissions, 10
            )
            measured["together"] = asdict(together)
        if options.builds:
            meanwhile = intake_builds.take_in_during_builds(
                intake_latency.BASELINE, options.builds
            )
            measured["meanwhile"] = asdict(meanwhile)
    return measured


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.intake",
        description="Take new patients in, and time it until every mart has them.",
    )
    count: dict[str, Any] = {"type": int, "metavar": "N"}
    parser.add_argument("--patients", **count, nargs="*", default=[])
    parser.add_argument("--single", **count, default=200, help="one by one, warm")
    parser.add_argument("--cold", **count, default=10, help="by commands")
    parser.add_argument("--batches", **count, default=3, help="calls with many")
    parser.add_argument("--batch", **count, default=10_000, help="people of a call")
    parser.add_argument("--processes", **count, default=0, help="all at once")
    parser.add_argument(
        "--submissions", **count, default=100, help="of ten people, by each process"
    )
    parser.add_argument("--builds", **count, default=0, help="builds meanwhile")
    parser.add_argument("--json", type=Path, help="write everything measured there")
    parser.add_argument(
        "--folder", type=Path, help="where to work; the system's for temporary files"
    )
    return parser


if __name__ == "__main__":
    main()
