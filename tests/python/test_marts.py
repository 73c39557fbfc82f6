"""The marts against the ledger and the features, worked out again by pandas."""

import re
import socket
from collections.abc import Iterator
from typing import Any, NoReturn

import golden
import numpy as np
import pandas as pd
import pytest
from copies import Copy

from python_scoring import warehouse
from python_scoring.dbt import passthrough

# DESIGN.md's seeds and FACTS.md's formulas, written out once more.
COSTS = {
    1: (20, 35, 50),
    2: (150, 250, 350),
    3: (300, 500, 700),
    4: (500, 850, 1150),
    5: (900, 1500, 1900),
}
RATES = {
    1: (0.05, 0.15, 0.25),
    2: (0.15, 0.30, 0.40),
    3: (0.30, 0.45, 0.50),
    4: (0.45, 0.55, 0.70),
    5: (0.50, 0.65, 0.80),
}
DAYS = (30, 60, 90)
# Where the tables of the published build are.
TABLES = "build_1"
BUILD_ID = "Build that the row is of; `marts.builds` tells about it."


@pytest.fixture
def marts(filled: Copy) -> Iterator[Copy]:
    with filled.in_force():
        yield filled


@pytest.fixture(scope="module")
def expected(filled: Copy) -> pd.DataFrame:
    """Every patient and window from the ledger's latest rows and the features."""
    with filled.in_force():
        ledger = filled.frame("select * from raw.predictions")
        features = filled.frame(
            "select f.*, d.department_id from intermediate.int_patient_features as f"
            " inner join intermediate.int_patient_departments as d"
            " on f.patient_id = d.patient_id where f.is_current"
        )
    latest = ledger.sort_values("batch_id").groupby(["patient_id", "window_days"])
    rows = latest.tail(1).merge(features, on="patient_id")
    rows["prediction_window"] = rows["window_days"].astype(str) + "_day"
    rows["risk_tier"] = 1 + sum((rows["score"] >= b) * 1 for b in (0.2, 0.4, 0.6, 0.8))
    place = rows["window_days"] // 30 - 1
    pairs = list(zip(rows["risk_tier"], place, strict=True))
    rows["intervention_cost"] = [float(COSTS[tier][i]) for tier, i in pairs]
    rate = np.array([RATES[tier][i] for tier, i in pairs])
    addressable = 0.6 * rows["annual_cost"] / 365 * rows["window_days"]
    rows["expected_savings"] = addressable * rate
    rows["net_benefit"] = rows["expected_savings"] - rows["intervention_cost"]
    rows["roi_percent"] = 100 * rows["net_benefit"] / rows["intervention_cost"]
    return rows


def _same(actual: pd.DataFrame, expected: pd.DataFrame, keys: list[str]) -> None:
    """Equal whatever the order; numbers to 1e-9."""
    columns = list(expected.columns)
    assert set(columns) <= set(actual.columns)
    pd.testing.assert_frame_equal(
        actual[columns].sort_values(keys).reset_index(drop=True),
        expected.sort_values(keys).reset_index(drop=True),
        check_dtype=False,
        rtol=1e-9,
        atol=1e-9,
    )


def test_predictions_are_the_ledgers_latest(
    marts: Copy, expected: pd.DataFrame
) -> None:
    keys = ["patient_id", "prediction_window"]
    columns = [*keys, "organization_id", "risk_tier", "batch_id", "score"]
    actual = marts.frame("select *, risk_score as score from marts.predictions")
    _same(actual, expected[columns], keys)


def test_projections_follow_the_formulas(marts: Copy, expected: pd.DataFrame) -> None:
    keys = ["patient_id", "prediction_window"]
    amounts = ["expected_savings", "intervention_cost", "net_benefit", "roi_percent"]
    actual = marts.frame("select * from marts.financial_projections")
    _same(actual, expected[[*keys, "annual_cost", *amounts]], keys)
    assert (actual["is_positive_roi"] == (actual["net_benefit"] > 0)).all()
    assert (actual["roi_percent_capped"] == actual["roi_percent"].clip(0, 100)).all()


