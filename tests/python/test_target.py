"""`riskmart target`: the list for a budget, and every no in words."""

import csv
import json
from pathlib import Path

import pytest
from conftest import Run
from copies import Copy

BUDGET = 20_000


def test_the_list_fits_the_budget_and_the_capacity(
    base: Copy, riskmart: Run, tmp_path: Path
) -> None:
    file = tmp_path / "list.csv"
    done = riskmart(
        *("target", "--org", "BASELINE", "--budget", f"${BUDGET:,}"),
        *("--capacity", "cardiology=5", "--capacity", "NEPHROLOGY=0"),
        *("--csv", str(file), "--json"),
    )
    assert done.code == 0
    answer = json.loads(done.out)
    with file.open(newline="") as lines:
        people = list(csv.DictReader(lines))
    assert len(people) == answer["strategies"]["best"]["patient_count"] > 20
    assert len({one["patient_uuid"] for one in people}) == len(people)
    departments = [one["department_code"] for one in people]
    assert departments.count("CARDIOLOGY") == 5
    assert "NEPHROLOGY" not in departments
    cost = sum(float(one["intervention_cost"]) for one in people)
    net = sum(float(one["net_benefit"]) for one in people)
    assert cost == pytest.approx(answer["strategies"]["best"]["intervention_cost"])
    assert cost <= BUDGET
    assert net == pytest.approx(answer["strategies"]["best"]["net_benefit"])
    assert net <= answer["most_net_benefit"] * (1 + 1e-9)
    for strategy in ("risk_blind", "random"):
        assert answer["strategies"][strategy]["net_benefit"] < net
    # each amount is that of the mart
    shown = base.rows(
        "select p.net_benefit, u.positive_roi_probability"
        " from marts.financial_projections as p"
        " inner join marts.roi_uncertainty as u using (patient_id, prediction_window)"
        " inner join marts.patients as x using (patient_id)"
        " where x.patient_uuid = %s and prediction_window = %s",
        people[0]["patient_uuid"],
        people[0]["prediction_window"],
    )
    [(mart_net, mart_probability)] = shown
    assert float(people[0]["net_benefit"]) == pytest.approx(mart_net)
    assert float(people[0]["positive_roi_probability"]) == pytest.approx(
        mart_probability, abs=1e-11
    )


def test_the_table_compares_the_strategies(base: Copy, riskmart: Run) -> None:
    done = riskmart("target", "--org", "BASELINE", "--budget", "5000")
    assert done.code == 0
    for words in ("This list", "Risk-blind", "At random", "HiGHS", "Probability"):
        assert words in done.out


def test_a_window_and_a_scenario_are_kept_to(base: Copy, riskmart: Run) -> None:
    nets = []
    for scenario in ("conservative", "base", "optimistic"):
        done = riskmart(
            *("target", "--org", "BASELINE", "--budget", "9000", "--json"),
            *("--window", "30_day", "--scenario", scenario),
        )
        answer = json.loads(done.out)
        assert {p["prediction_window"] for p in answer["patients"]} == {"30_day"}
        nets.append(answer["strategies"]["best"]["net_benefit"])
    assert nets == sorted(nets)
    assert nets[0] < nets[2]


def test_controls_are_left_alone_unless_asked_for(base: Copy, riskmart: Run) -> None:
    controls = {
        str(uuid)
        for (uuid,) in base.rows(
            "select patient_uuid from marts.programme_holdout where is_control"
        )
    }
    assert controls
    listed = []
    for option in ((), ("--with-controls",)):
        done = riskmart(
            *("target", "--org", "BASELINE", "--budget", "1000000", "--json", *option)
        )
        listed.append({p["patient_uuid"] for p in json.loads(done.out)["patients"]})
    called, everybody = listed
    assert not called & controls
    assert everybody & controls
    assert called == everybody - controls


def test_no_money_is_no_error(base: Copy, riskmart: Run) -> None:
    done = riskmart(
        *("target", "--org", "BASELINE", "--budget", "0", "--with-controls")
    )
    assert done.code == 0
    assert "Nobody: 2,420 patients have a positive projected return" in done.out


