"""From cohorts to marts: the steps of `riskmart build`, in order."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date

import duckdb
import pandas as pd
import psycopg

from python_scoring import gate, registry, server, turns, warehouse
from python_scoring.access import protection
from python_scoring.cohorts import cohort, generator
from python_scoring.cohorts.loads import LoadResult
from python_scoring.dbt import Node, Project
from python_scoring.errors import BadInput, RiskmartError
from python_scoring.intake import path, plan
from python_scoring.publication import builds, provenance, publish
from python_scoring.publication.publish import Publication
from python_scoring.publication.room import check_room
from python_scoring.readmission import evaluate, score, train
from python_scoring.readmission.features import TARGET
from python_scoring.warehouse import Connection

TRAINING_SEED = 0

# What training, scoring and evaluation read; everything else waits for the scores.
_BEFORE_SCORING = (
    "+int_patient_features",
    "+int_patient_departments",
    "+int_patient_outcomes",
)

# Models that tests alone read.
FOR_TESTS = ("tag:for_tests",)

_DATA_TESTS = ("--select", "test_type:data", "--no-introspect")

OnStep = Callable[[str], None]


@dataclass
class Build:
    """What a build did: seconds by step, warnings, and its parts' results.

    ``unit_tests_passed_in`` is the build whose word on the unit tests was taken;
    ``unprotected`` says why rows are not under row-level security, if they are not.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    trained: train.TrainResult | None = None
    scored: score.ScoreResult | None = None
    evaluated: evaluate.EvaluateResult | None = None
    nodes: dict[str, Node] = field(default_factory=dict)
    build_id: int | None = None
    unit_tests_passed_in: int | None = None
    published: Publication | None = None
    unprotected: str | None = None
    on_step: OnStep | None = None

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time one step and tell whoever watches that it began."""
        if self.on_step:
            self.on_step(name)
        began = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - began


def build(
    *,
    full_refresh: bool = False,
    tests: bool = True,
    is_published: bool = True,
    allow_breaking: bool = False,
    on_step: OnStep | None = None,
    on_node: Callable[[str], None] | None = None,
) -> Build:
    """Write a candidate, test it, and publish it: features, scores, marts.

    Parameters
    ----------
    full_refresh
        Make seeds and models anew rather than refill them. Raw loads, the
        patient registry and the ledger stay.
    tests
        Without them only for measuring: what nobody tested is never published.
    is_published
        Whether readers get it; else it stays a candidate, for `riskmart publish`.
    allow_breaking
        Whether columns that readers have may go or change their type.

    Notes
    -----
    A unit test's rows are given: of the same files, with the same dbt and engine, it
    says the same whatever the data. It is not run again, but with `full_refresh`.

    Raises
    ------
    GateFailed
        A model or test failed, a patient has no score at the end, or the columns
        changed; readers keep what they had.
    BadInput
        The warehouse cannot be reached, there is no cohort to train on, or readers
        are in the way of the publication.
    """
    done = Build(on_step=on_step)
    project = Project(on_node=on_node)
    options = ["--full-refresh"] if full_refresh else []
    options += [] if tests else ["--exclude-resource-type", "test", "unit_test"]
    left_out = () if tests else FOR_TESTS

    with done.step("server"):
        server.ensure_running()
        with warehouse.connect() as conn:
            warehouse.prepare(conn)
            done.unprotected = protection.why_off(conn)
    # Autocommit: each step is whole by itself, and no lock outlives a step.
    with (
        turns.take("build", tell=on_step),
        warehouse.connect(autocommit=True) as conn,
    ):
        with done.step("read project"):
            project.parse()
        if tests and not full_refresh:
            project.unit_tests_passed_in = builds.passed_unit_tests(
                conn, project.fingerprint
            )
        done.build_id = builds.begin(conn, project.fingerprint)
        project.place_marts(builds.candidate_schema(conn, done.build_id))
        plan.drop_stale(conn)
        with _noted(done.build_id, project):
            check_room(conn)
            _build(conn, done, project, (*options,), left_out)
            if tests:
                gate.check_complete(project)
            else:
                # Not to run them: new patients are held against them all the same.
                gate.run(conn, project, *_DATA_TESTS, command="compile")
            way = path.Path(project, done.build_id)
            plan.keep(conn, done.build_id, way.steps(), way.feature_version())
            publish.finish_candidate(conn, done.build_id, project)
        if is_published and tests:
            with done.step("publish"):
                done.published = publish.publish(
                    conn,
                    builds.get(conn, done.build_id),
                    allow_breaking=allow_breaking,
                    tell=on_step,
                )
    done.nodes = project.nodes
    done.unit_tests_passed_in = project.unit_tests_passed_in
    done.warnings = [f"{n.name}: {n.message}" for n in gate.warned(project)]
    done.warnings += [done.unprotected] if done.unprotected else []
    return done


@contextmanager
def _noted(build_id: int, project: Project) -> Iterator[None]:
    """Note a build that fails, whatever the cause; the cause goes on."""
    try:
        yield
    except BaseException as error:
        bad = [f"{n.unique_id.split('.')[0]} {n.name}" for n in project.bad_nodes()]
        failures = ", ".join(bad) or _in_a_line(error)
        # A connection of its own: the cause may be the loss of the other one.
        with (
            suppress(BadInput, psycopg.OperationalError, duckdb.Error),
            warehouse.connect(autocommit=True) as conn,
        ):
            builds.finish(conn, build_id, "failed", failures=failures)
        raise


def _in_a_line(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    lines = str(error).splitlines() if isinstance(error, RiskmartError) else []
    return lines[0] if lines else type(error).__name__


def _build(
    conn: Connection,
    done: Build,
    project: Project,
    options: Sequence[str],
    left_out: Sequence[str],
) -> None:
    needs_model = registry.champion(conn, TARGET) is None
    if needs_model and not has_training_load(conn):
        with done.step("training cohort"):
            load_training_cohort(conn)
    with done.step("seeds and features"):
        first = gate.run(
            conn,
            project,
            *options,
            *("--indirect-selection", "cautious"),
            *("--select", *_BEFORE_SCORING),
        )
    if needs_model:
        with done.step("train"):
            done.trained = train.train(conn, TRAINING_SEED)
    with done.step("score"):
        done.scored = score.score(conn)
    with done.step("evaluate"):
        done.evaluated = evaluate.evaluate(conn)
    with done.step("marts" if left_out else "marts and tests"):
        gate.run(
            conn,
            project,
            *options,
            *("--indirect-selection", "empty"),
            *("--exclude", *left_out, *(node.name for node in first.values())),
        )


def publish_candidate(
    *,
    allow_breaking: bool = False,
    wait_seconds: float = publish.WAIT_SECONDS,
    on_step: OnStep | None = None,
    on_node: Callable[[str], None] | None = None,
) -> Publication | None:
    """Test the candidate as it is now, and publish it if it passes.

    Returns
    -------
    None where there is no candidate; then the grants on the names were carried to
    the tables of the published build.

    Raises
    ------
    GateFailed
        A test failed, or the columns changed.
    BadInput
        The candidate was built from another state of the project, nothing was ever
        built, or readers are in the way.
    """
    with (
        turns.take("publication", tell=on_step),
        warehouse.connect(autocommit=True) as conn,
    ):
        candidate = builds.candidate(conn)
        if candidate is None:
            publish.carry_grants(conn)
            return None
        publish.check_same_project(candidate, provenance.project_fingerprint())
        project = Project(on_node=on_node)
        if on_step:
            on_step("tests")
        project.parse()
        publish.check_same_project(candidate, project.fingerprint)
        project.place_marts(builds.candidate_schema(conn, candidate.build_id))
        publish.check_complete(conn, candidate, project)
        with _noted(candidate.build_id, project):
            project.unit_tests_passed_in = builds.passed_unit_tests(
                conn, project.fingerprint
            )
            gate.run(conn, project, command="test")
            gate.check_scored(project)
            publish.finish_candidate(conn, candidate.build_id, project)
        if on_step:
            on_step("publish")
        return publish.publish(
            conn,
            builds.get(conn, candidate.build_id),
            allow_breaking=allow_breaking,
            wait_seconds=wait_seconds,
            tell=on_step,
        )


def has_training_load(conn: Connection) -> bool:
    """Whether a labelled history to train on has been taken in."""
    row = conn.execute(
        "select exists (select 1 from raw.loads where purpose = 'training')"
    ).fetchone()
    return bool(row and row[0])


def load_training_cohort(conn: Connection) -> LoadResult:
    """Take in the synthetic labelled history: 20,000 people, always the same."""
    people = generator.generate(generator.TRAINING_PATIENTS, generator.TRAINING_SEED)
    outcomes = {
        "external_id": people.external_id,
        "days_to_readmission": people.days_to_readmission,
    }
    return cohort.load_frame(
        conn,
        pd.DataFrame({"external_id": people.external_id, **people.base}),
        pd.DataFrame(outcomes),
        org=generator.BASELINE_ORG_CODE,
        as_of=date.fromisoformat(generator.TRAINING_INDEX_DATE),
        purpose="training",
    )
