"""Publish beside readers, kill whoever writes, and time it.

Usage: ``python -m benchmarks.publication --real 100 --clones 300 --kills 200``
and ``--cost 3000 1000000``. Each part runs in a warehouse of its own, on the
baseline's 3,000 people, and nothing stays.
"""

import argparse
import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from psycopg.conninfo import make_conninfo

from benchmarks import measure, publication_cost, publication_kills, run
from benchmarks.publication_builds import clone_candidate, faults, publish_clone
from benchmarks.publication_readers import SETUP, STYLES, Seen, identity, reading
from python_scoring import config, pipeline, warehouse
from python_scoring.publication import publish
from python_scoring.publication.publish import Publication
from python_scoring.warehouse import Connection

_BASELINE_SECONDS = 60.0
_BACK_EVERY = 5

Step = Callable[[Connection], Publication | None]


@dataclass
class Phase:
    """One way to keep the warehouse busy, and what readers saw meanwhile."""

    name: str
    published: int = 0
    went_back: int = 0
    swap_seconds: list[float] = field(default_factory=list)
    locked_seconds: list[float] = field(default_factory=list)
    attempts: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    is_identity_kept: bool = True
    readers: list[Seen] = field(default_factory=list)

    def note(self, done: Publication | None, is_back: bool = False) -> None:
        """Note a publication or a way back."""
        if done:
            self.published += not is_back
            self.went_back += is_back
            self.swap_seconds.append(done.swapped.seconds)
            self.locked_seconds.append(done.swapped.locked_seconds)
            self.attempts.append(done.swapped.attempts)

    def row(self) -> str:
        """Write a line of the table."""
        seconds = [s for reader in self.readers for s in reader.seconds]
        cells = [
            self.name,
            f"{self.published:,}",
            f"{self.went_back:,}",
            f"{len(seconds):,}",
            f"{sum(len(r.errors) for r in self.readers)}",
            f"{sum(r.mixed for r in self.readers)}",
            f"{sum(r.empty for r in self.readers)}",
            f"{1000 * quantile(seconds, 0.5):,.1f}",
            f"{1000 * quantile(seconds, 0.99):,.0f}",
            f"{1000 * max(seconds, default=0):,.0f}",
            f"{1000 * quantile(self.swap_seconds, 0.5):,.0f}",
            f"{1000 * max(self.swap_seconds, default=0):,.0f}",
            f"{1000 * quantile(self.locked_seconds, 0.5):,.0f}",
            f"{1000 * max(self.locked_seconds, default=0):,.0f}",
            f"{quantile(self.attempts, 0.5):.0f} / {max(self.attempts, default=0)}",
            "yes" if self.is_identity_kept and not self.faults else "NO",
        ]
        return f"| {' | '.join(cells)} |"


_COLUMNS = (
    *("warehouse meanwhile", "published", "went back", "statements", "errors"),
    *("mixed builds", "empty marts", "median, ms", "p99, ms", "longest, ms"),
    *("swap, median ms", "swap, longest ms"),
    *("names locked, median ms", "names locked, longest ms"),
    *("attempts, median / most", "names, grants, board and identities kept"),
)
_HEAD = "\n".join(
    [f"| {' | '.join(_COLUMNS)} |", "| --- |" + " ---: |" * (len(_COLUMNS) - 1)]
)


def quantile(values: list[Any], share: float) -> float:
    """Return the value that a share of all is at or below; 0 for none."""
    ordered = sorted(values)
    return float(ordered[int(share * (len(ordered) - 1))]) if ordered else 0.0


def watch(name: str, step: Step, count: int, seconds: float = 0.0) -> Phase:
    """Take a step some times, or for some time, with all readers looking on.

    Every fifth publication is followed by the way back to the build before.
    """
    phase = Phase(name)
    target = make_conninfo(config.conninfo(), user="reader")
    until = time.monotonic() + seconds
    with warehouse.connect(autocommit=True) as conn:
        before = identity(conn)
        with reading(target, tuple(STYLES)) as seen:
            taken = 0
            while not STOP.is_set() and (taken < count or time.monotonic() < until):
                taken += 1
                done = step(conn)
                phase.note(done)
                if done and taken % _BACK_EVERY == 0:
                    phase.note(publish.go_back(conn), is_back=True)
                if done and taken % _BACK_EVERY in (0, 1):
                    phase.faults += faults(conn)
        phase.is_identity_kept = identity(conn) == before
    phase.readers = seen
    return phase


