"""Publish a build, go back to an earlier one, and clear away what is too old."""

import time
from dataclasses import dataclass

from psycopg import sql

from python_scoring import project_vars, registry
from python_scoring.access import catalogue
from python_scoring.audit import store as trail
from python_scoring.dbt import Project, target_dir
from python_scoring.duck import swap as one_file
from python_scoring.errors import BadInput
from python_scoring.intake import plan, target_list, world
from python_scoring.publication import (
    builds,
    grants,
    manifest,
    provenance,
    retention,
)
from python_scoring.publication.builds import BuildRecord
from python_scoring.publication.relations import relations
from python_scoring.publication.swap import WAIT_SECONDS, Swapped, Tell, swap
from python_scoring.readmission.features import TARGET
from python_scoring.warehouse import Connection, is_duckdb

__all__ = ["WAIT_SECONDS", "Publication"]


@dataclass(frozen=True)
class Publication:
    """What a publication or a way back did, and which old builds had to stay."""

    swapped: Swapped
    stayed: list[str]


def finish_candidate(conn: Connection, build_id: int, project: Project) -> None:
    """Note that a candidate has passed: its rows, tests and model."""
    schema = builds.candidate_schema(conn, build_id)
    target_list.make_countable(conn, schema)
    counts = _row_counts(conn, schema)
    model = registry.champion(conn, TARGET)
    # A seed is read when it is loaded: of files that are others by now nobody knows.
    is_same = provenance.project_fingerprint() == project.fingerprint
    has_passed = project.passes_unit_tests and is_same
    manifest.keep(build_id, target_dir() / "manifest.json")
    builds.note(
        conn,
        build_id,
        row_counts=counts,
        test_count=project.test_count(),
        model_version=model.model_version if model else None,
        inputs={
            **provenance.inputs(conn),
            "unit_tests": "passed" if has_passed else None,
        },
        failures=None,
    )
    plan.freeze(conn, build_id)
    world.log_features(conn, build_id)
    builds.foretell_mart(conn, build_id)
    # Last of all: snapshots from before this are waited for at the swap.
    builds.finish(conn, build_id, "candidate")


def publish(
    conn: Connection,
    build: BuildRecord,
    *,
    allow_breaking: bool = False,
    wait_seconds: float = WAIT_SECONDS,
    tell: Tell | None = None,
) -> Publication:
    """Publish a tested candidate; see `swap` for what may go wrong."""
    if build.status != "candidate":
        raise RuntimeError(f"build {build.build_id} is {build.status}, no candidate")
    keep = project_vars.count("builds_kept", least=0)
    swapped = _swap(conn, build, allow_breaking, wait_seconds, tell)
    manifest.publish(build.build_id)
    stayed = retention.drop_old(conn, keep)
    manifest.forget({build.build_id, *(b.build_id for b in builds.retired(conn))})
    return Publication(swapped, stayed)


def _swap(
    conn: Connection,
    build: BuildRecord,
    allow_breaking: bool,
    wait_seconds: float,
    tell: Tell | None,
) -> Swapped:
    if is_duckdb(conn):
        return one_file.swap(conn, build, allow_breaking=allow_breaking)
    # Most of what was handed in meanwhile; the last of it in the swap itself.
    _catch_up(conn, build, wait_seconds, tell)
    return swap(
        conn,
        build,
        allow_breaking=allow_breaking,
        wait_seconds=wait_seconds,
        tell=tell,
    )


def _catch_up(
    conn: Connection, build: BuildRecord, wait_seconds: float, tell: Tell | None
) -> None:
    deadline = time.monotonic() + wait_seconds
    with world.turn(conn, deadline, tell), conn.transaction():
        count = world.catch_up(world.of(conn, build))
        if count:
            name = "new patients"
            trail.record(conn, "catch_up", name, count, build_id=build.build_id)


def go_back(
    conn: Connection,
    build_id: int | None = None,
    *,
    allow_breaking: bool = False,
    wait_seconds: float = WAIT_SECONDS,
    tell: Tell | None = None,
) -> Publication:
    """Publish an earlier build again, without tests: it has had them.

    Whoever was handed in since is taken into it first, by its own rules and model.

    Parameters
    ----------
    build_id
        Which; by default the one that readers had before the published one.

    Raises
    ------
    BadInput
        Its tables are not there any more, there is none before, or it cannot take in
        who was handed in since: its model's file is gone, or it is of a version that
        took nobody in.
    """
    current = builds.published(conn)
    if current is None:
        raise BadInput("nothing is published yet; there is nothing to go back to")
    if build_id == current.build_id:
        raise BadInput(f"build {build_id} is what readers have already")
    kept = builds.retired(conn)
    wanted = (
        builds.before(conn, current)
        if build_id is None
        else next((b for b in kept if b.build_id == build_id), None)
    )
    if wanted is None:
        there = ", ".join(str(b.build_id) for b in kept) or "none"
        raise BadInput(
            f"build {build_id or f'before {current.build_id}'}: nothing to go back to; "
            f"builds that are kept: {there}"
        )
    swapped = _swap(conn, wanted, allow_breaking, wait_seconds, tell)
    manifest.publish(wanted.build_id)
    return Publication(swapped, [])


def carry_grants(conn: Connection) -> None:
    """Let the published tables follow what is granted on their names now.

    Raises
    ------
    BadInput
        Nothing is published.
    """
    current = builds.published(conn)
    if current is None:
        raise BadInput("nothing to publish: run `riskmart build` first")
    if is_duckdb(conn):
        return
    catalogue.check_protected(conn, current.schema)
    with conn.transaction():
        count = grants.carry(conn, current.schema, from_tables=False)
        trail.record(
            conn, "carry_grants", current.schema, count, build_id=current.build_id
        )


def check_same_project(build: BuildRecord, fingerprint: str) -> None:
    """Refuse a candidate that was built from other files than are here now.

    Raises
    ------
    BadInput
        Its tests would not be the tests that it was built with.
    """
    if build.project_fingerprint != fingerprint:
        commit = f", commit {build.git_commit}" if build.git_commit else ""
        raise BadInput(
            f"the candidate (build {build.build_id}{commit}) was built from another "
            "state of this project's models, macros, seeds or tests; run "
            "`riskmart build` again"
        )


def check_complete(conn: Connection, build: BuildRecord, project: Project) -> None:
    """Refuse a candidate whose build broke off before all marts were there.

    Raises
    ------
    BadInput
        Naming the marts that it lacks.
    """
    schema = builds.candidate_schema(conn, build.build_id)
    missing = sorted(project.relations(schema) - set(relations(conn, schema)))
    if missing:
        raise BadInput(
            f"the candidate (build {build.build_id}) is not whole, it broke off: no "
            f"{', '.join(missing)}; run `riskmart build` again"
        )


def _row_counts(conn: Connection, schema: str) -> dict[str, int | None]:
    """Count each table's rows; a view's are its tables', and nobody waits for them."""
    counts: dict[str, int | None] = {}
    for name, relation in relations(conn, schema).items():
        if relation.kind == "v":
            counts[name] = None
            continue
        query = sql.SQL("select count(*) from {}").format(sql.Identifier(schema, name))
        row = conn.execute(query).fetchone()
        counts[name] = int(row[0]) if row else 0
    return counts
