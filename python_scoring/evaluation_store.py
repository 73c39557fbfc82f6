"""Where evaluations are kept: written whole, never changed, never written twice."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from python_scoring import evaluation, warehouse
from python_scoring.evaluation import Outcomes, Row, Rules
from python_scoring.warehouse import Connection

TABLES = (
    "raw.evaluations",
    "raw.evaluation_metrics",
    "raw.evaluation_bins",
    "raw.evaluation_thresholds",
)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is evaluated: a model on an organization's cohort of a day.

    ``artifact_sha256`` is of the model's file as it is now, None where none is.
    """

    target: str
    model_version: str
    artifact_sha256: str | None
    load_id: int
    org_code: str
    as_of_date: date


def is_known(
    conn: Connection, subject: Subject, sha256: str | None, reason: str | None
) -> bool:
    """Tell whether the last evaluation of the subject says this already."""
    row = conn.execute(
        "select scores_sha256, reason, artifact_sha256 from raw.evaluations"
        " where target = %s and model_version = %s and load_id = %s and org_code = %s"
        " order by evaluation_id desc limit 1",
        (subject.target, subject.model_version, subject.load_id, subject.org_code),
    ).fetchone()
    return row == (sha256, reason, subject.artifact_sha256)


def note_not_evaluated(conn: Connection, subject: Subject, reason: str) -> None:
    """Write that a cohort could not be evaluated, and why. The caller commits."""
    _open(conn, subject, "not_evaluated", reason, 0, None)


def write(conn: Connection, subject: Subject, outcomes: Outcomes, rules: Rules) -> int:
    """Compute and write an evaluation, and return its id. The caller commits."""
    count = len(outcomes.patient_ids)
    sha256 = evaluation.digest(outcomes, rules, tuple(outcomes.comparators))
    evaluation_id = _open(conn, subject, "evaluated", None, count, sha256)
    _copy(
        conn,
        "evaluation_metrics",
        evaluation_id,
        evaluation.metric_rows(outcomes, rules),
    )
    _copy(conn, "evaluation_bins", evaluation_id, evaluation.bin_rows(outcomes, rules))
    _copy(
        conn,
        "evaluation_thresholds",
        evaluation_id,
        evaluation.threshold_rows(outcomes),
    )
    return evaluation_id


def _open(
    conn: Connection,
    subject: Subject,
    status: str,
    reason: str | None,
    patient_count: int,
    scores_sha256: str | None,
) -> int:
    values = {
        **vars(subject),
        "status": status,
        "reason": reason,
        "patient_count": patient_count,
        "scores_sha256": scores_sha256,
    }
    slots = ", ".join(f"%({name})s" for name in values)
    statement = (
        f"insert into raw.evaluations ({', '.join(values)})"
        f" values ({slots}) returning evaluation_id"
    )
    row = conn.execute(statement.encode(), values).fetchone()
    if row is None:
        raise RuntimeError("insert returning gave no row")
    return int(row[0])


# The columns are given in the order of raw_tables.sql.
def _copy(
    conn: Connection, table: str, evaluation_id: int, rows: Iterable[Row]
) -> None:
    warehouse.copy_rows(conn, f"raw.{table}", ((evaluation_id, *row) for row in rows))
