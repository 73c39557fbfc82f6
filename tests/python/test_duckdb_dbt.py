"""dbt as everybody knows it on a DuckDB file, and what holds without keys."""

import shutil
from pathlib import Path

import duckdb
import pytest
from copies import Copy, copy_project
from test_plain_dbt import OWN, ROOMS, Plain

from python_scoring import gate

MARTS = f'"{OWN}_marts"'


class PlainFile(Plain):
    """A project and a DuckDB file of its own."""

    def __init__(self, copy: Copy, file: Path) -> None:
        super().__init__(copy)
        self.file = file
        self.environment |= {
            "RISKMART_TARGET": "duckdb",
            "RISKMART_DUCKDB": str(file),
        }

    def ask(self, *statements: str) -> list[tuple[object, ...]]:
        """Run statements on the file, which nobody else has open, and read the last."""
        with duckdb.connect(str(self.file)) as connection:
            for statement in statements:
                result = connection.execute(statement)
            return result.fetchall()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> PlainFile:
    """`riskmart sql`, which makes the raw tables, then `dbt build --target duckdb`."""
    folder = tmp_path_factory.mktemp("plain_duckdb")
    copy = Copy(copy_project(folder / "project"), folder / "home")
    plain = PlainFile(copy, folder / "riskmart.duckdb")
    assert plain.riskmart("sql", "select 1").returncode == 0
    built = plain.dbt("build", "--target", "duckdb")
    assert built.returncode == 0, built.stdout
    return plain


@pytest.fixture
def file(plain: PlainFile, tmp_path: Path) -> PlainFile:
    """The built file, for one test to change."""
    return PlainFile(
        plain.copy, Path(shutil.copyfile(plain.file, tmp_path / "f.duckdb"))
    )


def test_build_passes_in_rooms_of_one_s_own(plain: PlainFile) -> None:
    statuses = plain.statuses()
    assert set(statuses) == {"success", "pass", "warn", "no-op"}
    assert statuses["warn"] == [gate.UNSCORED_TEST]
    # Unit tests too.
    kinds = {result["unique_id"].split(".")[0] for result in plain.results()}
    assert {"model", "seed", "test", "unit_test"} <= kinds
    rooms = plain.ask(
        "select distinct schema_name from duckdb_tables() union"
        " select distinct schema_name from duckdb_views() where not internal"
    )
    assert {room for (room,) in rooms} == {f"{OWN}_{room}" for room in ROOMS} | {"raw"}
    assert plain.ask(f"select count(*) from {MARTS}.patients") == [(3_000,)]
    assert plain.ask(f"select count(*) from {MARTS}.org_tier_summary") == [(15,)]


def test_a_file_without_raw_tables_is_refused_at_once(
    plain: PlainFile, tmp_path: Path
) -> None:
    new = PlainFile(plain.copy, tmp_path / "new.duckdb")
    done = new.dbt("build", "--target", "duckdb")
    assert done.returncode != 0
    assert "has no raw tables" in done.stdout
    assert "./riskmart --target duckdb sql 'select 1' makes them" in done.stdout
    assert new.ask("select table_name from duckdb_tables()") == []


def test_it_builds_again_over_what_is_there(file: PlainFile) -> None:
    again = file.dbt("run", "--target", "duckdb")
    assert again.returncode == 0, again.stdout
    left = "select count(*) from duckdb_tables() where table_name like '%dbt%'"
    assert file.ask(left) == [(0,)]


def run(file: PlainFile, *marts: str) -> str:
    """Build some marts, each of which has to fail, and return what is said."""
    done = file.dbt("run", "--target", "duckdb", "--select", *marts)
    assert done.returncode == 1, done.stdout
    assert len(file.statuses()["error"]) == len(marts)
    return done.stdout


def test_a_null_and_a_broken_check_stop_a_model(file: PlainFile) -> None:
    file.ask(
        f'update "{OWN}_rules".intervention_evidence set programme = null',
        f'update "{OWN}_intermediate".int_patient_features set frailty_score = 2',
    )
    said = run(file, "core_intervention_evidence", "patient_features")
    assert "rows break what its YAML declares: programme is null" in said
    assert "3000 rows break what its YAML declares: scores" in said


def test_an_orphan_stops_a_model(file: PlainFile) -> None:
    file.ask(f"delete from {MARTS}.departments where department_id = 1")
    said = run(file, "patients")
    assert "rows break what its YAML declares: department_id not in" in said
    assert "departments" in said


def test_a_row_that_is_there_twice_fails_its_test(file: PlainFile) -> None:
    file.ask(
        f"insert into {MARTS}.departments select * from {MARTS}.departments limit 1"
    )
    tested = file.dbt("test", "--target", "duckdb", "--select", "core_departments")
    assert tested.returncode == 1
    failed = file.statuses()["fail"]
    assert any(name.startswith("unique_key_") for name in failed)
