"""Try to see, change and find out what one should not; print what was tried.

Usage: ``python -m benchmarks.security``, all parts, in about half an hour; or some:
``--parts matrix hostile rebuilds secrets suppression``. Each part has a warehouse of
its own, and nothing stays.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd

from benchmarks import (
    hostile,
    measure,
    readers,
    run,
    security_secrets,
    security_suppression,
)
from python_scoring import pipeline, server, warehouse
from python_scoring.cohorts import cohort, generator
from python_scoring.intake import adding
from python_scoring.publication import publish

REBUILDS, ROLLBACKS = 20, 5
HOSTILE = 10_000
_OTHER = ("SYNTH", date(2025, 12, 31))

# What was done, how often, and what was found that should not be.
Row = tuple[str, int, int]


def main(arguments: list[str] | None = None) -> None:
    """Run the parts asked for, and print one table; exit 1 where something is found."""
    options = _parser().parse_args(arguments)
    rows: list[Row] = []
    machine = {}
    for name in options.parts:
        print(f"  {name} ...", file=sys.stderr, flush=True)
        with run.fresh_home(options.folder):
            rows += PARTS[name](options)
            server.start()
            machine = machine or measure.machine()
    print(f"Measured on {machine['date']}; PostgreSQL {machine['postgresql']}.\n")
    print("| tried | times | found |\n| --- | ---: | ---: |")
    for what, times, found in rows:
        print(f"| {what} | {times:,} | {found:,} |")
    if any(found for _, _, found in rows):
        sys.exit(1)


def _two_organizations() -> None:
    """Publish the baseline and other people, of another organization."""
    org, as_of = _OTHER
    people = generator.generate(1_000, 7)
    frame = pd.DataFrame({"external_id": people.external_id, **people.base})
    pipeline.build(is_published=False)
    with warehouse.connect(autocommit=True) as conn:
        cohort.load_frame(conn, frame, org=org, as_of=as_of)
    pipeline.build()


def matrix(options: argparse.Namespace) -> list[Row]:
    """Try every privilege of every role, and count rows of others."""
    _two_organizations()
    with readers.logins("BASELINE", clinician="CARDIOLOGY"):
        count, wrong = readers.try_everything()
        looks = readers.look_at_rows("BASELINE", "CARDIOLOGY")
    for difference in wrong:
        print(f"  {difference}", file=sys.stderr)
    return [
        ("role x relation x privilege, against the matrix", count, len(wrong)),
        (
            f"rows that roles see in marts, beside {sum(x.others for x in looks):,} of "
            "others there",
            sum(look.seen for look in looks),
            sum(abs(look.seen - look.own) for look in looks),
        ),
    ]


def hostile_input(options: argparse.Namespace) -> list[Row]:
    """Hand in and load hostile records."""
    pipeline.build()
    with adding.intake() as intake:
        records = hostile.hand_in(intake, options.hostile // 2, seed=1)
    with (
        tempfile.TemporaryDirectory() as folder,
        warehouse.connect(autocommit=True) as conn,
    ):
        files = hostile.load_files(conn, Path(folder), options.hostile // 2, seed=1)
    return [
        (
            f"hostile {what}: {done.unchanged:,} as they came, "
            f"{done.refused:,} refused",
            done.given,
            len(done.wrong),
        )
        for what, done in (("records handed in", records), ("rows of files", files))
    ]


def rebuilds(options: argparse.Namespace) -> list[Row]:
    """Build again and again, and go back: grants, policies and owners stay."""
    pipeline.build()
    differences = 0
    with warehouse.connect(autocommit=True) as conn:
        before = readers.protections(conn)
        for _ in range(options.rebuilds):
            pipeline.build()
            differences += readers.protections(conn) != before
        for _ in range(options.rollbacks):
            publish.go_back(conn)
            differences += readers.protections(conn) != before
            pipeline.build()
            differences += readers.protections(conn) != before
    return [
        (
            f"rebuilds ({options.rebuilds}), ways back and rebuilds after them "
            f"({options.rollbacks} each): {len(before):,} grants, policies and owners",
            options.rebuilds + 2 * options.rollbacks,
            differences,
        )
    ]


def secrets(options: argparse.Namespace) -> list[Row]:
    """Look for the key, passwords and external identifiers after a full run."""
    return security_secrets.look_everywhere()


def suppression(options: argparse.Namespace) -> list[Row]:
    """Let an attacker with every suppressed mart over two builds work cells out."""
    return security_suppression.look_at_changes()


PARTS: dict[str, Callable[[argparse.Namespace], list[Row]]] = {
    "matrix": matrix,
    "hostile": hostile_input,
    "rebuilds": rebuilds,
    "secrets": secrets,
    "suppression": suppression,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.security",
        description="Try to see, change and find out what one should not.",
    )
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--hostile", type=int, default=HOSTILE, help="records")
    parser.add_argument("--rebuilds", type=int, default=REBUILDS)
    parser.add_argument("--rollbacks", type=int, default=ROLLBACKS)
    parser.add_argument("--folder", type=Path, help="where warehouses are made")
    return parser


if __name__ == "__main__":
    main()
