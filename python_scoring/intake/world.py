"""The build's models over the people just handed in, and their rows into its marts.

A session has temporary tables in the place of what the models read: the records and
ledger rows of the people concerned, and nobody else. The models' own SQL then makes
these people's rows of every mart, the models' own data tests look at them, and one
transaction puts them into the build.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import psycopg

from python_scoring.errors import BadInput, GateFailed
from python_scoring.intake import plan, statements
from python_scoring.intake.plan import BUILD, FEATURES, Step
from python_scoring.publication import builds
from python_scoring.publication.builds import BuildRecord
from python_scoring.readmission import increment
from python_scoring.turns import Tell
from python_scoring.warehouse import Connection, is_duckdb

# From so many people on, PostgreSQL is told how many there are before it plans.
_MANY = 200

# "intake", for an advisory lock of ours: one at a time changes a published build.
_LOCK = 0x147A4E


def lock(conn: Connection) -> None:
    """Wait until nobody else takes anybody in, to the transaction's end."""
    conn.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))


@contextmanager
def turn(conn: Connection, deadline: float, tell: Tell | None = None) -> Iterator[None]:
    """Hold `lock` for several transactions; in autocommit mode.

    In line with everybody else: who asks again and again for a moment each would
    never get it beside busy intake.

    Parameters
    ----------
    deadline
        Until when it is waited for, by `time.monotonic`.
    tell
        Called when we begin to wait.

    Raises
    ------
    BadInput
        Intake kept us waiting for too long.
    """
    row = conn.execute("select pg_try_advisory_lock(%s)", (_LOCK,)).fetchone()
    if not (row and row[0]):
        if tell:
            tell("waiting for new patients to be taken in")
        _wait(conn, deadline)
    try:
        yield
    finally:
        if not conn.closed:
            conn.execute("select pg_advisory_unlock(%s)", (_LOCK,))


def _wait(conn: Connection, deadline: float) -> None:
    most = max(1, int(1000 * (deadline - time.monotonic())))
    try:
        with conn.transaction():
            conn.execute(f"set local lock_timeout = {most}".encode())
            conn.execute("select pg_advisory_lock(%s)", (_LOCK,))
    except psycopg.errors.LockNotAvailable:
        raise BadInput(
            "not published: new patients are being taken in for too long; "
            "`riskmart publish` tries again"
        ) from None


def catch_up(world: "World") -> int:
    """Take into a build whoever was handed in since it last was.

    To be called in a transaction that holds `lock`, and that ends soon.

    Returns
    -------
    int
        People concerned.

    Raises
    ------
    GateFailed
        A data test fails for their rows.
    BadInput
        The build is of a version of riskmart that took nobody in, or its model
        cannot be used here.
    """
    build_id = world.build.build_id
    entered, last = _entered(world.conn, build_id)
    if last <= entered:
        return 0
    world.make()
    count = world.gather(entered)
    world.run(last)
    world.check()
    world.put()
    world.note(last)
    return count


def of(conn: Connection, build: BuildRecord) -> "World":
    """Make the world of a build, as its engine needs it."""
    # Imported here, since it is made of this one.
    from python_scoring.duck.world import FileWorld

    return (FileWorld if is_duckdb(conn) else World)(conn, build)


def _entered(conn: Connection, build_id: int) -> tuple[int, int]:
    """How far a build holds what was entered, and how far there is something."""
    row = conn.execute(
        "select intake_entry_id, (select coalesce(max(entry_id), 0)"
        " from raw.new_patients) from raw.builds where build_id = %s",
        (build_id,),
    ).fetchone()
    assert row is not None
    return row


def log_features(conn: Connection, build_id: int) -> None:
    """Note by which SQL a whole build made the features of who was handed in."""
    _log(conn, build_id, "intermediate.", "intermediate.", "raw.")


def _log(
    conn: Connection, build_id: int, people: str, loads: str, registry: str
) -> None:
    conn.execute(
        statements.LOG.format(
            people=f"{people}int_new_patients",
            loads=f"{loads}int_cohort_loads",
            registry=f"{registry}patient_registry",
            build_id=build_id,
        ).encode()
    )


