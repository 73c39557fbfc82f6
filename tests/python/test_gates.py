"""Gates: an honest model passes; a spoilt one, or one nobody judged, does not."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from copies import Copy

from benchmarks import gates, spoilt_models
from python_scoring import artifacts, config, gate, registry, warehouse
from python_scoring.cohorts import generator
from python_scoring.dbt import Project
from python_scoring.errors import BadInput, GateFailed
from python_scoring.readmission import evaluate, features, score, selection, train

BEATS, SLOPE, TIERS, HORIZONS, FILE = gates.GATES
AGREE = "assert_model_figures_agree_with_sql"
HELD_OUT = "assert_gate_cohort_is_held_out"
UNEVALUATED = "unevaluated_models__run_riskmart_build"
ALL = (*gates.GATES, AGREE, HELD_OUT, UNEVALUATED)


def evaluate_now(clone: Copy) -> None:
    with warehouse.connect(autocommit=True) as conn:
        evaluate.evaluate(conn)
    clone.run("run", "--select", "int_rank_sum_figures")


def by_dbt(clone: Copy) -> dict[str, str]:
    """Run the gates by dbt: what did not pass, and how."""
    nodes = clone.dbt("test", "--select", *ALL)
    assert {node.name for node in nodes.values()} == set(ALL)
    return {n.name: n.status for n in nodes.values() if n.status != "pass"}


@pytest.fixture(scope="module")
def queries(built: Copy) -> dict[str, str]:
    """The gates as dbt compiles them, by name: clones have the same relations."""
    project = replace(built, database=config.DATABASE)
    copied = built.clone(config.DATABASE)
    try:
        with copied.in_force():
            nodes = project.dbt("compile", "--select", *ALL)
    finally:
        copied.drop()
    return {node.name: node.compiled_code for node in nodes.values()}


Failing = Callable[[], set[str]]


@pytest.fixture
def failing(judged: Copy, queries: dict[str, str]) -> Failing:
    """Name the gates that find something."""
    assert set(queries) == set(ALL)

    def run() -> set[str]:
        return {name for name, query in queries.items() if judged.rows(query)}

    return run


@pytest.fixture
def judged(clone: Copy) -> Copy:
    """A clone, whose model in force has been evaluated by the build."""
    assert clone.value("select count(*) from raw.evaluations") == 1
    return clone


def test_honest_model_passes_every_gate(judged: Copy, failing: Failing) -> None:
    assert by_dbt(judged) == {}
    assert failing() == set()


def test_a_build_is_stopped_and_says_by_what(judged: Copy) -> None:
    judged.execute("update raw.predictions set score = 2 * score / (1 + score)")
    evaluate_now(judged)
    assert by_dbt(judged) == {TIERS: "fail"}
    project = Project()
    project.parse()
    with warehouse.connect(autocommit=True) as conn, pytest.raises(GateFailed) as said:
        gate.run(conn, project, "--select", TIERS, command="test")
    assert TIERS in str(said.value)
    assert "expected_rate=" in str(said.value)


def test_a_model_nobody_judged_is_no_pass(judged: Copy) -> None:
    judged.execute("truncate raw.evaluations cascade")
    assert by_dbt(judged) == {UNEVALUATED: "warn"}
    project = Project()
    project.parse()
    with warehouse.connect(autocommit=True) as conn:
        gate.run(conn, project, "--select", UNEVALUATED, command="test")
        with pytest.raises(GateFailed, match="nobody judged"):
            gate.check_scored(project)


def test_log_odds_doubled_are_seen_by_the_slope(judged: Copy, failing: Failing) -> None:
    judged.execute(
        "update raw.predictions set score = score ^ 2 / (score ^ 2 + (1 - score) ^ 2)"
    )
    evaluate_now(judged)
    assert SLOPE in failing()


@pytest.mark.slow
def test_labels_shuffled_before_training_are_seen(
    judged: Copy, failing: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the training already; and, where that lets them pass, by the gates."""
    check = selection.check_beats_naive

    def let_pass(comparison: selection.Comparison) -> None:
        with pytest.raises(GateFailed, match="nothing that does not beat"):
            check(comparison)

    monkeypatch.setattr(selection, "check_beats_naive", let_pass)
    judged.execute(
        "with dealt as (select load_id, external_id, days_to_readmission,"
        " row_number() over (order by external_id) as place,"
        " row_number() over (order by md5(external_id)) as other_place"
        " from raw.cohort_outcomes)"
        " update raw.cohort_outcomes as kept"
        " set days_to_readmission = others.days_to_readmission"
        " from dealt inner join dealt as others on dealt.place = others.other_place"
        " where kept.load_id = dealt.load_id and kept.external_id = dealt.external_id"
    )
    with warehouse.connect(autocommit=True) as conn:
        before = registry.champion(conn, features.TARGET)
        train.train(conn, 0)
        after = registry.champion(conn, features.TARGET)
        assert before != after
        score.score(conn)
    evaluate_now(judged)
    assert {BEATS, SLOPE} <= failing()


