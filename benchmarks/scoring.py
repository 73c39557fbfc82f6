"""Time scoring in Python and in the database, and say which is faster where.

Usage: ``python -m benchmarks.scoring --patients 3000 100000 300000``

In a warehouse of its own, which is removed. The people beyond the baseline's are
its copies with other costs: both ways do the same work for anybody. Where the
package ``duckdb`` is installed, the same statements are timed on DuckDB too.
"""

import argparse
import importlib.util
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from benchmarks import run, scoring_duckdb
from python_scoring import ledger, pipeline, registry, warehouse
from python_scoring.in_database import choice
from python_scoring.readmission import features, score
from python_scoring.warehouse import Connection

WAYS = (ledger.PYTHON, ledger.DATABASE)
_LEDGER = "raw.predictions, raw.scored_features, raw.batch_distribution"


@dataclass(frozen=True)
class Timing:
    """Seconds to score some people; ``again`` is when nobody is left to score.

    ``processor`` is the processor's time for everyone, ours and the server's: what
    other work on the machine changes least.
    """

    engine: str
    people: int
    way: str
    everyone: float
    processor: float
    again: float | None = None


def main(arguments: list[str] | None = None) -> None:
    """Measure the sizes asked for, and print Markdown."""
    options = _parser().parse_args(arguments)
    with run.fresh_home(options.folder):
        pipeline.build(tests=False)
        timings = list(measure(options.patients, options.repeats))
    print(markdown(timings))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scoring", description="Time both ways to score."
    )
    sizes = [3000, 100_000, 300_000]
    parser.add_argument("--patients", type=int, nargs="+", default=sizes, metavar="N")
    parser.add_argument("--repeats", type=int, default=3, help="the fastest counts")
    parser.add_argument(
        "--folder", type=Path, help="where to work; the system's for temporary files"
    )
    return parser


def measure(sizes: list[int], repeats: int) -> Iterator[Timing]:
    """Time every size in the warehouse in force, which has the baseline.

    Its ledger is emptied, again and again.
    """
    with warehouse.connect(autocommit=True) as conn:
        for people in sizes:
            _fill(conn, people)
            for way in WAYS:
                print(f"  {people:,} in {way} ...", file=sys.stderr, flush=True)
                runs = [_once(conn, way) for _ in range(repeats)]
                everyone, processor, again = np.min(runs, axis=0).tolist()
                yield Timing("postgresql", people, way, everyone, processor, again)
            if importlib.util.find_spec("duckdb"):
                model = registry.champion(conn, features.TARGET)
                assert model is not None
                hazards = score.load_hazards(model)
                for way, *seconds in scoring_duckdb.seconds(conn, hazards, repeats):
                    yield Timing("duckdb", people, way, *seconds)


def _fill(conn: Connection, people: int) -> None:
    """Let there be so many current people: the baseline's, and copies of them."""
    rest = ", ".join(
        name
        for (name,) in conn.execute(
            "select attname from pg_attribute where attrelid = %s::regclass"
            " and attnum > 0 and not attisdropped"
            " and attname not in ('patient_id', 'annual_cost') order by attnum",
            (features.PATIENT_FEATURES,),
        ).fetchall()
    )
    own = "is_current and purpose = 'cohort' and patient_id < 10000000"
    table = features.PATIENT_FEATURES
    conn.execute(f"delete from {table} where patient_id >= 10000000".encode())
    conn.execute(
        f"""
        insert into {table} (patient_id, annual_cost, {rest})
        select own.patient_id + 10000000 * copies.number,
            own.annual_cost * (1 + 0.001 * copies.number), {rest}
        from {table} as own
        cross join generate_series(1, {people}) as copies (number)
        where {own} and copies.number * 3000 < {people}
        order by copies.number, own.patient_id
        limit greatest(0, {people} - (select count(*) from {table} where {own}))
        """.encode()
    )
    conn.execute(f"vacuum analyze {table}".encode())


def _once(conn: Connection, way: str) -> tuple[float, float, float]:
    conn.execute(f"truncate {_LEDGER}".encode())
    conn.execute("delete from raw.prediction_batches")
    conn.execute("checkpoint")
    used, began = _processor(conn), time.perf_counter()
    score.score(conn, way=way)
    everyone = time.perf_counter() - began
    used, began = _processor(conn) - used, time.perf_counter()
    score.score(conn, way=way)
    return everyone, used, time.perf_counter() - began


def _processor(conn: Connection) -> float:
    """Seconds of the processor so far: ours, and those of our sessions."""
    session = psutil.Process(conn.info.backend_pid)
    times, ended = session.cpu_times(), _postmaster(session).cpu_times()
    of_server = times.user + times.system + ended.children_user + ended.children_system
    return time.process_time() + of_server


def _postmaster(session: psutil.Process) -> psutil.Process:
    parent = session.parent()
    assert parent is not None
    return parent


def markdown(timings: list[Timing]) -> str:
    """Tabulate, with the line through each way's times and what the rule picks."""
    lines = [
        "| engine | people | way | all unscored, s | processor, s |"
        " nobody unscored, s |",
        "| --- | ---: | --- | ---: | ---: | ---: |",
    ]
    for t in timings:
        again = "" if t.again is None else f"{t.again:.2f}"
        lines.append(
            f"| {t.engine} | {t.people:,} | {t.way} | {t.everyone:.2f}"
            f" | {t.processor:.2f} | {again} |"
        )
    lines.append("")
    for engine in dict.fromkeys(t.engine for t in timings):
        lines += _verdicts([t for t in timings if t.engine == engine], engine)
    return "\n".join(lines)


def _verdicts(timings: list[Timing], engine: str) -> Iterator[str]:
    for way in WAYS:
        of_way = [t for t in timings if t.way == way]
        if len({t.people for t in of_way}) > 1:
            people = [t.people / 1e6 for t in of_way]
            slope, fixed = np.polyfit(people, [t.processor for t in of_way], 1)
            yield (
                f"{engine}, {way}: {fixed:.2f} s of the processor, and {slope:.1f} s"
                " a million people"
            )
    for people in dict.fromkeys(t.people for t in timings):
        seconds = {t.way: t.processor for t in timings if t.people == people}
        found = min(seconds, key=lambda way: seconds[way])
        ratio = max(seconds.values()) / seconds[found]
        picked = choice.faster(engine, people)
        yield (
            f"{engine}, {people:,}: {found} takes {1 / ratio:.0%} of the other's; "
            f"riskmart picks {picked}"
        )


if __name__ == "__main__":
    main()
