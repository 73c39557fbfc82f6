"""MetricFlow on the published marts: `mf` as it is, led to where the marts are.

MetricFlow reads what dbt wrote down of the semantic models, names of relations
included, from ``target/`` of the project folder, wherever dbt was told to write. So
that a question always goes to what readers have, and plain dbt's ``target/`` stays its
own, it gets a folder beside, in which dbt writes for the target ``published``.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from dbt.cli.main import dbtRunner

from python_scoring import config
from python_scoring.dbt import project_environment
from python_scoring.errors import BadInput, GateFailed

TARGET = "published"
_PROJECT_FILE = "dbt_project.yml"


def passthrough(arguments: Sequence[str]) -> int:
    """Run `mf` as its own command line would; its exit code.

    Raises
    ------
    BadInput
        MetricFlow is not installed.
    GateFailed
        dbt cannot read the project.
    """
    if find_spec("dbt_metricflow") is None:
        raise BadInput(
            "mf: MetricFlow is not installed here; ./riskmart mf installs "
            "requirements/metrics.lock"
        )
    with environment():
        _parse()
        return _run(arguments)


def project_dir() -> Path:
    """Folder that MetricFlow takes for the project."""
    return config.state_dir() / "metrics"


@contextmanager
def environment() -> Iterator[None]:
    """Lead MetricFlow to its folder and to the warehouse, for as long as it runs."""
    folder = project_dir()
    folder.mkdir(parents=True, exist_ok=True)
    link, file = folder / _PROJECT_FILE, config.PROJECT_DIR / _PROJECT_FILE
    if not (link.exists() and link.samefile(file)):
        link.unlink(missing_ok=True)
        link.symlink_to(file)
    with project_environment():
        given = {"DBT_PROJECT_DIR": str(folder), "DBT_TARGET": TARGET}
        before = {name: os.environ.get(name) for name in given}
        os.environ.update(given)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name)
                else:
                    os.environ[name] = value


def _parse() -> None:
    """Let dbt write down the semantic models as they are now."""
    project = ["--project-dir", str(config.PROJECT_DIR)]
    target = ["--target-path", str(project_dir() / "target")]
    log = ["--log-path", str(project_dir() / "logs")]
    result = dbtRunner().invoke(["--quiet", "parse", *project, *target, *log])
    if result.exception is not None:
        raise GateFailed(f"dbt: {result.exception}")


def _run(arguments: Sequence[str]) -> int:
    from dbt_metricflow.cli import main as metricflow

    # It asks a package index for its newest version, each time: not from here.
    metricflow.UpdateChecker = _NoNews
    try:
        metricflow.cli.main(list(arguments), prog_name="mf")
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    return 0


class _NoNews:
    def check(self, *_: str) -> None:
        """Tell of no newer version."""
