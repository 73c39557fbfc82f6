"""Training and scoring against a warehouse, from feature rows to the ledger."""

import dataclasses
import datetime
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from python_scoring import artifacts, config, ledger, registry, warehouse
from python_scoring.cohorts import cohort, generator
from python_scoring.errors import BadInput, GateFailed
from python_scoring.readmission import features, hazards, score, selection, train
from python_scoring.readmission.features import FEATURE_NAMES, FEATURES
from python_scoring.readmission.horizons import INTERVALS, cumulative_risk
from python_scoring.readmission.training_set import TrainingSet
from python_scoring.warehouse import Connection

PATIENTS = 700


Known = dict[tuple[str, int], Any]


@pytest.fixture(scope="module")
def judged() -> Known:
    """Comparisons by fingerprint and seed: worked out once a module."""
    return {}


@pytest.fixture(scope="module")
def fits() -> Known:
    """Fitted hazards, likewise."""
    return {}


def once(function: Callable[..., Any], known: Known) -> Callable[..., Any]:
    """Remember what a function made of a training set and a seed."""

    def remembered(training: TrainingSet, seed: int, *given: Any) -> Any:
        key = (train.fingerprint(training, seed), seed)
        if key not in known:
            known[key] = function(training, seed, *given)
        return known[key]

    return remembered


@pytest.fixture
def mart(
    conn: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, judged: Known
) -> Iterator[Connection]:
    """Warehouse with empty feature relations and artifacts in a folder of its own."""
    monkeypatch.setattr(selection, "compare", once(selection.compare, judged))
    monkeypatch.setattr(config, "artifact_dir", lambda: tmp_path / "artifacts")
    types = {"flag": "smallint", "code": "smallint", "number": "double precision"}
    columns = ", ".join(f"{f.name} {types.get(f.data_type, 'int')}" for f in FEATURES)
    for statement in (
        "drop schema if exists intermediate cascade",
        "create schema intermediate",
        "create table intermediate.int_patient_features (load_id bigint,"
        " patient_id bigint, organization_id int, purpose text, is_current boolean,"
        f" index_date date, {columns}, chronic_condition_count int)",
        "create table intermediate.int_patient_outcomes (load_id bigint,"
        " patient_id bigint, days_to_readmission smallint)",
    ):
        conn.execute(statement.encode())
    conn.commit()
    yield conn
    conn.rollback()
    conn.execute("drop schema intermediate cascade")
    conn.commit()


