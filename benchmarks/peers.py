"""Do the same work in other ways, and compare: seconds, memory, and every figure.

Usage: ``python -m benchmarks.peers --patients 30000 300000 1000000``, with ``.venv``
active. Polars, DuckDB and SQLAlchemy go into an environment of their own, from
requirements/peers.lock; nothing else is installed. Each peer runs in a process and,
where it has one, a warehouse of its own; a peer whose figures are not the others'
fails the run. Results are added to the JSON file, from which `benchmarks.curve` draws.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from psycopg import sql

from benchmarks import floor, measure, peers_ours, peers_report, peers_same, run
from benchmarks.peers_work import Answer, read_rules, risk_seconds, save_model
from python_scoring import config, registry, server, warehouse
from python_scoring.cohorts import generator
from python_scoring.errors import BadInput, GateFailed
from python_scoring.readmission import features, score

LOCK = config.PROJECT_DIR / "requirements" / "peers.lock"
RESULTS = config.PROJECT_DIR / "docs" / "performance" / "peers.json"

# A way that takes longer is measured once.
_CHEAP_SECONDS = 60.0

Run = dict[str, Any]


@dataclass
class Bench:
    """Where this run works, and what it has found so far.

    ``reference`` is the answer that others are held against, by size.
    """

    folder: Path
    python: Path
    options: argparse.Namespace
    runs: list[Run] = field(default_factory=list)
    reference: dict[int, tuple[str, Answer]] = field(default_factory=dict)

    @property
    def model(self) -> Path:
        """The model that every peer scores by."""
        return self.folder / "model"

    def people(self, patients: int) -> Path:
        """Give the cohort's file, the same for every peer."""
        file = self.folder / f"{patients}.parquet"
        if not file.exists():
            outcomes = self.folder / "outcomes.parquet"
            generator.write_parquet(file, outcomes, patients, run.SEED)
            outcomes.unlink()
        return file

    def hold(self, peer: str, patients: int, answer: Answer) -> None:
        """Hold an answer against the first of its size; that one stays."""
        if patients not in self.reference:
            self.reference[patients] = (peer, answer)
            return
        first, expected = self.reference[patients]
        found = peers_same.differences(expected, answer)
        shutil.rmtree(answer.folder)
        if found:
            listed = "\n".join(found)
            raise GateFailed(
                f"{first} and {peer} differ at {patients:,} people:\n{listed}"
            )


