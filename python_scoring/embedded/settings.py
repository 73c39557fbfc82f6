"""Settings of the embedded server, from the machine that it runs on."""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

_MIB = 1024**2
_GIB = 1024**3
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True)
class Machine:
    """What the server may use, in bytes and cores."""

    memory: int
    cores: int
    free_disk: int
    free_shared_memory: int


def measure(data_parent: Path) -> Machine:
    """Measure the machine, or the container that we are in."""
    memory = psutil.virtual_memory().total
    if _CGROUP_LIMIT.is_file():
        limit = _CGROUP_LIMIT.read_text().strip()
        memory = min(memory, int(limit)) if limit.isdigit() else memory
    shm = Path("/dev/shm")
    return Machine(
        memory=memory,
        cores=_cores(),
        free_disk=shutil.disk_usage(data_parent).free,
        free_shared_memory=shutil.disk_usage(shm).free if shm.is_dir() else 0,
    )


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def choose(machine: Machine, socket_dir: Path) -> dict[str, str]:
    """Server settings for a machine: one warehouse, few people, large loads.

    Durability is left as PostgreSQL has it: `fsync` and `synchronous_commit`
    stay on. `wal_level = minimal` only gives up replication, and saves writing
    a freshly made table twice.
    """
    return {
        **_where(socket_dir),
        **_memory(machine),
        **_write_ahead_log(machine),
        **_planner(machine),
        "max_connections": "100",
        "timezone": "UTC",
        "log_timezone": "UTC",
        # Who, so that nobody can write a line about somebody else's reading.
        "log_line_prefix": "%m [%p] %q%u@%d ",
        # A failing statement may carry a password or a patient.
        "log_min_error_statement": "panic",
        "log_checkpoints": "off",
    }


def _where(socket_dir: Path) -> dict[str, str]:
    return {
        "listen_addresses": "",
        # Quoted, since the setting is a list.
        "unix_socket_directories": '"{}"'.format(str(socket_dir).replace('"', '""')),
        "unix_socket_permissions": "0700",
    }


def _memory(machine: Machine) -> dict[str, str]:
    settings = {
        "shared_buffers": _megabytes(machine.memory // 4, 32, 2048),
        "effective_cache_size": _megabytes(machine.memory // 2, 64, 65536),
        "work_mem": _megabytes(machine.memory // 128, 8, 128),
        "maintenance_work_mem": _megabytes(machine.memory // 16, 32, 512),
        "huge_pages": "try",
    }
    if sys.platform == "linux" and machine.free_shared_memory < _GIB:
        # Containers get 64 MB of /dev/shm, which a parallel join overruns.
        settings["dynamic_shared_memory_type"] = "mmap"
    return settings


def _write_ahead_log(machine: Machine) -> dict[str, str]:
    roomy = machine.free_disk > 40 * _GIB
    return {
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "max_wal_size": "8GB" if roomy else "2GB",
        "min_wal_size": "1GB" if roomy else "160MB",
        "checkpoint_timeout": "15min",
        "checkpoint_completion_target": "0.9",
    }


def _planner(machine: Machine) -> dict[str, str]:
    workers = max(1, min(machine.cores, 8))
    return {
        "jit": "off",
        "random_page_cost": "1.1",
        # A build replaces its tables and analyzes them itself: vacuum afterwards
        # rather than beside it.
        "autovacuum_naptime": "5min",
        "max_worker_processes": str(8 + workers),
        "max_parallel_workers": str(workers),
        "max_parallel_workers_per_gather": str(min(workers, 4)),
        "max_parallel_maintenance_workers": str(min(workers, 4)),
        # Nearly halves a large `create table as` (benchmarks/).
        "parallel_setup_cost": "0",
        "parallel_tuple_cost": "0",
    }


def render(settings: dict[str, str]) -> str:
    """Write settings the way that postgresql.conf wants them."""
    lines = ["# Written at every start. Your own settings: alter system set ..."]
    for name, value in settings.items():
        quoted = value.replace("\\", "\\\\").replace("'", "''")
        lines.append(f"{name} = '{quoted}'")
    return "\n".join(lines) + "\n"


def _megabytes(wanted: int, low: int, high: int) -> str:
    return f"{max(low, min(wanted // _MIB, high))}MB"