def draw_people(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, 27) and days to readmission (n,), 0 for none."""
    draw = np.random.default_rng(seed)
    x = np.empty((rows, len(FEATURES)))
    for position, feature in enumerate(FEATURES):
        if feature.data_type == "flag":
            x[:, position] = draw.random(rows) < 0.3
        elif feature.data_type == "number":
            x[:, position] = draw.random(rows) * (feature.maximum or 1.0)
        else:
            x[:, position] = draw.integers(1, 6, rows)
    x[draw.random(rows) < 0.5, FEATURE_NAMES.index("days_since_last_admission")] = (
        np.nan
    )
    days = np.zeros(rows, dtype=np.int16)
    for interval in INTERVALS:
        hazard = 1 / (1 + np.exp(3.0 - 2.5 * x[:, 6] - 0.3 * x[:, 15]))
        hit = (days == 0) & (draw.random(rows) < hazard)
        days[hit] = interval.until
    return x, days


def add_load(conn: Connection, source: str, purpose: str, day: int) -> int:
    row = conn.execute(
        "insert into raw.loads (source, purpose, org_code, as_of_date,"
        " content_sha256, files, row_count, rejected_count, has_outcomes)"
        " values (%s, %s, 'ORG', %s, %s, '{}', 0, 0, %s) returning load_id",
        (
            source,
            purpose,
            datetime.date(2024, 1, day),
            "0" * 64,
            purpose == "training",
        ),
    ).fetchone()
    assert row is not None
    return int(row[0])


def add_people(
    conn: Connection,
    patient_ids: np.ndarray,
    x: np.ndarray,
    load: tuple[int, str],
    days: np.ndarray | None = None,
    is_current: bool = True,
) -> None:
    """Write feature rows of a load (load_id, purpose) and what became of them."""
    names = ", ".join(FEATURE_NAMES)
    slots = ", ".join(["%s"] * (len(FEATURE_NAMES) + 4))
    values = [
        [load[0], int(patient), load[1], is_current]
        + [None if np.isnan(value) else float(value) for value in row]
        for patient, row in zip(patient_ids, x, strict=True)
    ]
    with conn.cursor() as cursor:
        cursor.executemany(
            "insert into intermediate.int_patient_features (load_id, patient_id,"
            f" purpose, is_current, {names}) values ({slots})".encode(),
            values,
        )
        if days is not None:
            cursor.executemany(
                "insert into intermediate.int_patient_outcomes values (%s, %s, %s)",
                [
                    (load[0], int(patient), int(day) or None)
                    for patient, day in zip(patient_ids, days, strict=True)
                ],
            )
    conn.commit()


def add_training(conn: Connection, source: str = "synth", seed: int = 1) -> None:
    load = add_load(conn, source, "training", seed)
    x, days = draw_people(1200, seed)
    add_people(conn, np.arange(5000, 6200), x, (load, "training"), days, False)


def add_cohort(conn: Connection) -> np.ndarray:
    load = add_load(conn, "cohort", "cohort", 28)
    x, _ = draw_people(PATIENTS, 7)
    add_people(conn, np.arange(1, PATIENTS + 1), x, (load, "cohort"))
    return x


@pytest.fixture
def ready(mart: Connection, monkeypatch: pytest.MonkeyPatch, fits: Known) -> Connection:
    """Warehouse with a trained model and a cohort to score."""
    monkeypatch.setattr(hazards, "fit_hazards", once(hazards.fit_hazards, fits))
    add_training(mart)
    train.train(mart, seed=1)
    add_cohort(mart)
    return mart


def fetch(conn: Connection, query: str) -> list[tuple[Any, ...]]:
    return conn.execute(query.encode()).fetchall()


def version_of(conn: Connection) -> str | None:
    model = registry.champion(conn, "readmission")
    return model.model_version if model else None


def test_training_registers_a_champion_that_can_be_loaded(mart: Connection) -> None:
    add_training(mart)
    result = train.train(mart, seed=3)
    assert (result.rows, result.patients) == (1200, 1200)
    assert result.is_synthetic
    assert not result.is_unchanged
    model = registry.champion(mart, "readmission")
    assert model is not None
    assert model.model_version == result.model_version
    assert model.feature_names == list(FEATURE_NAMES)
    assert model.reference_patient["name"] == "median training member"
    assert set(model.reference_patient["values"]) == set(FEATURE_NAMES)
    assert model.metrics["seed"] == 3
    assert model.training_patients == 1200
    assert model.candidates == result.candidates
    assert model.chosen == result.chosen
    assert set(model.chosen) == set(model.candidates) == set(map(str, INTERVALS))
    stored = score.load_hazards(model)
    assert stored.reference_eta.tolist() == model.reference_patient["log_odds"]


def test_metrics_are_counted_per_window_and_interval(mart: Connection) -> None:
    add_training(mart)
    metrics = train.train(mart, seed=3).metrics
    _, days = draw_people(1200, 1)
    counted = [int(((days > 0) & (days <= horizon)).sum()) for horizon in (30, 60, 90)]
    assert [metrics["horizons"][str(h)]["events"] for h in (30, 60, 90)] == counted
    assert metrics["hazards"]["days 31-60"] == {
        "at_risk": 1200 - counted[0],
        "events": counted[1] - counted[0],
    }
    for horizon in metrics["horizons"].values():
        assert 0.6 < horizon["auroc"] < 0.9
        prevalence = horizon["events"] / 1200
        assert horizon["brier"] < prevalence * (1 - prevalence)


def test_the_same_training_again_changes_nothing(mart: Connection) -> None:
    add_training(mart)
    first = train.train(mart, seed=3)
    before = fetch(mart, "select * from raw.model_registry")
    mart.execute(
        "create table shuffled as select * from intermediate.int_patient_features"
        " order by md5(patient_id::text)"
    )
    mart.execute("truncate intermediate.int_patient_features")
    mart.execute("insert into intermediate.int_patient_features select * from shuffled")
    mart.execute("drop table shuffled")
    again = train.train(mart, seed=3)
    assert again.is_unchanged
    assert again.model_version == first.model_version
    assert again.metrics == first.metrics
    assert fetch(mart, "select * from raw.model_registry") == before


def test_another_seed_is_another_version_and_retires_the_first(
    mart: Connection,
) -> None:
    add_training(mart)
    first = train.train(mart, seed=3).model_version
    second = train.train(mart, seed=4).model_version
    assert first != second
    assert version_of(mart) == second
    train.train(mart, seed=3)
    assert version_of(mart) == first
    assert len(fetch(mart, "select 1 from raw.model_registry")) == 2


def test_a_lost_artifact_is_made_again_as_the_same_version(mart: Connection) -> None:
    add_training(mart)
    first = train.train(mart, seed=3)
    model = registry.champion(mart, "readmission")
    assert model is not None
    artifacts.path_of(model.artifact_file).unlink()
    again = train.train(mart, seed=3)
    assert not again.is_unchanged
    assert again.model_version == first.model_version
    assert registry.champion(mart, "readmission") == model
    score.load_hazards(model)


def test_what_an_older_registration_lacks_is_filled_in(mart: Connection) -> None:
    add_training(mart)
    train.train(mart, seed=3)
    before = registry.champion(mart, "readmission")
    kept = fetch(mart, "select * from raw.model_terms")
    mart.execute(
        "update raw.model_registry set candidates = '{}', chosen = '{}',"
        " training_patients = null, metrics = '{}'"
    )
    assert not train.train(mart, seed=3).is_unchanged
    assert registry.champion(mart, "readmission") == before
    assert fetch(mart, "select * from raw.model_terms") == kept
    assert train.train(mart, seed=3).is_unchanged


def test_a_teams_own_history_replaces_the_synthetic_one(mart: Connection) -> None:
    add_training(mart, "synth", 1)
    synthetic = train.train(mart, seed=3)
    add_training(mart, "cohort", 2)
    own = train.train(mart, seed=3)
    assert synthetic.is_synthetic
    assert not own.is_synthetic
    assert own.rows == 1200
    mart.execute("delete from intermediate.int_patient_features where load_id = 1")
    assert train.train(mart, seed=3).is_unchanged


def test_a_person_in_two_training_loads_counts_once(mart: Connection) -> None:
    add_training(mart, "cohort", 1)
    add_training(mart, "cohort", 2)
    result = train.train(mart, seed=3)
    assert (result.rows, result.patients) == (2400, 1200)


def test_cohort_rows_are_never_trained_on(mart: Connection) -> None:
    load = add_load(mart, "cohort", "cohort", 5)
    x, days = draw_people(400, 1)
    add_people(mart, np.arange(400), x, (load, "cohort"), days)
    with pytest.raises(BadInput, match="synth --training"):
        train.train(mart, seed=3)


def test_too_little_to_learn_from_leaves_the_champion(mart: Connection) -> None:
    add_training(mart)
    version = train.train(mart, seed=3).model_version
    mart.execute("update intermediate.int_patient_outcomes set days_to_readmission = 7")
    mart.commit()
    with pytest.raises(BadInput, match="0 people not readmitted"):
        train.train(mart, seed=3)
    mart.rollback()
    assert version_of(mart) == version


def test_outcomes_that_nothing_predicts_leave_the_champion(mart: Connection) -> None:
    """As where outcomes were joined to the wrong people."""
    add_training(mart)
    version = train.train(mart, seed=3).model_version
    before = fetch(mart, "select * from raw.model_registry")
    mart.execute(
        "update intermediate.int_patient_outcomes as o"
        " set days_to_readmission = other.days_to_readmission"
        " from (select 5000 + (patient_id + 700) % 1200 as patient_id,"
        " days_to_readmission from intermediate.int_patient_outcomes) as other"
        " where o.patient_id = other.patient_id"
    )
    mart.commit()
    with pytest.raises(GateFailed, match=r"nothing that does not beat it"):
        train.train(mart, seed=3)
    mart.rollback()
    assert version_of(mart) == version
    assert fetch(mart, "select * from raw.model_registry") == before
    assert len(list(config.artifact_dir().iterdir())) == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            "update intermediate.int_patient_features set has_stroke = 1",
            r"feature has_stroke: 1\.0 in every row",
        ),
        (
            "update intermediate.int_patient_outcomes set days_to_readmission = null"
            " where days_to_readmission > 60",
            r"days 61-90: 0 people readmitted",
        ),
        (
            "update intermediate.int_patient_features set annual_cost = 'infinity'"
            " where patient_id = 5007",
            r"feature annual_cost, row \d+: inf",
        ),
    ],
)
def test_what_cannot_be_learnt_from_is_refused_by_name_and_writes_nothing(
    mart: Connection, change: str, told: str
) -> None:
    add_training(mart)
    version = train.train(mart, seed=3).model_version
    before = fetch(mart, "select * from raw.model_registry")
    mart.execute(change.encode())
    mart.commit()
    with pytest.raises(BadInput, match=told):
        train.train(mart, seed=3)
    mart.rollback()
    assert version_of(mart) == version
    assert fetch(mart, "select * from raw.model_registry") == before
    assert len(list(config.artifact_dir().iterdir())) == 1


def test_outcomes_without_their_column_are_refused_by_name(
    mart: Connection, tmp_path: Path
) -> None:
    people, outcomes = tmp_path / "p.parquet", tmp_path / "o.csv"
    generator.write_parquet(people, tmp_path / "unused.parquet", 5, 1)
    outcomes.write_text("external_id,readmitted\n1,5\n")
    with pytest.raises(BadInput, match=r"o\.csv.*days_to_readmission"):
        cohort.load(
            mart,
            people,
            org="BASELINE",
            as_of=datetime.date(2024, 1, 1),
            purpose="training",
            outcomes=outcomes,
        )
    mart.rollback()
    assert not fetch(mart, "select 1 from raw.loads")


def test_a_model_of_mixed_hazards_scores_as_its_pipelines_do(
    mart: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And its version says so: other hazards from the same people, another model."""
    add_training(mart)
    splines = train.train(mart, seed=3).model_version
    names = map(str, INTERVALS)
    kinds = ("additive_boosting", "spline_logistic", "additive_boosting")
    mixed = dict(zip(names, kinds, strict=True))
    compare = selection.compare
    monkeypatch.setattr(
        selection,
        "compare",
        lambda *given: dataclasses.replace(compare(*given), chosen=mixed),
    )
    result = train.train(mart, seed=3)
    assert result.model_version != splines
    assert result.chosen == mixed
    add_cohort(mart)
    score.score(mart)
    assert_scored_by_the_pipelines(mart)


