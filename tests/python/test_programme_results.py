"""A programme's effect against its holdout; and what is no effect, however it looks."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from copies import Copy
from scipy import stats
from test_sabotage import Bench, checks_of, unseen

from python_scoring import config, holdout, warehouse
from python_scoring.cohorts import cohort, enrolments, generator
from python_scoring.readmission import score

PROGRAMMES = 400
PEOPLE = 600
# Published examples (Newcombe, Stat Med 1998; 17: 873-890, table II, method 10).
NEWCOMBE = {
    (56, 70, 48, 80): (0.0524, 0.3339),
    (9, 10, 3, 10): (0.1705, 0.8090),
    (6, 7, 2, 7): (0.0582, 0.8062),
    (5, 56, 0, 29): (-0.0381, 0.1926),
    (0, 10, 0, 20): (-0.1611, 0.2775),
    (0, 10, 0, 10): (-0.2775, 0.2775),
    (10, 10, 0, 20): (0.6791, 1.0000),
    (10, 10, 0, 10): (0.6075, 1.0000),
}
_PEOPLE_COLUMNS = (
    "organization_id, programme_code, patient_id, prediction_window, is_control,"
    " is_enrolled, had_event_before, has_event, addressable_cost, expected_savings,"
    " intervention_cost"
)


def put(copy: Copy, people: pd.DataFrame) -> None:
    """Let people be those whom programmes are measured on, and measure them."""
    copy.execute("delete from intermediate.int_programme_people")
    rows = people[_PEOPLE_COLUMNS.split(", ")].itertuples(index=False, name=None)
    with warehouse.connect() as conn, conn.cursor() as cursor:
        statement = (
            f"copy intermediate.int_programme_people ({_PEOPLE_COLUMNS}) from stdin"
        )
        with cursor.copy(statement.encode()) as copying:
            for row in rows:
                copying.write_row(row)


def simulated(effect: float) -> pd.DataFrame:
    """Draw programmes whose people were chosen for an admission just before.

    Everybody has a risk of their own, the same before and after; a tenth are controls;
    of the others, those with an admission before are enrolled, as a hot-spotting
    programme does. `effect` is by how much enrolment changes their risk.
    """
    rng = np.random.default_rng(800)
    size = (PROGRAMMES, PEOPLE)
    risk = rng.beta(1.5, 2.5, size)
    is_control = rng.random(size) < 0.1
    before = rng.random(size) < risk
    is_enrolled = before & ~is_control
    after = rng.random(size) < np.clip(risk + effect * is_enrolled, 0, 1)
    codes = np.repeat([f"P{n:03}" for n in range(PROGRAMMES)], PEOPLE)
    return pd.DataFrame(
        {
            "organization_id": 1,
            "programme_code": codes,
            "patient_id": np.tile(np.arange(PEOPLE), PROGRAMMES),
            "prediction_window": "90_day",
            "is_control": is_control.ravel(),
            "is_enrolled": is_enrolled.ravel(),
            "had_event_before": before.ravel(),
            "has_event": after.ravel(),
            "addressable_cost": 4000.0,
            "expected_savings": 1000.0,
            "intervention_cost": 500.0,
        }
    )


def measured(copy: Copy, effect: float) -> pd.DataFrame:
    people = simulated(effect)
    put(copy, people)
    return copy.frame(
        "select assigned.effect, assigned.effect_lower, assigned.effect_upper,"
        " treated.exposed_rate - totals.enrolled_before_rate as naive,"
        " assigned.other_rate - totals.control_before_rate as control_change"
        " from intermediate.int_programme_contrasts as assigned"
        " inner join intermediate.int_programme_contrasts as treated"
        " using (organization_id, programme_code, prediction_window)"
        " inner join intermediate.int_programme_totals as totals"
        " using (organization_id, programme_code, prediction_window)"
        " where assigned.analysis = 'assigned' and treated.analysis = 'as_treated'"
    )


def test_programme_that_does_nothing_looks_good_before_and_after_only(
    clone: Copy,
) -> None:
    results = measured(clone, effect=0.0)
    assert len(results) == PROGRAMMES
    covers = (results["effect_lower"] <= 0) & (results["effect_upper"] >= 0)
    # 95 % of 400, give or take what a binomial does in 999 of 1,000 cases
    low, high = stats.binom(PROGRAMMES, 0.95).interval(0.999)
    assert low <= covers.sum() <= high
    assert abs(results["effect"].mean()) < 0.01
    # Everybody enrolled was admitted before: a fall, each time, that nobody caused.
    assert (results["naive"] < -0.25).all()


def test_effect_that_is_there_is_found_without_bias(clone: Copy) -> None:
    results = measured(clone, effect=-0.25)
    people = simulated(-0.25)
    enrolled = people[~people["is_control"]]["is_enrolled"].mean()
    # Diluted by those of the arm who were not enrolled, and by risks that stop at 0.
    assert -0.25 * enrolled < results["effect"].mean() < -0.15 * enrolled
    assert (results["effect_upper"] < 0).mean() > 0.25


def test_intervals_are_the_published_ones(clone: Copy) -> None:
    put(clone, pd.concat(_arms(*counts) for counts in NEWCOMBE))
    found = clone.frame(
        "select programme_code, analysis, effect_lower, effect_upper"
        " from intermediate.int_programme_contrasts"
    )
    assert len(found) == 2 * len(NEWCOMBE)  # both analyses, of the same people
    for counts, interval in NEWCOMBE.items():
        rows = found[found["programme_code"] == str(counts)]
        for row in rows.itertuples():
            limits = row.effect_lower, row.effect_upper
            assert limits == pytest.approx(interval, abs=6e-5)


def _arms(events: int, people: int, other_events: int, others: int) -> pd.DataFrame:
    """Give two arms in which so many of so many had an event."""
    has_event = [*(np.arange(people) < events), *(np.arange(others) < other_events)]
    is_control = np.arange(people + others) >= people
    return pd.DataFrame(
        {
            "organization_id": 1,
            "programme_code": str((events, people, other_events, others)),
            "patient_id": np.arange(people + others),
            "prediction_window": "30_day",
            "is_control": is_control,
            "is_enrolled": ~is_control,
            "had_event_before": False,
            "has_event": has_event,
            "addressable_cost": 1.0,
            "expected_savings": 1.0,
            "intervention_cost": 1.0,
        }
    )


# From here on: cohorts, scores, outcomes and enrolments, end to end.

FIRST, SECOND = date(2025, 6, 30), date(2025, 9, 30)


@pytest.fixture(scope="module")
def ran(built: Copy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    """Two cohorts of a small panel, a programme, and outcomes of the first alone."""
    folder = tmp_path_factory.mktemp("programme")
    copy = built.clone(config.DATABASE)
    with copy.in_force(), warehouse.connect(autocommit=True) as conn:
        people, outcomes = panel()
        cohort.load_frame(conn, people, org="SYNTH", as_of=FIRST)
        _score(copy)
        enrol(copy, folder)
        # the outcomes come, with a load of their own in the place of the first
        cohort.load_frame(
            conn, people, outcomes, org="SYNTH", as_of=FIRST, replace=True
        )
        older = people.assign(total_outpatient_visits=people["age"] % 7)
        cohort.load_frame(conn, older, org="SYNTH", as_of=SECOND)
        _score(copy)
        copy.run("build", "--exclude-resource-type", "unit_test")
    copy = copy.rename("programme_ran")
    yield copy
    copy.drop()


def panel() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw 400 people, and what became of them."""
    made = generator.generate(400, 3)
    people = pd.DataFrame({"external_id": made.external_id, **made.base})
    days = pd.Series(made.days_to_readmission).astype("Int64")
    outcomes = {"external_id": made.external_id, "days_to_readmission": days}
    return people, pd.DataFrame(outcomes)


