"""Score a past batch again, from what was kept of it: the same to the bit, or not."""

import hashlib
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from python_scoring import ledger, registry, warehouse
from python_scoring.errors import BadInput, GateFailed
from python_scoring.readmission import features, score
from python_scoring.readmission.additive import AdditiveHazards
from python_scoring.readmission.horizons import HORIZON_DAYS
from python_scoring.warehouse import Connection

Records = NDArray[np.void]

# A row of the ledger; keys first, so that rows sort by them.
_RANKS = range(1, ledger.REASONS + 1)
_KEYS = ["patient_id", "window_days"]
_FIELDS = [
    ("patient_id", "<i8"),
    ("window_days", "<i2"),
    ("features_hash", "<i8"),
    ("score", "<f8"),
    *((f"reason_{rank}_feature_id", "<i2") for rank in _RANKS),
    *((f"reason_{rank}_contribution", "<f8") for rank in _RANKS),
    *((f"reason_{rank}_value", "<f8") for rank in _RANKS),
]
_RECORD = np.dtype(_FIELDS)
# What of a row may differ in its last digits where two arithmetics made it.
_MEASURED = ["score", *(f"reason_{rank}_contribution" for rank in _RANKS)]
_ROUNDING = 1e-9
# The same bytes, which sort and compare as numbers do, NaN too.
_BITS = np.dtype([(name, kind.replace("f", "i")) for name, kind in _FIELDS])


@dataclass(frozen=True)
class Replayed:
    """A batch that was scored again, with the same result.

    ``rows`` counts patients and windows. The hashes are SHA-256 of key, features'
    hash, score and reasons of every row, in order of patient and window. They are
    the same for a batch that was scored in Python; of one that was scored in the
    database, ``largest_difference`` says how far scores and contributions are apart.
    """

    batch_id: int
    model_version: str
    rows: int
    recorded_sha256: str
    replayed_sha256: str
    largest_difference: float = 0.0


@dataclass
class _Comparison:
    rounding: float
    recorded: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    replayed: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    rows: int = 0
    differing: int = 0
    first: tuple[int, int] | None = None
    largest: float = 0.0

    def add(self, recorded: Records, replayed: Records) -> None:
        """Compare all rows of the same patients."""
        self.rows += len(recorded)
        self.recorded.update(recorded.tobytes())
        self.replayed.update(replayed.tobytes())
        if self.rounding:
            replayed = self._rounded_alike(recorded, replayed)
        if recorded.tobytes() != replayed.tobytes():
            keys = _differing_keys(recorded, replayed)
            self.differing += len(keys)
            self.first = self.first or keys[0].item()

    def _rounded_alike(self, recorded: Records, replayed: Records) -> Records:
        """Give what was replayed the last digits of what was recorded."""
        if not np.array_equal(recorded[_KEYS], replayed[_KEYS]):
            return replayed
        alike = replayed.copy()
        for name in _MEASURED:
            distance = np.abs(recorded[name] - replayed[name])
            near = distance <= self.rounding
            self.largest = max(self.largest, float(distance[near].max(initial=0.0)))
            alike[name][near] = recorded[name][near]
        return alike


def replay(conn: Connection, batch_id: int) -> Replayed:
    """Score a batch again by the model it was scored by, and compare every bit.

    Reads the features that the batch kept, in memory that does not grow with it.
    That another processor or another numpy rounds alike is not promised: replay
    where the batch was scored, or take a difference in the last digit for what it
    is. A batch that was scored in the database is another arithmetic's: its scores
    and contributions have to agree within 1e-9, and all else to the bit.

    Raises
    ------
    BadInput
        There is no such batch, it kept no features, or its model's file is not
        here or not the registered one.
    GateFailed
        Rows differ; says how many, and which is the first.
    """
    model, scored_in = _made_by(conn, batch_id)
    _check_kept(conn, batch_id)
    hazards = score.load_hazards(model)
    compared = _Comparison(_ROUNDING if scored_in == ledger.DATABASE else 0.0)
    with warehouse.connect() as first, warehouse.connect() as second:
        recorded = _Recorded(first, batch_id)
        with closing(_replayed(second, hazards, batch_id)) as blocks:
            for block in blocks:
                compared.add(recorded.up_to(int(block["patient_id"][-1])), block)
        compared.add(recorded.rest(), np.empty(0, _RECORD))
    if compared.differing and compared.first:
        patient, window = compared.first
        raise GateFailed(
            f"batch {batch_id}: {compared.differing} of its {compared.rows} rows "
            f"are not what {model.model_version} makes of the features that were "
            f"kept; the first is patient {patient}, {window} days"
        )
    return Replayed(
        batch_id,
        model.model_version,
        compared.rows,
        compared.recorded.hexdigest(),
        compared.replayed.hexdigest(),
        compared.largest,
    )


