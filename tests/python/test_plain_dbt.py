"""dbt as everybody knows it, from the project folder, before anything is scored."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import forget_server
from copies import REPOSITORY, Copy, call, copy_project

from python_scoring import gate


class Plain:
    """A fresh copy and warehouse; commands get RISKMART_HOME and PWD, no more."""

    def __init__(self, copy: Copy) -> None:
        self.copy = copy
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(copy.project.parent),
            "PWD": str(copy.project),
            "RISKMART_HOME": str(copy.home),
        }

    def dbt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        program = Path(sys.executable).with_name("dbt")
        return call([str(program), *arguments], self.environment, self.copy.project)

    def riskmart(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**self.environment, "PYTHONPATH": str(REPOSITORY)}
        command = [sys.executable, "-P", "-m", "python_scoring", *arguments]
        return call(command, environment, self.copy.project)

    def statuses(self) -> dict[str, list[str]]:
        """Names of what the last command ran, by status."""
        results = json.loads(
            (self.copy.project / "target" / "run_results.json").read_text()
        )["results"]
        named: dict[str, list[str]] = {}
        for result in results:
            name = result["unique_id"].split(".")[2]
            named.setdefault(result["status"], []).append(name)
        return named


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plain]:
    """`riskmart db start`, then `dbt build`."""
    folder = tmp_path_factory.mktemp("plain")
    copy = Copy(copy_project(folder / "project"), folder / "home")
    plain = Plain(copy)
    try:
        assert plain.riskmart("db", "start").returncode == 0
        built = plain.dbt("build")
        assert built.returncode == 0, built.stdout
        yield plain
    finally:
        with copy.in_force():
            forget_server()


def test_build_and_test_warn_once_that_nothing_is_scored(plain: Plain) -> None:
    after_build = plain.statuses()
    assert set(after_build) == {"success", "pass", "warn"}
    assert after_build["warn"] == [gate.UNSCORED_TEST]
    assert "run_riskmart_score" in after_build["warn"][0]
    tested = plain.dbt("test", "--exclude-resource-type", "unit_test")
    assert tested.returncode == 0, tested.stdout
    assert plain.statuses()["warn"] == [gate.UNSCORED_TEST]


def test_patients_are_there_and_prediction_marts_hold_zeros(plain: Plain) -> None:
    with plain.copy.in_force():
        for mart, rows in {
            "patients": 3_000,
            "patient_features": 3_000,
            "departments": 10,
            "organizations": 1,
            "predictions": 0,
            "prediction_history": 0,
            "financial_projections": 0,
            "positive_roi_patients": 0,
            "org_tier_summary": 15,
            "roi_aggregations": 3,
            "dept_risk_distribution": 150,
            "high_risk_by_department": 60,
            "roi_by_department": 30,
        }.items():
            assert plain.copy.value(f"select count(*) from marts.{mart}") == rows, mart
        for grid, count in (
            ("org_tier_summary", "patient_count + patient_percent"),
            ("roi_aggregations", "patient_count + total_net_benefit"),
            ("dept_risk_distribution", "patient_count + organization_percent"),
            ("roi_by_department", "patient_count + total_expected_savings"),
        ):
            values = plain.copy.rows(f"select distinct {count} from marts.{grid}")
            assert values == [(0,)], grid
        departments = plain.copy.value(
            "select count(distinct department_id) from marts.patients"
        )
    assert departments == 10


def test_scoring_without_a_model_says_what_to_do(plain: Plain) -> None:
    done = plain.riskmart("score")
    assert done.returncode == 2
    assert "riskmart train" in done.stderr
    assert "Traceback" not in done.stderr


def test_training_without_a_history_says_what_to_do(plain: Plain) -> None:
    done = plain.riskmart("train")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "synth --training" in done.stderr