def _score(copy: Copy) -> None:
    copy.run("run", "--select", "+int_patient_features", "+int_patient_outcomes")
    with warehouse.connect(autocommit=True) as conn:
        score.score(conn)


def enrol(copy: Copy, folder: Path) -> None:
    """Take every other one of SYNTH who is no control into the programme CALLS."""
    rows = copy.rows(
        "select external_id, patient_uuid::text from raw.patient_registry"
        " where org_code = 'SYNTH' order by 1"
    )
    salt, share = holdout.salt(), holdout.share()
    called = [one for one, uid in rows if holdout.draw(salt, uid) >= share]
    file = folder / "enrolled.csv"
    frame = pd.DataFrame({"external_id": called[::2], "enrolled_on": "2025-07-05"})
    frame.to_csv(file, index=False)
    with warehouse.connect(autocommit=True) as conn:
        result = enrolments.load(conn, file, org="SYNTH", programme="CALLS")
    assert (result.rejected, result.controls) == (0, 0)


def test_result_is_what_pandas_makes_of_the_same_people(ran: Copy) -> None:
    with ran.in_force():
        result = ran.frame(
            "select * from candidate.programme_results where programme_code = 'CALLS'"
            " and prediction_window = '60_day'"
        ).iloc[0]
        people = ran.frame(
            "select registry.external_id, registry.patient_uuid::text as uid"
            " from raw.patient_registry as registry where org_code = 'SYNTH'"
        )
        first = ran.frame(
            "select patient_id, registry.external_id, is_positive_roi,"
            " prediction_window from intermediate.int_past_projections as past"
            " inner join raw.patient_registry as registry using (patient_id)"
            f" where org_code = 'SYNTH' and as_of_date = '{FIRST}'"
        )
        draws = [holdout.draw(holdout.salt(), uid) for uid in people["uid"]]
        share = holdout.share()
    outcomes = panel()[1].set_index("external_id")["days_to_readmission"]
    eligible = set(first[first["is_positive_roi"]]["external_id"])
    known = people.assign(is_control=[d < share for d in draws])
    known = known[known["external_id"].isin(eligible)]
    events = known["external_id"].map(outcomes).le(60).fillna(False)
    by_arm = events.groupby(known["is_control"]).agg(["sum", "count"])
    assert result["status"] == "measured"
    assert result["baseline_date"] == FIRST
    assert tuple(by_arm.loc[False]) == (
        result["treatment_readmissions"],
        result["treatment_count"],
    )
    assert tuple(by_arm.loc[True]) == (
        result["control_readmissions"],
        result["control_count"],
    )
    assert result["control_enrolled_count"] == 0
    assert 0 < result["treatment_enrolled_count"] < result["treatment_count"]


