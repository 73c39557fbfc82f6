"""What a new patient passes through: the models' own SQL, kept with each build.

dbt compiles the models; which of them, their tags say. Here the relations that they
read are exchanged, so that the same SQL runs over the people just handed in alone:

- models tagged ``intake`` have a row, or some, for each person. They read and fill
  temporary tables of a session (`world`).
- models tagged ``intake_sums`` are counts and sums by group; what people add to them
  or take from them is added to the build's rows.
- models tagged ``intake_summaries`` are made anew from those, for the organizations
  of these people.
- whatever else they read is copied beside the build, since the next build replaces it.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from psycopg import sql
from psycopg.rows import class_row

from python_scoring.publication.builds import CANDIDATE_SCHEMA
from python_scoring.warehouse import Connection

if TYPE_CHECKING:
    # dbt takes seconds to import, and whoever takes a patient in has no need of it.
    from python_scoring.dbt import Project

Kind = Literal["stand_in", "input", "view", "table", "mart", "sums", "summary", "test"]

# In a statement, in the place of the schema that a build is in by then.
BUILD = "@build@"
FEATURES = "int_patient_features"

# Models that would read whole cohorts: their stand-ins are filled by `world`, or
# stay empty, since nobody's cohort row changes.
_FILLED_STAND_INS = {"patient_registry", "int_reference_people"}
_STAND_INS = _FILLED_STAND_INS | {
    "stg_baseline__patients",
    "stg_cohorts__patients",
    "int_cms_patients",
}
# Views that `world` fills with what there was before.
_FILLED = {"int_current_patients"}


@dataclass(frozen=True)
class Step:
    """One relation of the path, or one data test over it.

    Parameters
    ----------
    relation
        Where the build has its rows; of stand-ins and inputs, what is copied.
    columns, key_columns
        As the model declares them, and which of them tell one row from another.
    statement
        The model's or test's SQL over temporary tables and copies.
    """

    name: str
    kind: Kind
    relation: str = ""
    columns: tuple[str, ...] = ()
    key_columns: tuple[str, ...] = ()
    statement: str = ""


def schema_of(build_id: int) -> str:
    """Return the schema of the copies that belong to a build."""
    return f"intake_{build_id}"


def keep(conn: Connection, build_id: int, project: "Project") -> None:
    """Write down what dbt made of the path for this build."""
    path = _Path(project, build_id)
    rows = [
        (
            *(build_id, position, step.name, step.kind, step.relation),
            *(list(step.columns), list(step.key_columns), step.statement),
        )
        for position, step in enumerate(path.steps())
    ]
    with conn.transaction(), conn.cursor() as cursor:
        cursor.execute("delete from raw.intake_steps where build_id = %s", (build_id,))
        cursor.executemany(
            "insert into raw.intake_steps (build_id, position, name, kind, relation,"
            " columns, key_columns, statement)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s)",
            rows,
        )
        cursor.execute(
            "update raw.builds set feature_version = %s where build_id = %s",
            (path.feature_version(), build_id),
        )


def read(conn: Connection, build_id: int) -> list[Step]:
    """Return a build's steps, each after all that it reads."""
    with conn.cursor(row_factory=class_row(Step)) as cursor:
        return cursor.execute(
            "select name, kind, relation, columns, key_columns, statement"
            " from raw.intake_steps where build_id = %s order by position",
            (build_id,),
        ).fetchall()


def freeze(conn: Connection, build_id: int) -> None:
    """Copy what the path reads beside a build, before the next one replaces it."""
    schema = schema_of(build_id)
    with conn.transaction():
        drop(conn, build_id)
        conn.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))
        for step in read(conn, build_id):
            if step.kind in ("input", "stand_in"):
                _copy(conn, schema, step)