def main(arguments: list[str] | None = None) -> None:
    """Run the peers asked for at the sizes asked for, and print Markdown."""
    parser = _parser()
    options = parser.parse_args(arguments)
    most = generator.MAX_PATIENTS
    if not all(1 <= patients <= most for patients in options.patients):
        parser.error(f"--patients: expected whole numbers from 1 to {most}")
    check_machine(options.json)
    python = install(options.venv)
    with tempfile.TemporaryDirectory(prefix="riskmart-peers-", dir=options.folder) as f:
        bench = Bench(Path(f), python, options)
        try:
            for patients in sorted(options.patients):
                _measure_size(bench, patients)
                if bench.runs:
                    _keep(bench)
        except GateFailed as error:
            sys.exit(f"benchmarks.peers: {error}")
        except BadInput as error:
            print(f"benchmarks.peers: {error}", file=sys.stderr)
            sys.exit(2)
    if not bench.runs:
        sys.exit("benchmarks.peers: every peer was left out")
    print(peers_report.markdown(json.loads(options.json.read_text())))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description="Do the same work in other ways, and compare.",
    )
    parser.add_argument("--patients", type=int, nargs="+", required=True, metavar="N")
    parser.add_argument("--peers", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument(
        "--repeat", type=int, default=3, help="times to measure what takes under 60 s"
    )
    parser.add_argument(
        "--rows-at-most",
        type=int,
        default=30_000,
        metavar="N",
        help="people to take through row by row; beyond, extrapolated and marked",
    )
    parser.add_argument(
        "--pandas-at-most",
        type=int,
        default=1_000_000,
        metavar="N",
        help="people beyond whom pandas is left out",
    )
    parser.add_argument(
        "--no-tests", action="store_true", help="do not time tests and publication"
    )
    parser.add_argument("--json", type=Path, default=RESULTS, help="results, added to")
    parser.add_argument("--folder", type=Path, help="where to work; else the system's")
    parser.add_argument(
        "--venv", type=Path, default=config.state_dir() / "peers-venv", metavar="DIR"
    )
    return parser


def check_machine(results: Path) -> None:
    """Refuse to put figures of two machines into one file; exit 2."""
    if not results.exists():
        return
    before = json.loads(results.read_text())["machine"]
    for name, now in measure.size().items():
        if before[name] != now:
            print(
                f"{results}: {name} {before[name]}, and {now} here; expected figures"
                " of one machine: name another file in --json",
                file=sys.stderr,
            )
            sys.exit(2)


def install(folder: Path) -> Path:
    """Make the peers' environment from its lock, unless it is there; its Python."""
    noted = folder / LOCK.name
    python = folder.absolute() / "bin" / "python"
    if noted.is_file() and noted.read_bytes() == LOCK.read_bytes():
        return python
    print(f"installing the peers into {folder}", file=sys.stderr, flush=True)
    venv.create(folder, clear=True, with_pip=True)
    subprocess.run(
        [
            *(str(python), "-I", "-m", "pip", "install", "--quiet", "--no-deps"),
            *("--disable-pip-version-check", "--no-input", "--only-binary", ":all:"),
            *("--require-hashes", "--requirement", str(LOCK)),
        ],
        stdout=sys.stderr,
        check=True,
    )
    # Last of all: what was interrupted is made anew.
    shutil.copyfile(LOCK, noted)
    return python


def _measure_size(bench: Bench, patients: int) -> None:
    for way in bench.options.peers:
        print(
            f"{way}, {patients:,} people; load {os.getloadavg()[0]:.1f}",
            file=sys.stderr,
            flush=True,
        )
        found = WAYS[way](bench, way, patients)
        if isinstance(found, str):
            print(f"  left out: {found}", file=sys.stderr, flush=True)
            continue
        found |= {"peer": way, "patients": patients}
        bench.runs.append({**found, "date": measure.today()})


def _repeated(bench: Bench, measure_once: Callable[[], Run]) -> Run:
    """Measure, and again where it is cheap: the run whose time is the median."""
    runs = [measure_once()]
    while len(runs) < bench.options.repeat and runs[0]["seconds"] < _CHEAP_SECONDS:
        runs.append(measure_once())
    seconds = [measured["seconds"] for measured in runs]
    middle = statistics.median_low(seconds)
    chosen = runs[seconds.index(middle)]
    return {**chosen, "all_seconds": seconds}


def _ours(engine: str) -> Callable[[Bench, str, int], Run | str]:
    def measure_it(bench: Bench, way: str, patients: int) -> Run | str:
        if not peers_ours.is_there(engine):
            return f"this project has no target {engine}"
        return _repeated(bench, lambda: _ours_once(bench, engine, patients))

    return measure_it


def _ours_once(bench: Bench, engine: str, patients: int) -> Run:
    people = bench.people(patients)
    with _warehouse(bench, engine) as home:
        peers_ours.prepare()
        _keep_model(bench)
        with measure.ServerMemory() as memory:
            steps, peak = peers_ours.load_and_build(
                people, run.ORGANIZATION, run.AS_OF.isoformat()
            )
        answer = Answer(home / "answer")
        peers_ours.answer(read_rules(), run.ORGANIZATION, answer)
        _settle(bench, f"riskmart on {engine}", patients, answer)
        found = {
            "seconds": sum(steps.values()),
            "steps": steps,
            "client_bytes": peak,
            "server_bytes": memory.peak,
            "floor_seconds": _our_floor(engine, home),
        }
        if not bench.options.no_tests:
            tested = peers_ours.test_and_publish()
            found["seconds_with_tests"] = found["seconds"] + tested
    return found


def _settle(bench: Bench, peer: str, patients: int, answer: Answer) -> None:
    """Move an answer out of a warehouse that goes, and hold it against the others."""
    place = Path(tempfile.mkdtemp(dir=bench.folder)) / "answer"
    shutil.move(answer.folder, place)
    bench.hold(peer, patients, Answer(place))


def _our_floor(engine: str, home: Path) -> float:
    """Time what the bytes and the arithmetic cost: load, marts, scores."""
    with warehouse.connect(autocommit=True) as conn:
        scored = floor.score_seconds(conn)
        schema = peers_ours.last_schema(conn)
    if engine == "duckdb":
        return scored + _duckdb_floor(schema, home)
    with warehouse.connect(autocommit=True) as conn:
        latest = "load_id = (select max(load_id) from raw.loads)"
        cohort = sql.Identifier("raw", "cohort_patients")
        loaded, _ = floor.copy_one(conn, home, cohort, latest)
        return loaded + floor.copy_seconds(conn, home)[0] + scored


def _duckdb_floor(schema: str, home: Path) -> float:
    # Here, since a project without that target has no DuckDB either.
    from benchmarks import peers_floor

    return peers_floor.duckdb_seconds(config.duckdb_file(), schema, home)


def _keep_model(bench: Bench) -> None:
    if bench.model.exists():
        return
    with warehouse.connect() as conn:
        model = registry.champion(conn, features.TARGET)
    assert model is not None
    save_model(score.load_hazards(model), bench.model)


def _need_model(bench: Bench) -> None:
    """Train, where this project is not among the peers."""
    if not bench.model.exists():
        with _warehouse(bench, "postgres"):
            peers_ours.prepare()
            _keep_model(bench)


@contextmanager
def _warehouse(bench: Bench, engine: str) -> Iterator[Path]:
    """Make a warehouse, in force until it goes again."""
    before = {name: os.environ.get(name) for name in ("RISKMART_TARGET",)}
    os.environ.pop("RISKMART_DUCKDB", None)
    os.environ.pop("RISKMART_TARGET", None)
    os.environ.update(peers_ours.engine_environment(engine))
    try:
        with run.fresh_home(bench.folder) as home:
            if engine == "postgres":
                server.start()
            yield home
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({name: value} if value else {})


def _in_memory(bench: Bench, way: str, patients: int) -> Run | str:
    """Measure a peer that has no server."""
    _need_model(bench)
    return _repeated(bench, lambda: _apart(bench, way, patients))


def _pandas(bench: Bench, way: str, patients: int) -> Run | str:
    if patients > bench.options.pandas_at_most:
        return f"beyond {bench.options.pandas_at_most:,} people (--pandas-at-most)"
    return _on_server(bench, way, patients)


def _on_server(bench: Bench, way: str, patients: int) -> Run:
    _need_model(bench)
    return _repeated(bench, lambda: _on_server_once(bench, way, patients))


def _on_server_once(bench: Bench, way: str, patients: int) -> Run:
    with _warehouse(bench, "postgres") as home:
        with measure.ServerMemory() as memory:
            found = _apart(bench, way, patients)
        found["server_bytes"] = memory.peak
        if way == "pandas-copy":
            with warehouse.connect(autocommit=True) as conn:
                copied, _ = floor.copy_seconds(conn, home, "peer")
                found["floor_seconds"] = copied + risk_seconds(
                    conn, "peer.features", bench.model
                )
    return found


def _rows(bench: Bench, way: str, patients: int) -> Run:
    """Take people through one by one; beyond some, multiply, and say so."""
    measured = min(patients, bench.options.rows_at_most)
    known = [r for r in bench.runs if r["peer"] == way and r["patients"] == measured]
    if measured < patients and measured not in bench.reference:
        _need_model(bench)
        _apart(bench, "polars", measured)
    found = known[0] if known else _on_server(bench, way, measured)
    # Python starts once for however many.
    factor = patients / measured
    steps = {
        step: seconds if step == "start" else seconds * factor
        for step, seconds in found["steps"].items()
    }
    return {
        **found,
        "seconds": sum(steps.values()),
        "steps": steps,
        "measured_patients": measured,
    }


def _apart(bench: Bench, way: str, patients: int) -> Run:
    """Run a peer in its own process and environment, and hold its answer."""
    people = bench.people(patients)
    with tempfile.TemporaryDirectory(dir=bench.folder) as name:
        own = Path(name)
        subprocess.run(
            [
                *(str(bench.python), "-m", "benchmarks.peers_run", way),
                *("--people", str(people), "--model", str(bench.model)),
                *("--file", str(own / "peer.duckdb")),
                *("--answer", str(own / "answer"), "--report", str(own / "report")),
            ],
            cwd=config.PROJECT_DIR,
            env={**os.environ, "PYTHONPATH": str(config.PROJECT_DIR)},
            stdout=sys.stderr,
            check=True,
        )
        found: Run = json.loads((own / "report").read_text())
        _settle(bench, way, patients, Answer(own / "answer"))
    return {"server_bytes": 0, **found}


WAYS: dict[str, Callable[[Bench, str, int], Run | str]] = {
    "riskmart-postgres": _ours("postgres"),
    "riskmart-duckdb": _ours("duckdb"),
    "pandas": _pandas,
    "pandas-copy": _pandas,
    "rows": _rows,
    "polars": _in_memory,
    "duckdb-sql": _in_memory,
}


def _keep(bench: Bench) -> None:
    """Add what was measured to the file of results, in the place of older figures."""
    file: Path = bench.options.json
    before = json.loads(file.read_text())["runs"] if file.exists() else []
    new = {(r["peer"], r["patients"]) for r in bench.runs}
    runs = [r for r in before if (r["peer"], r["patients"]) not in new] + bench.runs
    order = list(WAYS)
    runs.sort(key=lambda r: (r["patients"], order.index(r["peer"])))
    with run.fresh_home(bench.folder):
        server.start()
        machine = measure.machine() | _versions(bench.python)
    results = {"machine": machine, "runs": runs}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(results, indent=1) + "\n")


def _versions(python: Path) -> dict[str, str]:
    names = ("pandas", "SQLAlchemy", "polars", "duckdb")
    script = (
        "import json, importlib.metadata as m;"
        f"print(json.dumps({{n: m.version(n) for n in {names!r}}}))"
    )
    told = subprocess.run(
        [str(python), "-c", script], check=True, capture_output=True, text=True
    )
    versions: dict[str, str] = json.loads(told.stdout)
    return versions


if __name__ == "__main__":
    main()
