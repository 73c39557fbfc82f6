"""dbt as everybody knows it, from the project folder: in rooms of one's own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import forget_server
from copies import REPOSITORY, Copy, call, copy_project

from python_scoring import config, gate
from python_scoring.dbt import Project, target_dir
from python_scoring.publication import manifest

# A name that SQL takes in quotation marks alone.
USER = "Ada.L"
OWN = f"dev_{USER}"
ROOMS = ("baseline", "intermediate", "marts", "reference", "rules", "staging")


class Plain:
    """A project and its warehouse; commands get USER, RISKMART_HOME, PWD, no more."""

    def __init__(self, copy: Copy) -> None:
        self.copy = copy
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(copy.project.parent),
            "USER": USER,
            "PWD": str(copy.project),
            "RISKMART_HOME": str(copy.home),
        }

    def dbt(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        program = Path(sys.executable).with_name("dbt")
        environment = {**self.environment, **more}
        return call([str(program), *arguments], environment, self.copy.project)

    def riskmart(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**self.environment, "PYTHONPATH": str(REPOSITORY)}
        command = [sys.executable, "-P", "-m", "python_scoring", *arguments]
        return call(command, environment, self.copy.project)

    def statuses(self) -> dict[str, list[str]]:
        """Names of what the last command ran, by status."""
        named: dict[str, list[str]] = {}
        for result in self.results():
            name = result["unique_id"].split(".")[2]
            named.setdefault(result["status"], []).append(name)
        return named

    def results(self) -> list[dict[str, Any]]:
        """What became of each node that the last command ran."""
        text = (self.copy.project / "target" / "run_results.json").read_text()
        results: list[dict[str, Any]] = json.loads(text)["results"]
        return results

    def compiled(self) -> dict[str, str]:
        """SQL of the models that the last command built, by name."""
        return {
            result["unique_id"].split(".")[2]: result["compiled_code"]
            for result in self.results()
            if result["unique_id"].startswith("model.")
        }


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
    # dbt lists exposures too, with which there is nothing to do.
    assert set(after_build) == {"success", "pass", "warn", "no-op"}
    assert "dashboard_overview" in after_build["no-op"]
    assert after_build["warn"] == [gate.UNSCORED_TEST]
    assert "run_riskmart_build" in after_build["warn"][0]
    tested = plain.dbt("test", "--exclude-resource-type", "unit_test")
    assert tested.returncode == 0, tested.stdout
    assert plain.statuses()["warn"] == [gate.UNSCORED_TEST]


def test_patients_are_there_and_prediction_marts_hold_zeros(plain: Plain) -> None:
    with plain.copy.in_force():
        for mart, rows in {
            "patients": 3_000,
            "patient_features": 3_000,
            "builds": 0,
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
            query = f'select count(*) from "{OWN}_marts".{mart}'
            assert plain.copy.value(query) == rows, mart
        for grid, count in (
            ("org_tier_summary", "patient_count + patient_percent"),
            ("roi_aggregations", "patient_count + total_net_benefit"),
            ("dept_risk_distribution", "patient_count + organization_percent"),
            ("roi_by_department", "patient_count + total_expected_savings"),
        ):
            query = f'select distinct {count} from "{OWN}_marts".{grid}'
            values = plain.copy.rows(query)
            assert values == [(0,)], grid
        departments = plain.copy.value(
            f'select count(distinct department_id) from "{OWN}_marts".patients'
        )
        schemas = _schemas(plain.copy)
    assert departments == 10
    # and nothing is anybody else's
    assert schemas == {"raw", "audit", "access", *(f"{OWN}_{room}" for room in ROOMS)}


def test_a_database_without_raw_tables_is_refused_at_once(plain: Plain) -> None:
    plain.copy.administer("create database {}", "bare")
    bare = replace(plain.copy, database="bare")
    place = {"PGHOST": str(bare.socket_dir), "PGUSER": config.USER}
    done = plain.dbt("run", **place, PGDATABASE="bare")
    assert done.returncode != 0
    assert "database bare has no raw tables" in done.stdout
    assert "./riskmart db start makes them" in done.stdout
    with bare.in_force():
        assert bare.rows("select 1 from pg_tables where tablename = 'patients'") == []


@pytest.mark.parametrize("command", ["score", "train"])
def test_python_does_not_read_ones_own_rooms(plain: Plain, command: str) -> None:
    done = plain.riskmart(command)
    assert done.returncode == 2
    assert "`riskmart build`" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def with_features(plain: Plain) -> Plain:
    """What a build makes before it scores, by plain dbt."""
    done = plain.dbt(
        *("build", "--target", "candidate", "--select", "+int_patient_features"),
        *("+int_patient_outcomes", "--exclude-resource-type", "test", "unit_test"),
    )
    assert done.returncode == 0, done.stdout
    return plain


def test_scoring_without_a_model_says_what_to_do(with_features: Plain) -> None:
    done = with_features.riskmart("score")
    assert done.returncode == 2
    assert "riskmart train" in done.stderr
    assert "Traceback" not in done.stderr


def test_training_without_a_history_says_what_to_do(with_features: Plain) -> None:
    done = with_features.riskmart("train")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "synth --training" in done.stderr


def _schemas(copy: Copy) -> set[str]:
    rows = copy.rows(
        "select nspname from pg_namespace"
        " where nspname !~ '^pg_' and nspname not in ('information_schema', 'public')"
    )
    return {name for (name,) in rows}


@pytest.fixture(scope="module")
def beside(built: Copy) -> Iterator[Plain]:
    """A published warehouse that others read, and its manifest for slim CI."""
    copy = built.clone(config.DATABASE)
    try:
        with copy.in_force():
            Project().parse()
            manifest.keep(1, target_dir() / "manifest.json")
        yield Plain(copy.published())
    finally:
        copy.drop()


def _what_others_have(copy: Copy) -> dict[str, tuple[Any, ...]]:
    """Every relation but one's own: its oid, file, rows and last change."""
    found: dict[str, tuple[Any, ...]] = {}
    for name, kind, *identity in copy.rows(
        "select c.oid::regclass::text, c.relkind, c.oid, c.relfilenode"
        " from pg_class as c inner join pg_namespace as s on c.relnamespace = s.oid"
        " where s.nspname !~ '^(pg_|information_schema|dev_|ci_)'"
    ):
        rows: list[tuple[Any, ...]] = []
        if kind == "r":
            query = f"select count(*), max(xmin::text::bigint) from {name}"
            rows = copy.rows(query)
        found[name] = (kind, *identity, *rows)
    return found


