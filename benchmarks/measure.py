"""Clocks and gauges: seconds by step, memory of this process and of the server."""

import os
import platform
import resource
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import TracebackType

import psutil

from python_scoring import server, warehouse
from python_scoring.warehouse import Connection

_SAMPLE_SECONDS = 0.2
_KIB = 1024


@dataclass
class Clock:
    """Seconds by step, in order."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step; one of the same name adds up."""
        print(f"  {name} ...", file=sys.stderr, flush=True)
        began = time.perf_counter()
        yield
        self.add(name, time.perf_counter() - began)

    def add(self, name: str, seconds: float) -> None:
        """Add seconds measured elsewhere."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds


def peak_memory() -> int:
    """Return the highest resident memory that this process has had, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * _KIB


def peak_of(pid: int) -> int:
    """Return the highest resident memory of a process, in bytes; 0 if unknown."""
    return _status(pid).get("VmHWM", 0) * _KIB


class ServerMemory:
    """The embedded server's highest memory, while this is open.

    Summed over its processes, shared buffers counted once: private memory of each,
    and the most that any one of them had touched of what they share. Sampled five
    times a second from /proc, so that a shorter peak may pass unseen. 0 where
    there is no /proc.
    """

    def __init__(self) -> None:
        self.peak = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "ServerMemory":
        """Begin to sample."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop sampling."""
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        pid = server.pid()
        while pid is not None and not self._done.wait(_SAMPLE_SECONDS):
            self.peak = max(self.peak, _memory_of(pid))


def _memory_of(postmaster: int) -> int:
    private, shared = 0, 0
    for pid in _family(postmaster):
        status = _status(pid)
        private += status.get("RssAnon", 0)
        shared = max(shared, status.get("RssShmem", 0))
    return (private + shared) * _KIB


def _family(postmaster: int) -> list[int]:
    try:
        children = psutil.Process(postmaster).children()
    except psutil.NoSuchProcess:
        return []
    return [postmaster, *(child.pid for child in children)]


def _status(pid: int) -> dict[str, int]:
    """Read the memory of /proc/PID/status, in KiB; none of a process gone by."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    rows = (line.split() for line in lines if line.startswith(("Rss", "VmHWM")))
    return {row[0].rstrip(":"): int(row[1]) for row in rows}


def database_size(conn: Connection) -> int:
    """Return the bytes of the warehouse's tables and indexes on disk."""
    row = conn.execute("select pg_database_size(current_database())").fetchone()
    assert row is not None
    return int(row[0])


def today() -> str:
    """Return the date, as it stands beside what was measured."""
    return date.today().isoformat()


def machine() -> dict[str, str | int | float]:
    """Describe where and with what this is measured."""
    import dbt.version
    import sklearn

    with warehouse.connect() as conn:
        version = conn.info.server_version
    return {
        "date": today(),
        **size(),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "postgresql": f"{version // 10000}.{version % 10000}",
        "dbt": dbt.version.__version__,
        "scikit-learn": sklearn.__version__,
    }


def size() -> dict[str, str | int | float]:
    """Describe what the machine has, whatever is installed on it."""
    return {
        "cores": _cores(),
        "memory_gib": round(psutil.virtual_memory().total / _KIB**3, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
