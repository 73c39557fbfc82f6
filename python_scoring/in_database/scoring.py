"""Score everybody unscored without a row leaving the database."""

from dataclasses import dataclass

import numpy as np

from python_scoring import drift, ledger
from python_scoring.errors import BadInput
from python_scoring.in_database import dialect, statements
from python_scoring.readmission import features
from python_scoring.readmission.additive import AdditiveHazards
from python_scoring.readmission.horizons import HORIZON_DAYS
from python_scoring.warehouse import Connection

# Who there is, as of one moment, and of what features: while a run lasts.
_PEOPLE = "people_to_score"


@dataclass(frozen=True)
class Scored:
    """How many people there were, and how many were scored in which batch."""

    patients: int
    scored: int
    batch_id: int | None


def score_unscored(
    conn: Connection,
    model_version: str,
    hazards: AdditiveHazards,
    tally: drift.Tally,
    *,
    rescore: bool,
) -> Scored:
    """Write a batch as the scorer in Python would, and count everyone in ``tally``.

    In the caller's transaction, which holds the ledger's lock.

    Raises
    ------
    BadInput
        Somebody's feature is missing or not finite where it must be.
    """
    latest = ledger.latest(features.TARGET, model_version, HORIZON_DAYS[0])
    spoken = dialect.of(conn)
    people = statements.people(
        spoken, features.PATIENT_FEATURES, latest, rescore=rescore
    )
    # Left behind by nobody: an error takes it back with all else.
    conn.execute(f"create temporary table {_PEOPLE} as {people}".encode())
    conn.execute(f"analyze {_PEOPLE}".encode())
    _check(conn)
    row = conn.execute(
        f"select count(*), count(*) filter (where is_unscored) from {_PEOPLE}"
    ).fetchone()
    patients, scored = row or (0, 0)
    batch_id = _write(conn, model_version, hazards) if scored else None
    _count(conn, tally)
    conn.execute(f"drop table {_PEOPLE}")
    return Scored(patients, scored, batch_id)


def _check(conn: Connection) -> None:
    row = conn.execute(statements.unfit(_PEOPLE).encode()).fetchone()
    if row is None:
        return
    patient_id, *values = row
    x = np.array([np.nan if v is None else v for v in values], dtype=np.float64)
    for feature, value in zip(features.FEATURES, x, strict=True):
        if np.isinf(value) or (np.isnan(value) and not feature.is_nullable):
            raise BadInput(
                f"feature {feature.name}, patient {patient_id}: {value}; "
                "expected a finite number"
            )
    raise RuntimeError(f"patient {patient_id} was found unfit, and is not")


def _write(conn: Connection, model_version: str, hazards: AdditiveHazards) -> int:
    batch_id = ledger.open_batch(
        conn, features.TARGET, model_version, scored_in=ledger.DATABASE
    )
    rows = statements.scores(dialect.of(conn), hazards, HORIZON_DAYS, _PEOPLE, batch_id)
    kept = statements.kept_features(_PEOPLE, batch_id)
    added = conn.execute(
        f"insert into raw.predictions ({statements.LEDGER_COLUMNS}) {rows}".encode()
    )
    conn.execute(
        f"insert into {ledger.SCORED_FEATURES}"
        f" (batch_id, patient_id, {', '.join(statements.NAMES)}) {kept}".encode()
    )
    ledger.close_batch(conn, batch_id, added.rowcount)
    return batch_id


def _count(conn: Connection, tally: drift.Tally) -> None:
    if not tally.binnings:
        return
    newest = ledger.newest_scores(features.TARGET)
    query = statements.counts(tally.binnings, HORIZON_DAYS, _PEOPLE, newest)
    for load_id, *counts in conn.execute(query.encode()).fetchall():
        for name, binning in tally.binnings.items():
            bins = len(binning.kinds)
            tally.counts[load_id, name] = np.array(counts[:bins], dtype=np.int64)
            del counts[:bins]
