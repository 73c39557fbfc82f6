"""The same warehouse in one DuckDB file: the same marts, the same refusals."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import claims
import duckfile
import parity
import pytest
from conftest import Run
from copies import FIXTURES, REPOSITORY, Copy
from test_add import lines, person
from test_enrolments import KEPT, counts, written
from test_enrolments import take as enrol

from python_scoring import config, pipeline, warehouse
from python_scoring.cohorts import cms
from python_scoring.duck import swap
from python_scoring.errors import BadInput, GateFailed
from python_scoring.intake import adding
from python_scoring.intake.documents import split
from python_scoring.publication import builds, publish
from python_scoring.publication.publish import Publication
from python_scoring.publication.relations import relations
from python_scoring.warehouse import Connection

_REGISTRY = ("org_code", "external_id", "patient_id", "patient_uuid")
_READ_BY_NAME = "select count(*) from marts.predictions"

Marts = dict[str, tuple[list[str], parity.Rows]]


@dataclass(frozen=True)
class Engines:
    """One warehouse on PostgreSQL, and one in a file with a state folder of its own."""

    postgres: Copy
    file: Path

    @contextmanager
    def duckdb(self, file: Path | None = None) -> Iterator[Path]:
        """Put the file in force, or a copy of it."""
        with self.postgres.in_force():
            home = str(self.file.parent)
            with duckfile.in_force(file or self.file, RISKMART_HOME=home) as there:
                yield there


@pytest.fixture(scope="module")
def engines(built: Copy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    """Baseline and claims at two dates, built and published on both engines."""
    folder = tmp_path_factory.mktemp("duckdb")
    copy = built.clone(config.DATABASE)
    pair = Engines(copy, folder / "riskmart.duckdb")
    try:
        with copy.in_force():
            load_claims()
            assert pipeline.build().published
        with pair.duckdb(), warehouse.connect(autocommit=True) as conn:
            warehouse.prepare(conn)
        copy_registry(pair)
        with pair.duckdb():
            # Before the claims, as there: loads are numbered.
            with warehouse.connect(autocommit=True) as conn:
                pipeline.load_training_cohort(conn)
            load_claims()
            assert pipeline.build().published
        yield pair
    finally:
        copy.drop()


def load_claims() -> None:
    """Load the claims beside the checkout, else the few of the fixtures."""
    if claims.are_there():
        claims.load()
        return
    with warehouse.connect(autocommit=True) as conn:
        cms.load(conn, FIXTURES / "cms", org=claims.ORG, as_of=date(2008, 12, 31))


def copy_registry(pair: Engines) -> None:
    """Register people as on PostgreSQL: the hold-out is drawn by their uuid."""
    columns = ", ".join(_REGISTRY)
    with pair.postgres.in_force(), warehouse.connect() as conn:
        query = f"select {columns}, registered_at from raw.patient_registry"
        people = conn.execute(query.encode()).fetchall()
    with pair.duckdb(), warehouse.connect(autocommit=True) as conn:
        conn.execute(
            "create table if not exists raw.patient_registry (org_code text,"
            " external_id text, patient_id bigint, patient_uuid uuid,"
            " registered_at timestamptz)"
        )
        known = conn.execute("select patient_id from raw.patient_registry").fetchall()
        fresh = [one for one in people if (one[2],) not in known]
        names = (*_REGISTRY, "registered_at")
        warehouse.insert(conn, "raw.patient_registry", names, fresh)


@pytest.fixture
def duck(engines: Engines, tmp_path: Path) -> Iterator[Path]:
    """A copy of the published file, in force for one test to change."""
    file = Path(shutil.copyfile(engines.file, tmp_path / "copy.duckdb"))
    # What was committed since DuckDB last put it into the file.
    if _log(engines.file).exists():
        shutil.copyfile(_log(engines.file), _log(file))
    with engines.duckdb(file):
        yield file


def _log(file: Path) -> Path:
    return file.with_name(f"{file.name}.wal")


def read_marts(conn: Connection) -> Marts:
    found = {}
    for mart in parity.marts(conn):
        if mart not in parity.NOT_COMPARED:
            columns = parity.compared_columns(conn, mart)
            found[mart] = (columns, parity.read(conn, mart, columns))
    return found


def marts_now() -> Marts:
    with warehouse.connect() as conn:
        return read_marts(conn)


def both(pair: Engines) -> tuple[Marts, Marts]:
    with pair.postgres.in_force():
        ours = marts_now()
    with pair.duckdb():
        return ours, marts_now()


def compared(ours: Marts, theirs: Marts, *but: str) -> list[str]:
    """Say where two sets of marts differ."""
    assert set(ours) == set(theirs)
    found = []
    for name in sorted(set(ours) - set(but)):
        columns, rows = ours[name]
        if columns != theirs[name][0]:
            found.append(f"{name}: columns {columns} against {theirs[name][0]}")
            continue
        differing = parity.differences(rows, theirs[name][1], columns)
        found += [f"{name}: {one}" for one in differing]
    return found


def value(query: str) -> Any:
    with warehouse.connect() as conn:
        row = conn.execute(query.encode()).fetchone()
    assert row
    return row[0]


def execute(*statements: str) -> None:
    with warehouse.connect(autocommit=True) as conn:
        for statement in statements:
            conn.execute(statement.encode())


# The same marts


def test_every_mart_says_the_same_on_both_engines(engines: Engines) -> None:
    ours, theirs = both(engines)
    assert len(ours) > 45
    assert len(ours["predictions"][1]) > 9_000
    assert compared(ours, theirs) == []


def test_one_changed_number_is_found(duck: Path) -> None:
    columns, rows = read_mart("financial_projections")
    schema = f"build_{seen().pop()}"
    execute(
        f"update {schema}.financial_projections set net_benefit ="
        " net_benefit * (1 + 1e-8) where prediction_window = '30_day'"
        f" and patient_id = (select min(patient_id) from {schema}.patients)"
    )
    changed = read_mart("financial_projections")[1]
    [found] = parity.differences(rows, changed, columns)
    assert found.startswith("net_benefit: ")
    assert parity.differences(rows, changed[1:], columns) == [
        f"{len(rows)} rows against {len(rows) - 1}"
    ]


def test_types_of_the_marts_are_the_same(engines: Engines) -> None:
    same = {"text": "VARCHAR", "jsonb": "JSON"}
    with engines.postgres.in_force(), warehouse.connect() as conn:
        ours = {
            (mart, name): same.get(column.data_type, column.data_type.upper())
            for mart, relation in relations(conn, "marts").items()
            for name, column in relation.columns.items()
        }
    with engines.duckdb(), warehouse.connect() as conn:
        theirs = {
            (mart, name): column.data_type
            for mart, relation in relations(conn, "marts").items()
            for name, column in relation.columns.items()
        }
    theirs = {k: "DOUBLE PRECISION" if v == "DOUBLE" else v for k, v in theirs.items()}
    assert ours == theirs


def test_the_dictionary_is_on_the_names(duck: Path) -> None:
    with warehouse.connect() as conn:
        found = relations(conn, "marts")
    assert all(relation.comment for relation in found.values())
    undescribed = [
        f"{name}.{column}"
        for name, relation in found.items()
        for column, described in relation.columns.items()
        if not described.comment
    ]
    assert undescribed == []


# New patients


def take(*people: dict[str, Any] | bytes, **options: bool) -> list[str]:
    """Hand people in, and say what became of each."""
    with adding.intake() as intake:
        answer = intake.add(list(split(lines(*people))), **options)
    return [str(entry.outcome) for entry in answer.entries]


def test_new_patients_leave_both_engines_the_same(engines: Engines) -> None:
    with engines.postgres.in_force():
        known = value(
            "select min(external_id) from raw.patient_registry"
            " where org_code = 'BASELINE'"
        )
    handed_in = (
        person(),
        person(external_id="NEW-2", age=55, conditions=[], annual_cost=30_000),
        person(external_id=known, annual_cost=90_000),
        person(external_id="NEW-3", age=300),
    )
    corrected = person(annual_cost=1_000, inpatient_cost=0)
    with engines.postgres.in_force():
        ours = [*take(*handed_in), *take(corrected), *take(corrected)]
        before = read_mart("patients")
    copy_registry(engines)
    with engines.duckdb():
        theirs = [*take(*handed_in), *take(corrected), *take(corrected)]
    expected = ["accepted"] * 3 + ["rejected", "accepted", "unchanged"]
    assert ours == theirs == expected
    ours, theirs = both(engines)
    assert len(before[1]) == len(ours["patients"][1])
    assert compared(ours, theirs) == []


def read_mart(mart: str) -> tuple[list[str], parity.Rows]:
    with warehouse.connect() as conn:
        columns = parity.compared_columns(conn, mart)
        return columns, parity.read(conn, mart, columns)


def test_a_dry_run_changes_nothing(duck: Path) -> None:
    before = marts_now()
    assert take(person(external_id="DRY-1"), is_dry_run=True) == ["accepted"]
    assert compared(before, marts_now()) == []
    traces = "select count(*) from raw.new_patients where external_id = 'DRY-1'"
    assert value(traces) == 0


def test_a_build_again_is_what_intake_had_made_and_there_is_a_way_back(
    duck: Path, riskmart: Run
) -> None:
    assert take(
        person(external_id="AGAIN-1"), person(external_id="AGAIN-2", age=31)
    ) == ["accepted", "accepted"]
    before = marts_now()
    previous = value("select max(build_id) from marts.patients")
    done = riskmart("build")
    assert done.code == 0, done.err
    assert value("select min(build_id) from marts.patients") == previous + 1
    # A build judges the model anew, on those who are here now; intake does not.
    judged = [name for name in before if name.startswith("model_")]
    judged.append("readmission_counts")
    assert compared(before, marts_now(), *judged) == []
    assert take(person(external_id="LATER-1")) == ["accepted"]
    there = "select count(*) from marts.patients"
    count = value(there)
    back = riskmart("publish", "--rollback")
    assert back.code == 0, back.err
    assert value("select max(build_id) from marts.patients") == previous
    # Whoever was handed in since is taken into it.
    assert value(there) == count
    assert value("select status from marts.builds where is_published") == "published"
    assert riskmart("publish", "--build", "99").code == BadInput.exit_code


# Other commands


def test_enrolments_are_taken_corrected_and_replaced(
    duck: Path, tmp_path: Path
) -> None:
    ids = (
        "select external_id from raw.patient_registry where org_code = 'BASELINE'"
        " order by 1 limit 2"
    )
    with warehouse.connect() as conn:
        [(one,), (other,)] = conn.execute(ids.encode()).fetchall()
    both_of_them = written(tmp_path, f"{one},2026-01-05,", f"{other},2026-01-06,")
    assert counts(enrol(both_of_them)) == (2, 2, 0, 0)
    assert counts(enrol(both_of_them)) == (2, 0, 0, 0)
    corrected = written(tmp_path, f"{one},2026-01-05,2026-03-01")
    assert counts(enrol(corrected)) == (1, 0, 1, 0)
    assert counts(enrol(corrected, replace=True)) == (1, 0, 0, 1)
    strangers = written(tmp_path, "nobody,2026-01-05,", f"{one},2026-02-05,")
    result = enrol(strangers, max_reject_share=0.5)
    assert (result.rows, result.rejected, result.added) == (1, 1, 1)
    with warehouse.connect() as conn:
        kept = conn.execute(KEPT.encode()).fetchall()
    assert kept == [(one, "2026-01-05", "2026-03-01"), (one, "2026-02-05", None)]


def test_scores_and_evaluations_are_made_anew_when_asked(
    duck: Path, riskmart: Run
) -> None:
    batches = "select count(*) from raw.prediction_batches"
    assert riskmart("score").code == 0
    before = value(batches)
    nobody = riskmart("score")
    assert nobody.out.startswith("0 of "), nobody.out
    assert value(batches) == before
    again = riskmart("score", "--rescore")
    assert again.code == 0, again.err
    assert value(batches) == before + 1
    assert riskmart("evaluate").code == 0
    evaluated = riskmart("evaluate")
    assert "nothing new" in evaluated.out, evaluated.out


# Publication


def publish_next(*changes: str, **options: bool) -> Publication:
    build_id = duckfile.next_candidate(*changes)
    with warehouse.connect(autocommit=True) as conn:
        return publish.publish(conn, builds.get(conn, build_id), **options)


def seen() -> set[int]:
    """Builds that the names lead to."""
    with warehouse.connect() as conn:
        found = {
            build
            for name, relation in relations(conn, "marts").items()
            if relation.kind == "v" and next(iter(relation.columns)) == "build_id"
            if name not in parity.NOT_COMPARED
            for (build,) in conn.execute(
                f"select distinct build_id from marts.{name}".encode()
            )
        }
    return found


def test_columns_that_readers_would_miss_are_refused_unless_asked_for(
    duck: Path,
) -> None:
    [current] = seen()
    changes = (
        "alter table {schema}.patients drop column age",
        "drop table {schema}.calendar_days",
        "alter table {schema}.departments alter department_id type bigint",
    )
    with pytest.raises(GateFailed) as refused:
        publish_next(*changes)
    for words in (
        "marts.patients: no column age any more",
        "marts.calendar_days: there is no such mart any more",
        "marts.departments: department_id is BIGINT, was ",
        "--allow-breaking",
    ):
        assert words in str(refused.value)
    assert seen() == {current}
    done = publish_next(*changes, allow_breaking=True)
    assert seen() == {done.swapped.build_id}
    with warehouse.connect() as conn:
        names = relations(conn, "marts")
    assert "calendar_days" not in names
    assert "age" not in names["patients"].columns
    assert names["departments"].columns["department_id"].data_type == "BIGINT"


def test_an_earlier_build_lacks_a_new_column_and_shows_nothing_in_its_place(
    duck: Path,
) -> None:
    [current] = seen()
    publish_next("alter table {schema}.patients add column shoe_size integer")
    assert value("select count(*) from marts.patients where shoe_size is null")
    with warehouse.connect(autocommit=True) as conn:
        publish.go_back(conn)
    assert seen() == {current}
    with warehouse.connect() as conn:
        assert list(relations(conn, "marts")["patients"].columns)[-1] == "shoe_size"


def test_earlier_builds_are_dropped_but_for_those_kept(duck: Path) -> None:
    for _ in range(5):
        publish_next()
    schemas = "select count(*) from duckdb_schemas() where schema_name like 'build_%'"
    assert value(schemas) == 1 + 3
    assert value("select count(*) from raw.builds where status = 'dropped'") == 2
    steps = "select count(distinct build_id) from raw.intake_steps"
    assert value(steps) == 1 + 3


def test_an_unpublished_candidate_makes_way_for_the_next(duck: Path) -> None:
    left = duckfile.next_candidate()
    newer = duckfile.next_candidate()
    with warehouse.connect() as conn:
        assert not relations(conn, builds.schema_of(left))
        assert builds.get(conn, left).status == "abandoned"
        assert relations(conn, builds.schema_of(newer))


def test_what_others_keep_beside_the_marts_is_left_alone(duck: Path) -> None:
    execute(
        "create view marts.mine as select * from marts.patients",
        "create view marts.board as select count(*) as n from marts.predictions",
        "create table marts.notes as select 1 as build_id, 'keep' as note",
    )
    count = value("select n from marts.board")
    publish_next()
    publish_next("drop table {schema}.calendar_days", allow_breaking=True)
    assert value("select count(*) from marts.notes") == 1
    assert value("select n from marts.board") == count
    assert {value("select max(build_id) from marts.mine")} == seen()


def test_a_name_of_somebody_else_s_is_refused_in_words(duck: Path) -> None:
    execute("create table marts.shoes as select 1 as size")
    [current] = seen()
    with pytest.raises(BadInput, match=r"marts\.shoes is a relation that riskmart did"):
        publish_next("create table {schema}.shoes as select 2 as size")
    assert seen() == {current}
    assert value("select size from marts.shoes") == 1


def test_a_failed_test_publishes_nothing(
    engines: Engines, duck: Path, riskmart: Run
) -> None:
    before, [current] = marts_now(), seen()
    tiers = engines.postgres.rules("risk_tiers").read_text().splitlines()
    with engines.postgres.edited(risk_tiers="\n".join(tiers[:-1]) + "\n"):
        failed = riskmart("build")
    assert failed.code == GateFailed.exit_code
    assert f"Readers see build {current}" in failed.err
    assert f"which failed, is in schema build_{current + 1}." in failed.err
    assert compared(before, marts_now()) == []
    assert seen() == {current}


# Killed, locked, crowded


def _child(code: str, file: Path, **more: str) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "RISKMART_PROJECT_DIR": str(config.PROJECT_DIR),
        "RISKMART_DUCKDB": str(file),
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(Path(__file__).parent)]),
        **more,
    }
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )


KILLED_IN_THE_SWAP = """
    import os, signal
    import duckfile
    from python_scoring import warehouse
    from python_scoring.duck.connection import Connection
    from python_scoring.publication import builds, publish

    candidate = duckfile.next_candidate()
    commit = Connection.commit
    def killed(self):
        published = builds.published(self)
        is_due = published is not None and published.build_id == candidate
        if is_due and {after}:
            commit(self)
        if is_due:
            os.kill(os.getpid(), signal.SIGKILL)
        commit(self)
    with warehouse.connect(autocommit=True) as conn:
        Connection.commit = killed
        publish.publish(conn, builds.get(conn, candidate))
