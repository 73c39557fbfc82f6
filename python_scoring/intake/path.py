"""The models that new patients pass through, as dbt has compiled them."""

import hashlib
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from python_scoring.intake.plan import BUILD, FEATURES, Kind, Step, schema_of
from python_scoring.publication import names

if TYPE_CHECKING:
    from python_scoring.dbt import Project

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


class Path:
    """The tagged models of a project, and what they read."""

    def __init__(self, project: "Project", build_id: int) -> None:
        self.marts = project.marts_schema
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
        """Give copies and stand-ins, then models in order, then tests."""
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
            _name(node),
            kind,
            self._place(node),
            tuple(node.columns),
            tuple(self._keys(uid)),
            self._statement(uid),
        )

    def _place(self, node: Any) -> str:
        """Where the build has a model's rows."""
        if node.schema == self.marts:
            return f'{BUILD}."{node.alias}"'
        return f'"{self.copies}"."{_name(node)}"'

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
        # Without the database: a backup may be restored under another name.
        place = ".".join(f'"{part}"' for part in (node.schema, _alias(node)))
        if _is_standing_in(node):
            yield Step(_temporary(node), "stand_in", place)
        elif node.schema != self.marts and (not role or role == "sums"):
            keys = tuple(self._keys(uid))
            yield Step(_name(node), "input", place, key_columns=keys)

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
        is_same = node.schema != self.marts and not _role(node)
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
    if node.config.schema == names.SCHEMA:
        return "mart"
    return "view" if node.config.materialized == "view" else "table"


def _is_gate(test: Any) -> bool:
    return test.config.severity.lower() == "error" and "whole" not in test.tags


def _alias(node: Any) -> str:
    is_source = node.resource_type.value == "source"
    return str(node.identifier if is_source else node.alias)


def _is_standing_in(node: Any) -> bool:
    return node.resource_type.value == "source" or node.name in _STAND_INS


def _temporary(node: Any) -> str:
    """Name a node's temporary table; a source may be called like a model."""
    prefix = "raw_" if node.resource_type.value == "source" else ""
    return f"{prefix}{_name(node)}"


def _name(node: Any) -> str:
    """Name a node's step; an earlier version of a mart stands beside the latest."""
    version = getattr(node, "version", None)
    is_latest = version == getattr(node, "latest_version", None)
    return str(node.name if is_latest else node.alias)
