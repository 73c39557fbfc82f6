"""New patients into a DuckDB file: the same models and statements, other upserts."""

from collections.abc import Iterator

from python_scoring.intake import statements
from python_scoring.intake.plan import Step
from python_scoring.intake.world import World

# What only PostgreSQL has to be told: who waits, and how to plan.
_NOT_HERE = ("set local", "reset ", "lock table", "analyze ")


class FileWorld(World):
    """A world whose marts have no keys to put rows in by, and no roles."""

    def make(self) -> None:
        """Make the temporary tables anew: nobody else has them open."""
        self._drop()
        # Nobody's rows are hidden here: what PostgreSQL needs a function of its owner's
        # for. DuckDB wants the table to be there first.
        self.conn.execute(
            "create or replace macro raw.last_patient_id() as ("
            "select coalesce(max(patient_id), 0) from raw.patient_registry)"
        )
        self.conn.execute(
            "create temporary table touched (org_code text, external_id text)"
        )
        made = [self._definition(step) for step in self.steps]
        self._execute(*(m.replace(" on commit delete rows", "") for m in made if m))

    def _drop(self) -> None:
        rows = self.conn.execute(
            "select view_name, 'view' from duckdb_views() where temporary"
            " and not internal union all"
            " select table_name, 'table' from duckdb_tables() where temporary"
        )
        for name, kind in rows:
            self.conn.execute(f'drop {kind} temp."{name}"')

    def put(self) -> None:
        """Put the people's rows into the build: marts, sums, summaries, the log."""
        for step in self.marts:
            self._execute(*_exchange(step))
        # Summaries last: they are made of the sums.
        for step in self.sums:
            self._execute(*_add(step))
        for step in self._of("summary"):
            self._execute(*_exchange(step))
        self._log_features()

    def note(self, entry_id: int) -> None:
        """Note how far the build holds what was entered."""
        self.conn.execute(
            "update raw.builds set intake_entry_id = greatest(intake_entry_id, %s)"
            " where build_id = %s",
            (entry_id, self.build.build_id),
        )

    def _execute(self, *given: str) -> None:
        for statement in given:
            if not statement.strip().startswith(_NOT_HERE):
                self.conn.execute(self._sql(statement))


def _exchange(step: Step) -> Iterator[str]:
    """Take out what the build has of them, and put in what they are now."""
    if step.kind == "mart":
        whose, made = statements.CURRENT, f"pg_temp.{step.name}"
        key = "patient_id"
    else:
        whose, made = statements.ORGANIZATIONS, f"({step.statement}\n)"
        key = "organization_id"
    names = ", ".join(step.columns)
    yield f"delete from {step.relation} where {key} in ({whose})"
    yield (
        f"insert into {step.relation} ({names}) select {names} from {made} as made"
        f" where {key} in ({whose})"
    )


def _add(step: Step) -> Iterator[str]:
    """Add what the people are now, and take off what they were before."""
    keys = ", ".join(step.key_columns)
    same = " and ".join(
        f"present.{key} is not distinct from changes.{key}" for key in step.key_columns
    )
    measures = [c for c in step.columns if c not in step.key_columns]
    listed = ", ".join(measures)
    totals = ", ".join(f"sum({m}) as {m}" for m in measures)
    added = ", ".join(f"{m} = present.{m} + changes.{m}" for m in measures)
    minus = ", ".join(f"-{m}" for m in measures)
    yield (
        f"merge into {step.relation} as present using ("
        f"select {keys}, {totals} from ("
        f"select {keys}, {listed} from ({step.statement}\n) as after"
        f" union all select {keys}, {minus} from pg_temp.{step.name}_before) as rows"
        f" group by {keys}) as changes on {same}"
        f" when matched then update set {added}"
        f" when not matched then insert ({keys}, {listed})"
        f" values ({', '.join(f'changes.{c}' for c in (*step.key_columns, *measures))})"
    )
    # What is left of sums then is the last digits of their rounding.
    yield f"delete from {step.relation} where patient_count = 0"
