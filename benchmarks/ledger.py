"""Time ways to lay the ledger out: one table, months of it, further indexes.

Usage: ``python -m benchmarks.ledger --patients 100000 --batches 12``

In a warehouse of its own, which is removed. Every way gets the same rows, and works in
turn with the others: the ratios hold where the machine is busy, the seconds do not.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks import run
from benchmarks.ledger_layouts import LAYOUTS, SCHEMA, WINDOWS, Layout, draw, setup
from python_scoring import server, warehouse
from python_scoring.warehouse import Connection

_BLOCK_BYTES = 2**20
# Of one patient's reading, that many patients a turn.
_PATIENTS = 100
APPEND = "append a batch"
REMOVE, DROP = "remove a month, keep scores in force", "let a whole month go"
SIZE, INDEX_SIZE = "rows, MiB", "indexes, MiB"

_LATEST = """
create temporary table latest on commit drop as
select ledger.patient_id, max(ledger.batch_id) as batch_id
from {table} as ledger
inner join {schema}.batches on ledger.batch_id = batches.batch_id
inner join {schema}.people on ledger.patient_id = people.patient_id
where people.is_current
group by ledger.patient_id
"""
_CURRENT = """
create temporary table current on commit drop as
select ledger.patient_id, ledger.window_days, ledger.score, batches.scored_at
from {table} as ledger
inner join {schema}.latest
    on ledger.patient_id = latest.patient_id and ledger.batch_id = latest.batch_id
inner join {schema}.batches on ledger.batch_id = batches.batch_id
"""
_UNSCORED = """
create temporary table newest on commit drop as
select distinct on (ledger.patient_id) ledger.patient_id, ledger.features_hash
from {table} as ledger
inner join {schema}.batches using (batch_id)
where batches.target = 'readmission' and ledger.window_days = 30
order by ledger.patient_id, ledger.batch_id desc
"""
_ONE_BATCH = """
create temporary table replayed on commit drop as
select patient_id, window_days, score from {table} where {of_batch}
order by patient_id, window_days
"""
# What the build and `score` ask of the whole ledger, and a replay of one batch.
READS = {
    "latest batch of each patient": _LATEST,
    "rows in force, with their batch": _CURRENT,
    "newest row of each patient, for `score`": _UNSCORED,
    "one batch, for a replay": _ONE_BATCH,
    "a batch of one patient, for a replay": _ONE_BATCH.replace(
        "{of_batch}", "{of_last}"
    ),
}
_HISTORY = """
select * from {table} where patient_id = %s order by batch_id, window_days
"""
_INTAKE = """
select ledger.* from {table} as ledger
inner join pg_temp.patient_registry using (patient_id)
"""
HISTORY = "one patient's history"
ALONE = "one patient's history, no workers"
INTAKE = "one patient, for intake"

_REPLACED = """
create temporary table replaced on commit drop as
select old.batch_id, old.patient_id, old.window_days
from {table} as old
where {of_batch} and exists (
    select from {table} as later
    where later.patient_id = old.patient_id
        and later.window_days = old.window_days and later.batch_id > old.batch_id
)
"""
_DELETE = """
delete from {table} as old using pg_temp.replaced as gone
where old.batch_id = gone.batch_id and old.patient_id = gone.patient_id
    and old.window_days = gone.window_days