"""


@pytest.mark.parametrize("after", [False, True])
def test_killed_in_the_swap_leaves_one_whole_build(duck: Path, after: bool) -> None:
    [current] = seen()
    child = _child(KILLED_IN_THE_SWAP.format(after=after), duck)
    assert child.wait() == -signal.SIGKILL
    assert seen() == {current + 1 if after else current}
    assert value("select build_id from marts.builds where is_published") in seen()


KILLED_IN_A_BUILD = """
    import os, signal
    from python_scoring import pipeline

    def watch(name):
        if name == "{node}":
            os.kill(os.getpid(), signal.SIGKILL)
    pipeline.build(on_node=watch)
"""


def test_killed_in_a_build_leaves_what_readers_had(duck: Path, riskmart: Run) -> None:
    before, [current] = marts_now(), seen()
    child = _child(KILLED_IN_A_BUILD.format(node="predictions"), duck)
    assert child.wait() == -signal.SIGKILL
    assert seen() == {current}
    assert compared(before, marts_now()) == []
    told = riskmart("status")
    assert told.code == 0, told.err
    assert "building" in told.out
    # What it left makes way for the next.
    newer = duckfile.next_candidate()
    with warehouse.connect() as conn:
        assert builds.get(conn, newer - 1).status == "abandoned"
        assert not relations(conn, builds.schema_of(newer - 1))


HOLDS = """
    import sys
    from python_scoring import warehouse
    with warehouse.connect():
        print("open", flush=True)
        sys.stdin.read()
