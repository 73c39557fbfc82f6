"""Evaluations: what is computed of a cohort, and how it is kept."""

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import golden
import numpy as np
import pytest
from conftest import Run
from copies import Copy
from rich.console import Console
from sklearn.metrics import roc_auc_score

from python_scoring import (
    evaluation,
    evaluation_store,
    project_vars,
    report,
    warehouse,
)
from python_scoring.errors import BadInput
from python_scoring.evaluation import Group, Outcomes, Rules
from python_scoring.pipeline import Build
from python_scoring.readmission import evaluate, features, naive, score
from python_scoring.readmission.evaluate import EvaluateResult, Verdict
from python_scoring.readmission.training_set import TrainingSet
from python_scoring.warehouse import Connection

RULES = Rules({1: 0.0, 2: 0.2, 3: 0.4, 4: 0.6, 5: 0.8}, 0.99, 100)
WINDOWS = (30, 90)


def draw(seed: int = 0, people: int = 1_000) -> Outcomes:
    random = np.random.default_rng(seed)
    risk = random.beta(1, 4, (people, 2))
    risk.sort(axis=1)
    return Outcomes(
        window_days=WINDOWS,
        patient_ids=np.arange(people, dtype=np.int64),
        risk=risk,
        event=random.random((people, 2)) < risk,
        groups={
            "sex": Group(random.integers(0, 2, people).astype(np.int16), {1: "female"})
        },
        comparators={"prevalence": np.full((people, 2), 0.3)},
    )


def test_digest_knows_every_input() -> None:
    outcomes = draw()
    risk = outcomes.risk.copy()
    risk[17, 1] = np.nextafter(risk[17, 1], 1)
    event = outcomes.event.copy()
    event[17, 1] = ~event[17, 1]
    [sex] = outcomes.groups.values()
    turned = Group(np.int16(1) - sex.code, sex.names)
    others = [
        (replace(outcomes, risk=risk), RULES),
        (replace(outcomes, event=event), RULES),
        (replace(outcomes, patient_ids=outcomes.patient_ids + 1), RULES),
        (replace(outcomes, window_days=(30, 60)), RULES),
        (replace(outcomes, groups={"sex": turned}), RULES),
        (replace(outcomes, groups={"sex": Group(sex.code, {1: "F"})}), RULES),
        (outcomes, replace(RULES, tier_bounds={1: 0.0, 2: 0.5})),
        (outcomes, replace(RULES, gate_confidence=0.95)),
        (outcomes, replace(RULES, smallest_group_count=50)),
    ]
    digests = [evaluation.digest(*other) for other in others]
    assert len({evaluation.digest(outcomes, RULES), *digests}) == 1 + len(others)
    assert evaluation.digest(draw(), RULES) == evaluation.digest(outcomes, RULES)
    compared = evaluation.digest(outcomes, RULES, ["prevalence"])
    assert compared != evaluation.digest(outcomes, RULES)


def test_groups_part_everyone() -> None:
    rows = [row for row in evaluation.metric_rows(draw(), RULES) if row[3] == "auroc"]
    for days in WINDOWS:
        counts = {row[1:3]: row[-3:-1] for row in rows if row[0] == days}
        assert set(counts) == {("all", "all"), ("sex", "0"), ("sex", "female")}
        whole = counts.pop(("all", "all"))
        assert tuple(map(sum, zip(*counts.values(), strict=True))) == whole


def test_small_groups_are_marked_and_shown() -> None:
    outcomes = draw(people=150)
    marks = {row[0]: row[-1] for row in evaluation.metric_rows(outcomes, RULES)}
    assert marks == {30: True, 90: True}
    generous = replace(RULES, smallest_group_count=1)
    assert not any(row[-1] for row in evaluation.metric_rows(outcomes, generous))