def test_tier_distribution_of_a_window(marts: Copy, expected: pd.DataFrame) -> None:
    actual = marts.frame(
        "select risk_tier, patient_count, patient_percent from marts.org_tier_summary"
        " where organization_id = 1 and prediction_window = '30_day'"
    )
    chosen = expected.query("organization_id == 1 and window_days == 30")
    counts = chosen["risk_tier"].value_counts().reindex(range(1, 6), fill_value=0)
    _same(
        actual,
        pd.DataFrame(
            {
                "risk_tier": counts.index,
                "patient_count": counts.to_numpy(),
                "patient_percent": 100 * counts.to_numpy() / len(chosen),
            }
        ),
        ["risk_tier"],
    )


def test_high_risk_patients_by_department(marts: Copy, expected: pd.DataFrame) -> None:
    actual = marts.frame(
        "select p.patient_id, p.prediction_window, d.department_id"
        " from marts.predictions as p"
        " inner join marts.patients as s on p.patient_id = s.patient_id"
        " inner join marts.departments as d on s.department_id = d.department_id"
        " where p.organization_id = 1 and p.risk_tier >= 4"
    )
    high = expected.query("organization_id == 1 and risk_tier >= 4")
    keys = ["patient_id", "prediction_window"]
    _same(actual, high[[*keys, "department_id"]], keys)
    by = ["organization_id", "prediction_window", "department_id", "risk_tier"]
    counted = marts.frame(
        "select * from marts.high_risk_by_department where patient_count > 0"
    )
    counts = expected.query("risk_tier >= 4").groupby(by).size()
    _same(counted, counts.rename("patient_count").reset_index(), by)


def test_department_tiers_are_counted_and_put_in_percent(
    marts: Copy, expected: pd.DataFrame
) -> None:
    by = ["organization_id", "prediction_window", "department_id", "risk_tier"]
    groups = expected.groupby(by)["score"]
    counted = groups.agg(patient_count="size", average_risk_score="mean").reset_index()
    for name, within in (("organization", by[:2]), ("department", by[:3])):
        whole = counted.groupby(within)["patient_count"].transform("sum")
        counted[f"{name}_percent"] = 100 * counted["patient_count"] / whole
    actual = marts.frame("select * from marts.dept_risk_distribution")
    _same(actual.query("patient_count > 0"), counted, by)
    zeros = actual.query("patient_count == 0")
    assert len(zeros) == len(actual) - len(counted) > 0
    assert (zeros[["organization_percent", "department_percent"]] == 0).all(axis=None)
    assert zeros["average_risk_score"].isna().all()


def test_positive_roi_list_reads_from_the_highest_benefit(
    marts: Copy, expected: pd.DataFrame
) -> None:
    actual = marts.frame(
        "select * from marts.positive_roi_patients"
        " where organization_id = 1 and prediction_window = '60_day'"
        " order by net_benefit desc, patient_id"
    )
    positive = expected.query(
        "organization_id == 1 and window_days == 60 and net_benefit > 0"
    ).sort_values(["net_benefit", "patient_id"], ascending=[False, True])
    assert actual["patient_id"].tolist() == positive["patient_id"].tolist()
    assert actual["department_id"].tolist() == positive["department_id"].tolist()
    reasons = dict(
        marts.rows("select feature_id, feature_name from reference.features")
    )
    for place in ("reason_1", "reason_2", "reason_3"):
        names = positive[f"{place}_feature_id"].map(reasons)
        assert actual[place].tolist() == names.tolist()
    everywhere = marts.value("select count(*) from marts.positive_roi_patients")
    assert everywhere == (expected["net_benefit"] > 0).sum()


def test_diabetics_of_endocrinology(marts: Copy, expected: pd.DataFrame) -> None:
    actual = marts.frame(
        "select p.patient_id, f.complexity_index from marts.patients as p"
        " inner join marts.patient_features as f on p.patient_id = f.patient_id"
        " where p.department_id = 3 and f.has_diabetes = 1"
    )
    people = expected.query("window_days == 30 and department_id == 3")
    assert (people["has_diabetes"] == 1).all()
    _same(actual, people[["patient_id", "complexity_index"]], ["patient_id"])


def test_diabetics_with_complexity_over_a_bound(
    marts: Copy, expected: pd.DataFrame
) -> None:
    actual = marts.frame(
        "select patient_id from marts.patient_features"
        " where complexity_index > 0.8 and has_diabetes = 1"
    )
    people = expected.query(
        "window_days == 30 and complexity_index > 0.8 and has_diabetes == 1"
    )
    assert len(people)
    _same(actual, people[["patient_id"]], ["patient_id"])


