"""From cohorts to marts: the steps of `riskmart build`, in order."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date

import pandas as pd
import psycopg

from python_scoring import registry, server, turns, warehouse
from python_scoring.cohorts import cohort, generator
from python_scoring.cohorts.loads import LoadResult
from python_scoring.dbt import Node, Project
from python_scoring.errors import GateFailed
from python_scoring.readmission import score, train
from python_scoring.readmission.features import TARGET
from python_scoring.warehouse import Connection

TRAINING_SEED = 0
UNSCORED_TEST = "unscored_patients__run_riskmart_score"

# What scoring reads; everything else waits for the scores.
_BEFORE_SCORING = ("+int_patient_features", "+int_patient_outcomes")
_SHOWN_ROWS = 5

OnStep = Callable[[str], None]


@dataclass
class Build:
    """What a build did: seconds by step, warnings, and its parts' results."""

    seconds: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    trained: train.TrainResult | None = None
    scored: score.ScoreResult | None = None
    nodes: dict[str, Node] = field(default_factory=dict)
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
    on_step: OnStep | None = None,
    on_node: Callable[[str], None] | None = None,
) -> Build:
    """Bring the warehouse up to date: features, model, scores, marts, tests.

    Parameters
    ----------
    full_refresh
        Make seeds and models anew rather than refill them. Raw loads, the
        patient registry and the ledger stay.
    tests
        Without them only for measuring: marts nobody tested are nobody's marts.

    Raises
    ------
    GateFailed
        A model or test failed, or a patient has no score at the end.
    BadInput
        The warehouse cannot be reached, or there is no cohort to train on.
    """
    done = Build(on_step=on_step)
    project = Project(on_node=on_node)
    options = ["--full-refresh"] if full_refresh else []
    options += [] if tests else ["--exclude-resource-type", "test", "unit_test"]

    with done.step("server"):
        server.ensure_running()
        with warehouse.connect() as conn:
            warehouse.prepare(conn)
    with turns.take("build", tell=on_step):
        _build(done, project, options, tests)
    done.nodes = project.nodes
    _check_complete(project, tests)
    done.warnings = [f"{n.name}: {n.message}" for n in _warned(project)]
    return done


def _build(done: Build, project: Project, options: list[str], tests: bool) -> None:
    with done.step("read project"):
        project.parse()
    # Autocommit: each step is whole by itself, and no lock outlives a step.
    with warehouse.connect(autocommit=True) as conn:
        needs_model = registry.champion(conn, TARGET) is None
        if needs_model and not has_training_load(conn):
            with done.step("training cohort"):
                load_training_cohort(conn)
        with done.step("seeds and features"):
            first = _run(
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
        with done.step("marts and tests" if tests else "marts"):
            _run(
                conn,
                project,
                *options,
                *("--indirect-selection", "empty"),
                *("--exclude", *(node.name for node in first.values())),
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


def _run(conn: Connection, project: Project, *arguments: str) -> dict[str, Node]:
    nodes = project.invoke("build", *arguments)
    bad = [node for node in nodes.values() if node.is_bad]
    if bad:
        raise GateFailed("\n\n".join(_explain(conn, node) for node in bad))
    return nodes


def _explain(conn: Connection, node: Node) -> str:
    """Say what failed, and of a test the first rows that it found."""
    lines = [f"{node.unique_id.split('.')[0]} {node.name} failed: {node.message}"]
    if node.status == "fail" and node.unique_id.startswith("test."):
        lines += _first_rows(conn, node.compiled_code)
    return "\n".join(lines)


def _first_rows(conn: Connection, test_query: str) -> list[str]:
    try:
        with conn.transaction(), conn.cursor() as cursor:
            rows = f"select * from ({test_query}\n) as failures limit {_SHOWN_ROWS}"
            cursor.execute(rows.encode())
            names = [column.name for column in cursor.description or []]
            return [
                "  " + ", ".join(f"{n}={v}" for n, v in zip(names, row, strict=True))
                for row in cursor
            ]
    except psycopg.Error as error:
        return [f"  (its rows cannot be shown: {str(error).splitlines()[0]})"]


def _warned(project: Project) -> list[Node]:
    return [node for node in project.nodes.values() if node.status == "warn"]


def _check_complete(project: Project, tests: bool) -> None:
    """Check that the two dbt runs were all of it and left nobody without a score."""
    if not tests:
        return
    missing = project.all_nodes() - set(project.nodes)
    if missing:
        raise RuntimeError(f"not run: {', '.join(sorted(missing))}")
    for node in _warned(project):
        if node.name == UNSCORED_TEST:
            raise GateFailed(f"patients without a score after scoring: {node.message}")
