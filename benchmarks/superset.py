"""Install Apache Superset beside the repository, import our bundle, ask every chart.

Usage: ``python -m benchmarks.superset [--folder ~/riskmart-superset]``, with a
published warehouse running (`./riskmart build`). Superset gets a virtual environment
and a SQLite file in the folder; about 1 GB. It can be run again, and then brings the
charts up to date. docs/connecting.md tells how to look at them.
"""

import argparse
import json
import os
import secrets
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

from python_scoring import config, warehouse

VERSION = "6.1.0"
BUNDLE = config.PROJECT_DIR / "docs" / "superset"
SLUG = "riskmart"
_URI = "postgresql+psycopg2://riskmart@/riskmart"
_RETURNS = "Projected return by window (no results), USD"


def main(arguments: list[str] | None = None) -> None:
    """Do all of it and print what each chart was told; exit 1 where one has nothing."""
    options = _parser().parse_args(arguments)
    superset = Superset(options.folder.expanduser().absolute())
    superset.install()
    superset.prepare()
    superset.load_bundle()
    answers = superset.ask()
    for title, answer in answers.items():
        print(f"{title}: {answer['error'] or len(answer['rows'])}")
    faults = find_faults(answers)
    sys.exit("\n".join(faults) if faults else 0)


class Superset:
    """An installation in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "venv" / "bin" / "python"

    def install(self) -> None:
        """Make the virtual environment, unless it is there."""
        if not (self.folder / "venv" / "bin" / "superset").exists():
            venv.create(self.folder / "venv", with_pip=True)
            # Superset 6.1 uses two packages without asking for them, and does not
            # know the newer Flask-Caching that it lets in.
            more = ["psycopg2-binary", "cachetools", "rich", "flask-caching<2.4"]
            wanted = [f"apache-superset=={VERSION}", *more]
            self._call(self.python, "-m", "pip", "install", "--quiet", *wanted)

    def prepare(self) -> None:
        """Write the settings, and let Superset make its own tables and a user."""
        settings = self.folder / "superset_config.py"
        if not settings.exists():
            file = self.folder / "superset.db"
            settings.write_text(
                f"SECRET_KEY = {secrets.token_urlsafe(42)!r}\n"
                f"SQLALCHEMY_DATABASE_URI = 'sqlite:///{file}?check_same_thread=false'\n"
                "RATELIMIT_STORAGE_URI = 'memory://'\n"
            )
            settings.chmod(0o600)
        self._superset("db", "upgrade")
        self._superset(
            *("fab", "create-admin", "--username", "admin", "--password", "admin"),
            *("--firstname", "A", "--lastname", "B", "--email", "admin@localhost"),
        )
        self._superset("init")

    def load_bundle(self) -> None:
        """Import the charts, with the warehouse in force as their database."""
        archive = self.folder / "bundle.zip"
        with zipfile.ZipFile(archive, "w") as bundle:
            for file in sorted(BUNDLE.rglob("*.yaml")):
                text = file.read_text().replace(_URI, database_uri())
                bundle.writestr(f"bundle/{file.relative_to(BUNDLE)}", text)
        self._superset("import-dashboards", "-p", str(archive), "-u", "admin")

    def ask(self) -> dict[str, Any]:
        """Ask Superset for the data of each chart."""
        script = Path(__file__).with_name("superset_check.py")
        # -P: beside the script there is a module that is called superset too.
        told = self._call(self.python, "-P", str(script), SLUG)
        [line] = [x for x in told.splitlines() if x.startswith("ANSWERS ")]
        answers: dict[str, Any] = json.loads(line.removeprefix("ANSWERS "))
        return answers

    def _superset(self, *arguments: str) -> None:
        self._call(self.folder / "venv" / "bin" / "superset", *arguments)

    def _call(self, program: Path, *arguments: str) -> str:
        environment = {
            **os.environ,
            **config.libpq_environment(),
            "FLASK_APP": "superset",
            "SUPERSET_CONFIG_PATH": str(self.folder / "superset_config.py"),
        }
        environment.pop("PYTHONPATH", None)
        done = subprocess.run(
            [str(program), *arguments],
            env=environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            named = " ".join(arguments[:2])
            sys.exit(
                f"{program.name} {named}:\n{done.stdout[-2000:]}{done.stderr[-3000:]}"
            )
        return done.stdout


def database_uri() -> str:
    """Where the warehouse in force is, for SQLAlchemy; a password stays with libpq."""
    given = config.connection_parameters()
    where = "&".join(
        f"{name}={quote(given[name], safe='')}"
        for name in ("host", "port")
        if name in given
    )
    user, database = quote(given["user"]), quote(given["dbname"])
    return f"postgresql+psycopg2://{user}@/{database}?{where}"


def find_faults(answers: dict[str, Any]) -> list[str]:
    """Say which chart has an error or no rows, and where figures are not the marts'."""
    faults = [
        f"{title}: {answer['error'] or 'no rows'}"
        for title, answer in answers.items()
        if answer["error"] or not answer["rows"]
    ]
    if len(answers) != len(list((BUNDLE / "charts").glob("*.yaml"))):
        faults.append(f"{len(answers)} charts were imported")
    with warehouse.connect() as conn:
        wanted = dict(
            conn.execute(
                "select prediction_window, sum(total_net_benefit)"
                " from marts.roi_aggregations group by 1"
            ).fetchall()
        )
    rows = answers.get(_RETURNS, {"rows": []})["rows"]
    shown = {row["prediction_window"]: row["net_benefit"] for row in rows}
    if {k: round(v, 4) for k, v in shown.items()} != {
        k: round(v, 4) for k, v in wanted.items()
    }:
        faults.append(f"{_RETURNS}: {shown}, not {wanted}")
    return faults


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("~/riskmart-superset"))
    return parser


if __name__ == "__main__":
    main()