@pytest.fixture
def swapped_file(judged: Copy) -> Iterator[Copy]:
    """The clone with other bytes in the place of the model's file."""
    with warehouse.connect() as conn:
        model = registry.champion(conn, features.TARGET)
        assert model is not None
    path = artifacts.path_of(model.artifact_file)
    before = path.read_bytes()
    path.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    try:
        yield judged
    finally:
        path.write_bytes(before)


def test_swapped_file_scores_nobody_and_is_seen(
    swapped_file: Copy, failing: Failing
) -> None:
    with (
        warehouse.connect(autocommit=True) as conn,
        pytest.raises(BadInput, match="as registered") as refused,
    ):
        score.score(conn, rescore=True)
    assert refused.value.exit_code == 2
    evaluate_now(swapped_file)
    assert failing() == {FILE}


def test_missing_file_is_seen(swapped_file: Copy, failing: Failing) -> None:
    with warehouse.connect() as conn:
        model = registry.champion(conn, features.TARGET)
        assert model is not None
    artifacts.path_of(model.artifact_file).unlink()
    evaluate_now(swapped_file)
    assert failing() == {FILE}


def last(table: str, change: str, condition: str) -> str:
    return (
        f"update raw.{table} set {change} where evaluation_id ="
        f" (select max(evaluation_id) from raw.evaluations) and {condition}"
    )


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        pytest.param(
            last(
                "evaluation_metrics",
                "value = value + 2e-9",
                "metric = 'auroc' and group_name = 'all' and window_days = 60",
            ),
            {AGREE},
            id="another AUROC than in SQL",
        ),
        pytest.param(
            last(
                "evaluation_metrics",
                "value = null",
                "metric = 'observed_expected' and group_name = 'all'",
            ),
            {AGREE},
            id="no observed/expected",
        ),
        pytest.param(
            last(
                "evaluation_metrics",
                "value = 1",
                "metric = 'log_loss' and group_name = 'all' and window_days = 90",
            ),
            {BEATS},
            id="log loss above the naive ones in one window",
        ),
        pytest.param(
            last(
                "evaluation_metrics", "value = null", "metric = 'log_loss_prevalence'"
            ),
            {BEATS},
            id="nothing to compare with",
        ),
        pytest.param(
            last(
                "evaluation_metrics",
                "value = 0.849",
                "metric = 'calibration_slope' and group_name = 'all'"
                " and window_days = 60",
            ),
            {SLOPE},
            id="slope below its bound",
        ),
        pytest.param(
            last(
                "evaluation_metrics",
                "value = 1.151",
                "metric = 'calibration_slope' and group_name = 'all'"
                " and window_days = 60",
            ),
            {SLOPE},
            id="slope above its bound",
        ),
        pytest.param(
            last(
                "evaluation_metrics",
                "value = null",
                "metric = 'calibration_slope' and group_name = 'all'",
            ),
            {SLOPE},
            id="no slope",
        ),
        pytest.param(
            last(
                "evaluation_bins",
                "expected_rate = gate_upper + 1e-6",
                "bin_type = 'tier' and bin = 4 and window_days = 90"
                " and group_name = 'all'",
            ),
            {TIERS},
            id="one tier above its interval",
        ),
        pytest.param(
            last(
                "evaluation_bins",
                "expected_rate = gate_upper + 1e-6, patient_count = 9",
                "bin_type = 'tier' and bin = 4 and window_days = 90"
                " and group_name = 'all'",
            ),
            set(),
            id="a small tier is reported only",
        ),
        pytest.param(
            last(
                "evaluation_metrics",
                "value = 9",
                "group_name <> 'all' and metric in ('log_loss', 'calibration_slope')",
            ),
            set(),
            id="subgroups are reported only",
        ),
        pytest.param(
            last("evaluation_bins", "expected_rate = 1", "group_name <> 'all'"),
            set(),
            id="tiers of subgroups are reported only",
        ),
        pytest.param(
            "update raw.evaluations set status = 'not_evaluated', reason = 'gone',"
            " scores_sha256 = null",
            {UNEVALUATED},
            id="not evaluated is no pass",
        ),
        pytest.param(
            "truncate raw.evaluations cascade",
            {UNEVALUATED},
            id="never evaluated",
        ),
        pytest.param(
            "truncate raw.evaluation_metrics, raw.evaluation_bins",
            {BEATS, SLOPE, TIERS, AGREE},
            id="an evaluation without figures",
        ),
        pytest.param(
            "update intermediate.int_cohort_loads set is_current = false",
            {UNEVALUATED},
            id="a newer cohort that nobody has evaluated",
        ),
    ],
)
def test_gates_see(
    judged: Copy, failing: Failing, change: str, failed: set[str]
) -> None:
    judged.execute(change)
    assert failing() == failed


