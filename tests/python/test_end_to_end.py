"""One build in a folder of its own, then the same with two more organizations."""

from datetime import date
from typing import Any

import claims
import numpy as np
import pandas as pd
import pytest
from copies import Copy

from python_scoring import pipeline, warehouse
from python_scoring.readmission import score

GRIDS = {
    "org_tier_summary": 15,
    "tier_migration": 75,
    "roi_aggregations": 3,
    "roi_scenario_totals": 9,
    "targeting_frontier": 152,
    "dept_risk_distribution": 150,
    "high_risk_by_department": 60,
    "roi_by_department": 30,
    "programme_holdout_balance": 50,
    "programme_results": 3,
    "org_tier_summary_suppressed": 15,
    "tier_migration_suppressed": 75,
    "dept_risk_distribution_suppressed": 150,
    "roi_by_department_suppressed": 30,
}
MARTS = {
    *GRIDS,
    *("organizations", "departments", "patients", "patient_features", "builds"),
    *("predictions", "past_predictions", "prediction_history"),
    *("financial_projections", "positive_roi_patients"),
    *("programme_holdout", "projection_backtests"),
    *("roi_uncertainty", "targeting_steps", "targeting_sums"),
}
# Have rows once a cohort took the place of one that was scored.
MAY_BE_EMPTY = {"tier_change_sums", "past_predictions"}
# What is no organization's.
SHARED = {"departments", "builds", "reason_words"}
SHARED |= {"intervention_evidence", "roi_assumptions", "calendar_days"}
needs_claims = pytest.mark.skipif(
    not claims.are_there(), reason=f"needs the claims in {claims.FOLDER}"
)


def _marts(copy: Copy, schema: str = "marts") -> list[str]:
    return [
        table
        for (table,) in copy.rows(
            "select table_name from information_schema.tables"
            " where table_schema = %s order by 1",
            schema,
        )
    ]


def test_everybody_is_scored_for_every_window(base: Copy) -> None:
    assert base.value("select count(*) from marts.patients") == 3_000
    for mart in ("predictions", "prediction_history", "financial_projections"):
        assert base.value(f"select count(*) from marts.{mart}") == 9_000


def test_grids_are_dense(base: Copy) -> None:
    counted = {g: base.value(f"select count(*) from marts.{g}") for g in GRIDS}
    assert counted == GRIDS


def test_every_mart_has_rows(base: Copy) -> None:
    marts = _marts(base)
    assert set(marts) >= MARTS
    empty = [m for m in marts if not base.value(f"select count(*) from marts.{m}")]
    assert set(empty) <= MAY_BE_EMPTY


def test_every_name_shows_the_rows_of_one_build(base: Copy) -> None:
    assert _marts(base) == _marts(base, "build_1")
    for mart in _marts(base):
        rows = base.value(f"select count(*) from build_1.{mart}")
        shown = base.rows(f"select build_id, count(*) from marts.{mart} group by 1")
        assert shown == ([(1, rows)] if rows else []), mart
    assert base.rows("select build_id, status, is_published from marts.builds") == [
        (1, "published", True)
    ]


def test_risk_rises_with_the_window(base: Copy) -> None:
    risk = base.frame(
        "select patient_id, prediction_window, risk_score from marts.predictions"
    ).pivot(index="patient_id", columns="prediction_window", values="risk_score")
    assert (risk["30_day"] <= risk["60_day"]).all()
    assert (risk["60_day"] <= risk["90_day"]).all()
    assert risk.to_numpy().min() > 0
    assert risk.to_numpy().max() < 1


def test_half_of_the_projections_or_a_little_more_are_positive(base: Copy) -> None:
    share = base.value(
        "select avg(case when is_positive_roi then 1.0 else 0 end)"
        " from marts.financial_projections"
    )
    assert 0.50 <= share <= 0.60


def test_training_people_are_in_no_mart(base: Copy) -> None:
    training = base.rows(
        "select distinct patient_id from intermediate.int_patient_features"
        " where purpose = 'training'"
    )
    assert len(training) == 20_000
    assert not base.value(
        "select count(*) from marts.prediction_history"
        " where patient_id in (select patient_id"
        " from intermediate.int_patient_features where purpose = 'training')"
    )


def test_scoring_again_adds_nothing(filled: Copy) -> None:
    with filled.in_force(), warehouse.connect(autocommit=True) as conn:
        before = conn.execute("select count(*) from raw.predictions").fetchone()
        result = score.score(conn)
        assert conn.execute("select count(*) from raw.predictions").fetchone() == before
    assert (result.scored, result.batch_id) == (0, None)
    assert result.patients > 3_000


def test_second_build_changes_nothing(clone: Copy) -> None:
    clone.published()
    before = _contents(clone, "build_1")
    steps: list[str] = []
    done = pipeline.build(tests=False, on_step=steps.append)
    assert steps == list(done.seconds)
    assert done.trained is None
    assert done.scored is not None
    assert done.scored.scored == 0
    assert done.published is None
    assert _contents(clone, "candidate") == _contents(clone, "build_1") == before
    assert clone.rows("select distinct build_id from marts.predictions") == [(1,)]


def _contents(copy: Copy, schema: str) -> dict[str, list[tuple[Any, ...]]]:
    queries = {
        "predictions": "select * from {}.predictions order by 1, 2",
        "patients": "select patient_id, patient_uuid, department_id, cost_percentile"
        " from {}.patients order by 1",
        "projections": "select patient_id, prediction_window, net_benefit, rule_version"
        " from {}.financial_projections order by 1, 2",
    }
    return {name: copy.rows(text.format(schema)) for name, text in queries.items()}


