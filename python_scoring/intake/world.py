"""The build's models over the people just handed in, and their rows into its marts.

A session has temporary tables in the place of what the models read: the records and
ledger rows of the people concerned, and nobody else. The models' own SQL then makes
these people's rows of every mart, the models' own data tests look at them, and one
transaction puts them into the build.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from python_scoring.errors import BadInput, GateFailed
from python_scoring.intake import plan
from python_scoring.intake.plan import BUILD, FEATURES, Step
from python_scoring.publication.builds import CANDIDATE_SCHEMA, BuildRecord
from python_scoring.readmission import increment
from python_scoring.warehouse import Connection

# From so many people on, PostgreSQL is told how many there are before it plans.
_MANY = 200

# "intake", for an advisory lock of ours: one at a time changes a published build.
_LOCK = 0x147A4E

_TOUCHED = """
insert into pg_temp.touched (org_code, external_id)
select distinct org_code, external_id from raw.new_patients where entry_id > %s
"""
_HAS_NEWCOMERS = """
select exists (
    select from pg_temp.touched left join raw.patient_registry as registry
        using (org_code, external_id)
    where registry.patient_id is null
)
"""
# As the model patient_registry does it, and behind the same lock.
_REGISTER = """
lock table raw.patient_registry in share row exclusive mode;
insert into raw.patient_registry (
    org_code, external_id, patient_id, patient_uuid, registered_at
)
select org_code, external_id,
    row_number() over (order by org_code, external_id)
    + (select coalesce(max(patient_id), 0) from raw.patient_registry),
    gen_random_uuid(), now()
from pg_temp.touched left join raw.patient_registry as registry
    using (org_code, external_id)
where registry.patient_id is null
"""
_FILLS = {
    "raw_new_patients": """
insert into pg_temp.raw_new_patients
select records.* from raw.new_patients as records
inner join pg_temp.touched using (org_code, external_id)
""",
    "patient_registry": """
insert into pg_temp.patient_registry
select registry.* from raw.patient_registry as registry
inner join pg_temp.touched using (org_code, external_id)
""",
    # Who is in the build by a row of the cohort; a record that took its place stays.
    "int_reference_people": """
insert into pg_temp.int_reference_people (
    load_id, organization_id, as_of_date, external_id
)
select loads.load_id, loads.organization_id, loads.as_of_date, registry.external_id
from pg_temp.patient_registry as registry
inner join @build@.patients using (patient_id)
inner join @copies@.int_cohort_loads as loads
    on loads.organization_id = patients.organization_id and loads.is_current
where patients.data_source <> 'NEW_PATIENT'
""",
    "raw_predictions": """
insert into pg_temp.raw_predictions
select ledger.* from raw.predictions as ledger
inner join pg_temp.patient_registry using (patient_id)
""",
    "raw_prediction_batches": """
insert into pg_temp.raw_prediction_batches
select batches.* from raw.prediction_batches as batches
where batches.batch_id in (select batch_id from pg_temp.raw_predictions)
""",
}
_CURRENT = f"select patient_id from pg_temp.{FEATURES} where is_current"
_ORGANIZATIONS = f"select organization_id from pg_temp.{FEATURES} where is_current"
# Of whose record came too late to count, everything stays as it is.
_LEAVE = f"delete from pg_temp.raw_predictions where patient_id not in ({_CURRENT})"
_BEFORE = {
    "int_current_patients": f"""
insert into pg_temp.int_current_patients (patient_id, organization_id)
select patient_id, organization_id from @build@.patients
where patient_id in ({_CURRENT})
"""
}
_LOG = """
insert into raw.patient_feature_engineering_log (
    input_id, reference_load_id, feature_version, patient_id, build_id
)
select people.input_id, loads.reference_load_id, builds.feature_version,
    registry.patient_id, builds.build_id
from {people} as people
inner join {loads} as loads using (load_id)
inner join {registry} as registry
    on people.org_code = registry.org_code
    and people.external_id = registry.external_id
inner join raw.builds on builds.build_id = {build_id}
on conflict do nothing
"""


def lock(conn: Connection) -> None:
    """Wait until nobody else takes anybody in, to the transaction's end."""
    conn.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))