def test_before_the_first_build_the_refusal_says_so(mart: Connection) -> None:
    mart.execute("drop table intermediate.int_patient_features")
    for command in (lambda: train.train(mart, 1), lambda: score.score(mart)):
        with pytest.raises(BadInput, match="riskmart build"):
            command()


def test_scoring_without_a_model_is_refused(mart: Connection) -> None:
    add_cohort(mart)
    with pytest.raises(BadInput, match="riskmart train"):
        score.score(mart)


def test_every_current_patient_is_scored_in_every_window(ready: Connection) -> None:
    old = add_load(ready, "cohort", "cohort", 27)
    x, _ = draw_people(50, 9)
    add_people(ready, np.arange(9000, 9050), x, (old, "cohort"), is_current=False)
    result = score.score(ready)
    assert (result.patients, result.scored) == (PATIENTS, PATIENTS)
    found = fetch(
        ready,
        "select count(*), count(distinct patient_id), min(patient_id),"
        " max(patient_id), count(distinct batch_id) from raw.predictions",
    )
    assert found == [(3 * PATIENTS, PATIENTS, 1, PATIENTS, 1)]
    assert not fetch(
        ready,
        "select patient_id from raw.predictions group by patient_id having not ("
        " max(score) filter (where window_days = 30)"
        " <= max(score) filter (where window_days = 60)"
        " and max(score) filter (where window_days = 60)"
        " <= max(score) filter (where window_days = 90))",
    )


