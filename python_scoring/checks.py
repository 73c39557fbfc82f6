"""Every check of the project, one after the other: what `riskmart test` runs."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from rich.console import Console

from python_scoring import config, server, warehouse
from python_scoring.dbt import project_environment

_PYTHON = ["python_scoring", "tests", "benchmarks"]
_SQL = ["models", "tests"]


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
    # Each worker has a server of its own; a file's tests share its fixtures.
    parallel = ["-n", "auto", "--maxprocesses", "4", "--dist", "loadfile"]
    everything = [*parallel, "--cov", "--cov-report=term"]
    pytest = {"pytest": [*python, "pytest", *(pytest_arguments or everything)]}
    checks = {
        "ruff check": [*python, "ruff", "check", *_PYTHON],
        "ruff format": [*python, "ruff", "format", "--check", "--diff", *_PYTHON],
        "mypy": [*python, "mypy"],
        "sqlfluff": [*python, "sqlfluff", "lint", "--disable-progress-bar", *_SQL],
    }
    chosen = pytest if pytest_arguments else {**checks, **pytest}
    failed = [
        name for name, command in chosen.items() if not _passes(console, name, command)
    ]
    if failed:
        console.print(f"[red]failed[/] {', '.join(failed)}")
        return 1
    console.print(f"[green]passed[/] {', '.join(chosen)}")
    return 0


def _passes(console: Console, name: str, command: list[str]) -> bool:
    console.rule(name)
    began = time.perf_counter()
    if name == "sqlfluff":
        code = _lint_sql(command)
    else:
        code = _call(command, dict(os.environ))
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
                return _call(command, dict(os.environ))
        finally:
            server.stop()
            os.environ.clear()
            os.environ.update(before)


def _call(command: list[str], environment: dict[str, str]) -> int:
    return subprocess.run(
        command, cwd=config.PROJECT_DIR, env=environment, check=False
    ).returncode