@contextmanager
def turn(conn: Connection) -> Iterator[None]:
    """Hold `lock` for several transactions; in autocommit mode.

    In line with everybody else: who asks again and again for a moment each would
    never get it beside busy intake.
    """
    conn.execute("select pg_advisory_lock(%s)", (_LOCK,))
    try:
        yield
    finally:
        if not conn.closed:
            conn.execute("select pg_advisory_unlock(%s)", (_LOCK,))


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
    world.run()
    world.check()
    world.put()
    world.conn.execute(
        "update raw.builds set intake_entry_id = %s where build_id = %s",
        (last, build_id),
    )
    return count


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
        _LOG.format(
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
        if not found:
            raise BadInput(
                f"build {self.build.build_id} is of a version of riskmart that took "
                "no new patients in; run `riskmart build`"
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
        statements = [
            "set local client_min_messages = warning",
            "create temporary table touched (org_code text, external_id text)"
            " on commit delete rows",
            f"comment on table pg_temp.touched is '{mark}'",
        ]
        statements += [self._definition(step) for step in self.steps]
        self._execute(*filter(None, statements))

    def _definition(self, step: Step) -> str:
        table = "create temporary table {} on commit delete rows as {} with no data"
        if step.kind == "stand_in":
            copy = f'{plan.schema_of(self.build.build_id)}."{step.name}"'
            return table.format(step.name, f"select * from {copy}")
        if step.kind == "view":
            return f"create temporary view {step.name} as {step.statement}"
        if step.kind in ("table", "mart"):
            return table.format(step.name, step.statement)
        if step.kind == "sums":
            return table.format(f"{step.name}_before", step.statement)
        return ""

    def gather(self, entered: int) -> int:
        """Find whose records came since, register newcomers, and fetch their rows."""
        self.conn.execute("set local jit = off")
        count = self.conn.execute(_TOUCHED.encode(), (entered,)).rowcount
        self.is_large = count > _MANY
        self._analyze("touched")
        row = self.conn.execute(_HAS_NEWCOMERS.encode()).fetchone()
        if row and row[0]:
            self._execute(_REGISTER)
        for name, statement in _FILLS.items():
            self._execute(statement)
            self._analyze(name)
        return count

    def run(self) -> None:
        """Make the people's rows: features, what was before, scores, and the rest."""
        if self.is_large:
            # Views of views: a guess of one row becomes the square of many.
            self._execute("set local enable_nestloop = off")
        made = self._of("table", "mart")
        at = next(i for i, step in enumerate(made) if step.name == FEATURES) + 1
        self._fill(made[:at])
        self._execute(_LEAVE)
        self._keep_before()
        increment.score_people(self.conn, self.build.build_id)
        self._analyze("raw_predictions")
        self._fill(made[at:])

    def _fill(self, steps: list[Step]) -> None:
        if not self.is_large:
            self._execute(*(_insert(step) for step in steps))
            return
        for step in steps:
            self._execute(_insert(step))
            self._analyze(step.name)

    def _keep_before(self) -> None:
        """Count and add up what the people are in the build now."""
        of_build = [_rows_of_build(step) for step in self.marts]
        sums = [
            f"insert into pg_temp.{step.name}_before {step.statement}"
            for step in self.sums
        ]
        emptied = [
            f"delete from pg_temp.{name}"
            for name in [*_BEFORE, *(step.name for step in self.marts)]
        ]
        self._execute(*_BEFORE.values(), *of_build, *sums, *emptied)

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
            *(_delete(step) for step in reversed(self.marts)),
            *(_upsert(step) for step in self.marts),
            *(statement for step in self.sums for statement in _add(step)),
            *(_renew(step) for step in self._of("summary")),
        )
        copies = f"{plan.schema_of(self.build.build_id)}."
        _log(self.conn, self.build.build_id, "pg_temp.", copies, "pg_temp.")

    def _analyze(self, table: str) -> None:
        if self.is_large:
            self._execute(f"analyze pg_temp.{table}")

    def _execute(self, *statements: str) -> None:
        self.conn.execute(self._sql(";\n".join(statements)))

    def _sql(self, statement: str) -> bytes:
        schema = (
            CANDIDATE_SCHEMA if self.build.status == "candidate" else self.build.schema
        )
        copies = plan.schema_of(self.build.build_id)
        return statement.replace(BUILD, schema).replace("@copies@", copies).encode()


def _names(columns: Iterable[str], of: str = "") -> str:
    return ", ".join(f"{of}{column}" for column in columns)


def _insert(step: Step) -> str:
    return (
        f"insert into pg_temp.{step.name} ({_names(step.columns)})"
        f" select {_names(step.columns)} from ({step.statement}\n) as rows"
    )


def _rows_of_build(step: Step) -> str:
    return (
        f"insert into pg_temp.{step.name} ({_names(step.columns)})"
        f" select {_names(step.columns)} from {step.relation}"
        f" where patient_id in ({_CURRENT})"
    )


def _delete(step: Step) -> str:
    """Take out rows that the people do not have any more, as of a target list."""
    same = " and ".join(f"rows.{key} = made.{key}" for key in step.key_columns)
    return (
        f"delete from {step.relation} as rows where patient_id in ({_CURRENT})"
        f" and not exists (select from pg_temp.{step.name} as made where {same})"
    )


def _upsert(step: Step) -> str:
    return (
        f"insert into {step.relation} ({_names(step.columns)})"
        f" select {_names(step.columns)} from pg_temp.{step.name}"
        f" on conflict ({_names(step.key_columns)}) {_update(step)}"
    )


def _renew(step: Step) -> str:
    return (
        f"insert into {step.relation} ({_names(step.columns)})"
        f" select {_names(step.columns)} from ({step.statement}\n) as rows"
        f" where organization_id in ({_ORGANIZATIONS})"
        f" on conflict ({_names(step.key_columns)}) {_update(step)}"
    )


def _update(step: Step) -> str:
    others = [c for c in step.columns if c not in step.key_columns]
    changes = ", ".join(f"{column} = excluded.{column}" for column in others)
    return f"do update set {changes}" if others else "do nothing"


def _add(step: Step) -> Iterator[str]:
    """Add what the people are now, and take off what they were before."""
    measures = [c for c in step.columns if c not in step.key_columns]
    keys = _names(step.key_columns)
    totals = ", ".join(f"sum({m}) as {m}" for m in measures)
    added = ", ".join(f"{m} = present.{m} + excluded.{m}" for m in measures)
    yield (
        f"insert into {step.relation} as present ({keys}, {_names(measures)})"
        f" select {keys}, {totals} from ("
        f"select {keys}, {_names(measures)} from ({step.statement}\n) as after"
        f" union all select {keys}, {_names(measures, '-')}"
        f" from pg_temp.{step.name}_before) as changes"
        f" group by {keys} on conflict ({keys}) do update set {added}"
    )
    # What is left of sums then is the last digits of their rounding.
    yield f"delete from {step.relation} where patient_count = 0"
