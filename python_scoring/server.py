"""Start and stop the embedded PostgreSQL of this project.

One folder in the project, one Unix socket, no network. The server outlives the
command that started it and is stopped by `riskmart db stop`.
"""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from python_scoring import config
from python_scoring.embedded import binaries, identity, processes, settings
from python_scoring.embedded.identity import Identity
from python_scoring.errors import BadInput, RiskmartError

_LOCK_SECONDS = 120.0
# Recovery after a crash in the middle of a large load takes its time.
_READY_SECONDS = 600.0
_STOP_SECONDS = 120.0
_LOG_BYTES = 10 * 1024**2

_NO_ROOM = "No space left on device"

_HOST_RULES = "local all all trust\nhost all all all reject\n"


def ensure_running() -> None:
    """Start the embedded server, unless the team has a server of its own."""
    if not (config.is_duckdb() or config.is_team_server()):
        start()


def is_running() -> bool:
    """Whether the embedded server runs and answers on its socket."""
    with _readable():
        return _running()


def start() -> None:
    """Start the embedded server, or find it running; make its data if need be.

    Any number of callers at once get one server. After a `kill -9` it recovers
    what was committed.

    Raises
    ------
    RiskmartError
        It does not start; the message holds the end of its log.
    """
    with _readable():
        if _running():
            return
        with _lock():
            if not _running():
                _start(identity.choose())


def stop() -> None:
    """Stop the embedded server, cleanly, and wait until it is gone."""
    with _readable():
        if not config.state_dir().is_dir():
            return
        with _lock():
            process = processes.find_server(identity.current_data_dir())
            if process is None:
                return
            if processes.end(process.pid, signal.SIGINT, _STOP_SECONDS):
                return
            # Without the final checkpoint: the next start recovers.
            if not processes.end(process.pid, signal.SIGQUIT, _STOP_SECONDS):
                raise RiskmartError(f"the server (pid {process.pid}) does not stop")


def free_bytes() -> int:
    """Bytes that are free where the embedded server's data are."""
    with _readable():
        return shutil.disk_usage(identity.current_data_dir()).free


def pid() -> int | None:
    """Process id of the embedded server, if it runs."""
    with _readable():
        process = processes.find_server(identity.current_data_dir())
    return process.pid if process else None


def _running() -> bool:
    data_dir = identity.current_data_dir()
    if processes.find_server(data_dir) is None:
        return False
    return processes.is_ready(data_dir) and _answers()


def _answers() -> bool:
    name = config.socket_dir() / f".s.PGSQL.{config.PORT}"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.connect(str(name))
    except OSError:
        return False
    return True


def _start(who: Identity) -> None:
    binaries.check_version(who.bin_dir / "postgres", list(who.prefix))
    process = processes.find_server(who.data_dir)
    if process and processes.is_ready(who.data_dir) and not _answers():
        # Its socket was swept away: nobody can reach it any more.
        processes.end(process.pid, signal.SIGINT, _STOP_SECONDS)
        process = None
    if process is None:
        processes.clear_leftovers(who.data_dir, who.socket_dir)
        _make_data(who)
        _write_settings(who)
    _wait_until_ready(process.pid if process else _launch(who))


def _make_data(who: Identity) -> None:
    """Make the data folder under another name first, so that none is half made."""
    if (who.data_dir / "PG_VERSION").exists():
        return
    unfinished = who.data_dir.with_name("postgres.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    initdb = [
        *(str(who.bin_dir / "initdb"), "--pgdata", str(unfinished)),
        *("--username", config.USER, "--auth", "trust", "--encoding", "UTF8"),
        *("--locale", "C", "--locale-provider", "builtin"),
        *("--builtin-locale", "C.UTF-8", "--no-instructions"),
    ]
    _run(who, initdb)
    single = [str(who.bin_dir / "postgres"), "--single", "-D", str(unfinished)]
    _run(who, [*single, "template1"], f"create database {config.DATABASE};\n")
    (unfinished / "pg_hba.conf").write_text(_HOST_RULES)
    with (unfinished / "postgresql.conf").open("a") as file:
        file.write("\ninclude = 'riskmart.conf'\n")
    unfinished.rename(who.data_dir)