def test_no_positive_return_says_none(clone: Copy, riskmart: Run) -> None:
    clone.execute(
        "update candidate.financial_projections"
        " set window_cost = 0, addressable_cost = 0"
    )
    clone.published()
    done = riskmart("target", "--org", "BASELINE", "--budget", "5000")
    assert done.code == 0
    assert "none: no patient's projected return is positive" in done.out
    assert "(controls not counted)" in done.out
    as_json = riskmart("target", "--org", "BASELINE", "--budget", "5000", "--json")
    assert json.loads(as_json.out)["verdict"].startswith("none")


def test_a_list_that_loses_has_its_minus_before_the_dollar(
    base: Copy, riskmart: Run
) -> None:
    done = riskmart(
        *("target", "--org", "BASELINE", "--budget", f"{BUDGET}"),
        *("--scenario", "conservative"),
    )
    [random] = [line for line in done.out.splitlines() if "At random" in line]
    assert " -$" in random
    assert "$-" not in done.out


def test_no_return_is_certain(base: Copy, riskmart: Run) -> None:
    done = riskmart("target", "--org", "BASELINE", "--budget", "500")
    assert "Probability that this list pays: >99 %" in done.out
    assert "that the programme works at all is taken for granted" in done.out


def test_an_organization_of_controls_alone_is_told(clone: Copy, riskmart: Run) -> None:
    clone.execute("update candidate.financial_projections set is_control = true")
    clone.published()
    done = riskmart("target", "--org", "BASELINE", "--budget", "5")
    assert done.code == 2
    assert "controls alone (--with-controls)" in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--budget", "-1"), "--budget -1: expected USD, a number from 0 on"),
        (("--budget", "nan"), "--budget nan: expected USD"),
        (("--budget", "much"), "--budget much: expected USD"),
        (("--budget", "inf"), "--budget inf: expected USD"),
        (("--budget", "5", "--capacity", "FOO=1"), "unknown department FOO"),
        (("--budget", "5", "--capacity", "CARDIOLOGY=-1"), "expected DEPARTMENT=N"),
        (
            ("--budget", "5", *("--capacity", "ONCOLOGY=1") * 2),
            "ONCOLOGY is given twice",
        ),
        (("--budget", "5", "--window", "45_day"), "expected one of 30_day, 60_day"),
        (("--budget", "5", "--scenario", "rosy"), "expected one of conservative, base"),
        (("--budget", "5", "--csv", "/no/such/folder/x.csv"), "No such file"),
    ],
)
def test_what_cannot_be_is_refused_in_words(
    base: Copy, riskmart: Run, arguments: tuple[str, ...], said: str
) -> None:
    done = riskmart("target", "--org", "BASELINE", *arguments)
    assert done.code == 2
    assert said in done.err


def test_an_unknown_organization_is_refused(base: Copy, riskmart: Run) -> None:
    done = riskmart("target", "--org", "NOPE", "--budget", "5")
    assert done.code == 2
    assert "organization NOPE: expected one with a cohort, BASELINE" in done.err


def test_an_organization_without_patients_is_refused(
    clone: Copy, riskmart: Run
) -> None:
    clone.execute("truncate candidate.financial_projections cascade")
    clone.published()
    done = riskmart("target", "--org", "BASELINE", "--budget", "5")
    assert done.code == 2
    assert "nobody is in its cohort" in done.err


def test_without_a_budget_the_usage_is_told(riskmart: Run) -> None:
    done = riskmart("target", "--org", "BASELINE")
    assert done.code == 2
    assert "--budget" in done.err


def test_without_a_build_that_is_said(clone: Copy, riskmart: Run) -> None:
    clone.execute("drop schema if exists marts cascade")
    done = riskmart("target", "--org", "BASELINE", "--budget", "5")
    assert done.code == 2
    assert "expected a published build of this version" in done.err
