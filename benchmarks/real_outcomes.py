"""Fit production's estimators to two real sets, and print figures beside published.

Usage: ``python -m benchmarks.real_outcomes [--uci] [--cms] [--seeds 5] [--jobs 2]
[--json FILE]``; without a choice, both. About ten minutes on two idle cores.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import real_cms, real_cms_run, real_report, real_uci, real_uci_run

MISSING = "not there: {}; this real set is left out"


def main() -> None:
    arguments = _arguments()
    began = time.perf_counter()
    measured: dict[str, Any] = {"machine": real_report.machine()}
    if arguments.uci and _is_there(real_uci.FILE):
        runs = real_uci_run.measure(range(arguments.seeds), arguments.jobs)
        measured["uci"] = runs
    if arguments.cms and _is_there(real_cms.FOLDER):
        measured["cms"] = real_cms_run.measure()
    measured["seconds"] = time.perf_counter() - began
    if arguments.json:
        arguments.json.write_text(json.dumps(measured, indent=1), encoding="utf-8")
    print(real_report.markdown(measured))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uci", action="store_true", help="UCI Diabetes-130")
    parser.add_argument("--cms", action="store_true", help="CMS DE-SynPUF panel")
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0, 1, ... (5)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    arguments = parser.parse_args()
    if not (arguments.uci or arguments.cms):
        arguments.uci = arguments.cms = True
    return arguments


def _is_there(path: Path) -> bool:
    if not path.exists():
        print(MISSING.format(path), file=sys.stderr)
    return path.exists()


if __name__ == "__main__":
    main()
