"""dbt in this process, on the candidate: one manifest for several commands."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dbt.cli.main import dbtRunner, dbtRunnerResult

from python_scoring import config
from python_scoring.errors import BadInput, GateFailed
from python_scoring.publication import provenance
from python_scoring.publication.builds import CANDIDATE_SCHEMA

OnNode = Callable[[str], None]

_QUIET = ["--log-level", "none", "--no-use-colors", "--no-print"]
_OUT_OF_REACH = (
    "No space left on device",
    "Out of Memory Error",
    "server closed the connection",
    "terminating connection",
    "connection to server",
    "connection already closed",
    "SSL connection has been closed",
)
_BAD = {"error", "fail", "runtime error", "partial success"}
_READINGS = 3


@dataclass(frozen=True)
class Node:
    """One node that dbt ran, tested or skipped."""

    unique_id: str
    status: str
    message: str
    seconds: float
    compiled_code: str

    @property
    def name(self) -> str:
        """The node's name, without package and kind; of a unit test, its own."""
        kind, _package, name, *rest = self.unique_id.split(".")
        return rest[0] if kind == "unit_test" else name

    @property
    def is_bad(self) -> bool:
        """Whether it failed, rather than passed, warned or was skipped."""
        return self.status in _BAD


@dataclass
class Project:
    """The dbt project, parsed once and then run as often as need be.

    ``fingerprint`` is of the files as they were read; ``unit_tests_passed_in`` is an
    earlier build of the same that has passed the unit tests, which are left out then.
    """

    on_node: OnNode | None = None
    nodes: dict[str, Node] = field(default_factory=dict)
    marts_schema: str = CANDIDATE_SCHEMA
    fingerprint: str = ""
    unit_tests_passed_in: int | None = None
    _manifest: Any = None

    def invoke(self, command: str, *arguments: str) -> dict[str, Node]:
        """Run one dbt command and return what became of each node.

        Raises
        ------
        GateFailed
            dbt cannot run the project; the message is dbt's own.
        BadInput
            The server is out of reach, or has no room.
        """
        runner = dbtRunner(manifest=self._manifest, callbacks=[self._notice])
        # `parse` wrote the manifest: no command does so again.
        options = [*_candidate_options(), "--no-write-json"]
        if self.unit_tests_passed_in:
            options += ["--exclude-resource-type", "unit_test"]
        with project_environment():
            result = runner.invoke([command, *options, *arguments])
        if result.exception is not None:
            raise _in_words(result)
        nodes = {
            node.unique_id: node
            for node in _nodes(result)
            if node.is_bad or not node.unique_id.startswith("operation.")
        }
        self.nodes.update(nodes)
        return nodes

    def parse(self) -> None:
        """Read the project; later commands reuse what was read.

        Raises
        ------
        GateFailed
            dbt cannot read it; the message is dbt's own.
        BadInput
            Its files change all the time, so that nobody could tell what was read.
        """
        for _ in range(_READINGS):
            fingerprint = provenance.project_fingerprint()
            with project_environment():
                result = dbtRunner().invoke(["parse", *_candidate_options()])
            if result.exception is not None:
                raise _in_words(result)
            if provenance.project_fingerprint() == fingerprint:
                self._manifest, self.fingerprint = result.result, fingerprint
                return
        raise BadInput(
            f"{config.PROJECT_DIR}: models, macros, seeds or tests changed while they "
            "were read, each time; expected nobody to write them meanwhile"
        )

    def place_marts(self, schema: str) -> None:
        """Let all commands from now on build and read the marts in another schema.

        In the manifest in memory: a target that named it would have dbt read the whole
        project anew for each build.
        """
        for node in self._manifest.nodes.values():
            if node.schema == self.marts_schema and node.resource_type != "test":
                node.schema = schema
                node.relation_name = (node.relation_name or "").replace(
                    f'"{self.marts_schema}"', f'"{schema}"'
                )
        self.marts_schema = schema

    @property
    def manifest(self) -> Any:
        """What dbt read of the project; `parse` reads it."""
        return self._manifest

    def all_nodes(self) -> set[str]:
        """Return the unique ids of everything that is to be run and tested."""
        manifest = self._manifest
        kinds = {"model", "seed", "test", "snapshot"}
        nodes = {
            n.unique_id
            for n in manifest.nodes.values()
            # A model that is part of others' SQL is not run by itself.
            if n.resource_type in kinds and n.config.materialized != "ephemeral"
        }
        return nodes if self.unit_tests_passed_in else nodes | set(manifest.unit_tests)

    def relations(self, schema: str) -> set[str]:
        """Return the names of the tables and views that the project has in a schema."""
        nodes = self._manifest.nodes.values()
        return {
            node.alias
            for node in nodes
            if node.resource_type == "model" and node.schema == schema
        }

    def bad_nodes(self) -> list[Node]:
        """Return what failed so far."""
        return [node for node in self.nodes.values() if node.is_bad]

    @property
    def passes_unit_tests(self) -> bool:
        """Whether all of them were passed, in this run or before."""
        if self.unit_tests_passed_in:
            return True
        passed = {name for name, node in self.nodes.items() if node.status == "pass"}
        return set(self._manifest.unit_tests) <= passed

    def test_count(self) -> int:
        """Return how many data and unit tests were passed so far, or before."""
        kinds = ("test.", "unit_test.")
        ran = sum(node.unique_id.startswith(kinds) for node in self.nodes.values())
        before = self._manifest.unit_tests if self.unit_tests_passed_in else ()
        return ran + len(before)

    def _notice(self, event: Any) -> None:
        if self.on_node and event.info.name == "NodeFinished":
            self.on_node(event.data.node_info.node_name)