def _copy(conn: Connection, schema: str, step: Step) -> None:
    rows = sql.SQL("data" if step.kind == "input" else "no data")
    table = sql.Identifier(schema, step.name)
    conn.execute(
        sql.SQL("create table {} as select * from {} with {}").format(
            table, sql.SQL(step.relation), rows
        )
    )
    if step.kind == "input" and step.key_columns:
        keys = sql.SQL(", ").join(map(sql.Identifier, step.key_columns))
        conn.execute(
            sql.SQL("create unique index on {} ({})").format(table, keys),
        )
    conn.execute(sql.SQL("analyze {}").format(table))


def drop(conn: Connection, build_id: int) -> None:
    """Drop a build's copies; nobody but intake reads them."""
    schema = sql.Identifier(schema_of(build_id))
    conn.execute("set local client_min_messages = warning")
    conn.execute(sql.SQL("drop schema if exists {} cascade").format(schema))


def forget(conn: Connection, build_id: int) -> None:
    """Drop a build's copies and steps: nobody is taken into it any more."""
    drop(conn, build_id)
    conn.execute("delete from raw.intake_steps where build_id = %s", (build_id,))


def drop_stale(conn: Connection) -> None:
    """Drop the copies of builds that were never published and never will be."""
    stale = conn.execute(
        "select build_id from raw.builds where status in ('failed', 'abandoned')"
        " and to_regnamespace('intake_' || build_id) is not null"
    ).fetchall()
    for (build_id,) in stale:
        with conn.transaction():
            forget(conn, build_id)


