"""Replay: a past batch comes out the same to the bit, or it is told what does not."""

from pathlib import Path
from typing import Any

import pytest
from copies import Copy

from python_scoring import artifacts, config, registry, warehouse
from python_scoring.errors import BadInput, GateFailed
from python_scoring.readmission import features, replay, score
from python_scoring.readmission.replay import Replayed


def replayed(batch_id: int = 1) -> Replayed:
    with warehouse.connect() as conn:
        return replay.replay(conn, batch_id)


def test_a_batch_comes_out_the_same(
    clone: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = replayed()
    assert first.rows == 9000
    assert first.recorded_sha256 == first.replayed_sha256
    assert first.model_version == clone.value(
        "select model_version from raw.prediction_batches"
    )
    # However it is cut, and whatever was scored or changed since.
    monkeypatch.setattr(score, "CHUNK_ROWS", 700)
    clone.execute(
        "update intermediate.int_patient_features set age = 50 where is_current"
    )
    with warehouse.connect(autocommit=True) as conn:
        assert score.score(conn).batch_id == 2
    assert replayed() == first
    second = replayed(2)
    assert second.recorded_sha256 == second.replayed_sha256 != first.recorded_sha256


def test_a_warehouse_without_it_gets_the_index_that_finds_a_batch(clone: Copy) -> None:
    with clone.in_force(), warehouse.connect(autocommit=True) as conn:
        conn.execute("drop index raw.predictions_batch")
        conn.execute("comment on schema raw is 'older'")
        warehouse.prepare(conn)
        # Nine thousand rows are read as fast without.
        conn.execute("set enable_seqscan = off; set enable_indexscan = off")
        query = "explain select * from raw.predictions where batch_id = 1"
        plan = [line for (line,) in conn.execute(query.encode()).fetchall()]
    assert "Bitmap Index Scan on predictions_batch" in "".join(plan)


_ROW = "where patient_id = 7 and window_days = 60"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "update raw.predictions set score = score + 1e-16 * (1 + score) " + _ROW,
            "1 of its 9000 rows .* first is patient 7, 60 days",
        ),
        (
            "update raw.predictions set reason_2_contribution = 0 " + _ROW,
            "1 of its 9000 .* patient 7, 60 days",
        ),
        (
            "update raw.predictions set reason_1_feature_id = 1,"
            " reason_2_feature_id = 1, reason_3_feature_id = 1 " + _ROW,
            "1 of its 9000 .* patient 7, 60 days",
        ),
        (
            "update raw.predictions set reason_3_value = 'NaN' " + _ROW,
            "1 of its 9000 .* patient 7, 60 days",
        ),
        (
            "delete from raw.predictions where patient_id = 7",
            "3 of its 8997 .* patient 7, 30 days",
        ),
        (
            "insert into raw.predictions select batch_id, 5000, features_hash, score,"
            " reason_1_contribution, reason_2_contribution, reason_3_contribution,"
            " reason_1_value, reason_2_value, reason_3_value, window_days,"
            " reason_1_feature_id, reason_2_feature_id, reason_3_feature_id"
            " from raw.predictions " + _ROW,
            "1 of its 9001 .* patient 5000, 60 days",
        ),
        (
            "update raw.scored_features set has_chf = 1 - has_chf"
            " where patient_id in (9, 11)",
            "6 of its 9000 .* patient 9, 30 days",
        ),
        (
            "delete from raw.scored_features where patient_id > 2990",
            "30 of its 9000 .* patient 2991, 30 days",
        ),
    ],
)
def test_a_change_of_the_past_is_told(clone: Copy, change: str, said: str) -> None:
    clone.execute(change)
    with pytest.raises(GateFailed, match=f"batch 1: {said}"):
        replayed()


def test_what_cannot_be_replayed_says_why(clone: Copy) -> None:
    with pytest.raises(BadInput, match="batch 8: no such batch"):
        replayed(8)
    clone.execute("delete from raw.scored_features")
    with pytest.raises(BadInput, match="batch 1: no features were kept"):
        replayed()


def test_a_batch_of_another_target_is_not_ours(clone: Copy) -> None:
    clone.execute("update raw.prediction_batches set target = 'no_show'")
    with pytest.raises(BadInput, match="no such batch of readmission"):
        replayed()


def _file() -> Path:
    with warehouse.connect() as conn:
        model = registry.champion(conn, features.TARGET)
    assert model is not None
    return artifacts.path_of(model.artifact_file)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.unlink(), "no such file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "has not been opened"),
    ],
)
def test_a_model_that_is_not_the_registered_one_is_refused(
    clone: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Any, said: str
) -> None:
    content = _file().read_bytes()
    monkeypatch.setattr(config, "artifact_dir", lambda: tmp_path)
    _file().write_bytes(content)
    spoil(_file())
    with pytest.raises(BadInput, match=said):
        replayed()