def test_scores_are_those_of_the_fitted_pipelines(ready: Connection) -> None:
    score.score(ready)
    assert_scored_by_the_pipelines(ready)


def assert_scored_by_the_pipelines(conn: Connection) -> None:
    x, _ = draw_people(PATIENTS, 7)
    model = registry.champion(conn, "readmission")
    assert model is not None
    path = artifacts.path_of(model.artifact_file)
    content = artifacts.load_verified(path, model.artifact_sha256)
    pipelines = artifacts.unpacked(content["pipelines"])
    hazard = np.column_stack([p.predict_proba(x)[:, 1] for p in pipelines])
    expected = 1 - np.cumprod(1 - hazard, axis=1)
    found = fetch(
        conn, "select score from raw.predictions order by patient_id, window_days"
    )
    np.testing.assert_allclose(
        np.array(found).reshape(PATIENTS, 3), expected, atol=1e-10
    )


def test_scoring_again_adds_nothing(ready: Connection) -> None:
    first = score.score(ready)
    again = score.score(ready)
    assert first.batch_id is not None
    assert (again.patients, again.scored, again.batch_id) == (PATIENTS, 0, None)
    assert len(fetch(ready, "select 1 from raw.prediction_batches")) == 1


def test_a_changed_feature_rescores_that_patient_only(ready: Connection) -> None:
    score.score(ready)
    change = (
        "update intermediate.int_patient_features"
        " set has_chf = 1 - has_chf where patient_id = 17"
    )
    for _ in range(2):  # there and back again: the newest row decides
        ready.execute(change.encode())
        ready.commit()
        result = score.score(ready)
        assert result.scored == 1
        assert fetch(
            ready,
            "select distinct patient_id from raw.predictions"
            f" where batch_id = {result.batch_id}",
        ) == [(17,)]
    assert score.score(ready).scored == 0


