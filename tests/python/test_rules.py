"""Rules are CSVs: an edit and a rebuild is all; a bad edit stops the build."""

import sys

import pytest
from copies import Copy

from python_scoring import cli
from python_scoring.readmission.features import FEATURES, FEATURES_FILE

# Everything that stands on the rule seeds, without what only checks SQL.
_REBUILD = ("build", "--exclude-resource-type", "unit_test")

TIERS = """risk_tier,tier_name,lower_bound,upper_bound
1,Normal,0.0,0.15
2,Low Risk,0.15,0.4
3,Moderate,0.4,0.6
4,High Risk,0.6,0.8
5,Critical,0.8,1.0
"""


def _seed(copy: Copy, name: str, old: str, new: str) -> str:
    text = copy.rules(name).read_text()
    assert text.count(old) == 1
    return text.replace(old, new)


def test_edited_rules_take_effect(clone: Copy) -> None:
    """A moved bound, a new cost, and a rule of two conditions before all others."""
    seeds = {
        "risk_tiers": TIERS,
        "intervention_costs": _seed(
            clone, "intervention_costs", "3,60_day,500", "3,60_day,480.5"
        ),
        "department_rules": _seed(
            clone,
            "department_rules",
            "1,CARDIOLOGY,has_chf,=,1\n",
            "0,ONCOLOGY,age,<,60\n0,ONCOLOGY,total_admissions,>=,1\n"
            "1,CARDIOLOGY,has_chf,=,1\n",
        ),
    }
    departments = "select patient_id, department_id from candidate.patients"
    versions = "select distinct rule_version from candidate.financial_projections"
    before, version = dict(clone.rows(departments)), clone.value(versions)
    with clone.edited(**seeds):
        clone.run(*_REBUILD)
    _check_moved_bound(clone)
    assert clone.value(versions) != version
    assert clone.rows(
        "select distinct intervention_cost from candidate.financial_projections"
        " where risk_tier = 3 and prediction_window = '60_day'"
    ) == [(480.5,)]
    young = clone.rows(
        "select patient_id from candidate.patient_features"
        " where age < 60 and total_admissions >= 1"
    )
    expected = before | {patient_id: 6 for (patient_id,) in young}
    assert before != expected == dict(clone.rows(departments))


def _check_moved_bound(copy: Copy) -> None:
    wrong = copy.value(
        "select count(*) from candidate.predictions where risk_tier <> case"
        " when risk_score < 0.15 then 1 when risk_score < 0.4 then 2"
        " when risk_score < 0.6 then 3 when risk_score < 0.8 then 4 else 5 end"
    )
    assert wrong == 0
    low = copy.value(
        "select sum(patient_count) from candidate.org_tier_summary where risk_tier = 2"
    )
    assert low == copy.value(
        "select count(*) from candidate.predictions"
        " where risk_score >= 0.15 and risk_score < 0.4"
    )


def test_a_seed_whose_columns_changed_gets_a_new_table(clone: Copy) -> None:
    """An older warehouse's table lacks a column, and has one that is gone."""
    clone.execute("alter table reference.features drop column reason_zero cascade")
    clone.execute("alter table reference.features add column old_column text")
    races = "select 'reference.races'::regclass::oid"
    before = clone.value(races)
    clone.run("seed", "--select", "features", "races")
    held = clone.value(
        "select string_agg(attname, ',' order by attnum) from pg_attribute"
        " where attrelid = 'reference.features'::regclass and attnum > 0"
    )
    assert held == FEATURES_FILE.read_text(encoding="utf-8").splitlines()[0]
    assert clone.value("select count(*) from reference.features") == len(FEATURES)
    # What has not changed is emptied and filled again: nothing that reads it goes.
    assert clone.value(races) == before