# Set by ctrl-c: what was measured so far is printed.
STOP = threading.Event()


def wait_a_little(conn: Connection) -> None:
    """Let readers be alone."""
    time.sleep(0.2)


def clone_only(conn: Connection) -> None:
    """Build, and publish nothing."""
    clone_candidate(conn)


def publish_real(conn: Connection) -> Publication | None:
    """Run a whole `riskmart build`."""
    print(".", end="", file=sys.stderr, flush=True)
    return pipeline.build().published


def sweep(real: int, clones: int, seconds: float = _BASELINE_SECONDS) -> list[Phase]:
    """Watch readers alone, beside builds, and beside publications of both kinds."""
    pipeline.build()
    pipeline.build()
    with warehouse.connect(autocommit=True) as conn:
        conn.execute(SETUP.encode())
        publish.carry_grants(conn)
    return [
        watch("nothing", wait_a_little, 0, seconds),
        watch("candidates by copy, not published", clone_only, 0, seconds),
        *([watch("by copy, published", publish_clone, clones)] if clones else []),
        *([watch("`riskmart build`", publish_real, real)] if real else []),
    ]


def main(arguments: list[str] | None = None) -> None:
    """Run the parts asked for; print Markdown, and write JSON where asked."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGINT, lambda *_: STOP.set())
    parts: list[str] = []
    measured: dict[str, Any] = {"load_before": os.getloadavg()[0]}
    if options.real or options.clones:
        with run.fresh_home(options.folder):
            phases = sweep(options.real, options.clones)
            measured["machine"] = measure.machine()
            measured["phases"] = [_as_dict(phase) for phase in phases]
        parts += ["\n".join([_HEAD, *(phase.row() for phase in phases)])]
        parts += [e for p in phases for r in p.readers for e in r.errors[:5]]
        parts += [f for p in phases for f in p.faults[:5]]
    if options.kills:
        with run.fresh_home(options.folder) as home:
            kills = publication_kills.kill_often(
                options.kills, home, options.seed, options.only, STOP.is_set
            )
            measured["machine"] = measure.machine()
        parts.append(publication_kills.markdown(kills))
        measured["kills"] = [asdict(kill) for kill in kills]
    if options.cost:
        costs = [publication_cost.measure_apart(n, options) for n in options.cost]
        measured["cost"], measured["machine"] = costs, costs[0]["machine"]
        parts.append(publication_cost.markdown(costs))
    if options.json:
        options.json.write_text(json.dumps(measured, indent=2) + "\n")
    print("\n\n".join([where(measured), *parts]))


def _as_dict(phase: Phase) -> dict[str, Any]:
    readers = [{**asdict(r), "builds": sorted(r.builds)} for r in phase.readers]
    return {**asdict(phase), "readers": readers}


def where(measured: dict[str, Any]) -> str:
    """Say when, where and with what this was measured."""
    about = measured["machine"]
    return (
        f"Measured on {about['date']}, {about['cores']} cores, "
        f"{about['memory_gib']:g} GiB, {about['system']}, load before "
        f"{measured['load_before']:.1f}; PostgreSQL {about['postgresql']} (embedded), "
        f"Python {about['python']}."
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.publication",
        description="Publish beside readers, kill whoever writes, and time it.",
    )
    number: dict[str, Any] = {"type": int, "default": 0, "metavar": "N"}
    parser.add_argument("--real", **number, help="whole builds beside readers")
    parser.add_argument("--clones", **number, help="copies published beside readers")
    parser.add_argument("--kills", **number, help="kill -9, this often")
    parser.add_argument(
        "--only", nargs="*", default=[], metavar="COMMAND", help="commands to kill"
    )
    parser.add_argument("--cost", type=int, nargs="*", default=[], metavar="N")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--json", type=Path, help="write everything measured there")
    parser.add_argument(
        "--folder", type=Path, help="where to work; the system's for temporary files"
    )
    return parser


if __name__ == "__main__":
    main()