class _Path:
    """The tagged models of a project, as dbt has compiled them."""

    def __init__(self, project: "Project", build_id: int) -> None:
        self.compiled = {uid: node.compiled_code for uid, node in project.nodes.items()}
        self.manifest = project.manifest
        self.copies = schema_of(build_id)

    @cached_property
    def relations(self) -> dict[str, tuple[str, Any]]:
        """Id and node of each relation, by its name in compiled SQL."""
        nodes = {**self.manifest.nodes, **self.manifest.sources}
        kinds = ("model", "seed", "source")
        return {
            node.relation_name: (uid, node)
            for uid, node in nodes.items()
            if node.resource_type.value in kinds and node.relation_name
        }

    def steps(self) -> list[Step]:
        models = list(self._in_order())
        made = [self._step(uid) for uid in models]
        tests = list(self._tests())
        read = {
            name
            for uid in [*models, *(uid for uid, _ in tests)]
            for name in self._reads(uid)
        }
        inputs = [step for name in sorted(read) for step in self._input(name)]
        return [*inputs, *made, *(step for _, step in tests)]

    def feature_version(self) -> str:
        """Hash the SQL that features are made by, whatever the database is called."""
        ids = {node.name: uid for uid, node in self._models().items()}
        above = self._above(ids[FEATURES])
        database = f'"{self.manifest.nodes[ids[FEATURES]].database}".'
        text = "\n".join(
            self.compiled[uid].replace(database, "") for uid in sorted(above)
        )
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def _models(self) -> dict[str, Any]:
        return {
            uid: node
            for uid, node in self.manifest.nodes.items()
            if node.resource_type.value == "model" and _role(node)
        }

    def _in_order(self) -> Iterator[str]:
        models, done = self._models(), set[str]()

        def visit(uid: str) -> Iterator[str]:
            if uid in done or uid not in models:
                return
            done.add(uid)
            for parent in models[uid].depends_on.nodes:
                yield from visit(parent)
            yield uid

        # Up to the features first: only then is it known whose rows will change.
        ids = {node.name: uid for uid, node in models.items()}
        for uid in [ids[FEATURES], *sorted(models)]:
            yield from visit(uid)

    def _above(self, uid: str) -> set[str]:
        models = self._models()
        parents = [p for p in models[uid].depends_on.nodes if p in models]
        return {uid}.union(*(self._above(parent) for parent in parents))

    def _step(self, uid: str) -> Step:
        node = self.manifest.nodes[uid]
        kind = _role(node)
        assert kind is not None
        if kind == "view" and node.name in _FILLED:
            kind = "table"
        return Step(
            node.name,
            kind,
            self._place(node),
            tuple(node.columns),
            tuple(self._keys(uid)),
            self._statement(uid),
        )

    def _place(self, node: Any) -> str:
        """Where the build has a model's rows."""
        if node.schema == CANDIDATE_SCHEMA:
            return f'{BUILD}."{node.alias}"'
        return f'"{self.copies}"."{node.name}"'

    def _statement(self, uid: str) -> str:
        statement = self.compiled[uid]
        for name in self._reads(uid):
            statement = statement.replace(name, self._exchanged(name))
        return statement

    def _exchanged(self, relation: str) -> str:
        _, node = self.relations[relation]
        if _is_standing_in(node) or _role(node) in ("view", "table", "mart"):
            return f'pg_temp."{_temporary(node)}"'
        return self._place(node)

    def _reads(self, uid: str) -> list[str]:
        """Relations that occur in a node's SQL; the longest first."""
        found = [name for name in self.relations if name in self.compiled[uid]]
        return sorted(found, key=len, reverse=True)

    def _input(self, relation: str) -> Iterator[Step]:
        uid, node = self.relations[relation]
        role = _role(node)
        if _is_standing_in(node):
            yield Step(_temporary(node), "stand_in", relation)
        elif node.schema != CANDIDATE_SCHEMA and (not role or role == "sums"):
            keys = tuple(self._keys(uid))
            yield Step(node.name, "input", relation, key_columns=keys)

    def _keys(self, uid: str) -> Iterable[str]:
        """Columns of the primary key, or of the test that they are unique."""
        for constraint in getattr(self.manifest.nodes[uid], "constraints", []):
            if constraint.type.value == "primary_key":
                return list(constraint.columns)
        for test in self._tests_of(uid):
            metadata = test.test_metadata
            if metadata and metadata.name == "unique_key":
                return list(metadata.kwargs["columns"])
        return []

    def _tests_of(self, uid: str) -> list[Any]:
        return [
            node
            for node in self.manifest.nodes.values()
            if node.resource_type.value == "test"
            and getattr(node, "attached_node", None) == uid
        ]

    def _tests(self) -> Iterator[tuple[str, Step]]:
        """Give the data tests that hold for each person alone.

        Those that read more than the path does would find most of it missing; so
        would those tagged ``whole``.
        """
        read = {name for uid in self._models() for name in self._reads(uid)}
        for uid, node in sorted(self.manifest.nodes.items()):
            if node.resource_type.value != "test" or uid not in self.compiled:
                continue
            roles = [self._role_in_test(name, read) for name in self._reads(uid)]
            is_of_people = all(roles) and "person" in roles
            if is_of_people and _is_gate(node):
                yield uid, Step(node.name, "test", statement=self._statement(uid))

    def _role_in_test(self, relation: str, read: set[str]) -> str | None:
        """Say what a test reads: rows of people, or what is the same for all."""
        _, node = self.relations[relation]
        if _role(node) in ("view", "table", "mart"):
            return "person"
        is_filled = node.name not in _STAND_INS or node.name in _FILLED_STAND_INS
        is_same = node.schema != CANDIDATE_SCHEMA and not _role(node)
        is_known = relation in read or node.schema in ("rules", "reference")
        return "same" if is_same and is_filled and is_known else None


def _role(node: Any) -> Kind | None:
    """Tell by its tags what a model is on the path; None where it is not on it."""
    tags = getattr(node, "tags", [])
    if "intake_sums" in tags:
        return "sums"
    if "intake_summaries" in tags:
        return "summary"
    if "intake" not in tags:
        return None
    if node.schema == CANDIDATE_SCHEMA:
        return "mart"
    return "view" if node.config.materialized == "view" else "table"


def _is_gate(test: Any) -> bool:
    return test.config.severity.lower() == "error" and "whole" not in test.tags


def _is_standing_in(node: Any) -> bool:
    return node.resource_type.value == "source" or node.name in _STAND_INS


def _temporary(node: Any) -> str:
    """Name a node's temporary table; a source may be called like a model."""
    prefix = "raw_" if node.resource_type.value == "source" else ""
    return f"{prefix}{node.name}"
