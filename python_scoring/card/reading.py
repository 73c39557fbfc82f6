"""Read a model's facts from the warehouse.

From ``raw`` and not from the marts: those show the model in force when they were
built, and a card is also written of a model that was in force before.
"""

from collections.abc import Sequence

from psycopg.rows import class_row

from python_scoring.card.facts import (
    Bin,
    Evaluation,
    Facts,
    Figure,
    Key,
    Load,
    Registered,
    Term,
    Threshold,
)
from python_scoring.errors import BadInput
from python_scoring.warehouse import Connection


def read(conn: Connection, target: str, version: str | None, org_code: str) -> Facts:
    """Read a model's facts.

    Parameters
    ----------
    version
        None for the model in force.
    org_code
        Whose cohort the card goes into, if the model was evaluated on it; else
        the largest cohort that it was evaluated on.

    Raises
    ------
    BadInput
        No such model, none in force, or one that was never evaluated.
    """
    model = _model(conn, target, version)
    evaluations = _evaluations(conn, model.model_version)
    judged = _judged(model, evaluations, org_code)
    return Facts(
        model=model,
        terms=_terms(conn, model.model_version),
        loads=_loads(conn, model),
        evaluations=evaluations,
        judged=judged,
        figures=_figures(conn, [e.evaluation_id for e in evaluations]),
        bins=_bins(conn, judged.evaluation_id),
        thresholds=_thresholds(conn, judged.evaluation_id),
    )


_MODEL_COLUMNS = ", ".join(Registered.__dataclass_fields__)


def _model(conn: Connection, target: str, version: str | None) -> Registered:
    query = f"select {_MODEL_COLUMNS} from raw.model_registry where target = %s and "
    chosen = "is_champion" if version is None else "model_version = %s"
    values = (target,) if version is None else (target, version)
    with conn.cursor(row_factory=class_row(Registered)) as cursor:
        model = cursor.execute((query + chosen).encode(), values).fetchone()
    if model is None and version is None:
        raise BadInput("card: no model in force; run `riskmart train` first")
    if model is None:
        known = conn.execute(
            "select model_version from raw.model_registry where target = %s"
            " order by trained_at desc, model_version",
            (target,),
        ).fetchall()
        names = ", ".join(name for (name,) in known) or "none"
        raise BadInput(f"card: no model {version!r}; expected one of: {names}")
    if not model.training_patients:
        raise BadInput(
            f"card: {model.model_version} was registered without its number of "
            "people; `riskmart train` notes it, if it comes to the same model"
        )
    return model


def _terms(conn: Connection, version: str) -> list[Term]:
    rows = conn.execute(
        "select promoted_at, retired_at from raw.model_terms"
        " where model_version = %s order by promoted_at",
        (version,),
    )
    return [Term(*row) for row in rows]


def _loads(conn: Connection, model: Registered) -> list[Load]:
    """Find the histories that training read by its rule, before the model's time."""
    rows = conn.execute(
        "select org_code, as_of_date, source, row_count from raw.loads"
        " where purpose = 'training' and has_outcomes and loaded_at <= %s"
        " and (source = 'synth') = %s order by as_of_date, org_code, load_id",
        (model.trained_at, model.is_synthetic),
    )
    return [Load(*row) for row in rows]


def _evaluations(conn: Connection, version: str) -> list[Evaluation]:
    rows = conn.execute(
        "select distinct on (org_code, as_of_date, load_id)"
        " evaluation_id, org_code, as_of_date, status, reason, patient_count,"
        " artifact_sha256, scores_sha256, evaluated_at"
        " from raw.evaluations where model_version = %s"
        " order by org_code, as_of_date, load_id, evaluation_id desc",
        (version,),
    )
    return [Evaluation(*row) for row in rows]


def _judged(
    model: Registered, evaluations: Sequence[Evaluation], org_code: str
) -> Evaluation:
    done = [evaluation for evaluation in evaluations if evaluation.is_evaluated]
    if not done:
        raise BadInput(
            f"card: {model.model_version} was never evaluated on a cohort with known "
            "outcomes; run `riskmart evaluate` first"
        )
    own = [evaluation for evaluation in done if evaluation.org_code == org_code]
    if own:
        return max(own, key=lambda e: (e.as_of_date, e.evaluation_id))
    return max(done, key=lambda e: (e.patient_count, e.evaluation_id))


def _figures(conn: Connection, evaluation_ids: list[int]) -> dict[Key, Figure]:
    rows = conn.execute(
        "select evaluation_id, window_days, group_name, group_value, metric,"
        " value, lower, upper, patient_count, event_count, is_small"
        " from raw.evaluation_metrics where evaluation_id = any(%s)",
        (evaluation_ids,),
    )
    return {(row[0], row[1], row[2], row[3], row[4]): Figure(*row[5:]) for row in rows}


def _bins(conn: Connection, evaluation_id: int) -> list[Bin]:
    rows = conn.execute(
        "select window_days, bin_type, bin, patient_count, expected_rate,"
        " event_count, observed_rate, lower, upper from raw.evaluation_bins"
        " where evaluation_id = %s and group_name = 'all'"
        " order by window_days, bin_type, bin",
        (evaluation_id,),
    )
    return [Bin(*row) for row in rows]


def _thresholds(conn: Connection, evaluation_id: int) -> list[Threshold]:
    rows = conn.execute(
        "select window_days, threshold, flagged_count, sensitivity, specificity,"
        " ppv, net_benefit, net_benefit_all from raw.evaluation_thresholds"
        " where evaluation_id = %s and group_name = 'all'"
        " order by window_days, threshold",
        (evaluation_id,),
    )
    return [Threshold(*row) for row in rows]
