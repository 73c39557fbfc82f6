"""Kill whoever writes, at any moment, and see that nothing acknowledged is lost.

Killed by `kill -9`: the command, one of the server's processes, or the whole server
by its first process. What must hold afterwards: every row that was there when the
last command ended well, published marts that are whole, and a next run that succeeds.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks import publication_proof as proof
from benchmarks.publication_builds import faults
from benchmarks.publication_targets import (
    REPOSITORY,
    Target,
    riskmart,
    succeed,
    targets,
)
from python_scoring import server, warehouse
from python_scoring.publication import builds
from python_scoring.warehouse import Connection

VICTIMS = ("command", "backend", "postmaster")
AIMS = ("any moment", "waiting for names", "right after commit")
_PATIENCE_SECONDS = 20.0


@dataclass
class Kill:
    """One kill: of whom, at what, when, and what was wrong afterwards."""

    what: str
    victim: str
    aim: str
    at_seconds: float
    exit_code: int
    faults: list[str] = field(default_factory=list)


def kill_often(
    count: int,
    folder: Path,
    seed: int,
    only: list[str],
    is_stopped: Callable[[], bool] = lambda: False,
) -> list[Kill]:
    """Kill as often as asked, in turn each command, at random moments.

    Parameters
    ----------
    folder
        For files to load.
    seed
        Of victims and moments; the machine's own timing stays random.
    only
        Names of the commands to kill; all of them for none.
    is_stopped
        Asked before each.
    """
    random.seed(seed)
    print(f"  seed {seed}", file=sys.stderr)
    every = [t for t in targets(folder) if not only or t.name in only]
    for _ in range(2):
        succeed(riskmart("build"))
    for target in every:
        target.run()
    kills = []
    for number in range(count):
        if is_stopped():
            break
        kills.append(kill_once(every[number % len(every)]))
        print(f"  {number + 1}: {kills[-1]}", file=sys.stderr, flush=True)
    return kills


def kill_once(
    target: Target, victim: str | None = None, aim: str | None = None
) -> Kill:
    """Kill once, look at what is left, and run the same again."""
    victim = victim or random.choice(VICTIMS)
    is_swap = target.name in ("publish", "rollback")
    aim = aim or (random.choice(AIMS) if is_swap else AIMS[0])
    kill = Kill(target.name, victim, aim, random.uniform(0, target.seconds), 0)
    command = target.command()
    with warehouse.connect(autocommit=True) as conn:
        before, published = proof.digest(conn), _published(conn)
    _run_and_kill(command, kill)
    server.ensure_running()
    with warehouse.connect(autocommit=True) as conn:
        after = proof.digest(conn)
        kill.faults += proof.lost(before, after)
        kill.faults += [f"half there: {what}" for what in proof.half_written(conn)]
        kill.faults += faults(conn)
        kill.faults += _at_odds(kill, before, after, _published(conn) != published)
    kill.faults += _run_again(target)
    return kill


def _at_odds(
    kill: Kill, before: proof.Rows, after: proof.Rows, is_other: bool
) -> list[str]:
    """Compare what the command said with what became of it."""
    wrote = {"load": "loads", "score": "batches"}.get(kill.what)
    came = any(name == wrote and (name, key) not in before for name, key in after)
    if wrote and is_other:
        return ["readers have another build"]
    if kill.exit_code == 0 and not (came if wrote else is_other):
        return ["it ended well, and nothing came of it"]
    return []


def _run_and_kill(command: list[str], kill: Kill) -> None:
    blocker = _hold_a_name() if kill.aim == "waiting for names" else None
    with warehouse.connect(autocommit=True) as watcher:
        published = _published(watcher)
        began = time.monotonic()
        process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if kill.aim == "any moment":
            time.sleep(kill.at_seconds)
        elif kill.aim == "waiting for names":
            _wait(process, lambda: _is_waiting(watcher))
            time.sleep(random.uniform(0, 0.5))
        else:
            _wait(process, lambda: _published(watcher) != published)
        kill.at_seconds = time.monotonic() - began
        backends = _backends(watcher)
    _kill(kill.victim, process, backends)
    if blocker:
        blocker.close()
    kill.exit_code = process.wait(timeout=300)


def _kill(victim: str, process: subprocess.Popen[bytes], backends: list[int]) -> None:
    if victim == "postmaster":
        postmaster = server.pid()
        assert postmaster is not None
        os.kill(postmaster, signal.SIGKILL)
        while server.pid() == postmaster:
            time.sleep(0.001)
    elif victim == "backend" and backends:
        try:
            os.kill(random.choice(backends), signal.SIGKILL)
        except ProcessLookupError:
            process.kill()
    else:
        process.kill()


def _backends(conn: Connection) -> list[int]:
    rows = conn.execute(
        "select pid from pg_stat_activity where backend_type = 'client backend'"
        " and pid <> pg_backend_pid() and application_name <> 'blocker'"
    )
    # Never another process that got the number since.
    return [pid for (pid,) in rows if psutil.pid_exists(pid)]


def _hold_a_name() -> Connection:
    conn = warehouse.connect(application_name="blocker")
    conn.execute("select count(*) from marts.predictions")
    return conn


def _is_waiting(conn: Connection) -> bool:
    row = conn.execute(
        "select exists (select from pg_locks as l"
        " inner join pg_class as c on l.relation = c.oid"
        " where not l.granted and c.relnamespace = 'marts'::regnamespace)"
    ).fetchone()
    return bool(row and row[0])


def _wait(process: subprocess.Popen[bytes], is_there: Callable[[], bool]) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    while process.poll() is None and not is_there() and time.monotonic() < until:
        time.sleep(0.001)


def _published(conn: Connection) -> int | None:
    found = builds.published(conn)
    return found.build_id if found else None


def _run_again(target: Target) -> list[str]:
    try:
        target.run()
    except subprocess.CalledProcessError as error:
        return [f"the next run failed, exit {error.returncode}: {error.stderr[-500:]}"]
    with warehouse.connect(autocommit=True) as conn:
        return faults(conn)


def markdown(kills: list[Kill]) -> str:
    """Write what was killed as a table, and everything that was wrong."""
    lines = [
        "| killed at | " + " | ".join(VICTIMS) + " | something lost or not whole |"
    ]
    lines.append("| --- |" + " ---: |" * (len(VICTIMS) + 1))
    for what in dict.fromkeys((k.what, k.aim) for k in kills):
        of_it = [k for k in kills if (k.what, k.aim) == what]
        by_victim = Counter(k.victim for k in of_it)
        cells = [f"{what[0]}, {what[1]}", *(f"{by_victim[v]}" for v in VICTIMS)]
        cells.append(f"{sum(bool(k.faults) for k in of_it)}")
        lines.append(f"| {' | '.join(cells)} |")
    ended = sum(k.exit_code == 0 for k in kills)
    summary = (
        f"{len(kills)} kills; {ended} commands had ended well before or in spite of it."
    )
    bad = [f"- {k.what}, {k.victim}, {k.aim}: {f}" for k in kills for f in k.faults]
    return "\n\n".join(["\n".join(lines), summary, *(["\n".join(bad)] if bad else [])])