@needs_claims
@pytest.mark.parametrize("as_of", [claims.EARLIER, claims.LATER])
def test_claims_give_the_panel_that_pandas_gives(filled: Copy, as_of: date) -> None:
    expected = claims.panel(as_of)
    with filled.in_force():
        actual = filled.frame(
            "select r.external_id, f.* from intermediate.int_patient_features as f"
            " inner join raw.patient_registry as r on f.patient_id = r.patient_id"
            f" where f.organization_id = 2 and f.index_date = '{as_of}'"
        ).set_index("external_id")
    assert len(actual) == len(expected) > 400
    for column in expected.columns.intersection(actual.columns):
        np.testing.assert_allclose(
            actual[column].reindex(expected.index).astype(float),
            expected[column].astype(float),
            rtol=0,
            atol=1e-9,
            err_msg=column,
        )


@needs_claims
def test_claims_outcomes_are_known_where_claims_reach_90_days(filled: Copy) -> None:
    panel = claims.panel(claims.EARLIER)
    with filled.in_force():
        actual = filled.frame(
            "select r.external_id, f.index_date, o.days_to_readmission"
            " from intermediate.int_patient_outcomes as o"
            " inner join intermediate.int_patient_features as f"
            " on o.load_id = f.load_id and o.patient_id = f.patient_id"
            " inner join raw.patient_registry as r on f.patient_id = r.patient_id"
            " where f.organization_id = 2"
        )
    assert set(actual["index_date"]) == {claims.EARLIER}
    within = [int((panel["days_to_next_admission"] <= d).sum()) for d in (30, 60, 90)]
    found = [int((actual["days_to_readmission"] <= d).sum()) for d in (30, 60, 90)]
    assert found == within == [7, 21, 27]


@needs_claims
def test_later_claims_are_current_and_the_earlier_are_history(filled: Copy) -> None:
    with filled.in_force():
        current = filled.rows(
            "select distinct index_date, is_current"
            " from intermediate.int_patient_features where organization_id = 2"
        )
        shown = filled.rows(
            "select as_of_date, data_source, patient_count from marts.organizations"
            " where organization_id = 2"
        )
        in_mart = filled.rows(
            "select distinct index_date, data_source from marts.patients"
            " where organization_id = 2"
        )
    assert set(current) == {(claims.EARLIER, False), (claims.LATER, True)}
    assert shown == [(claims.LATER, "CMS", len(claims.panel(claims.LATER)))]
    assert in_mart == [(claims.LATER, "CMS")]


@needs_claims
def test_claims_fill_every_mart_beside_the_baseline(filled: Copy) -> None:
    with filled.in_force():
        # What is known of a model is of the cohorts that it was judged on.
        of_models = {mart for mart in _marts(filled) if mart.startswith("model_")}
        of_models.add("readmission_counts")
        for mart in set(_marts(filled)) - SHARED - MAY_BE_EMPTY - of_models:
            organizations = {
                row[0]
                for row in filled.rows(
                    f"select distinct organization_id from marts.{mart}"
                )
            }
            assert organizations == {1, 2, 3}, mart
        for grid, rows in GRIDS.items():
            assert filled.rows(
                f"select organization_id, count(*) from marts.{grid}"
                " group by organization_id order by 1"
            ) == [(1, rows), (2, rows), (3, rows)]


@needs_claims
def test_claims_people_are_projected_on_their_own_cost(filled: Copy) -> None:
    expected = claims.panel(claims.LATER)
    with filled.in_force():
        count, cost = filled.rows(
            "select count(*), sum(annual_cost) from marts.financial_projections"
            " where organization_id = 2 and prediction_window = '90_day'"
        )[0]
        percentiles = filled.frame(
            "select r.external_id, p.cost_percentile from marts.patients as p"
            " inner join raw.patient_registry as r on p.patient_id = r.patient_id"
            " where p.organization_id = 2"
        ).set_index("external_id")["cost_percentile"]
    assert count == len(expected)
    assert cost == pytest.approx(expected["annual_cost"].sum(), rel=1e-12)
    # within their own organization: ties share the upper place
    rank = expected["annual_cost"].rank(method="max", pct=True)
    pd.testing.assert_series_equal(
        percentiles.reindex(rank.index), rank, check_names=False, rtol=0, atol=1e-12
    )


def test_other_organizations_leave_the_baseline_as_it_was(
    built: Copy, filled: Copy
) -> None:
    queries = (
        "select * from marts.predictions where organization_id = 1"
        " order by patient_id, prediction_window",
        "select patient_id, patient_uuid, department_id, cost_percentile"
        " from marts.patients where organization_id = 1 order by 1",
        "select * from marts.org_tier_summary where organization_id = 1"
        " order by prediction_window, risk_tier",
    )
    for query in queries:
        with built.in_force():
            alone = built.rows(query)
        with filled.in_force():
            assert filled.rows(query) == alone


def test_percentages_are_of_ones_own_organization(filled: Copy) -> None:
    with filled.in_force():
        sums = filled.rows(
            "select organization_id, prediction_window, sum(patient_percent)"
            " from marts.org_tier_summary group by 1, 2"
        )
    assert len(sums) in (6, 9)
    assert all(total == pytest.approx(100, abs=1e-9) for *_, total in sums)
