"""Metrics, asked as a user asks them, against the marts that sum the same up."""

import sys
from pathlib import Path

import pandas as pd
import pytest
from asking import Asking
from copies import Copy, call


@pytest.fixture(scope="module")
def asking(filled: Copy, tmp_path_factory: pytest.TempPathFactory) -> Asking:
    return Asking(filled, tmp_path_factory.mktemp("asking"))


def check_same(actual: pd.DataFrame, expected: pd.DataFrame, keys: list[str]) -> None:
    """The same rows, whatever their order, and figures equal but for rounding."""
    assert len(expected)
    names = list(expected.columns)
    one, other = (
        frame[names].sort_values(keys, ignore_index=True)
        for frame in (actual, expected)
    )
    pd.testing.assert_frame_equal(
        one, other, check_dtype=False, rtol=1e-9, atol=1e-9, check_exact=False
    )


ORGANIZATION, WINDOW = "organization__org_code", "patient_window__window"
NAMED = "inner join marts.organizations as o on o.organization_id = t.organization_id"


def test_definitions_are_valid_in_the_warehouse_too(asking: Asking) -> None:
    told = asking.mf("validate-configs")
    assert told.count("ERRORS: 0, FUTURE_ERRORS: 0, WARNINGS: 0") == 6


def test_the_list_names_what_was_asked_for(asking: Asking) -> None:
    told = asking.mf("list", "metrics")
    for metric in (
        *("patients", "high_risk_patients", "average_score", "high_risk_share"),
        *("intervention_cost", "expected_savings", "net_benefit", "roi_percent"),
        *("positive_roi_share", "observed_readmissions", "expected_readmissions"),
    ):
        assert f"• {metric}:" in told


def test_patients_by_tier_are_the_tier_summary(asking: Asking) -> None:
    by = [ORGANIZATION, WINDOW, "patient_window__tier"]
    actual = asking.query(["patients", "predictions"], by)
    expected = asking.sql(
        "select o.org_code, t.prediction_window as window, t.risk_tier as tier,"
        " t.patient_count as patients, t.patient_count as predictions"
        f" from marts.org_tier_summary as t {NAMED} where t.patient_count > 0"
    )
    assert expected["org_code"].nunique() == 3
    check_same(actual, expected, ["org_code", "window", "tier"])


def test_tier_shares_are_the_tier_summarys(asking: Asking) -> None:
    shares = [f"tier_{tier}_share" for tier in range(1, 6)]
    actual = asking.query([*shares, "high_risk_share"], [ORGANIZATION, WINDOW])
    columns = ", ".join(
        f"sum(t.patient_percent) filter (where t.risk_tier = {tier}) / 100"
        f" as tier_{tier}_share"
        for tier in range(1, 6)
    )
    expected = asking.sql(
        f"select o.org_code, t.prediction_window as window, {columns},"
        " sum(t.patient_percent) filter (where t.risk_tier >= 4) / 100"
        f" as high_risk_share from marts.org_tier_summary as t {NAMED} group by 1, 2"
    )
    check_same(actual, expected, ["org_code", "window"])


RETURNS = ["intervention_cost", "expected_savings", "net_benefit"]
RETURN_METRICS = [*RETURNS, "average_roi_percent", "roi_percent", "positive_roi_share"]
RETURN_COLUMNS = (
    "t.prediction_window as window, t.total_intervention_cost as intervention_cost,"
    " t.total_expected_savings as expected_savings,"
    " t.total_net_benefit as net_benefit, t.average_roi_percent,"
    " 100 * t.total_net_benefit / t.total_intervention_cost as roi_percent,"
    " t.positive_roi_count / t.patient_count::float8 as positive_roi_share"
)


def test_returns_are_the_organizations_roi(asking: Asking) -> None:
    actual = asking.query(RETURN_METRICS, [ORGANIZATION, WINDOW])
    expected = asking.sql(
        f"select o.org_code, {RETURN_COLUMNS} from marts.roi_aggregations as t {NAMED}"
    )
    check_same(actual, expected, ["org_code", "window"])


def test_returns_are_the_departments_roi(asking: Asking) -> None:
    department = "department__department_code"
    actual = asking.query(RETURN_METRICS, [ORGANIZATION, department, WINDOW])
    expected = asking.sql(
        f"select o.org_code, d.department_code, {RETURN_COLUMNS}"
        f" from marts.roi_by_department as t {NAMED}"
        " inner join marts.departments as d on d.department_id = t.department_id"
        " where t.patient_count > 0"
    )
    check_same(actual, expected, ["org_code", "department_code", "window"])


def test_scores_are_the_departments_distribution(asking: Asking) -> None:
    by = ["department__department_code", WINDOW, "patient_window__tier"]
    only = ["--where", "{{ Dimension('organization__org_code') }} = 'BASELINE'"]
    actual = asking.query(["patients", "average_score"], by, *only)
    expected = asking.sql(
        "select d.department_code, t.prediction_window as window, t.risk_tier as tier,"
        " t.patient_count as patients, t.average_risk_score as average_score"
        f" from marts.dept_risk_distribution as t {NAMED}"
        " inner join marts.departments as d on d.department_id = t.department_id"
        " where t.patient_count > 0 and o.org_code = 'BASELINE'"
    )
    check_same(actual, expected, ["department_code", "window", "tier"])


