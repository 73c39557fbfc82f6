"""Which process is the server of a data folder, dead or alive.

PostgreSQL's own `postmaster.pid` survives a `kill -9`, and its number may by
then belong to anything else. So a pid counts only if that process is a
PostgreSQL whose working folder is the data folder.
"""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil

from python_scoring.errors import RiskmartError

_ORPHAN_SECONDS = 3.0
# The eighth line of postmaster.pid, counted from 0.
_STATUS_LINE = 7


def find_server(data_dir: Path) -> psutil.Process | None:
    """Return the live postmaster of a data folder, if there is one."""
    pid = _recorded_pid(data_dir)
    if pid is None:
        return None
    try:
        process = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None
    return process if _serves(process, data_dir) else None


def is_ready(data_dir: Path) -> bool:
    """Whether a live server has noted that it takes connections."""
    lines = _pid_file(data_dir).splitlines()
    return len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready"


def clear_leftovers(data_dir: Path, socket_dir: Path) -> None:
    """Remove what a killed server left, once none of its processes is left.

    A postmaster that was killed may leave backends at work for a moment, and a
    second server beside them would ruin the data.

    Raises
    ------
    RiskmartError
        Some are there still, and do not go.
    """
    if not (data_dir / "postmaster.pid").exists():
        return
    _end_orphans(data_dir)
    (data_dir / "postmaster.pid").unlink(missing_ok=True)
    for lock in socket_dir.glob(".s.PGSQL.*"):
        lock.unlink()


def end(pid: int, how: signal.Signals, timeout: float) -> bool:
    """Send a signal; whether the process is gone in time (seconds)."""
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        return True
    give_up = time.monotonic() + timeout
    while not is_gone(pid):
        if time.monotonic() > give_up:
            return False
        time.sleep(0.01)
    return True


def is_gone(pid: int) -> bool:
    """Whether a process is over, be it that nobody has collected it yet."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _pid_file(data_dir: Path) -> str:
    """Return what a server wrote, dead or alive; nothing if it went in good order."""
    try:
        return (data_dir / "postmaster.pid").read_text()
    except FileNotFoundError:
        return ""


def _recorded_pid(data_dir: Path) -> int | None:
    first_line = _pid_file(data_dir).split("\n", 1)[0].strip()
    return int(first_line) if first_line.isdigit() else None


def _serves(process: psutil.Process, data_dir: Path) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        here = Path(process.cwd())
        return process.name().startswith("postgres") and here == data_dir.resolve()
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        # Not ours to look into, so not a server that we started.
        return False


def _orphans(data_dir: Path) -> list[psutil.Process]:
    return [p for p in psutil.process_iter() if _serves(p, data_dir)]


def _end_orphans(data_dir: Path) -> None:
    # They notice by themselves that their postmaster is gone, busy ones last.
    if _wait_for_none(data_dir):
        return
    for how in (signal.SIGTERM, signal.SIGQUIT, signal.SIGKILL):
        for process in _orphans(data_dir):
            # It may go at this very moment.
            with suppress(ProcessLookupError):
                os.kill(process.pid, how)
        if _wait_for_none(data_dir):
            return
    left = ", ".join(str(process.pid) for process in _orphans(data_dir))
    raise RiskmartError(
        f"processes of a killed server still use {data_dir}: {left}; end them and "
        "try again"
    )


def _wait_for_none(data_dir: Path) -> bool:
    give_up = time.monotonic() + _ORPHAN_SECONDS
    while _orphans(data_dir):
        if time.monotonic() > give_up:
            return False
        time.sleep(0.05)
    return True
