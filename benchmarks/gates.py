"""Whether the gates let honest models through, and stop spoilt ones.

For each seed of the generator a model is fitted on 20,000 people, by the estimators
that training chose on the cohort that ships, and judged on 3,000 others. Its
evaluation is written as that of the model in force on the gate cohort of a warehouse
of its own, and the gates are the project's own dbt tests, compiled once and run as
SQL.

    python -m benchmarks.gates [--seeds 50]

How often chance alone stops an honest model was simulated beforehand (480 cohorts,
12 models): outside the slope's bounds 2.1 %, whose standard error is about 0.05;
a tier outside its interval 2.3 % with gate_confidence 0.99 (7.7 % with 0.95, which
would have been too many); either 3.8 %.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from benchmarks import run, spoilt_models
from benchmarks.spoilt_models import SABOTAGES, Candidate, Draw
from python_scoring import (
    evaluation,
    evaluation_store,
    pipeline,
    registry,
    warehouse,
)
from python_scoring.cohorts import generator
from python_scoring.dbt import Project
from python_scoring.evaluation import Outcomes
from python_scoring.evaluation_store import Subject
from python_scoring.readmission import evaluate, features
from python_scoring.readmission import outcomes as known
from python_scoring.warehouse import Connection

SEEDS = 50

HORIZONS = "assert_horizons_are_in_order"
GATES = {
    "assert_model_beats_naive_baselines": "naive baselines",
    "assert_model_calibration_slope_is_near_one": "slope",
    "assert_model_tiers_come_about_as_expected": "tiers",
    HORIZONS: "horizons",
    "assert_model_file_is_the_registered_one": "file",
}


@dataclass
class Tally:
    """How often a kind of model was judged, stopped at all, and by which gate."""

    judged: int = 0
    stopped: int = 0
    by_gate: dict[str, int] = field(default_factory=lambda: dict.fromkeys(GATES, 0))

    def add(self, failed: list[str]) -> None:
        """Count one model, and the gates that it failed."""
        self.judged += 1
        self.stopped += bool(failed)
        for gate in failed:
            self.by_gate[gate] += 1


@dataclass(frozen=True)
class Bench:
    """A warehouse with a model in force, and the gates' queries by name."""

    conn: Connection
    model: registry.Model
    gates: dict[str, str]

    def failed(self, candidate: Candidate) -> list[str]:
        """Name the gates that stop a candidate; nothing stays written."""
        with self.conn.transaction(force_rollback=True):
            self._put_in_place(candidate)
            return [name for name, query in self.gates.items() if self._finds(query)]

    def _finds(self, query: str) -> bool:
        found = f"select exists (select 1 from ({query}\n) as faults)"
        row = self.conn.execute(found.encode()).fetchone()
        return bool(row and row[0])

    def _put_in_place(self, candidate: Candidate) -> None:
        subject = Subject(
            target=features.TARGET,
            model_version=self.model.model_version,
            artifact_sha256=candidate.sha256 or self.model.artifact_sha256,
            load_id=0,
            org_code=generator.BASELINE_ORG_CODE,
            as_of_date=date.fromisoformat(generator.BASELINE_INDEX_DATE),
        )
        rules = evaluation.read_rules(known.read_tier_bounds())
        evaluation_store.write(self.conn, subject, candidate.outcomes, rules)
        self._write_history(candidate.outcomes)

    def _write_history(self, outcomes: Outcomes) -> None:
        """Write the predictions where the gate of the horizons looks for them."""
        self.conn.execute(
            "create temporary table predictions (batch_id bigint,"
            " patient_id bigint, prediction_window text, risk_score float8)"
        )
        with self.conn.cursor().copy("copy predictions from stdin") as copy:
            for window, days in enumerate(outcomes.window_days):
                for person, risk in enumerate(outcomes.risk[:, window].tolist()):
                    copy.write_row((1, person, f"{days}_day", risk))


def open_bench(conn: Connection, project: Project) -> Bench:
    """Compile the gates of a project that has been built."""
    nodes = project.invoke("compile", "--select", *GATES)
    queries = {node.name: node.compiled_code for node in nodes.values()}
    history = '"candidate"."predictions"'
    prefix, _, _ = queries[HORIZONS].partition(history)
    database = prefix.rsplit(maxsplit=1)[-1]
    queries[HORIZONS] = queries[HORIZONS].replace(
        f"{database}{history}", "pg_temp.predictions"
    )
    model = registry.champion(conn, features.TARGET)
    assert model is not None
    return Bench(conn, model, {name: queries[name] for name in GATES})


def judge(
    bench: Bench,
    seeds: range,
    training: int = generator.TRAINING_PATIENTS,
    patients: int = generator.BASELINE_PATIENTS,
) -> dict[str, Tally]:
    """Judge an honest model of each seed, and each sabotage of it."""
    tallies = {name: Tally() for name in ("honest", *SABOTAGES)}
    for seed in seeds:
        print(f"  seed {seed} ...", file=sys.stderr, flush=True)
        for name, candidate in _candidates(
            spoilt_models.draw(seed, bench.model.chosen, training, patients)
        ):
            tallies[name].add(bench.failed(candidate))
    return tallies


def _candidates(drawn: Draw) -> Iterator[tuple[str, Candidate]]:
    model = spoilt_models.honest(drawn)
    yield "honest", model
    for name, sabotage in SABOTAGES.items():
        yield name, sabotage(drawn, model)


def markdown(tallies: dict[str, Tally]) -> str:
    """Write a row for each kind of model: how many were stopped, and by what."""
    head = ["model", "judged", "let through", "stopped", *GATES.values()]
    rows = [head, ["---", *["---:"] * (len(head) - 1)]]
    for name, tally in tallies.items():
        through = tally.judged - tally.stopped
        counts = (tally.judged, through, tally.stopped, *tally.by_gate.values())
        rows.append([name, *map(str, counts)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    """Build a warehouse of its own, judge, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--folder", type=Path, help="where the warehouse is made")
    options = parser.parse_args()
    with run.fresh_home(options.folder):
        pipeline.build(tests=False)
        with warehouse.connect(autocommit=True) as conn:
            evaluate.evaluate(conn)
            project = Project()
            project.parse()
            tallies = judge(open_bench(conn, project), range(options.seeds))
    print(markdown(tallies))


if __name__ == "__main__":
    main()