# seed, what stands there, what is written instead, and what the message says of it
BAD_RULES = [
    ("risk_tiers", "2,Low Risk,0.2,", "2,Low Risk,0.25,", "risk_tier 2: leaves a gap"),
    ("risk_tiers", "3,Moderate,0.4,", "3,Moderate,0.35,", "risk_tier 3: overlaps tier"),
    ("risk_tiers", "0.8,1.0", "0.8,0.95", "risk_tier 5: the last tier ends at 0.95"),
    (
        "department_rules",
        "has_copd",
        "has_gout",
        "rule_order 6: unknown feature_name has_gout",
    ),
    (
        "department_rules",
        "9,ONCOLOGY",
        "9,TUMOURS",
        "rule_order 9: unknown department_code TUMOURS",
    ),
    (
        "department_rules",
        "complexity_index,>,5",
        "complexity_index,above,5",
        "rule_order 12: operator above, expected one of",
    ),
    (
        "department_rules",
        "13,GENERAL_MEDICINE,,,\n",
        "",
        "rule_order 12: the last rule has a condition: expected a default",
    ),
    ("intervention_costs", "4,60_day,850\n", "", "risk_tier 4, 60_day: missing"),
    (
        "intervention_costs",
        "4,90_day,1150",
        "4,90_day,0",
        "risk_tier 4, 90_day: value 0, expected a cost above 0",
    ),
    ("success_rates", "5,30_day,0.5\n", "", "risk_tier 5, 30_day: missing"),
    ("success_rates", "5,90_day,0.8", "5,90_day,80", "risk_tier 5, 90_day: value 80"),
    ("roi_categories", "POSITIVE,0", "POSITIVE,", "all rows: 2 categories without"),
    (
        "roi_scenarios",
        "conservative,0.45,0.5,0.95\n",
        "",
        "scenario conservative: missing, expected conservative, base and optimistic",
    ),
    (
        "roi_scenarios",
        "base,0.6,",
        "base,0.5,",
        "scenario base: addressable_share 0.5, expected what projections use, 0.6",
    ),
    (
        "roi_scenarios",
        "optimistic,0.7,1.25,1.05",
        "optimistic,0.7,1.25,",
        "scenario optimistic: cost_inflation is empty, expected a number above 0",
    ),
    (
        "intervention_evidence",
        "PubMed Central PMC4843175",
        "",
        "evidence_id 3: no citation of Post-discharge transitional care (Singapore)",
    ),
]


def test_each_bad_rule_is_named_and_stops_a_build(
    clone: Copy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    edits = {seed: clone.rules(seed).read_text() for seed, *_ in BAD_RULES}
    for seed, old, new, _ in BAD_RULES:
        assert edits[seed].count(old) == 1
        edits[seed] = edits[seed].replace(old, new)
    clone.published()
    marts = "select * from marts.org_tier_summary order by 1, 2, 3"
    before = clone.rows(marts)
    monkeypatch.setattr(sys, "argv", ["riskmart", "build"])
    with clone.edited(**edits), pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    said = capsys.readouterr().err.splitlines()
    lines = [line.strip() for line in said if "seeds/rules/" in line]
    for seed, _, _, wanted in BAD_RULES:
        start = f"seeds/rules/{seed}.csv, {wanted}"
        assert [line for line in lines if line.startswith(start)], start
    assert len(lines) == len(BAD_RULES)
    # whoever reads the marts meanwhile reads the last good build
    assert clone.rows(marts) == before


# what is done to a finished warehouse by hand, and the model whose tests see it
SABOTAGE = {
    "a tier": (
        "update candidate.predictions set risk_tier = 6 - risk_tier"
        " where (patient_id, prediction_window) in (select patient_id,"
        " prediction_window from candidate.predictions where risk_tier = 1 limit 1)",
        "predictions",
    ),
    "a count": (
        "update candidate.org_tier_summary set patient_count = patient_count + 1"
        " where risk_tier = 1",
        "org_tier_summary",
    ),
    "a row of a grid": (
        "delete from candidate.dept_risk_distribution"
        " where patient_count = 0 and department_id = 8 and risk_tier = 5",
        "dept_risk_distribution",
    ),
    "an amount": (
        "update candidate.financial_projections set net_benefit = net_benefit + 1"
        " where roi_category = 'EXCELLENT'",
        "financial_projections",
    ),
    "a patient's prediction": (
        "update candidate.predictions set reason_1 = reason_2"
        " where prediction_window = '60_day'"
        " and patient_id = (select min(patient_id) from candidate.patients)",
        "predictions",
    ),
    "horizons": (
        "update candidate.predictions set risk_score = 0.999"
        " where prediction_window = '30_day' and patient_id ="
        " (select min(patient_id) from candidate.patients)",
        "predictions",
    ),
    "a target": (
        # the steps that refer to it go first: no foreign key hides what is missing
        "delete from candidate.targeting_steps where patient_id ="
        " (select min(patient_id) from candidate.positive_roi_patients);"
        "delete from candidate.positive_roi_patients where patient_id ="
        " (select min(patient_id) from candidate.positive_roi_patients)",
        "positive_roi_patients",
    ),
    "a derived feature": (
        "update intermediate.int_patient_features set complexity_index = 0.5"
        " where load_id = 0 and complexity_index > 1",
        "int_patient_features",
    ),
}


@pytest.mark.parametrize("what", SABOTAGE)
def test_what_was_changed_by_hand_is_found(clone: Copy, what: str) -> None:
    statement, model = SABOTAGE[what]
    arguments = ("test", "--select", model, "--exclude-resource-type", "unit_test")
    clone.execute(statement)
    nodes = clone.dbt(*arguments)
    assert [node.name for node in nodes.values() if node.is_bad]
