"""Shared fixtures: one embedded server a session, in a folder of its own."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import claims
import golden
import once
import pytest
from copies import Copy, copy_project

from python_scoring import cli, config, pipeline, server, warehouse
from python_scoring.embedded import identity
from python_scoring.readmission import score
from python_scoring.warehouse import Connection


def _is_ours(name: str) -> bool:
    return name.startswith("PG") or name in ("RISKMART_DSN", "RISKMART_SOCKET_DIR")


# Of the files, those that take longest, in this order: begun late, they would be all
# that is left to do in the end. The rest is short.
LONGEST = (
    "test_publication",
    "test_dashboard",
    "test_duckdb",
    "test_plain_dbt",
    "test_first_rules",
    "test_duckdb_dbt",
    "test_crashes",
    "test_intake_histories",
    "test_publication_cli",
    "test_semantic",
    "test_backup",
    "test_programme_results",
    "test_cli",
    "test_benchmarks",
    "test_sabotage",
    "test_gates",
    "test_publication_readers",
    "test_rules",
    "test_rotation",
    "test_forget",
    "test_registry_identity",
    "test_questions",
    "test_tier_migration",
    "test_freshness",
    "test_benchmark_intake",
    "test_keys",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files in the order in which workers take them, one at a time.

    One worker makes the builds for the first file, while the others have the files
    that need none.
    """
    if not is_worker():
        return
    builds = {item.path for item in items if "built" in _fixtures(item)}

    def place(item: pytest.Item) -> tuple[bool, bool, int]:
        name = item.path.stem
        rank = LONGEST.index(name) if name in LONGEST else len(LONGEST)
        return rank > 0, item.path in builds, rank

    items.sort(key=place)


def _fixtures(item: pytest.Item) -> list[str]:
    return item.fixturenames if isinstance(item, pytest.Function) else []


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state folder for the session: no test sees anybody's real warehouse."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in filter(_is_ours, list(os.environ)):
            patch.delenv(name)
        patch.setenv("RISKMART_HOME", str(folder))
        yield folder
        forget_server()


@pytest.fixture(scope="session")
def database_server(home: Path) -> None:
    """The embedded server of the session, running; `home` stops it."""
    once.start_server()


@pytest.fixture
def conn(database_server: None) -> Iterator[Connection]:
    """A connection, with the raw tables there and empty."""
    with warehouse.connect() as connection:
        connection.execute("drop schema if exists raw cascade")
        warehouse.prepare(connection)
        connection.commit()
        yield connection
        connection.rollback()


@pytest.fixture
def trail(
    database_server: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Connection]:
    """A connection in autocommit mode, with an empty trail and no head outside."""
    monkeypatch.setenv("RISKMART_AUDIT_HEADS", str(tmp_path / "heads.jsonl"))
    with warehouse.connect(autocommit=True) as connection:
        connection.execute("drop schema if exists audit cascade")
        warehouse.prepare(connection)
        yield connection
        connection.execute("drop schema if exists audit cascade")


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state folder for one test, whose server is stopped afterwards."""
    folder = tmp_path / "home"
    monkeypatch.setenv("RISKMART_HOME", str(folder))
    yield folder
    monkeypatch.setenv("RISKMART_HOME", str(folder))
    forget_server()


@pytest.fixture(scope="session")
def project_copy(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """A copy of the project, whose seeds a test may edit; no server yet."""
    folder = tmp_path_factory.mktemp("build")
    return Copy(copy_project(folder / "project"), folder / "home")


@pytest.fixture(scope="session")
def server_of_builds(
    project_copy: Copy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Copy]:
    """The server that holds the built databases, each of them made once a run."""
    everybodys = tmp_path_factory.getbasetemp().parent / "builds"
    try:
        with project_copy.in_force():
            if is_worker():
                once.share(everybodys, lambda: make_builds(project_copy))
            else:
                make_builds(project_copy)
        yield project_copy
    finally:
        with project_copy.in_force():
            forget_server()


def make_builds(copy: Copy) -> None:
    """Build, and where workers share it all, what `filled` is too."""
    once.start_server()
    pipeline.build(is_published=False)
    untouched = copy.rename("untouched")
    untouched.clone("built").published()
    if is_worker():
        fill(untouched)


@pytest.fixture(scope="session")
def built(server_of_builds: Copy) -> Copy:
    """One full build: "untouched", a candidate to clone; and it published, to read."""
    return replace(server_of_builds, database="built")


@pytest.fixture(scope="session")
def filled(built: Copy) -> Copy:
    """Published with two more organizations: the golden patients, and claims."""
    return replace(built, database="filled") if is_worker() else fill(built)


def fill(built: Copy) -> Copy:
    copy = built.clone(config.DATABASE)
    with copy.in_force():
        golden.load()
        claims.load()
        copy.run("run", "--select", "+int_patient_features", "+int_patient_outcomes")
        with warehouse.connect(autocommit=True) as conn:
            score.score(conn)
        golden.inject_scores()
        copy.run("build", "--exclude-resource-type", "unit_test")
    return copy.rename("filled").published()


def is_worker() -> bool:
    """Whether others run tests beside us, who need the same builds."""
    return "PYTEST_XDIST_WORKER" in os.environ


@pytest.fixture
def base(built: Copy) -> Iterator[Copy]:
    """The published warehouse in force, to read."""
    with built.in_force():
        yield built


@pytest.fixture
def clone(built: Copy) -> Iterator[Copy]:
    """The built warehouse, not published, in force for one test to change."""
    copy = built.clone(config.DATABASE)
    try:
        with copy.in_force():
            yield copy
    finally:
        copy.drop()


def forget_server() -> None:
    """Stop the server of the state folder in force, and remove what is outside."""
    server.stop()
    outside = identity.FALLBACK_ROOT / config.state_hash()
    if outside.is_dir():
        shutil.rmtree(outside)
    socket_dir = config.socket_dir()
    if socket_dir.is_symlink():
        socket_dir.unlink()
    elif socket_dir.is_dir() and socket_dir.parent == Path("/tmp"):
        shutil.rmtree(socket_dir)


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def riskmart(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Run a command line in this process; an uncaught error fails the test."""

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["riskmart", *arguments])
        capsys.readouterr()
        code: int | str | None = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code
        said = capsys.readouterr()
        assert code is None or isinstance(code, int)
        return Done(code or 0, said.out, said.err)

    return run