"""


@pytest.mark.parametrize("command", [("build",), ("add", "-"), ("status",)])
def test_a_file_that_another_process_has_open_is_refused(
    duck: Path, riskmart: Run, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    child = _child(
        HOLDS.replace("sys.stdin.read()", "__import__('time').sleep(600)"), duck
    )
    assert child.stdout
    assert child.stdout.readline() == "open\n"
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr("sys.stdin", (FIXTURES / "golden" / "golden.csv").open())
    try:
        refused = riskmart(*command)
    finally:
        child.kill()
        child.wait()
    assert refused.code == BadInput.exit_code
    said = " ".join(refused.err.split())
    assert f"{duck}: open in another process" in said
    assert str(child.pid) in said
    assert value("select count(*) from raw.builds where status = 'building'") == 0
    assert len(seen()) == 1


def test_a_process_that_is_about_to_end_is_waited_for(
    duck: Path, riskmart: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = _child(
        HOLDS.replace("sys.stdin.read()", "__import__('time').sleep(600)"), duck
    )
    assert child.stdout
    assert child.stdout.readline() == "open\n"

    def end(_: float) -> None:
        child.kill()
        child.wait()

    monkeypatch.setattr("time.sleep", end)
    done = riskmart("sql", "--csv", _READ_BY_NAME)
    assert done.code == 0, done.err


def test_a_swap_that_fails_half_way_is_taken_back(
    duck: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [current] = seen()
    build_id = duckfile.next_candidate()

    def broken(*_: object) -> None:
        raise RuntimeError("half way")

    monkeypatch.setattr(swap.builds, "note_published", broken)
    with (
        pytest.raises(RuntimeError, match="half way"),
        warehouse.connect(autocommit=True) as conn,
    ):
        publish.publish(conn, builds.get(conn, build_id))
    assert seen() == {current}


BUILDS = """
    import sys
    from python_scoring import cli
    from python_scoring.commands import common
    sys.argv, sys.stderr = ["riskmart", "build"], sys.stdout
    common.err.file = sys.stdout
    cli.main()
"""


def test_too_little_memory_for_a_build_is_told_and_nothing_changes(
    duck: Path,
) -> None:
    [current] = seen()
    child = _child(BUILDS, duck, RISKMART_DUCKDB_MEMORY="6MB")
    said, _ = child.communicate()
    assert child.returncode == BadInput.exit_code, said
    assert "6MB of memory are too little" in " ".join(said.split())
    assert seen() == {current}