def test_a_new_patient_is_scored_alone(ready: Connection) -> None:
    score.score(ready)
    x, _ = draw_people(1, 11)
    load = add_load(ready, "cohort", "cohort", 29)
    add_people(ready, np.array([8000]), x, (load, "cohort"))
    result = score.score(ready)
    assert (result.patients, result.scored) == (PATIENTS + 1, 1)


def test_a_new_model_scores_everyone_and_keeps_the_old_rows(ready: Connection) -> None:
    first = score.score(ready)
    train.train(ready, seed=2)
    second = score.score(ready)
    assert second.model_version != first.model_version
    assert second.scored == PATIENTS
    assert fetch(ready, "select count(*) from raw.predictions") == [(6 * PATIENTS,)]


def test_back_to_an_earlier_model_scores_everyone_again(ready: Connection) -> None:
    """Readers see each patient's newest row, which must be of the model in force."""
    first = score.score(ready)
    for seed in (2, 1):
        train.train(ready, seed)
        last = score.score(ready)
        assert last.scored == PATIENTS
    assert last.model_version == first.model_version
    assert score.score(ready).scored == 0


def test_everyone_is_scored_when_asked(ready: Connection) -> None:
    score.score(ready)
    assert score.score(ready, rescore=True).scored == PATIENTS
    pairs = fetch(
        ready,
        "select count(distinct score), count(*) from raw.predictions"
        " group by patient_id, window_days",
    )
    assert set(pairs) == {(1, 2)}