def _made_by(conn: Connection, batch_id: int) -> tuple[registry.Model, str]:
    row = conn.execute(
        "select model_version, scored_in from raw.prediction_batches"
        " where batch_id = %s and target = %s",
        (batch_id, features.TARGET),
    ).fetchone()
    model = registry.find(conn, row[0]) if row else None
    if row is None or model is None:
        raise BadInput(
            f"batch {batch_id}: no such batch of {features.TARGET}; expected one of "
            "raw.prediction_batches"
        )
    return model, row[1]


def _check_kept(conn: Connection, batch_id: int) -> None:
    row = conn.execute(
        f"select exists (select 1 from {ledger.SCORED_FEATURES}"
        " where batch_id = %s)".encode(),
        (batch_id,),
    ).fetchone()
    if not row or not row[0]:
        raise BadInput(
            f"batch {batch_id}: no features were kept with it, as with batches of "
            "earlier versions; `riskmart score --rescore` makes one that can be "
            "replayed"
        )


def _replayed(
    reader: Connection, hazards: AdditiveHazards, batch_id: int
) -> Generator[Records]:
    query = f"""
        select kept.patient_id, {features.copy_columns("kept")}
        from {ledger.SCORED_FEATURES} as kept
        where kept.batch_id = {int(batch_id)}
        order by kept.patient_id
    """
    fields = np.dtype([("patient_id", "i8"), *features.copy_fields()])
    for rows in warehouse.copy_out(reader, query, fields, score.CHUNK_ROWS):
        x = features.matrix(rows, features.FEATURE_NAMES)
        hashes = ledger.features_hash(x)
        scores = score.score_matrix(hazards, rows["patient_id"], x, hashes)
        yield _records(ledger.rows_of(scores, batch_id, HORIZON_DAYS))


class _Recorded:
    """The ledger's rows of a batch, in order, a stretch of patients at a time."""

    def __init__(self, reader: Connection, batch_id: int) -> None:
        names = ", ".join(name for name, _ in _FIELDS)
        query = (
            f"select {names} from raw.predictions where batch_id = {int(batch_id)}"
            " order by patient_id, window_days"
        )
        self._blocks = warehouse.copy_out(reader, query, _RECORD)
        self._held = np.empty(0, _RECORD)

    def up_to(self, patient_id: int) -> Records:
        """Give all rows not given yet up to a patient."""
        while not len(self._held) or self._held["patient_id"][-1] <= patient_id:
            block = next(self._blocks, None)
            if block is None:
                break
            self._held = np.concatenate([self._held, _records(block)])
        end = np.searchsorted(self._held["patient_id"], patient_id, side="right")
        given, self._held = self._held[:end], self._held[end:]
        return given

    def rest(self) -> Records:
        """Give all rows that are left."""
        return self.up_to(np.iinfo(np.int64).max)


def _records(columns: "dict[str, NDArray[np.generic]] | Records") -> Records:
    """Arrange columns as the bytes that are hashed; every NaN is one."""
    records = np.empty(len(columns["patient_id"]), _RECORD)
    for name, _ in _FIELDS:
        records[name] = columns[name]
        if _RECORD[name].kind == "f":
            records[name][np.isnan(records[name])] = np.nan
    return records


def _differing_keys(recorded: Records, replayed: Records) -> Records:
    """Keys of rows that one side lacks, or that are not the same on both."""
    both = np.concatenate([recorded, replayed]).view(_BITS)
    rows, counts = np.unique(both, return_counts=True)
    keys: Records = np.unique(rows[counts == 1][_KEYS])
    return keys
