"""A copy of the project with a warehouse of its own, for tests that build.

One server and one build serve the session. A test that changes anything works on
a clone of the built database, which takes a fraction of a second to make.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest
from psycopg import sql

from python_scoring import config, warehouse
from python_scoring.cohorts import loads
from python_scoring.dbt import Node, Project, target_dir
from python_scoring.publication import builds, publish

REPOSITORY = Path(__file__).resolve().parents[2]
FIXTURES = REPOSITORY / "tests" / "fixtures"

# What a build reads; everything else of a checkout is left where it is.
_PARTS = ("dbt_project.yml", "profiles.yml", "macros", "models", "seeds", "tests")


@dataclass(frozen=True)
class Copy:
    """A project folder, a state folder, and the database to work on.

    The default database is the embedded server's own; any other is reached as a
    team's server is, through RISKMART_DSN.
    """

    project: Path
    home: Path
    database: str = config.DATABASE

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Let everything in this process work on this copy."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RISKMART_HOME", str(self.home))
            patch.setattr(config, "PROJECT_DIR", self.project)
            patch.setattr(
                loads,
                "ORGANIZATIONS_FILE",
                self.project / "seeds" / "rules" / "organizations.csv",
            )
            if self.database != config.DATABASE:
                patch.setenv("RISKMART_DSN", self.dsn)
            else:
                patch.delenv("RISKMART_DSN", raising=False)
            yield

    @cached_property
    def socket_dir(self) -> Path:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RISKMART_HOME", str(self.home))
            return config.socket_dir()

    @property
    def dsn(self) -> str:
        return f"host={self.socket_dir} user={config.USER} dbname={self.database}"

    def dbt(self, command: str, *arguments: str) -> dict[str, Node]:
        """Run dbt on the candidate, by the project as it stands now.

        What failed is among the nodes.

        Read anew each time, since dbt runs a model once only from what it has read.
        """
        project = Project()
        with pytest.MonkeyPatch.context() as patch:
            # Nobody reads what dbt would write of it: half of the time it takes.
            patch.setenv("DBT_WRITE_JSON", "false")
            project.parse()
        return project.invoke(command, *arguments)

    def run(self, command: str, *arguments: str) -> dict[str, Node]:
        """Run dbt and refuse anything that failed."""
        nodes = self.dbt(command, *arguments)
        bad = [self._told(n) for n in nodes.values() if n.is_bad]
        assert not bad, "\n".join(bad)
        return nodes

    def _told(self, node: Node) -> str:
        """Say what failed, and of a data test the first row that it found."""
        told = f"{node.name}: {node.message}"
        if node.status == "fail" and node.unique_id.startswith("test."):
            told += f" {self.rows(node.compiled_code)[:1]}"
        return told

    def manifest(self) -> dict[str, Any]:
        """What dbt read of the project, as it writes it for other tools."""
        Project().parse()
        text = (target_dir() / "manifest.json").read_text()
        manifest: dict[str, Any] = json.loads(text)
        return manifest

    def published(self) -> "Copy":
        """Let readers have the candidate, which has had its tests."""
        with self.in_force(), warehouse.connect(autocommit=True) as conn:
            candidate = builds.candidate(conn)
            assert candidate is not None
            publish.publish(conn, candidate)
        return self

    def execute(self, statement: str, *values: Any) -> None:
        with warehouse.connect(autocommit=True) as conn:
            conn.execute(statement.encode(), values or None)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with warehouse.connect() as conn:
            return conn.execute(query.encode(), values or None).fetchall()

    def value(self, query: str, *values: Any) -> Any:
        [(value,)] = self.rows(query, *values)
        return value

    def frame(self, query: str) -> pd.DataFrame:
        with warehouse.connect() as conn:
            cursor = conn.execute(query.encode())
            names = [column.name for column in cursor.description or []]
            return pd.DataFrame(cursor.fetchall(), columns=names)

    def clone(self, name: str) -> "Copy":
        """Copy the untouched build to a database of another name.

        dbt's manifest holds the database's name: what runs dbt is cloned under
        the usual one, one clone at a time.
        """
        self.administer("create database {} template untouched", name)
        return replace(self, database=name)

    def rename(self, name: str) -> "Copy":
        self.administer("alter database {} rename to {}", self.database, name)
        return replace(self, database=name)

    def drop(self) -> None:
        self.administer("drop database {} with (force)", self.database)

    def administer(self, statement: str, *names: str) -> None:
        target = f"host={self.socket_dir} user={config.USER} dbname=postgres"
        with psycopg.connect(target, autocommit=True) as conn:
            conn.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    @contextmanager
    def edited(self, **seeds: str) -> Iterator[None]:
        """Replace rule seeds, given as text by name, for as long as it lasts."""
        files = {self.rules(name): text for name, text in seeds.items()}
        before = {file: file.read_text() for file in files}
        try:
            for file, text in files.items():
                file.write_text(text)
            yield
        finally:
            for file, text in before.items():
                file.write_text(text)

    def rules(self, name: str) -> Path:
        return self.project / "seeds" / "rules" / f"{name}.csv"


def copy_project(folder: Path) -> Path:
    """Copy what a build reads of this checkout."""
    folder.mkdir()
    for part in _PARTS:
        source = REPOSITORY / part
        if source.is_dir():
            shutil.copytree(
                source,
                folder / part,
                ignore=shutil.ignore_patterns("python", "fixtures", "__pycache__"),
            )
        else:
            shutil.copyfile(source, folder / part)
    return folder


def call(
    command: list[str], environment: dict[str, str], cwd: Path
) -> subprocess.CompletedProcess[str]:
    """Run a command line to its end, with this environment and no other."""
    return subprocess.run(
        command,
        env=environment,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
    )