def test_people_are_counted_once_by_age_sex_race_source_and_day(
    asking: Asking,
) -> None:
    names = ["age_band", "sex", "race", "data_source"]
    by = [f"patient_window__{name}" for name in names]
    actual = asking.query(["patients", "high_risk_patients"], ["metric_time", *by])
    actual["metric_time"] = actual.pop("day" if "day" in actual else "metric_time")
    expected = asking.sql(
        "select to_char(p.index_date, 'YYYY-MM-DD') as metric_time, p.age_band,"
        " p.gender as sex, p.race, p.data_source, count(*) as patients,"
        " count(*) filter (where exists (select from marts.predictions as s"
        " where s.patient_id = p.patient_id and s.risk_tier >= 4))"
        " as high_risk_patients from marts.patients as p group by 1, 2, 3, 4, 5"
    )
    actual["metric_time"] = actual["metric_time"].str[:10]
    assert expected["data_source"].nunique() == 3
    check_same(actual, expected, ["metric_time", *names])


READMISSIONS = ["evaluated_patients", "observed_readmissions", "expected_readmissions"]


def test_observed_and_expected_are_the_evaluations(asking: Asking) -> None:
    by = [ORGANIZATION, "readmission_count__window"]
    actual = asking.query([*READMISSIONS, "observed_over_expected"], by)
    expected = asking.sql(
        "select o.org_code, t.prediction_window as window,"
        " t.patient_count as evaluated_patients,"
        " t.event_count as observed_readmissions,"
        " t.expected_rate * t.patient_count as expected_readmissions,"
        " t.observed_expected as observed_over_expected"
        f" from marts.model_evaluations as t {NAMED}"
        " where t.is_champion and t.is_current_cohort and t.status = 'evaluated'"
    )
    check_same(actual, expected, ["org_code", "window"])


def test_groups_of_people_add_up_to_everyone(asking: Asking) -> None:
    metrics = [f"group_{name}" for name in READMISSIONS]
    by = [f"readmission_count__{n}" for n in ("window", "group_name", "group_value")]
    actual = asking.query(metrics, by)
    assert set(actual["group_name"]) == {"all", "sex", "age_band", "race", "department"}
    sums = actual.groupby(["window", "group_name"])[metrics].sum()
    everyone = sums.xs("all", level="group_name")
    for name, group in sums.groupby("group_name"):
        pd.testing.assert_frame_equal(
            group.droplevel("group_name"), everyone, rtol=1e-9, obj=str(name)
        )


def test_age_bands_of_patients_and_of_evaluations_are_the_same(asking: Asking) -> None:
    marts = asking.sql("select distinct age_band from marts.patients")
    judged = asking.sql(
        "select distinct group_value from marts.model_calibration"
        " where group_name = 'age_band'"
    )
    seed = pd.read_csv(asking.copy.project / "seeds" / "reference" / "age_bands.csv")
    assert set(judged["group_value"]) <= set(seed["age_band"])
    assert set(marts["age_band"]) <= set(seed["age_band"])


def test_an_unknown_metric_is_named(asking: Asking) -> None:
    done = asking.run("mf", "query", "--metrics", "happiness")
    assert done.returncode == 1
    assert "happiness" in done.stdout


def test_nothing_is_built_on_what_readers_have(asking: Asking) -> None:
    before = asking.sql("select oid, relname from pg_class order by 1")
    done = asking.run("dbt", "run", "--select", "builds", "--target", "published")
    assert done.returncode != 0
    assert "is only read" in done.stdout
    after = asking.sql("select oid, relname from pg_class order by 1")
    pd.testing.assert_frame_equal(before, after)


def test_plain_mf_asks_what_dbt_last_read(asking: Asking) -> None:
    """From the project folder, in an active environment; of target `published`."""
    parsed = asking.run("dbt", "--quiet", "parse", "--target", "published")
    assert parsed.returncode == 0, parsed.stdout
    where = {"PGHOST": str(asking.copy.socket_dir), "PGDATABASE": asking.copy.database}
    done = call(
        [str(Path(sys.executable).with_name("mf")), "query", "--metrics", "patients"],
        {**asking.environment, **where, "RISKMART_DSN": "", "DBT_TARGET": "published"},
        asking.copy.project,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [(people,)] = asking.sql("select count(*) from marts.patients").itertuples(
        index=False
    )
    assert str(people) in done.stdout.split()


def test_the_folder_for_metricflow_follows_the_project(asking: Asking) -> None:
    link = asking.copy.home / "metrics" / "dbt_project.yml"
    assert link.samefile(asking.copy.project / "dbt_project.yml")
    text = (
        asking.copy.home / "metrics" / "target" / "semantic_manifest.json"
    ).read_text()
    assert '"schema_name": "marts"' in text
    assert "candidate" not in text