def test_one_person_gives_counts_and_nulls() -> None:
    rows = list(evaluation.metric_rows(draw(people=1), RULES))
    values = {row[3]: row[4] for row in rows if row[1] == "all" and row[0] == 30}
    assert values["brier"] is not None
    assert values["expected_rate"] is not None
    missing = ["auroc", "auprc", "scaled_brier", "calibration_slope", "ici", "e90"]
    assert [values[name] for name in missing] == [None] * len(missing)
    assert len(list(evaluation.bin_rows(draw(people=1), RULES))) == 2 * 2 * 15
    assert len(list(evaluation.threshold_rows(draw(people=1)))) == 2 * 2 * 99


def bins(kind: str, outcomes: Outcomes, days: int = 30) -> list[tuple[Any, ...]]:
    rows = evaluation.bin_rows(outcomes, RULES)
    return [row[2:-2] for row in rows if (*row[:2], row[-2]) == (days, kind, "all")]


@pytest.mark.parametrize("kind", ["tier", "decile"])
def test_bins_hold_everyone_once(kind: str) -> None:
    outcomes = draw()
    rows = bins(kind, outcomes)
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
    assert sum(row[1] for row in rows) == 1_000
    assert sum(row[3] for row in rows) == outcomes.event[:, 0].sum()
    expected = sum(row[1] * row[2] for row in rows if row[1])
    assert expected == pytest.approx(outcomes.risk[:, 0].sum())
    if kind == "decile":
        assert {row[1] for row in rows} == {100}


def test_tiers_hold_their_lower_bound_and_the_top_one_its_upper() -> None:
    at = np.array([0, 0.2, np.nextafter(0.4, 0), 0.4, 0.6, 0.8, 1.0])
    outcomes = replace(
        draw(people=7), risk=np.column_stack([at, at]), groups={}, comparators={}
    )
    assert [row[1] for row in bins("tier", outcomes)] == [1, 2, 1, 1, 2]


def test_empty_tiers_are_rows_without_rates() -> None:
    outcomes = draw()
    low = replace(outcomes, risk=outcomes.risk * 0.1)
    top = bins("tier", low)[-1]
    assert top == (5, 0, None, 0, None, None, None, None, None)


def test_equal_scores_stay_in_one_decile() -> None:
    same = replace(draw(), risk=np.full((1_000, 2), 0.2))
    assert sorted(row[1] for row in bins("decile", same)) == [0] * 9 + [1_000]


def test_gate_interval_is_wilsons_shared_out_among_all_cells() -> None:
    """Ten cells (5 tiers x 2 windows): each at 1 - 0.01 / 10, so z = 3.2905."""
    row = bins("tier", draw())[0]
    n, share = row[1], row[3] / row[1]
    z = 3.2905267314919255
    middle = (share + z * z / 2 / n) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / 4 / n**2)
    assert row[-2:] == pytest.approx((middle - half, middle + half), abs=1e-9)
    assert row[-2] < row[-4] < row[-3] < row[-1]
    assert {row[-2:] for row in bins("decile", draw())} == {(None, None)}


def test_comparators_are_judged_on_everyone_only() -> None:
    rows = list(evaluation.metric_rows(draw(), RULES))
    named = [row for row in rows if row[3] == "log_loss_prevalence"]
    assert [(row[0], row[1]) for row in named] == [(30, "all"), (90, "all")]
    rate = draw().event[:, 0].mean()
    wanted = -rate * np.log(0.3) - (1 - rate) * np.log(0.7)
    assert named[0][4] == pytest.approx(wanted)


def test_naive_models_meet_the_rates_they_were_fitted_on() -> None:
    random = np.random.default_rng(0)
    x = np.zeros((2_000, 27))
    place = features.FEATURE_NAMES.index("cost_percentile")
    x[:, place] = random.random(2_000)
    conditions = features.FEATURE_NAMES.index("has_chf")
    x[:, conditions] = random.random(2_000) < 0.4
    odds = np.exp(-1 + x[:, place] + x[:, conditions])
    days = np.where(random.random(2_000) < odds / (1 + odds), 20, 0).astype(np.int16)
    training = TrainingSet(np.arange(2_000), x, days)
    singles = naive.single_features(x)
    for name, risk in naive.fit_on(training).risk(singles).items():
        assert risk.shape == (2_000, 3)
        assert risk[:, 0].mean() == pytest.approx((days > 0).mean())
        assert (np.ptp(risk[:, 0]) > 0.05) == (name != "prevalence")
    with_chf = singles["condition_count"] == 1
    risk = naive.fit_on(training).risk(singles)["condition_count"][:, 0]
    assert risk[with_chf].mean() == pytest.approx((days[with_chf] > 0).mean())