def _run(who: Identity, command: list[str], statements: str = "") -> None:
    result = subprocess.run(
        [*who.prefix, *command],
        **_options(who),
        input=statements,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if result.returncode != 0:
        raise RiskmartError(
            f"the database could not be made in {who.data_dir}:\n{result.stdout}"
        )


def _write_settings(who: Identity) -> None:
    chosen = settings.choose(settings.measure(who.data_dir), who.socket_dir)
    file = who.data_dir / "riskmart.conf"
    file.write_text(settings.render(chosen))
    if who.uid is not None and who.gid is not None:
        os.chown(file, who.uid, who.gid)


def _launch(who: Identity) -> int:
    """Start the server's process; its pid."""
    log = config.log_file()
    if log.exists() and log.stat().st_size > _LOG_BYTES:
        log.replace(log.with_suffix(".log.old"))
    # Our standard streams would stay open for whoever reads them to their end, so
    # it gets none of them; the shell in between leaves it to init, in a session
    # of its own, where our terminal's signals do not reach.
    shell = ["/bin/sh", "-c", '"$@" >&2 & echo $!', "sh"]
    postgres = [str(who.bin_dir / "postgres"), "-D", str(who.data_dir)]
    with open(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)) as out:
        identity.give_to_owner(log)
        result = subprocess.run(
            [*shell, *who.prefix, *postgres],
            **_options(who),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=out,
            start_new_session=True,
            check=True,
        )
    return int(result.stdout)


def _options(who: Identity) -> dict[str, Any]:
    return {
        "env": binaries.clean_environment(),
        "cwd": "/",
        "text": True,
        **who.popen_options(),
    }


def _wait_until_ready(postmaster: int) -> None:
    give_up = time.monotonic() + _READY_SECONDS
    while True:
        try:
            return _check_server()
        except psycopg.OperationalError as error:
            reason = str(error).strip()
        gone = processes.is_gone(postmaster)
        if gone and _NO_ROOM in _log_tail():
            raise BadInput(
                f"the embedded server has no room left ({config.state_dir()}): free "
                "some and start again; what was committed is still there"
            )
        if gone or time.monotonic() > give_up:
            raise RiskmartError(
                f"the embedded server does not start ({reason}); the end of "
                f"{config.log_file()}:\n{_log_tail()}"
            )
        time.sleep(0.02)


def _check_server() -> None:
    """Connect, once the server lets us, and make sure that it is the right one."""
    target = make_conninfo("", **config.embedded_parameters())
    with psycopg.connect(target) as connection:
        version = connection.info.server_version
    if version // 10000 != binaries.MAJOR_VERSION:
        raise RiskmartError(
            f"the server in {config.socket_dir()} is version {version}; expected "
            f"{binaries.MAJOR_VERSION}"
        )


def _log_tail(lines: int = 15) -> str:
    if not config.log_file().exists():
        return "(no log)"
    text = config.log_file().read_text(errors="replace")
    return "\n".join(text.splitlines()[-lines:])


@contextmanager
def _lock() -> Iterator[None]:
    """Hold the lock of this project's server; it goes with the process."""
    config.state_dir().mkdir(mode=0o700, parents=True, exist_ok=True)
    give_up = time.monotonic() + _LOCK_SECONDS
    path = config.state_dir() / "server.lock"
    with path.open("w") as file:
        identity.give_to_owner(path)
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > give_up:
                    raise RiskmartError(
                        "another riskmart is starting or stopping the server since "
                        f"{_LOCK_SECONDS:.0f} s (it holds {file.name})"
                    ) from None
            time.sleep(0.05)
        yield


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise RiskmartError(
            f"{error.filename}: {error.strerror}; the warehouse in "
            f"{config.state_dir()} was made by another user, as whom it has to run"
        ) from error
