"""One peer, in a process and an environment of its own; started by `peers`."""

import argparse
import json
import os
from pathlib import Path
from typing import Any

from benchmarks import measure
from benchmarks.peers_clock import Clock
from benchmarks.peers_work import Answer, read_rules


def main() -> None:
    """Do the work as one peer, and report seconds and memory."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("peer", choices=PEERS)
    for name in ("--people", "--model", "--file", "--answer", "--report"):
        parser.add_argument(name, type=Path, required=True)
    options = parser.parse_args()
    clock = Clock()
    report = PEERS[options.peer](clock, options)
    options.report.write_text(json.dumps(report))


def _report(clock: Clock) -> dict[str, Any]:
    """Stop the clock, and read the memory before anything else needs more."""
    clock.stop()
    peak = measure.peak_of(os.getpid()) or measure.peak_memory()
    return {"seconds": clock.total, "steps": clock.seconds, "client_bytes": peak}


def _pandas(way: str) -> Any:
    def run(clock: Clock, options: argparse.Namespace) -> dict[str, Any]:
        from benchmarks import peers_pandas

        frames = peers_pandas.compute(clock, options.people, options.model)
        peers_pandas.write(clock, frames, way)
        report = _report(clock)
        peers_pandas.answer(frames, read_rules(), Answer(options.answer))
        return report

    return run


def _rows(clock: Clock, options: argparse.Namespace) -> dict[str, Any]:
    from benchmarks import peers_rows

    peers_rows.run(clock, options.people, options.model)
    report = _report(clock)
    peers_rows.answer(read_rules(), Answer(options.answer))
    return report


def _polars(clock: Clock, options: argparse.Namespace) -> dict[str, Any]:
    from benchmarks import peers_polars

    frames = peers_polars.compute(clock, options.people, options.model)
    report = _report(clock)
    peers_polars.answer(frames, Answer(options.answer))
    return report


def _duckdb(clock: Clock, options: argparse.Namespace) -> dict[str, Any]:
    from benchmarks import peers_duckdb, peers_floor

    conn = peers_duckdb.run(clock, options.people, options.model, options.file)
    report = _report(clock)
    peers_duckdb.answer(conn, read_rules(), Answer(options.answer))
    conn.close()
    floor = peers_floor.duckdb_seconds(options.file, "main", options.file.parent)
    floor += peers_floor.risk_seconds(options.file, options.model)
    return {**report, "floor_seconds": floor}


PEERS = {
    "pandas": _pandas("inserts"),
    "pandas-copy": _pandas("copy"),
    "rows": _rows,
    "polars": _polars,
    "duckdb-sql": _duckdb,
}


if __name__ == "__main__":
    main()