def test_one_patients_predictions_and_projections(
    marts: Copy, expected: pd.DataFrame
) -> None:
    patient_id = int(expected["patient_id"].min())
    actual = marts.frame(
        "select p.prediction_window, p.risk_score as score, f.net_benefit"
        " from marts.predictions as p"
        " inner join marts.financial_projections as f"
        " on p.patient_id = f.patient_id and p.prediction_window = f.prediction_window"
        f" where p.patient_id = {patient_id}"
    )
    rows = expected[expected["patient_id"] == patient_id]
    columns = ["prediction_window", "score", "net_benefit"]
    assert len(rows) == len(DAYS)
    _same(actual, rows[columns], ["prediction_window"])


@pytest.mark.parametrize(
    ("mart", "more"),
    [("roi_aggregations", []), ("roi_by_department", ["department_id"])],
)
def test_roi_by_department_and_organization(
    marts: Copy, expected: pd.DataFrame, mart: str, more: list[str]
) -> None:
    by = ["organization_id", "prediction_window", *more]
    sums = (
        expected.assign(
            is_positive=expected["net_benefit"] > 0,
            is_excellent=expected["roi_percent"] > 75,
        )
        .groupby(by)
        .agg(
            patient_count=("patient_id", "size"),
            average_roi_percent=("roi_percent", "mean"),
            positive_roi_count=("is_positive", "sum"),
            excellent_roi_count=("is_excellent", "sum"),
            total_intervention_cost=("intervention_cost", "sum"),
            total_expected_savings=("expected_savings", "sum"),
            total_net_benefit=("net_benefit", "sum"),
        )
        .reset_index()
    )
    actual = marts.frame(f"select * from marts.{mart}")
    _same(actual.query("patient_count > 0"), sums, by)


