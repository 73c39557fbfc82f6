"""`riskmart score --in-database` in a whole warehouse: the ledger it leaves."""

from pathlib import Path

import numpy as np
import pytest
from conftest import Run
from copies import Copy

from benchmarks import scoring as benchmark
from python_scoring import config, ledger, warehouse
from python_scoring.errors import BadInput, GateFailed
from python_scoring.in_database import choice
from python_scoring.readmission import replay, score
from python_scoring.readmission.score import ScoreResult

DATABASE, PYTHON = ledger.DATABASE, ledger.PYTHON

_EXACT = "patient_id, window_days, features_hash, " + ", ".join(
    f"reason_{rank}_feature_id, reason_{rank}_value" for rank in (1, 2, 3)
)
_MEASURED = "score, " + ", ".join(f"reason_{rank}_contribution" for rank in (1, 2, 3))


def run(way: str, *, rescore: bool = False) -> ScoreResult:
    with warehouse.connect(autocommit=True) as conn:
        return score.score(conn, rescore=rescore, way=way)


def rows(copy: Copy, columns: str, batch_id: int) -> list[tuple[object, ...]]:
    return copy.rows(
        f"select {columns} from raw.predictions where batch_id = {batch_id}"
        " order by patient_id, window_days"
    )


def state(copy: Copy) -> list[tuple[object, ...]]:
    """Count what a run that is refused must leave as it was."""
    return copy.rows(
        "select (select count(*) from raw.predictions),"
        " (select count(*) from raw.prediction_batches),"
        " (select count(*) from raw.scored_features),"
        " (select count(*) from raw.batch_distribution),"
        " (select count(*) from audit.audit_log)"
    )


def test_the_ledger_is_the_one_that_python_writes(clone: Copy) -> None:
    result = run(DATABASE, rescore=True)
    assert (result.patients, result.scored, result.batch_id) == (3000, 3000, 2)
    assert result.scored_in == DATABASE
    # As text, in which NaN is NaN.
    for exact in _EXACT.split(", "):
        text = f"cast({exact} as text)"
        assert rows(clone, text, 2) == rows(clone, text, 1), exact
    found, python = (np.array(rows(clone, _MEASURED, batch)) for batch in (2, 1))
    assert found.shape == (9000, 4)
    np.testing.assert_allclose(found, python, rtol=0, atol=1e-9)
    for table in ("scored_features", "batch_distribution"):
        own, former = (
            f"select to_jsonb(t) - 'batch_id' from raw.{table} as t"
            f" where batch_id = {batch}"
            for batch in (2, 1)
        )
        assert clone.value(f"select count(*) from ({own}) as own") > 0
        for one, other in ((own, former), (former, own)):
            assert clone.rows(f"{one} except all {other}") == [], table
    assert clone.rows(
        "select row_count, scored_in from raw.prediction_batches order by batch_id"
    ) == [(9000, PYTHON), (9000, DATABASE)]
    # Nothing of the run is left in the session or the schema.
    assert clone.rows("select 1 from pg_class where relname = 'people_to_score'") == []


@pytest.mark.parametrize(("first", "then"), [(PYTHON, DATABASE), (DATABASE, PYTHON)])
def test_either_way_scores_none_that_the_other_has_scored(
    clone: Copy, first: str, then: str
) -> None:
    assert run(first, rescore=True).scored == 3000
    before = state(clone)
    for way in (then, first, then):
        again = run(way)
        assert (again.patients, again.scored, again.batch_id) == (3000, 0, None)
    assert state(clone) == before
    # No admission on record any more, and a cost: whoever changes is scored, alone.
    clone.execute(
        "update intermediate.int_patient_features set days_since_last_admission = null,"
        " annual_cost = 12345.678 where is_current and patient_id in (17, 18)"
    )
    changed = run(then)
    assert changed.scored == 2
    assert clone.rows(
        "select distinct patient_id from raw.predictions where batch_id = %s"
        " order by patient_id",
        changed.batch_id,
    ) == [(17,), (18,)]
    assert run(first).scored == 0


def test_everyone_is_counted_scored_now_or_before(clone: Copy) -> None:
    counted = (
        "select feature_name, bin, patient_count from raw.batch_distribution"
        " where batch_id = {} order by 1, 2"
    )
    first = clone.rows(counted.format(1))
    clone.execute("delete from raw.batch_distribution")
    clone.execute("update raw.predictions set features_hash = 0 where patient_id = 7")
    assert run(DATABASE).scored == 1
    assert clone.rows(counted.format(2)) == first
    clone.execute("delete from raw.batch_distribution")
    assert run(DATABASE).scored == 0
    assert clone.rows(counted.format(2)) == first


