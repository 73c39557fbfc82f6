"""Judge the model in force on every current cohort whose outcomes are known."""

from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from python_scoring import (
    artifacts,
    evaluation,
    evaluation_store,
    ledger,
    registry,
    warehouse,
)
from python_scoring.audit import store as trail
from python_scoring.errors import BadInput
from python_scoring.evaluation import Outcomes, Rules
from python_scoring.evaluation_store import Subject
from python_scoring.readmission import features, naive, outcomes
from python_scoring.readmission.horizons import HORIZON_DAYS
from python_scoring.warehouse import Connection

COHORT_LOADS = f"{features.INTERMEDIATE_SCHEMA}.int_cohort_loads"


@dataclass(frozen=True)
class Verdict:
    """What became of one organization's current cohort.

    ``reason`` says why it was not evaluated, None where it was; ``is_new`` whether
    anything was written.
    """

    org_code: str
    as_of_date: date
    patients: int
    reason: str | None
    is_new: bool


@dataclass(frozen=True)
class EvaluateResult:
    """The model in force and the verdicts on it, by organization."""

    model_version: str
    evaluated: list[Verdict] = field(default_factory=list)
    not_evaluated: list[Verdict] = field(default_factory=list)


@dataclass(frozen=True)
class _Cohort:
    organization_id: int
    load_id: int
    org_code: str
    as_of_date: date


def evaluate(conn: Connection) -> EvaluateResult:
    """Write an evaluation of the model in force for each current cohort.

    Outcomes are those of closed windows, of people whom this model has scored. A
    cohort without is written as not evaluated, with the reason. The same scores,
    outcomes and rules write nothing. One transaction; commits.

    Raises
    ------
    BadInput
        No model is in force, or dbt has not built what is read.
    """
    with conn.transaction():
        ledger.lock(conn, features.TARGET)
        features.check_built(conn)
        model = registry.champion(conn, features.TARGET)
        if model is None:
            raise BadInput("evaluate: no model in force; run `riskmart train` first")
        run = _Run(conn, model)
        result = EvaluateResult(model.model_version)
        for cohort in _cohorts(conn):
            verdict = run.judge(cohort)
            kind = result.not_evaluated if verdict.reason else result.evaluated
            kind.append(verdict)
        # The marts are made from it next: no plan should guess how much there is.
        warehouse.analyze(conn, *evaluation_store.TABLES)
        _record(conn, result)
    conn.commit()
    return result


def _record(conn: Connection, result: EvaluateResult) -> None:
    """Note in the trail on whose cohorts the model was judged, if on any anew."""
    new = [v for v in (*result.evaluated, *result.not_evaluated) if v.is_new]
    if new:
        trail.record(
            conn,
            "evaluation",
            result.model_version,
            sum(verdict.patients for verdict in new),
            detail={"org_codes": [verdict.org_code for verdict in new]},
        )


def _cohorts(conn: Connection) -> list[_Cohort]:
    query = (
        f"select organization_id, load_id, org_code, as_of_date from {COHORT_LOADS}"
        " where is_current order by organization_id"
    )
    return [_Cohort(*row) for row in conn.execute(query.encode())]


@dataclass(frozen=True)
class _Run:
    """One evaluation of all cohorts: what they share is read once, if needed."""

    conn: Connection
    model: registry.Model

    @cached_property
    def rules(self) -> Rules:
        return evaluation.read_rules(outcomes.read_tier_bounds())

    @cached_property
    def artifact_sha256(self) -> str | None:
        return artifacts.sha256_of(artifacts.path_of(self.model.artifact_file))

    @cached_property
    def comparator_names(self) -> tuple[str, ...]:
        return naive.names(self.conn)

    @cached_property
    def comparators(self) -> naive.Comparators:
        return naive.fit(self.conn)

    def judge(self, cohort: _Cohort) -> Verdict:
        subject = self._subject(cohort)
        rows = outcomes.read(
            self.conn,
            self.model.model_version,
            cohort.organization_id,
            cohort.load_id,
        )
        reason = None if len(rows) else self._reason(cohort)
        if reason:
            is_new = not evaluation_store.is_known(self.conn, subject, None, reason)
            if is_new:
                evaluation_store.note_not_evaluated(self.conn, subject, reason)
        else:
            judged = outcomes.arrange(rows)
            sha256 = evaluation.digest(judged, self.rules, self.comparator_names)
            is_new = not evaluation_store.is_known(self.conn, subject, sha256, None)
            if is_new:
                self._write(subject, judged, rows)
        return Verdict(cohort.org_code, cohort.as_of_date, len(rows), reason, is_new)

    def _subject(self, cohort: _Cohort) -> Subject:
        return Subject(
            target=features.TARGET,
            model_version=self.model.model_version,
            artifact_sha256=self.artifact_sha256,
            load_id=cohort.load_id,
            org_code=cohort.org_code,
            as_of_date=cohort.as_of_date,
        )

    def _write(
        self, subject: Subject, judged: Outcomes, rows: NDArray[np.void]
    ) -> None:
        values = {name: rows[name] for name in naive.FEATURES}
        compared = Outcomes(
            **{**vars(judged), "comparators": self.comparators.risk(values)}
        )
        evaluation_store.write(self.conn, subject, compared, self.rules)

    def _reason(self, cohort: _Cohort) -> str:
        found = self.conn.execute(
            f"select exists (select 1 from {features.PATIENT_OUTCOMES}"
            f" inner join {features.PATIENT_FEATURES} using (load_id, patient_id)"
            " where load_id = %s and organization_id = %s)".encode(),
            (cohort.load_id, cohort.organization_id),
        ).fetchone()
        if found and found[0]:
            return "nobody with a known outcome has been scored by this model"
        return (
            f"nobody's outcomes are known for the {HORIZON_DAYS[-1]} days after "
            f"{cohort.as_of_date}"
        )