def test_a_gate_cohort_that_was_trained_on_is_seen(
    judged: Copy, failing: Failing
) -> None:
    """One of the baseline's people among the training rows."""
    judged.execute(
        "update intermediate.int_patient_features set patient_id ="
        " (select min(p.patient_id) from intermediate.int_patient_features as p"
        " where p.load_id = 0) where purpose = 'training' and patient_id ="
        " (select min(p.patient_id) from intermediate.int_patient_features as p"
        " where p.purpose = 'training')"
    )
    assert failing() == {HELD_OUT}


def test_benchmark_lets_the_honest_through_and_stops_the_spoilt(
    judged: Copy, failing: Failing
) -> None:
    project = Project()
    project.parse()
    with warehouse.connect(autocommit=True) as conn:
        bench = gates.open_bench(conn, project)
        tallies = gates.judge(bench, range(1))
    stopped = {name: tally.stopped for name, tally in tallies.items()}
    assert stopped == {"honest": 0, **dict.fromkeys(spoilt_models.SABOTAGES, 1)}
    assert tallies["file swapped"].by_gate == {
        **dict.fromkeys(gates.GATES, 0),
        FILE: 1,
    }
    assert tallies["horizons swapped"].by_gate[HORIZONS] == 1
    table = gates.markdown(tallies)
    assert table.count("\n") == 1 + len(tallies)
    assert "| honest | 1 | 1 | 0 |" in table
    # Nothing of it stays.
    assert failing() == set()


def test_seeds_of_the_benchmark_share_nobody_with_what_ships() -> None:
    ours = {
        first + seed
        for first in (
            spoilt_models.FIRST_TRAINING_SEED,
            spoilt_models.FIRST_COHORT_SEED,
        )
        for seed in range(gates.SEEDS)
    }
    assert len(ours) == 2 * gates.SEEDS
    assert not ours & {generator.TRAINING_SEED, generator.BASELINE_SEED}


def test_benchmark_spoils_what_it_says() -> None:
    drawn = spoilt_models.draw(0, {}, 2_000, 500)
    risk = np.linspace(0.01, 0.6, 1_500).reshape(500, 3)
    model = drawn.candidate(risk, drawn.training)
    odds = model.outcomes.risk / (1 - model.outcomes.risk)
    doubled = spoilt_models.doubled_odds(drawn, model).outcomes.risk
    halved = spoilt_models.halved_odds(drawn, model).outcomes.risk
    assert doubled / (1 - doubled) == pytest.approx(2 * odds)
    assert halved / (1 - halved) == pytest.approx(odds / 2)
    swapped = spoilt_models.swapped_people(drawn, model).outcomes.risk
    assert sorted(swapped[:, 0]) == sorted(model.outcomes.risk[:, 0])
    assert not np.array_equal(swapped, model.outcomes.risk)