def test_chunks_make_no_difference(
    ready: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    score.score(ready)
    monkeypatch.setattr(score, "CHUNK_ROWS", 64)
    monkeypatch.setattr(score, "TILE_ROWS", 13)
    assert score.score(ready, rescore=True).scored == PATIENTS
    columns = ", ".join(
        f"count(distinct {column})"
        for column in (
            "score",
            "features_hash",
            "reason_1_feature_id",
            "reason_3_contribution",
        )
    )
    found = fetch(
        ready,
        f"select {columns} from raw.predictions group by patient_id, window_days",
    )
    assert set(found) == {(1, 1, 1, 1)}


def test_a_failure_half_way_leaves_no_row_and_can_be_repeated(
    ready: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute, calls = score.score_matrix, []

    def failing(*given: Any) -> ledger.Scores:
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError("power cut")
        return compute(*given)

    with monkeypatch.context() as patch:
        patch.setattr(score, "CHUNK_ROWS", 200)
        patch.setattr(score, "score_matrix", failing)
        with pytest.raises(RuntimeError, match="power cut"):
            score.score(ready)
    assert len(calls) == 3
    ready.commit()
    assert not fetch(ready, "select 1 from raw.predictions")
    assert not fetch(ready, "select 1 from raw.prediction_batches")
    assert score.score(ready).scored == PATIENTS


def test_two_runs_at_once_score_each_patient_once(ready: Connection) -> None:
    ready.commit()
    results: list[score.ScoreResult] = []

    def run() -> None:
        with warehouse.connect() as conn:
            results.append(score.score(conn))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(result.scored for result in results) == [0, PATIENTS]


def test_a_swapped_artifact_scores_nobody(ready: Connection) -> None:
    model = registry.champion(ready, "readmission")
    assert model is not None
    artifacts.path_of(model.artifact_file).write_bytes(b"something else")
    with pytest.raises(BadInput, match="SHA-256"):
        score.score(ready)
    assert not fetch(ready, "select 1 from raw.prediction_batches")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ('library_versions = \'{"scikit-learn": "0.1.0"}\'', "scikit-learn 0.1.0"),
        (
            "feature_names = feature_names[2:] || '{shoe_size}'",
            "never seen by the model: age; not there any more: shoe_size",
        ),
    ],
)
def test_a_model_from_elsewhere_is_refused_before_its_file_is_opened(
    ready: Connection, monkeypatch: pytest.MonkeyPatch, change: str, told: str
) -> None:
    ready.execute(f"update raw.model_registry set {change}".encode())
    monkeypatch.setattr(artifacts, "load_verified", _must_not_open)
    with pytest.raises(BadInput, match=told):
        score.score(ready)


def _must_not_open(path: Path, sha256: str) -> dict[str, Any]:
    raise AssertionError(f"opened {path}")


def test_reasons_explain_the_stored_score(ready: Connection) -> None:
    """With all but three features at the reference, the top three say it all."""
    model = registry.champion(ready, "readmission")
    assert model is not None
    reference = score.load_hazards(model).reference
    x = np.repeat(reference[np.newaxis, :], 40, axis=0)
    draw = np.random.default_rng(3)
    for name in ("age", "total_admissions", "annual_cost"):
        x[:, FEATURE_NAMES.index(name)] = draw.integers(1, 6, 40)
    load = add_load(ready, "cohort", "cohort", 26)
    add_people(ready, np.arange(7000, 7040), x, (load, "cohort"))
    score.score(ready)
    found = fetch(
        ready,
        "select ln(score / (1 - score)), window_days, reason_1_contribution"
        " + reason_2_contribution + reason_3_contribution"
        " from raw.predictions where patient_id >= 7000",
    )
    base = cumulative_risk(np.array([model.reference_patient["log_odds"]]))[0]
    at_reference = dict(zip((30, 60, 90), np.log(base / (1 - base)), strict=True))
    assert len(found) == 120
    for log_odds, window, reasons in found:
        assert abs(at_reference[window] + reasons - log_odds) < 1e-9


def test_fingerprints_ignore_order_and_notice_everything_else() -> None:
    x, days = draw_people(60, 1)
    base = TrainingSet(np.arange(60, dtype=np.int64), x, days)
    one = train.fingerprint(base, 1)
    order = np.random.default_rng(1).permutation(60)
    assert train.fingerprint(base.take(order), 1) == one
    assert train.fingerprint(base, 2) != one
    for field in ("patient_ids", "x", "days"):
        changed = {name: value.copy() for name, value in vars(base).items()}
        changed[field].flat[5] += 1
        assert train.fingerprint(TrainingSet(**changed), 1) != one


def test_the_feature_relations_are_named_once() -> None:
    assert features.PATIENT_FEATURES == "intermediate.int_patient_features"
    assert features.PATIENT_OUTCOMES == "intermediate.int_patient_outcomes"
