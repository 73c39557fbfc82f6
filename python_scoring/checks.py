"""Every check of the project, one after the other: what `riskmart test` runs."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial

from rich.console import Console

from python_scoring import config, server, warehouse
from python_scoring.dbt import project_environment

_PYTHON = ["python_scoring", "tests", "benchmarks"]
_SQL = ["models", "tests"]
# Each worker has servers of its own; a file's tests share its fixtures, and conftest.py
# says which file comes when.
_PARALLEL = [
    *("-n", "auto", "--maxprocesses", "4"),
    *("--dist", "loadfile", "--no-loadscope-reorder"),
]


def run(console: Console, pytest_arguments: Sequence[str]) -> int:
    """Run style, type and SQL checks and the tests; go on after a failure.

    Parameters
    ----------
    pytest_arguments
        With any, only pytest runs, with these: to repeat one test.

    Returns
    -------
    int
        0 where all passed, else 1.
    """
    python = [sys.executable, "-P", "-m"]
    pytest = [*python, "pytest", *(pytest_arguments or _PARALLEL)]
    sqlfluff = [*python, "sqlfluff", "lint", "--disable-progress-bar", *_SQL]
    checks: dict[str, Callable[[], int]] = {"pytest": partial(_call, pytest)}
    if not pytest_arguments:
        # One core each: beside one another.
        mypy = _start([*python, "mypy"])
        checks = {
            "ruff check": partial(_call, [*python, "ruff", "check", *_PYTHON]),
            "ruff format": partial(
                _call, [*python, "ruff", "format", "--check", "--diff", *_PYTHON]
            ),
            "sqlfluff": partial(_lint_sql, sqlfluff),
            "mypy": partial(_finish, mypy),
            **checks,
        }
    failed = [
        name for name, check in checks.items() if not _passes(console, name, check)
    ]
    if failed:
        console.print(f"[red]failed[/] {', '.join(failed)}")
        return 1
    console.print(f"[green]passed[/] {', '.join(checks)}")
    return 0


def _passes(console: Console, name: str, check: Callable[[], int]) -> bool:
    console.rule(name)
    began = time.perf_counter()
    code = check()
    console.print(f"{name}: exit {code}, {time.perf_counter() - began:.0f} s")
    return code == 0


def _lint_sql(command: list[str]) -> int:
    """Lint on a warehouse of its own: the templater compiles, which reads it."""
    with tempfile.TemporaryDirectory(prefix="riskmart-lint-") as home:
        before = dict(os.environ)
        for name in ("RISKMART_DSN", "PGHOST", "PGHOSTADDR", "PGSERVICE"):
            os.environ.pop(name, None)
        os.environ["RISKMART_HOME"] = home
        try:
            server.start()
            with warehouse.connect(autocommit=True) as conn:
                warehouse.prepare(conn)
            with project_environment():
                return _call(command)
        finally:
            server.stop()
            os.environ.clear()
            os.environ.update(before)


def _call(command: list[str]) -> int:
    return subprocess.run(command, cwd=config.PROJECT_DIR, check=False).returncode


def _start(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        cwd=config.PROJECT_DIR,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _finish(process: subprocess.Popen[str]) -> int:
    said, _ = process.communicate()
    print(said, end="", flush=True)
    return process.returncode