def test_backtest_keeps_the_first_score_and_waits_for_outcomes(ran: Copy) -> None:
    with ran.in_force():
        rows = ran.frame(
            "select * from candidate.projection_backtests"
            " where population = 'everybody' and as_of_date <> '2025-12-31'"
            " and prediction_window = '90_day' order by as_of_date"
        )
        ledger = ran.value(
            "select sum(score) from raw.predictions as ledger"
            " inner join raw.patient_registry as registry using (patient_id)"
            " where org_code = 'SYNTH' and window_days = 90 and batch_id = ("
            " select min(batch_id) from raw.predictions inner join"
            " raw.patient_registry as one using (patient_id) where org_code = 'SYNTH')"
        )
    assert rows["as_of_date"].tolist() == [FIRST, SECOND]
    assert rows["status"].tolist() == ["measured", "no_outcomes_yet"]
    assert rows["scored_count"].tolist() == [400, 400]
    assert rows["expected_readmissions"][0] == pytest.approx(ledger)
    events = panel()[1]["days_to_readmission"].notna().sum()
    assert rows["observed_readmissions"][0] == events


def test_organization_without_a_programme_has_rows_that_say_so(ran: Copy) -> None:
    with ran.in_force():
        rows = ran.rows(
            "select programme_code, status, effect from candidate.programme_results"
            " where organization_id = 1"
        )
    assert rows == [("none", "no_enrolments", None)] * 3


def test_any_change_of_a_result_is_seen(ran: Copy) -> None:
    """Of what was measured, and of what says why nothing was."""
    with ran.in_force(), warehouse.connect(autocommit=True) as conn:
        bench = Bench(conn, "candidate", list(checks_of("candidate")))
        kinds = ("status = 'measured'", "status = 'no_enrolments'")
        assert all(bench.row("programme_results", kind) for kind in kinds)
        assert unseen(bench, "programme_results", kinds) == []


def test_interval_of_observed_over_expected_is_near_the_exact_one(ran: Copy) -> None:
    with ran.in_force():
        rows = ran.rows(
            "select observed_readmissions,"
            " observed_ratio_lower * expected_readmissions,"
            " observed_ratio_upper * expected_readmissions"
            " from candidate.projection_backtests where status = 'measured'"
        )
    assert len(rows) == 12
    for observed, lower, upper in rows:
        exact = (
            stats.chi2.ppf(0.025, 2 * observed) / 2,
            stats.chi2.ppf(0.975, 2 * observed + 2) / 2,
        )
        assert (lower, upper) == pytest.approx(exact, abs=0.05, rel=0.005)