@dataclass
class World:
    """A session's temporary tables for one build, and what is done with them."""

    conn: Connection
    build: BuildRecord
    is_large: bool = False

    @cached_property
    def steps(self) -> list[Step]:
        """The build's steps, in order."""
        found = plan.read(self.conn, self.build.build_id)
        if not set(statements.FILLS) <= {step.name for step in found}:
            raise BadInput(
                f"build {self.build.build_id} cannot take in who was handed in since: "
                "it is of another version of riskmart; expected a build of this "
                "one (`riskmart build`)"
            )
        return found

    @property
    def marts(self) -> list[Step]:
        """Marts with rows of each person, parents first."""
        return self._of("mart")

    @property
    def sums(self) -> list[Step]:
        """Relations with counts and sums by group."""
        return self._of("sums")

    def _of(self, *kinds: str) -> list[Step]:
        return [step for step in self.steps if step.kind in kinds]

    def make(self) -> None:
        """Make the temporary tables, unless this session has them for this build."""
        mark = f"build {self.build.build_id}"
        row = self.conn.execute(
            "select obj_description(to_regclass('pg_temp.touched'), 'pg_class')"
        ).fetchone()
        if row and row[0] == mark:
            return
        self.conn.execute("discard temp")
        made = [
            "set local client_min_messages = warning",
            "create temporary table touched (org_code text, external_id text)"
            " on commit delete rows",
            f"comment on table pg_temp.touched is '{mark}'",
        ]
        made += [self._definition(step) for step in self.steps]
        self._execute(*filter(None, made))

    def _definition(self, step: Step) -> str:
        table = "create temporary table {} on commit delete rows as {}\nwith no data"
        if step.kind == "stand_in":
            # Raw tables as they are now: they may have got a column since.
            copy = f'{plan.schema_of(self.build.build_id)}."{step.name}"'
            is_raw = step.relation.startswith('"raw".')
            like = step.relation if is_raw else copy
            return table.format(step.name, f"select * from {like}")
        if step.kind == "view":
            return f"create temporary view {step.name} as {step.statement}\n"
        if step.kind in ("table", "mart"):
            return table.format(step.name, step.statement)
        if step.kind == "sums":
            return table.format(f"{step.name}_before", step.statement)
        return ""

    def gather(self, entered: int) -> int:
        """Find whose records came since, register newcomers, and fetch their rows."""
        self._execute("set local jit = off")
        count = self.conn.execute(statements.TOUCHED.encode(), (entered,)).rowcount
        self.is_large = count > _MANY
        self._analyze("touched")
        row = self.conn.execute(statements.HAS_NEWCOMERS.encode()).fetchone()
        if row and row[0]:
            self._execute(statements.LOCK_REGISTRY, statements.REGISTER)
        for name, statement in statements.FILLS.items():
            self._execute(statement)
            self._analyze(name)
        return count

    def run(self, entry_id: int) -> None:
        """Make the people's rows: features, what was before, scores, and the rest."""
        if self.is_large:
            # Views of views: a guess of one row becomes the square of many.
            self._execute("set local enable_nestloop = off")
        made = self._of("table", "mart")
        at = next(i for i, step in enumerate(made) if step.name == FEATURES) + 1
        self._fill(made[:at])
        self._execute(statements.LEAVE)
        self._keep_before()
        increment.score_people(self.conn, self.build.build_id, entry_id)
        self._analyze("raw_predictions")
        self._fill(made[at:])

    def _fill(self, steps: list[Step]) -> None:
        if not self.is_large:
            self._execute(*(statements.insert(step) for step in steps))
            return
        for step in steps:
            self._execute(statements.insert(step))
            self._analyze(step.name)

    def _keep_before(self) -> None:
        """Count and add up what the people are in the build now."""
        of_build = [statements.rows_of_build(step) for step in self.marts]
        sums = [
            f"insert into pg_temp.{step.name}_before {step.statement}\n"
            for step in self.sums
        ]
        emptied = [
            f"delete from pg_temp.{name}"
            for name in [*statements.BEFORE, *(step.name for step in self.marts)]
        ]
        if self.is_large:
            # These look people up in whole marts.
            of_build = ["set local enable_nestloop = on", *of_build]
            of_build += ["set local enable_nestloop = off"]
        self._execute(*statements.BEFORE.values(), *of_build, *sums, *emptied)

    def check(self) -> None:
        """Let the models' data tests look at the people's rows.

        Raises
        ------
        GateFailed
            Naming the tests that fail.
        """
        tests = [
            f"select '{step.name}' as test where exists ({step.statement}\n)"
            for step in self._of("test")
        ]
        failed = self.conn.execute(self._sql("\nunion all\n".join(tests))).fetchall()
        if failed:
            names = ", ".join(name for (name,) in failed)
            raise GateFailed(
                f"not taken in: what the models make of the new patients fails {names}"
            )

    def put(self) -> None:
        """Put the people's rows into the build: marts, sums, summaries, the log."""
        self._execute(
            "reset enable_nestloop",
            *(statements.delete(step) for step in reversed(self.marts)),
            *(statements.upsert(step) for step in self.marts),
            *(one for step in self.sums for one in statements.add(step)),
            *(statements.renew(step) for step in self._of("summary")),
        )
        self._log_features()

    def _log_features(self) -> None:
        copies = f"{plan.schema_of(self.build.build_id)}."
        _log(self.conn, self.build.build_id, "pg_temp.", copies, "pg_temp.")

    def note(self, entry_id: int) -> None:
        """Note how far the build holds what was entered."""
        build_id = self.build.build_id
        self.conn.execute("select raw.note_intake(%s, %s)", (build_id, entry_id))

    def _analyze(self, table: str) -> None:
        if self.is_large:
            self._execute(f"analyze pg_temp.{table}")

    def _execute(self, *given: str) -> None:
        self.conn.execute(self._sql(";\n".join(given)))

    def _sql(self, statement: str) -> bytes:
        schema = self.build.schema
        if self.build.status == "candidate":
            schema = builds.candidate_schema(self.conn, self.build.build_id)
        copies = plan.schema_of(self.build.build_id)
        return statement.replace(BUILD, schema).replace("@copies@", copies).encode()