def test_a_build_of_ones_own_leaves_what_is_published(beside: Plain) -> None:
    with beside.copy.in_force():
        before = _what_others_have(beside.copy)
        schemas = _schemas(beside.copy)
    assert {"marts.patients", "build_1.patients", "raw.loads"} < set(before)
    done = beside.dbt("build")
    assert done.returncode == 0, done.stdout
    # scored already: nothing to warn of; exposures are only listed
    assert set(beside.statuses()) == {"success", "pass", "no-op"}
    with beside.copy.in_force():
        assert _what_others_have(beside.copy) == before
        assert _schemas(beside.copy) == schemas | {f"{OWN}_{room}" for room in ROOMS}


def test_everybody_has_the_same_people_and_scores(beside: Plain) -> None:
    with beside.copy.in_force():
        for query, count in (
            ("select patient_id, patient_uuid, department_id from {}.patients", 3_000),
            (
                "select patient_id, prediction_window, risk_score, batch_id, reason_1"
                " from {}.predictions",
                9_000,
            ),
        ):
            own = beside.copy.rows(query.format(f'"{OWN}_marts"'))
            assert len(own) == count
            assert set(own) == set(beside.copy.rows(query.format("marts")))


@contextmanager
def _touched(copy: Copy, name: str) -> Iterator[None]:
    """Write a remark into a model."""
    [model] = (copy.project / "models").rglob(f"{name}.sql")
    text = model.read_text()
    model.write_text(f"-- touched\n{text}")
    try:
        yield
    finally:
        model.write_text(text)


_KEYS = """
select child.relname, parent.relname
from pg_constraint as k
inner join pg_class as child on k.conrelid = child.oid
inner join pg_class as parent on k.confrelid = parent.oid
inner join pg_namespace as s on child.relnamespace = s.oid
inner join pg_namespace as t on parent.relnamespace = t.oid
where k.contype = 'f' and s.nspname = %s and t.nspname = s.nspname
"""


def test_slim_ci_builds_what_was_touched_on_what_is_published(beside: Plain) -> None:
    with beside.copy.in_force():
        before = _what_others_have(beside.copy)
    with _touched(beside.copy, "financial_projections"):
        done = beside.dbt(
            *("build", "--select", "state:modified+"),
            *("--defer", "--state", str(beside.copy.home / "published")),
            RISKMART_SCHEMA="ci_7",
        )
    assert done.returncode == 0, done.stdout
    models = beside.compiled()
    touched = {"financial_projections", "positive_roi_patients"}
    touched |= {"roi_sums", "roi_aggregations", "roi_by_department", "patient_windows"}
    touched |= {"programme_holdout", "programme_holdout_sums"}
    touched |= {"programme_holdout_balance"}
    touched |= {"roi_uncertainty", "roi_scenario_totals"}
    touched |= {"targeting_steps", "targeting_sums", "targeting_frontier"}
    # They go by each other, so that none tells more than the others.
    touched |= {
        *("roi_by_department_suppressed", "dept_risk_distribution_suppressed"),
        *("org_tier_summary_suppressed", "tier_migration_suppressed"),
    }
    assert set(models) == touched
    assert '"marts"."predictions"' in models["financial_projections"]
    assert '"ci_7_marts"."financial_projections"' in models["positive_roi_patients"]
    assert '"intermediate"."int_cohort_loads"' in models["roi_by_department"]
    with beside.copy.in_force():
        assert _what_others_have(beside.copy) == before
        made = beside.copy.rows(
            "select relname from pg_class where relkind in ('r', 'v')"
            " and relnamespace::regnamespace::text ~ '^ci_7_'"
        )
        assert {name for (name,) in made} == touched
        # their other parents are not there
        assert set(beside.copy.rows(_KEYS, "ci_7_marts")) == {
            ("positive_roi_patients", "financial_projections"),
            ("targeting_steps", "positive_roi_patients"),
        }


def test_deferring_by_the_environment_is_the_same(beside: Plain) -> None:
    done = beside.dbt(
        *("run", "--select", "int_builds", "patients", "predictions"),
        RISKMART_SCHEMA="ci_8",
        DBT_DEFER="true",
        DBT_STATE=str(beside.copy.home / "published"),
    )
    assert done.returncode == 0, done.stdout
    assert '"staging"."stg_builds__builds"' in beside.compiled()["int_builds"]
    with beside.copy.in_force():
        assert beside.copy.rows(_KEYS, "ci_8_marts") == [("predictions", "patients")]