@pytest.mark.parametrize("text", ["{}", "gate_confidence: 1", "gate_confidence: high"])
def test_a_var_that_is_no_share_is_refused(
    text: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dbt_project.yml").write_text(f"vars:\n  {text}\n")
    monkeypatch.setattr(project_vars.config, "PROJECT_DIR", tmp_path)
    with pytest.raises(BadInput, match="gate_confidence"):
        project_vars.share("gate_confidence")
    with pytest.raises(BadInput, match="smallest_group_count"):
        project_vars.count("smallest_group_count")


SUBJECT = evaluation_store.Subject(
    target="t",
    model_version="m",
    artifact_sha256="a" * 64,
    load_id=1,
    org_code="A",
    as_of_date=date(2024, 1, 1),
)


@pytest.fixture
def store(conn: Connection) -> Connection:
    """The raw tables, for evaluations of models that nobody registered."""
    constraint = "evaluations_model_version_fkey"
    conn.execute(f"alter table raw.evaluations drop constraint {constraint}")
    return conn


def count(conn: Connection, table: str) -> int:
    row = conn.execute(f"select count(*) from raw.{table}".encode()).fetchone()
    assert row is not None
    return int(row[0])


def test_what_is_written_is_what_was_computed(store: Connection) -> None:
    outcomes = draw()
    evaluation_id = evaluation_store.write(store, SUBJECT, outcomes, RULES)
    for table, rows in (
        ("evaluation_metrics", evaluation.metric_rows(outcomes, RULES)),
        ("evaluation_bins", evaluation.bin_rows(outcomes, RULES)),
        ("evaluation_thresholds", evaluation.threshold_rows(outcomes)),
    ):
        found = store.execute(f"select * from raw.{table}".encode()).fetchall()
        wanted = {(evaluation_id, *row) for row in rows}
        assert set(found) == wanted
        assert len(found) == len(wanted) > 0


def test_bins_and_thresholds_of_a_group_are_those_of_its_people_alone() -> None:
    outcomes = draw()
    women = outcomes.groups["sex"].code == 1
    alone = replace(
        outcomes,
        patient_ids=outcomes.patient_ids[women],
        risk=outcomes.risk[women],
        event=outcomes.event[women],
        groups={},
    )
    for whole, part in (
        (evaluation.threshold_rows(outcomes), evaluation.threshold_rows(alone)),
        (evaluation.bin_rows(outcomes, RULES), evaluation.bin_rows(alone, RULES)),
    ):
        found = [row[:9] for row in whole if row[-2:] == ("sex", "female")]
        assert found == [row[:9] for row in part if row[-2:] == ("all", "all")] != []


def test_the_gates_interval_is_of_everyone_only() -> None:
    for *_, lower, upper, group, _ in evaluation.bin_rows(draw(), RULES):
        assert (lower is None) == (upper is None)
        assert group == "all" or lower is None


def test_an_older_warehouses_figures_become_those_of_everyone(
    store: Connection,
) -> None:
    outcomes = replace(draw(), groups={})
    evaluation_id = evaluation_store.write(store, SUBJECT, outcomes, RULES)
    tables = ("evaluation_bins", "evaluation_thresholds")
    query = "select * from raw.{} order by {}::text"
    rows = {t: store.execute(query.format(t, t).encode()).fetchall() for t in tables}
    for table, key in zip(tables, ("bin_type, bin", "threshold"), strict=True):
        store.execute(
            f"alter table raw.{table} drop column group_name, drop column group_value,"
            f" add primary key (evaluation_id, window_days, {key})".encode()
        )
    store.execute("alter table raw.evaluation_bins rename bin_type to group_name")
    for _ in range(2):
        store.execute("comment on schema raw is 'older'")
        warehouse.prepare(store)
        for table in tables:
            found = store.execute(query.format(table, table).encode()).fetchall()
            assert found == rows[table]
    # Groups have a place beside them.
    assert evaluation_store.write(store, SUBJECT, draw(), RULES) != evaluation_id


def test_an_evaluation_is_known_until_anything_changes(store: Connection) -> None:
    sha256 = evaluation.digest(draw(), RULES, tuple(draw().comparators))
    assert not evaluation_store.is_known(store, SUBJECT, sha256, None)
    evaluation_store.write(store, SUBJECT, draw(), RULES)
    assert evaluation_store.is_known(store, SUBJECT, sha256, None)
    assert not evaluation_store.is_known(store, SUBJECT, "0" * 64, None)
    for change in (
        {"artifact_sha256": None},
        {"load_id": 2},
        {"org_code": "B"},
        {"model_version": "n"},
        {"target": "u"},
    ):
        other = replace(SUBJECT, **change)  # type: ignore[arg-type]
        assert not evaluation_store.is_known(store, other, sha256, None), change
    evaluation_store.note_not_evaluated(store, SUBJECT, "gone")
    assert not evaluation_store.is_known(store, SUBJECT, sha256, None)
    assert evaluation_store.is_known(store, SUBJECT, None, "gone")


def run() -> EvaluateResult:
    with warehouse.connect(autocommit=True) as conn:
        return evaluate.evaluate(conn)


def only(verdicts: list[Verdict]) -> Verdict:
    [verdict] = verdicts
    return verdict


def state(clone: Copy) -> list[tuple[Any, ...]]:
    tables = ["evaluations", "evaluation_metrics", "evaluation_bins"]
    tables.append("evaluation_thresholds")
    return [clone.value(f"select count(*) from raw.{table}") for table in tables]


def test_baseline_is_evaluated_once(clone: Copy) -> None:
    first = run()
    verdict = only(first.evaluated)
    assert (verdict.org_code, verdict.patients) == ("BASELINE", 3_000)
    assert first.not_evaluated == []
    before = state(clone)
    assert all(before)
    assert not only(run().evaluated).is_new
    assert state(clone) == before


def test_what_could_not_be_compared_is_compared_once_it_can(clone: Copy) -> None:
    """A warehouse without its training history has no naive models."""
    known = "update raw.loads set has_outcomes = %s where purpose = 'training'"
    clone.execute(known, False)
    assert only(run().evaluated).is_new
    naive_figures = (
        "select count(*) from raw.evaluation_metrics where evaluation_id ="
        " (select max(evaluation_id) from raw.evaluations)"
        " and metric like 'log_loss_%'"
    )
    assert clone.value(naive_figures) == 0
    clone.execute(known, True)
    assert only(run().evaluated).is_new
    assert clone.value(naive_figures) > 0


def test_figures_are_those_of_a_second_calculation(clone: Copy) -> None:
    """AUROC and counts by group, from the tables, by scikit-learn."""
    run()
    people = clone.frame(
        "select p.risk_score, o.days_to_readmission <= w.window_days as event,"
        " p.prediction_window, f.is_female, f.age, d.department_code"
        " from candidate.predictions p"
        " join rules.prediction_windows w using (prediction_window)"
        " join intermediate.int_patient_features f using (patient_id)"
        " join intermediate.int_patient_outcomes o using (load_id, patient_id)"
        " join intermediate.int_patient_departments pd using (patient_id)"
        " join rules.departments d using (department_id) where f.is_current"
    )
    people["event"] = people["event"].fillna(False).astype(bool)
    wanted = {
        ("all", "all"): people["age"] > 0,
        ("sex", "female"): people["is_female"] == 1,
        ("age_band", "75-84"): people["age"].between(75, 84),
        ("age_band", "85 and over"): people["age"] >= 85,
        ("department", "CARDIOLOGY"): people["department_code"] == "CARDIOLOGY",
    }
    for (group, value), members in wanted.items():
        for window, part in people[members].groupby("prediction_window"):
            [(auroc, patients, events)] = clone.rows(
                "select value, patient_count, event_count from raw.evaluation_metrics"
                " where metric = 'auroc' and window_days = %s and group_name = %s"
                " and group_value = %s and evaluation_id = (select max(evaluation_id)"
                " from raw.evaluations)",
                int(str(window).removesuffix("_day")),
                group,
                value,
            )
            assert (patients, events) == (len(part), part["event"].sum())
            assert auroc == pytest.approx(
                roc_auc_score(part["event"], part["risk_score"]), abs=1e-9
            )


def test_changed_scores_are_evaluated_anew_and_the_old_verdict_stays(
    clone: Copy,
) -> None:
    run()
    before = state(clone)
    clone.execute(
        "update raw.predictions set score = score / 2"
        " where patient_id = (select min(patient_id) from raw.predictions)"
    )
    assert only(run().evaluated).is_new
    assert state(clone) == [2 * before[0], *(2 * n for n in before[1:])]


def test_an_evaluation_that_breaks_off_leaves_nothing(
    clone: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone.execute("update raw.predictions set score = score / 2")
    before = state(clone)

    def broken(outcomes: Outcomes) -> Iterator[evaluation.Row]:
        yield from ()
        raise RuntimeError("broken off")

    monkeypatch.setattr(evaluation, "threshold_rows", broken)
    with pytest.raises(RuntimeError, match="broken off"):
        run()
    assert state(clone) == before


def test_cohort_without_outcomes_is_not_evaluated_and_says_why(
    clone: Copy, riskmart: Run
) -> None:
    golden.load()
    clone.run("run", "--select", "+int_patient_departments", "+int_patient_outcomes")
    with warehouse.connect(autocommit=True) as conn:
        score.score(conn)
    verdict = only(run().not_evaluated)
    assert verdict.org_code == golden.ORG
    assert verdict.is_new
    assert verdict.reason == (
        "nobody's outcomes are known for the 90 days after 2025-12-31"
    )
    assert not only(run().not_evaluated).is_new
    clone.run("run", "--select", "+model_evaluations")
    shown = clone.rows(
        "select prediction_window, status, reason, auroc, patient_count"
        " from candidate.model_evaluations where organization_id = %s",
        golden.ORGANIZATION_ID,
    )
    assert len(shown) == 3
    assert {row[1:] for row in shown} == {("not_evaluated", verdict.reason, None, 0)}
    lines = riskmart("status").out.splitlines()
    of_cohort = [line for line in lines if line.split()[:1] == [golden.ORG]]
    assert any("not_evaluated" in line for line in of_cohort)


def test_a_build_says_which_cohorts_nobody_judged(base: Copy) -> None:
    verdict = Verdict("CLINIC", date(2026, 1, 31), 0, "nobody knows", is_new=False)
    done = Build(evaluated=EvaluateResult("m", not_evaluated=[verdict]))
    shown = Console(file=io.StringIO(), width=200, record=True)
    with warehouse.connect() as conn:
        report.show_build(shown, conn, done)
    assert "CLINIC as of 2026-01-31: not evaluated, nobody knows" in shown.export_text()


def test_people_of_another_model_are_not_counted(clone: Copy) -> None:
    clone.execute(
        "insert into raw.model_registry select (jsonb_populate_record("
        "null::raw.model_registry, to_jsonb(m) ||"
        """ '{"model_version": "older", "is_champion": false}')).*"""
        " from raw.model_registry as m"
    )
    clone.execute("update raw.prediction_batches set model_version = 'older'")
    verdict = only(run().not_evaluated)
    assert verdict.reason == "nobody with a known outcome has been scored by this model"


def test_without_a_model_there_is_nothing_to_evaluate(clone: Copy) -> None:
    clone.execute("update raw.model_registry set is_champion = false")
    with pytest.raises(BadInput, match="riskmart train"):
        run()