"""
_KEPT = """
create temporary table kept on commit drop as
select old.* from {part} as old
where not exists (
    select from {table} as later
    where later.patient_id = old.patient_id
        and later.window_days = old.window_days and later.batch_id > old.batch_id
);
truncate {part};
insert into {table} select * from pg_temp.kept
"""


@dataclass
class Measured:
    """What a run measured: by what was done, by layout, seconds; sizes in MiB."""

    patients: int
    batches: int
    rows: int = 0
    figures: dict[str, dict[str, float]] = field(default_factory=dict)

    def note(self, what: str, layout: Layout, figure: float) -> None:
        """Keep the lowest of several."""
        of_all = self.figures.setdefault(what, {})
        of_all[layout.name] = min(figure, of_all.get(layout.name, figure))


def main(arguments: list[str] | None = None) -> None:
    """Measure the size asked for, and print Markdown."""
    options = _parser().parse_args(arguments)
    with run.fresh_home(options.folder):
        server.start()
        with warehouse.connect(autocommit=True) as conn:
            measured = measure(conn, options.patients, options.batches, options.repeats)
    print(markdown(measured))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ledger", description="Time layouts of the ledger."
    )
    parser.add_argument("--patients", type=int, default=100_000)
    parser.add_argument("--batches", type=int, default=12, help="one a month")
    parser.add_argument("--repeats", type=int, default=3, help="the fastest counts")
    parser.add_argument(
        "--folder", type=Path, help="where to work; the system's for temporary files"
    )
    return parser


def measure(conn: Connection, patients: int, batches: int, repeats: int) -> Measured:
    """Fill every layout batch by batch, read from it, and let the first month go.

    Parameters
    ----------
    conn
        In autocommit mode. The schema that is worked in is removed.
    """
    measured = Measured(patients, batches)
    conn.execute("set client_min_messages = warning")
    conn.execute(setup(patients).encode())
    for layout in LAYOUTS:
        conn.execute(layout.make(batches + 1).encode())
    _append(conn, measured)
    _append_one(conn, measured)
    for layout in LAYOUTS:
        conn.execute(f"vacuum analyze {layout.table}".encode())
        for what, size in zip((SIZE, INDEX_SIZE), _sizes(conn, layout), strict=True):
            measured.note(what, layout, size)
    conn.execute(f"vacuum analyze {SCHEMA}.people, {SCHEMA}.batches".encode())
    _read(conn, measured, repeats)
    for layout in LAYOUTS:
        _say(f"remove, {layout.words}")
        measured.note(REMOVE, layout, _timed(partial(_remove, conn, layout)))
        measured.note(DROP, layout, _timed(partial(_drop, conn, layout)))
    _compare(conn)
    conn.execute(f"drop schema {SCHEMA} cascade".encode())
    return measured


def _say(what: str) -> None:
    print(f"  {what} ...", file=sys.stderr, flush=True)


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _append(conn: Connection, measured: Measured) -> None:
    """Take in every batch; the seconds noted are the median's of the later half."""
    seconds: dict[str, list[float]] = {layout.name: [] for layout in LAYOUTS}
    for batch in range(1, measured.batches + 1):
        _say(f"batch {batch}")
        conn.execute(draw(batch).encode())
        row = conn.execute(f"select count(*) from {SCHEMA}.drawn".encode()).fetchone()
        measured.rows += row[0] if row else 0
        for layout in _in_turn(batch):
            with tempfile.TemporaryFile() as file:
                query = f"copy ({layout.rows(batch)}) to stdout (format binary)"
                with conn.cursor() as cursor, cursor.copy(query.encode()) as out:
                    for block in out:
                        file.write(block)
                file.seek(0)
                conn.execute("checkpoint")
                began = time.perf_counter()
                query = f"copy {layout.table} from stdin (format binary)"
                with conn.cursor() as cursor, cursor.copy(query.encode()) as into:
                    while content := file.read(_BLOCK_BYTES):
                        into.write(content)
                seconds[layout.name].append(time.perf_counter() - began)
    for layout in LAYOUTS:
        later = sorted(seconds[layout.name][measured.batches // 2 :])
        measured.note(APPEND, layout, later[len(later) // 2])


def _append_one(conn: Connection, measured: Measured) -> None:
    """Add a batch of one patient, as intake does."""
    batch = measured.batches + 1
    drawn, query = f"{SCHEMA}.drawn", "insert into {table} {rows}"
    conn.execute(
        f"delete from {drawn} where patient_id > (select min(patient_id) from {drawn});"
        f"update {drawn} set batch_id = {batch}".encode()
    )
    for layout in LAYOUTS:
        words = {"table": layout.table, "rows": layout.rows(batch)}
        conn.execute(query.format(**words).encode())
    conn.execute(
        f"insert into {SCHEMA}.batches values ({batch}, 'readmission', now())".encode()
    )
    measured.rows += len(WINDOWS)


def _in_turn(turn: int) -> tuple[Layout, ...]:
    """Give the layouts, another one first each time."""
    first = turn % len(LAYOUTS)
    return LAYOUTS[first:] + LAYOUTS[:first]


def _sizes(conn: Connection, layout: Layout) -> tuple[float, float]:
    row = conn.execute(
        "select sum(pg_table_size(oid)) / 2 ^ 20, sum(pg_indexes_size(oid)) / 2 ^ 20"
        " from pg_class where relnamespace = %s::regnamespace and relkind = 'r'"
        " and relname ~ %s",
        (SCHEMA, rf"^{layout.name}(_\d+)?$"),
    ).fetchone()
    assert row is not None
    return float(row[0]), float(row[1])


def _read(conn: Connection, measured: Measured, repeats: int) -> None:
    conn.execute(
        f"create table {SCHEMA}.latest as select patient_id, max(batch_id) as batch_id"
        f" from {SCHEMA}.heap group by patient_id;"
        f"analyze {SCHEMA}.latest;"
        "create temporary table patient_registry (patient_id bigint)".encode()
    )
    for turn in range(repeats):
        _say(f"read, turn {turn + 1}")
        for layout in _in_turn(turn):
            words = {
                "table": layout.table,
                "schema": SCHEMA,
                "of_batch": layout.of_batch(measured.batches // 2),
                "of_last": layout.of_batch(measured.batches + 1),
            }
            for what, query in READS.items():
                statement = query.format(**words).encode()
                with conn.transaction():
                    measured.note(
                        what, layout, _timed(partial(conn.execute, statement))
                    )
            _one_by_one(conn, measured, layout, turn)


def _one_by_one(
    conn: Connection, measured: Measured, layout: Layout, turn: int
) -> None:
    history, intake = (
        query.format(table=layout.table).encode() for query in (_HISTORY, _INTAKE)
    )
    drawn = random.Random(turn)
    patients = [drawn.randint(1, measured.patients) for _ in range(_PATIENTS)]
    asked = [_timed(partial(_fetch, conn, history, one)) for one in patients]
    measured.note(HISTORY, layout, sum(asked) / _PATIENTS)
    # What is prepared by now would keep the plan that it has.
    conn.execute("set max_parallel_workers_per_gather = 0; discard plans")
    asked = [_timed(partial(_fetch, conn, history, one)) for one in patients]
    measured.note(ALONE, layout, sum(asked) / _PATIENTS)
    conn.execute("reset max_parallel_workers_per_gather; discard plans")
    asked = []
    for one in patients:
        with conn.transaction():
            conn.execute("truncate pg_temp.patient_registry")
            conn.execute("insert into pg_temp.patient_registry values (%s)", (one,))
            conn.execute("analyze pg_temp.patient_registry")
            asked.append(_timed(partial(_fetch, conn, intake)))
    measured.note(INTAKE, layout, sum(asked) / _PATIENTS)


def _fetch(conn: Connection, query: bytes, *values: int) -> None:
    if not conn.execute(query, values or None).fetchall():
        raise RuntimeError(f"nothing found by {query.decode()}")


def _remove(conn: Connection, layout: Layout) -> None:
    """Let the first month's replaced scores go, none of their bytes left behind."""
    if layout.by:
        with conn.transaction():
            conn.execute(_KEPT.format(table=layout.table, part=layout.part(1)).encode())
        conn.execute(f"analyze {layout.part(1)}".encode())
        return
    words = {"table": layout.table, "of_batch": layout.of_batch(1)}
    with conn.transaction():
        conn.execute(_REPLACED.format(**words).encode())
        conn.execute(_DELETE.format(**words).encode())
    conn.execute(f"vacuum (full, analyze) {layout.table}".encode())


def _drop(conn: Connection, layout: Layout) -> None:
    """Let the whole second month go, whoever's score in force is of it."""
    if layout.by:
        part = layout.part(2)
        statement = f"alter table {layout.table} detach partition {part}"
        conn.execute(f"{statement}; drop table {part}".encode())
        return
    conn.execute(f"delete from {layout.table} where {layout.of_batch(2)}".encode())
    conn.execute(f"vacuum {layout.table}".encode())


def _compare(conn: Connection) -> None:
    """Hold every layout's rows against the first one's.

    Raises
    ------
    RuntimeError
        They are not the same, so that what was timed was not either.
    """
    of_first = None
    for layout in LAYOUTS:
        found = conn.execute(
            "select count(*), sum(hashint8extended(patient_id, batch_id * 100"
            f" + window_days)), sum(score)::numeric(20, 4) from {layout.table}".encode()
        ).fetchone()
        of_first = of_first or found
        if found != of_first:
            raise RuntimeError(f"{layout.words}: {found}; expected {of_first}")


def markdown(measured: Measured) -> str:
    """Tabulate: what it takes with the key only, and how many times that elsewhere."""
    first, *others = LAYOUTS
    lines = [
        f"{measured.patients:,} patients, {measured.batches} batches,"
        f" {measured.rows:,} rows",
        "",
        f"| | {first.words} | " + " | ".join(at.words for at in others) + " |",
        "| --- | ---: |" + " ---: |" * len(others),
    ]
    for what, of_all in measured.figures.items():
        now = of_all[first.name]
        shown = f"{now:,.0f}" if what in (SIZE, INDEX_SIZE) else _seconds(now)
        ratios = [f"{of_all[layout.name] / now:.2f}" for layout in others]
        lines.append(f"| {what} | {shown} | " + " | ".join(ratios) + " |")
    return "\n".join(lines)


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 0.1 else f"{seconds * 1000:.2f} ms"


if __name__ == "__main__":
    main()