def target_dir() -> Path:
    """Folder of what dbt writes for a candidate: plain dbt's stays its own."""
    return config.state_dir() / ("target_duckdb" if config.is_duckdb() else "target")


def passthrough(arguments: Sequence[str]) -> int:
    """Run dbt as its own command line would, against the warehouse in force.

    Returns
    -------
    int
        dbt's exit code: 0, 1 for failed nodes, 2 for its own faults.
    """
    with project_environment():
        result = dbtRunner().invoke(list(arguments))
    if result.success:
        return 0
    return 2 if result.exception is not None else 1


def is_out_of_reach(message: str) -> bool:
    """Whether a node failed for want of a server or of room, not by its own fault."""
    return any(part in message for part in _OUT_OF_REACH)


@contextmanager
def project_environment() -> Iterator[None]:
    """Point dbt at this project and warehouse, for as long as it runs."""
    folder = str(config.PROJECT_DIR)
    given = {
        "DBT_PROJECT_DIR": folder,
        "DBT_PROFILES_DIR": folder,
        **config.dbt_environment(),
    }
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    # dbt writes our command line down, which may name a person.
    ours, sys.argv = sys.argv, [sys.argv[0]]
    try:
        yield
    finally:
        sys.argv = ours
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _candidate_options() -> list[str]:
    target = "duckdb_candidate" if config.is_duckdb() else "candidate"
    return [*_QUIET, "--target", target, "--target-path", str(target_dir())]


def _nodes(result: dbtRunnerResult) -> Iterator[Node]:
    for outcome in getattr(result.result, "results", None) or []:
        yield Node(
            unique_id=outcome.node.unique_id,
            status=str(getattr(outcome.status, "value", outcome.status)),
            message=(outcome.message or "").strip(),
            seconds=outcome.execution_time,
            compiled_code=getattr(outcome.node, "compiled_code", None) or "",
        )


def _in_words(result: dbtRunnerResult) -> Exception:
    """Tell dbt's word on a project it cannot run from a fault of ours."""
    from dbt_common.exceptions import DbtBaseException

    error = result.exception
    assert error is not None
    if isinstance(error, KeyboardInterrupt):
        raise error
    if is_out_of_reach(str(error)):
        return BadInput(f"dbt: {error}")
    if isinstance(error, DbtBaseException) or isinstance(
        error.__cause__, DbtBaseException
    ):
        return GateFailed(f"dbt: {error}")
    return error if isinstance(error, Exception) else RuntimeError(str(error))
