"""The ledger and the registry: what is appended, once, whole or not at all."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from python_scoring import ledger, registry, warehouse
from python_scoring.readmission import features
from python_scoring.warehouse import Connection

WINDOWS = (30, 60, 90)


@pytest.fixture
def empty(conn: Connection) -> Connection:
    """Connection to a warehouse with empty tables and one registered model."""
    registry.register(conn, make_model("m1"))
    conn.commit()
    return conn


def make_model(version: str, target: str = "readmission") -> registry.Model:
    return registry.Model(
        model_version=version,
        target=target,
        training_fingerprint="f" * 64,
        training_rows=100,
        feature_names=["age", "has_chf"],
        reference_patient={"name": "somebody", "values": {"age": 70.0}},
        library_versions={"scikit-learn": "1.8.0"},
        metrics={"auroc": 0.8},
        artifact_file=f"{version}.joblib",
        artifact_sha256="a" * 64,
    )


def make_scores(patients: range, seed: int = 0) -> ledger.Scores:
    draw = np.random.default_rng(seed)
    count = len(patients)
    return ledger.Scores(
        patient_ids=np.array(patients, dtype=np.int64),
        features_hash=draw.integers(-(2**63), 2**63 - 1, count, dtype=np.int64),
        scores=np.sort(draw.random((count, 3)), axis=1),
        reason_features=draw.integers(1, 28, (count, 3, 3), dtype=np.int16),
        reason_contributions=draw.normal(size=(count, 3, 3)),
        reason_values=np.where(
            draw.random((count, 3, 3)) < 0.2, np.nan, draw.normal(size=(count, 3, 3))
        ),
    )


def none_for_nan(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else value for value in values.tolist()]


def count_rows(conn: Connection) -> tuple[int, int]:
    """Batches and predictions as another session sees them."""
    with warehouse.connect() as other:
        row = other.execute(
            "select (select count(*) from raw.prediction_batches),"
            " (select count(*) from raw.predictions)"
        ).fetchone()
    assert row is not None
    return row[0], row[1]


def test_a_batch_holds_every_number_in_its_place(empty: Connection) -> None:
    chunks = [make_scores(range(10, 15), 1), make_scores(range(20, 23), 2)]
    batch = ledger.append(empty, "readmission", "m1", WINDOWS, chunks)
    empty.commit()
    assert batch is not None
    assert batch.row_count == 24
    assert count_rows(empty) == (1, 24)
    for chunk in chunks:
        for row, patient in enumerate(chunk.patient_ids.tolist()):
            for column, window in enumerate(WINDOWS):
                found = empty.execute(
                    "select batch_id, features_hash, score, reason_1_feature_id,"
                    " reason_2_feature_id, reason_3_feature_id,"
                    " reason_1_contribution, reason_2_contribution,"
                    " reason_3_contribution, nullif(reason_1_value, 'NaN'),"
                    " nullif(reason_2_value, 'NaN'), nullif(reason_3_value, 'NaN')"
                    " from raw.predictions"
                    " where patient_id = %s and window_days = %s",
                    (patient, window),
                ).fetchall()
                assert found == [
                    (
                        batch.batch_id,
                        chunk.features_hash[row],
                        chunk.scores[row, column],
                        *chunk.reason_features[row, column],
                        *chunk.reason_contributions[row, column],
                        *none_for_nan(chunk.reason_values[row, column]),
                    )
                ]


def test_what_was_scored_is_kept_with_the_batch(empty: Connection) -> None:
    draw = np.random.default_rng(5)
    people = 40
    kept: dict[str, np.ndarray] = {
        name: draw.integers(0, 9, people).astype(kind)
        for name, kind in features.copy_fields()
    }
    kept["days_since_last_admission"][::3] = np.nan
    chunk = replace(make_scores(range(people)), features=kept)
    batch = ledger.append(empty, "readmission", "m1", WINDOWS, [chunk])
    assert batch is not None
    names = ", ".join(kept)
    found = empty.execute(
        f"select {names} from {ledger.SCORED_FEATURES}"
        f" where batch_id = {batch.batch_id} order by patient_id".encode()
    ).fetchall()
    np.testing.assert_array_equal(
        np.array(found, dtype=np.float64), features.matrix(kept)
    )


def test_the_batch_row_tells_model_and_size(empty: Connection) -> None:
    ledger.append(empty, "readmission", "m1", WINDOWS, [make_scores(range(4))])
    found = empty.execute(
        "select target, model_version, row_count from raw.prediction_batches"
    ).fetchall()
    assert found == [("readmission", "m1", 12)]


@pytest.mark.parametrize("chunks", [[], [make_scores(range(0))]])
def test_nothing_new_writes_nothing(
    empty: Connection, chunks: list[ledger.Scores]
) -> None:
    assert ledger.append(empty, "readmission", "m1", WINDOWS, chunks) is None
    empty.commit()
    assert count_rows(empty) == (0, 0)


def test_a_failure_in_the_middle_leaves_no_row(empty: Connection) -> None:
    def broken() -> Iterator[ledger.Scores]:
        kept = {n: np.ones(1000, kind) for n, kind in features.copy_fields()}
        yield replace(make_scores(range(1000)), features=kept)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        ledger.append(empty, "readmission", "m1", WINDOWS, broken())
    empty.commit()
    assert count_rows(empty) == (0, 0)
    assert not empty.execute("select 1 from raw.scored_features").fetchall()


def test_an_unregistered_model_cannot_score(empty: Connection) -> None:
    with pytest.raises(Exception, match="model_registry"):
        ledger.append(empty, "readmission", "m2", WINDOWS, [make_scores(range(3))])


def test_scores_of_other_windows_are_a_fault(empty: Connection) -> None:
    with pytest.raises(ValueError, match="3 windows"):
        ledger.append(empty, "readmission", "m1", (30, 60), [make_scores(range(3))])


def test_the_newest_row_of_the_target_counts_and_tells_its_model(
    empty: Connection,
) -> None:
    registry.register(empty, make_model("m2"))
    registry.register(empty, make_model("other", "no_show"))
    first, second = make_scores(range(6), 1), make_scores(range(2, 4), 2)
    third = make_scores(range(3, 5), 3)
    ledger.append(empty, "readmission", "m1", WINDOWS, [first])
    ledger.append(empty, "readmission", "m1", WINDOWS, [second])
    ledger.append(empty, "readmission", "m2", WINDOWS, [third])
    ledger.append(empty, "no_show", "other", WINDOWS, [make_scores(range(9), 4)])
    hashes = first.features_hash.copy()
    hashes[2:4] = second.features_hash
    hashes[3:5] = third.features_hash
    for version, in_force in (
        ("m1", [1, 1, 1, 0, 0, 1]),
        ("m2", [0, 0, 0, 1, 1, 0]),
        ("it's another", [0] * 6),
    ):
        query = ledger.latest("readmission", version, 30)
        found = empty.execute(query.encode()).fetchall()
        assert found == list(zip(range(6), hashes.tolist(), in_force, strict=True))
    assert not empty.execute(ledger.latest("quit", "m1", 30).encode()).fetchall()


def test_one_champion_a_target_and_the_old_one_is_kept(empty: Connection) -> None:
    registry.register(empty, make_model("other", "no_show"))
    registry.register(empty, make_model("m2"))
    assert registry.champion(empty, "readmission") == make_model("m2")
    assert registry.champion(empty, "no_show") == make_model("other", "no_show")
    assert registry.champion(empty, "star_ratings") is None
    versions = empty.execute(
        "select model_version, is_champion from raw.model_registry"
        " where target = 'readmission' order by 1"
    ).fetchall()
    assert versions == [("m1", False), ("m2", True)]


def test_registering_again_neither_fails_nor_duplicates(empty: Connection) -> None:
    registry.register(empty, make_model("m2"))
    registry.register(empty, make_model("m1"))
    registry.register(empty, make_model("m1"))
    champion = registry.champion(empty, "readmission")
    assert champion is not None
    assert champion.model_version == "m1"
    row = empty.execute("select count(*) from raw.model_registry").fetchone()
    assert row == (2,)


def test_a_change_in_any_feature_changes_the_hash() -> None:
    x = np.random.default_rng(1).integers(0, 2, (1, 27)).astype(np.float64)
    every = np.repeat(x, 28, axis=0)
    for feature in range(27):
        every[feature, feature] += 1.0
    assert len(np.unique(ledger.features_hash(every))) == 28


def test_rows_of_small_numbers_do_not_collide() -> None:
    grid = np.stack(np.meshgrid(*[np.arange(3.0)] * 9), axis=-1).reshape(-1, 9)
    assert len(np.unique(ledger.features_hash(grid))) == 3**9


def test_every_nan_and_every_zero_count_as_one() -> None:
    odd_nan = np.array([0x7FF8000000000123], dtype=np.uint64).view(np.float64)[0]
    x = np.array([[np.nan, 0.0], [-np.nan, -0.0], [odd_nan, 0.0]])
    assert len(np.unique(ledger.features_hash(x))) == 1


def test_a_hash_does_not_depend_on_layout_order_or_neighbours() -> None:
    x = np.random.default_rng(2).normal(size=(101, 27))
    hashes = ledger.features_hash(x)
    np.testing.assert_array_equal(ledger.features_hash(np.asfortranarray(x)), hashes)
    np.testing.assert_array_equal(ledger.features_hash(x[::-3]), hashes[::-3])


def test_the_hash_is_splitmix64_of_the_bits_in_any_process() -> None:
    def by_hand(values: list[float]) -> int:
        state, mask = len(values), 2**64 - 1
        for bits in np.array(values).view(np.uint64).tolist():
            state = ((state ^ bits) + 0x9E3779B97F4A7C15) & mask
            state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
            state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & mask
            state ^= state >> 31
        return state - 2**64 if state >= 2**63 else state

    values = [70.0, 1.0, 123.456]
    code = (
        "import numpy as np; from python_scoring import ledger;"
        f"print(ledger.features_hash(np.array([{values}]))[0])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert int(run.stdout) == by_hand(values)
