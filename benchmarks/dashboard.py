"""How long somebody who opens the dashboard waits for the first data, in Chromium."""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import Browser, Page

from benchmarks import browsers, intake_latency, measure, run
from python_scoring import config
from python_scoring.errors import BadInput

# What is data: a row of a table, folded or not, or a figure.
_DATA = '.rm-table tbody tr, [data-testid="stMetricValue"]'
_PAGES = (
    *("Departments", "Target list", "One patient", "Model trust", "What if"),
    "Does it pay?",
)
_TARGETS = {3_000: 2.0, 1_000_000: 4.0}


def measure_apart(patients: int, options: argparse.Namespace) -> dict[str, Any]:
    """Measure one size in a process and a warehouse of its own."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "result.json"
        where = [str(options.folder)] if options.folder else []
        command = [sys.executable, "-m", "benchmarks.dashboard", "--one"]
        command += [str(patients), str(file), str(options.looks), *where]
        subprocess.run(command, cwd=config.PROJECT_DIR, stdout=sys.stderr, check=True)
        measured: dict[str, Any] = json.loads(file.read_text())
    return measured


def measure_one(patients: int, looks: int, folder: Path | None) -> dict[str, Any]:
    """Publish so many people, open the dashboard, and go through its pages."""
    with run.fresh_home(folder) as home:
        org_code = intake_latency.publish(patients, home)
        path = browsers.chromium()
        if path is None:
            raise BadInput("Chromium is not installed; on Debian: apt-get install it")
        with browsers.browser(path) as browser, browsers.served(None) as address:
            opened = f"{address}&org={org_code}"
            seconds: dict[str, list[float]] = {}
            for _ in range(looks):
                for name, waited in _look(browser, opened).items():
                    seconds.setdefault(name, []).append(waited)
    return {"patients": patients, "machine": measure.machine(), "seconds": seconds}


def _look(browser: Browser, address: str) -> dict[str, float]:
    """Open the dashboard with nothing kept, and then each page by its link."""
    context = browser.new_context()
    page = context.new_page()
    began = time.perf_counter()
    page.goto(address)
    _wait(page, "Overview")
    waited = {"opened: Overview": time.perf_counter() - began}
    for title in _PAGES:
        began = time.perf_counter()
        page.get_by_role("link", name=title, exact=True).click()
        _wait(page, title)
        waited[title] = time.perf_counter() - began
    context.close()
    return waited


def _wait(page: Page, title: str) -> None:
    heading = page.get_by_role("heading", level=1, name=title, exact=True)
    heading.wait_for(timeout=120_000)
    # What is left of the page before is marked stale until it goes.
    page.wait_for_function(
        "of => [...document.querySelectorAll(of)]"
        ".some(one => !one.closest('[data-stale=true]'))",
        arg=_DATA,
        timeout=120_000,
    )


def markdown(sizes: list[dict[str, Any]]) -> str:
    """Write the table of the README."""
    lines = [
        "| people | page | looks | p50, s | longest, s | target | met |",
        "| ---: | --- | ---: | ---: | ---: | --- | --- |",
    ]
    for size in sizes:
        target = _TARGETS.get(size["patients"])
        for name, seconds in size["seconds"].items():
            met = "" if target is None else "yes" if max(seconds) < target else "NO"
            aim = "" if target is None else f"longest < {target:.0f} s"
            lines.append(
                f"| {size['patients']:,} | {name} | {len(seconds)} |"
                f" {median(seconds):.2f} | {max(seconds):.2f} | {aim} | {met} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Measure the sizes given, each in a process of its own."""
    if sys.argv[1:2] == ["--one"]:
        patients, file, looks = int(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
        folder = Path(sys.argv[5]) if len(sys.argv) > 5 else None
        file.write_text(json.dumps(measure_one(patients, looks, folder)))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[3_000, 1_000_000])
    parser.add_argument("--looks", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where there is room; else /tmp")
    options = parser.parse_args()
    print(markdown([measure_apart(size, options) for size in options.sizes]))


if __name__ == "__main__":
    main()