# For each question of the design: the query, and the index that answers it.
QUESTIONS = {
    "tiers of a window": (
        "select * from marts.org_tier_summary"
        " where organization_id = 1 and prediction_window = '30_day'",
        "org_tier_summary_pkey",
    ),
    "high-risk patients": (
        "select * from marts.predictions where organization_id = 1"
        " and prediction_window = '30_day' and risk_tier >= 4",
        "(organization_id, prediction_window, risk_tier)",
    ),
    "high risk by department": (
        "select * from marts.high_risk_by_department"
        " where organization_id = 1 and prediction_window = '30_day'",
        "high_risk_by_department_pkey",
    ),
    "patients of a department": (
        "select * from marts.patients where organization_id = 1 and department_id = 3",
        "(organization_id, department_id)",
    ),
    "positive ROI, highest first": (
        "select * from marts.positive_roi_patients where organization_id = 1"
        " and prediction_window = '60_day' order by net_benefit desc",
        "(organization_id, prediction_window, net_benefit, patient_id)",
    ),
    "complex diabetics": (
        "select * from marts.patient_features"
        " where has_diabetes = 1 and complexity_index > 0.8",
        "(organization_id, department_id, has_diabetes, complexity_index)",
    ),
    "one patient's predictions": (
        "select * from marts.predictions where patient_id = 7",
        "predictions_pkey",
    ),
    "one patient's projections": (
        "select * from marts.financial_projections where patient_id = 7",
        "financial_projections_pkey",
    ),
    "ROI by department": (
        "select * from marts.roi_by_department"
        " where organization_id = 1 and prediction_window = '30_day'",
        "roi_by_department_pkey",
    ),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_each_question_has_its_index(marts: Copy, question: str) -> None:
    query, wanted = QUESTIONS[question]
    definitions = dict(
        marts.rows(
            "select indexname, indexdef from pg_indexes where schemaname = %s", TABLES
        )
    )
    named = [n for n, text in definitions.items() if wanted == n or wanted in text]
    table = query.split("from ")[1].split()[0].replace("marts", TABLES)
    [index] = [n for n in named if f" {table} " in definitions[n]]
    with warehouse.connect() as conn:
        conn.execute("set enable_seqscan = off")
        conn.execute("set enable_sort = off")
        plan = "\n".join(line for (line,) in conn.execute(f"explain {query}".encode()))
    assert index in plan


def test_golden_patients_get_features_and_departments(marts: Copy) -> None:
    actual = marts.frame(
        "select r.external_id, d.department_code, i.chronic_condition_count, f.*"
        " from marts.patient_features as f"
        " inner join raw.patient_registry as r on f.patient_id = r.patient_id"
        " inner join marts.patients as p on f.patient_id = p.patient_id"
        " inner join marts.departments as d on p.department_id = d.department_id"
        " inner join intermediate.int_patient_features as i"
        " on f.patient_id = i.patient_id and i.is_current"
        f" where f.organization_id = {golden.ORGANIZATION_ID}"
    )
    expected = golden.expected_features()
    assert len(expected) >= 12
    assert expected["department_code"].nunique() == 10
    _same(actual, expected, ["external_id"])


def test_golden_patients_get_tiers_and_projections(marts: Copy) -> None:
    actual = marts.frame(
        "select r.external_id, p.risk_score, f.* from marts.financial_projections as f"
        " inner join marts.predictions as p on f.patient_id = p.patient_id"
        " and f.prediction_window = p.prediction_window"
        " inner join raw.patient_registry as r on f.patient_id = r.patient_id"
        f" where f.organization_id = {golden.ORGANIZATION_ID}"
    )
    expected = golden.expected_projections()
    ends = (0, 0.2, 0.4, 0.6, 0.8)
    uppers = [np.nextafter(bound, 0) for bound in ends[1:]]
    assert {*ends, *uppers, 1.0} <= set(expected["risk_score"])
    assert set(expected["roi_category"]) == {
        "EXCELLENT",
        "STRONG",
        "POSITIVE",
        "NO_ROI",
    }
    _same(actual, expected, ["external_id", "prediction_window"])
    exact = ["external_id", "prediction_window", "risk_score"]
    assert set(actual[exact].itertuples(index=False, name=None)) == set(
        expected[exact].itertuples(index=False, name=None)
    )


def test_reasons_are_put_in_words(marts: Copy) -> None:
    """Of every kind of value: flags, counts, one, none and missing, codes, money."""
    actual = marts.frame(
        "select r.external_id, p.prediction_window, p.reason_text"
        " from marts.prediction_reasons as p"
        " inner join raw.patient_registry as r on p.patient_id = r.patient_id"
        f" where p.organization_id = {golden.ORGANIZATION_ID}"
        " order by p.reason_rank"
    )
    said = actual.groupby(["external_id", "prediction_window"])["reason_text"].apply(
        list
    )
    assert len(said) == 48
    assert said["g01", "30_day"] == [
        "no heart failure: raises risk",
        "no admission in the last year: lowers risk",
        "no cost in the last year: raises risk",
    ]
    assert said["g15", "30_day"] == [
        "heart failure: raises risk",
        "4 admissions in the last year: lowers risk",
        "annual cost of $51,100: raises risk",
    ]
    assert said["g02", "30_day"][1] == "1 admission in the last year: lowers risk"
    assert said["g01", "60_day"] == [
        "no admission on record: raises risk",
        "recorded race White: lowers risk",
        "age 0: raises risk",
    ]
    assert said["g15", "60_day"][0] == "1 day since the last admission: raises risk"
    assert said["g05", "60_day"][0] == "400 days since the last admission: raises risk"
    assert said["g06", "90_day"] == [
        "diabetes: raises risk",
        "no hospital day in the last year: lowers risk",
        "5 outpatient visits in the last year: raises risk",
    ]


def test_reasons_are_those_of_the_ledger(marts: Copy, expected: pd.DataFrame) -> None:
    actual = marts.frame("select * from marts.prediction_reasons")
    names = dict(marts.rows("select feature_id, feature_name from reference.features"))
    ranks = []
    for rank in (1, 2, 3):
        rows = expected[["patient_id", "prediction_window", "organization_id"]].copy()
        rows["reason_rank"] = rank
        rows["feature_name"] = expected[f"reason_{rank}_feature_id"].map(names)
        rows["feature_value"] = expected[f"reason_{rank}_value"]
        rows["contribution"] = expected[f"reason_{rank}_contribution"]
        rows["direction"] = np.sign(rows["contribution"]).map(
            {1: "raises", -1: "lowers", 0: "neither"}
        )
        ranks.append(rows)
    _same(actual, pd.concat(ranks), ["patient_id", "prediction_window", "reason_rank"])
    assert actual["reason_text"].notna().all()


def test_one_patients_reasons_come_by_the_index(marts: Copy) -> None:
    with warehouse.connect() as conn:
        conn.execute("set enable_seqscan = off")
        query = "explain select * from marts.prediction_reasons where patient_id = 7"
        plan = "\n".join(line for (line,) in conn.execute(query.encode()))
    assert "predictions_pkey" in plan


def test_golden_patients_are_summed_up(marts: Copy) -> None:
    expected = golden.expected_projections()
    where = f"organization_id = {golden.ORGANIZATION_ID}"
    tiers = marts.frame(
        f"select * from marts.org_tier_summary where {where} and patient_count > 0"
    )
    by = ["prediction_window", "risk_tier"]
    counts = expected.groupby(by).size().rename("patient_count").reset_index()
    counts["patient_percent"] = counts["patient_count"] / 16 * 100
    _same(tiers, counts, by)
    totals = marts.frame(f"select * from marts.roi_aggregations where {where}")
    sums = expected.assign(is_excellent=expected["roi_category"] == "EXCELLENT")
    sums = sums.groupby("prediction_window").agg(
        total_net_benefit=("net_benefit", "sum"),
        average_roi_percent=("roi_percent", "mean"),
        excellent_roi_count=("is_excellent", "sum"),
    )
    _same(totals, sums.reset_index(), ["prediction_window"])
    targets = marts.frame(
        "select r.external_id, t.prediction_window"
        " from marts.positive_roi_patients as t"
        " inner join raw.patient_registry as r on t.patient_id = r.patient_id"
        f" where t.{where}"
    )
    keys = ["external_id", "prediction_window"]
    _same(targets, expected.query("net_benefit > 0")[keys], keys)


def test_injected_scores_supersede_and_the_models_stay_as_history(marts: Copy) -> None:
    batches = marts.rows(
        "select is_active, count(*) from marts.prediction_history"
        f" where organization_id = {golden.ORGANIZATION_ID} group by 1 order by 1"
    )
    assert batches == [(False, 48), (True, 48)]


def test_no_external_identifier_in_any_mart(marts: Copy) -> None:
    known = {i for (i,) in marts.rows("select external_id from raw.patient_registry")}
    assert {"BL-0001", "g01"} <= known
    columns = marts.rows(
        "select table_name, column_name from information_schema.columns"
        " where table_schema = 'marts'"
    )
    tables = sorted({table for table, _ in columns})
    assert not [c for _, c in columns if re.search("external|synpuf|bene_|name_", c)]
    words: set[str] = set()
    for table in tables:
        for (row,) in marts.rows(f"select t::text from marts.{table} as t"):
            words.update(re.findall(r"[\w-]+", row))
    assert len(words) > 10_000
    assert not known & words


@pytest.mark.parametrize(("schema", "has_build_id"), [(TABLES, False), ("marts", True)])
def test_descriptions_are_in_the_database(
    marts: Copy, schema: str, has_build_id: bool
) -> None:
    nodes = marts.manifest()["nodes"].values()
    models = [
        n for n in nodes if n["resource_type"] == "model" and n["schema"] == "candidate"
    ]
    assert models
    comments: dict[Any, str] = {
        (table, column): text
        for table, column, text in marts.rows(
            "select c.relname, coalesce(a.attname, ''), d.description"
            " from pg_description as d"
            " inner join pg_class as c on d.objoid = c.oid"
            " left join pg_attribute as a"
            " on a.attrelid = c.oid and a.attnum = d.objsubid and d.objsubid > 0"
            " where c.relnamespace = to_regnamespace(%s) and c.relkind in ('r', 'v')",
            schema,
        )
    }
    declared = {(m["alias"], ""): m["description"].strip() for m in models}
    declared |= {
        (m["alias"], name): column["description"].strip()
        for m in models
        for name, column in m["columns"].items()
    }
    if has_build_id:
        declared = {(m["alias"], "build_id"): BUILD_ID for m in models} | declared
    assert {key: text.strip() for key, text in comments.items()} == declared


def test_docs_are_made_without_a_network(
    clone: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("a network connection")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert passthrough(["--quiet", "docs", "generate", "--target", "candidate"]) == 0
    catalog = (clone.project / "target" / "catalog.json").read_text()
    assert "financial_projections" in catalog
    assert (clone.project / "target" / "index.html").is_file()