def test_the_trail_tells_where_it_was_scored(clone: Copy) -> None:
    run(DATABASE, rescore=True)
    model = clone.value("select model_version from raw.model_registry")
    assert clone.rows(
        "select object, row_count, detail from audit.audit_log"
        " where action = 'score' order by entry_id desc limit 1"
    ) == [("batch 2", 3000, {"model_version": model, "scored_in": DATABASE})]


def test_replay_holds_it_against_python(clone: Copy, riskmart: Run) -> None:
    run(DATABASE, rescore=True)
    with warehouse.connect() as conn:
        same = replay.replay(conn, 2)
    assert same.rows == 9000
    assert 0 < same.largest_difference < 1e-12
    said = riskmart("replay", "--batch", "2")
    assert said.code == 0
    assert "but for the last digits" in said.out


@pytest.mark.parametrize(
    "change",
    [
        "score = score + 1e-8",
        "reason_2_contribution = reason_2_contribution - 1e-8",
        "reason_3_feature_id = 28",
        "reason_1_value = 'NaN'",
        "features_hash = features_hash + 1",
    ],
)
def test_a_change_of_the_past_is_told(clone: Copy, change: str) -> None:
    run(DATABASE, rescore=True)
    clone.execute(
        f"update raw.predictions set {change}"
        " where batch_id = 2 and patient_id = 7 and window_days = 60"
    )
    with (
        warehouse.connect() as conn,
        pytest.raises(GateFailed, match=r"batch 2: 1 of .* patient 7, 60 days"),
    ):
        replay.replay(conn, 2)


def test_a_model_of_an_earlier_version_is_exported_when_first_needed(
    clone: Copy,
) -> None:
    exported = clone.rows("select * from raw.model_curves order by 1, 2, 3, 4, 5")
    assert exported
    clone.execute("delete from raw.model_curves")
    assert run(DATABASE, rescore=True).scored == 3000
    assert clone.rows("select * from raw.model_curves order by 1, 2, 3, 4, 5") == (
        exported
    )


def test_the_models_file_is_not_needed(
    clone: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "artifact_dir", lambda: tmp_path)
    with pytest.raises(BadInput, match="no such file"):
        run(PYTHON, rescore=True)
    assert run(DATABASE, rescore=True).scored == 3000


def test_a_changed_model_scores_nobody(clone: Copy) -> None:
    before = state(clone)
    clone.execute(
        "update raw.model_curves set log_odds = 0 where feature_id = 7 and place = 2"
    )
    with pytest.raises(BadInput, match="not the model that was registered"):
        run(DATABASE, rescore=True)
    assert state(clone) == before
    assert run(PYTHON, rescore=True).scored == 3000


@pytest.mark.parametrize("value", ["'infinity'", "'NaN'", "null"])
def test_a_feature_that_is_no_number_is_told_and_nothing_written(
    clone: Copy, value: str
) -> None:
    before = state(clone)
    clone.execute(
        "alter table intermediate.int_patient_features"
        " alter column annual_cost drop not null"
    )
    clone.execute(
        f"update intermediate.int_patient_features set annual_cost = {value}"
        " where is_current and patient_id = 17"
    )
    told = r"feature annual_cost, patient 17: (inf|nan); expected a finite number"
    with pytest.raises(BadInput, match=told):
        run(DATABASE)
    assert state(clone) == before


@pytest.mark.parametrize(
    ("options", "where"),
    [
        (["--in-database"], "in the database"),
        (["--in-python"], "in Python"),
        ([], "in Python"),
    ],
)
def test_the_command_says_where(
    clone: Copy, riskmart: Run, options: list[str], where: str
) -> None:
    done = riskmart("score", "--rescore", *options)
    assert done.code == 0
    told = " ".join(done.out.split())
    assert "3,000 of 3,000 patients scored" in told
    assert f", {where}." in told


def test_the_faster_way_is_the_default(
    clone: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def faster(engine: str, people: int) -> str:
        asked.append((engine, people))
        return DATABASE

    monkeypatch.setattr(choice, "faster", faster)
    with warehouse.connect(autocommit=True) as conn:
        assert score.score(conn).scored_in == DATABASE
    assert asked == [("postgresql", 3000)]


def test_the_benchmark_times_both_ways(clone: Copy) -> None:
    timings = list(benchmark.measure([3000, 3300], 1))
    of_server = [t for t in timings if t.engine == "postgresql"]
    assert [(t.people, t.way) for t in of_server] == [
        (people, way) for people in (3000, 3300) for way in (PYTHON, DATABASE)
    ]
    assert all(min(t.everyone, t.processor) > 0 for t in timings)
    # The last of them scored everyone there was.
    assert clone.rows(
        "select row_count, scored_in from raw.prediction_batches order by batch_id"
    ) == [(9900, DATABASE)]
    table = benchmark.markdown(timings)
    assert "| postgresql | 3,300 | database |" in table
    assert "postgresql, 3,300: " in table
