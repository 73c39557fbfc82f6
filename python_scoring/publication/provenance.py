"""What a build is made from: the project's files, the seeds, git, the raw data."""

import getpass
import hashlib
import subprocess
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from python_scoring import config, warehouse
from python_scoring.warehouse import Connection

# What dbt reads, where it looks by itself; tests/python is ours.
_FILES = ("dbt_project.yml", "packages.yml", "dependencies.yml", ".dbtignore")
_PARTS = ("models", "macros", "seeds", "tests", "snapshots", "analyses", "functions")
_KINDS = {".sql", ".yml", ".yaml", ".csv", ".md", ".py"}

_LAST = """
select (select max(load_id) from raw.enrolment_loads) as last_enrolment_load_id,
    (select max(batch_id) from raw.prediction_batches) as last_batch_id
"""


def project_fingerprint() -> str:
    """SHA-256 over every file of the project that dbt reads, and their names."""
    digest = hashlib.sha256()
    for file in _project_files():
        digest.update(f"{file.relative_to(config.PROJECT_DIR)}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def seed_hashes() -> dict[str, str]:
    """SHA-256 of each seed's file, by name."""
    files = sorted((config.PROJECT_DIR / "seeds").rglob("*.csv"))
    return {f.stem: hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def inputs(conn: Connection) -> dict[str, Any]:
    """Return what the marts are made from and with: seeds, loads, the last batch."""
    loads = conn.execute("select load_id from raw.loads order by load_id").fetchall()
    last: list[dict[str, Any]] = warehouse.fetch_as(conn, dict, _LAST)
    return {
        "seeds": seed_hashes(),
        "loads": [i for (i,) in loads],
        "made_with": made_with(conn),
        **last[0],
    }


def made_with(conn: Connection) -> str:
    """Name dbt, its adapter and the engine, with their versions."""
    adapter = "dbt-duckdb" if warehouse.is_duckdb(conn) else "dbt-postgres"
    row = conn.execute("select version()").fetchone()
    assert row is not None
    names = ("dbt-core", "dbt-common", "dbt-adapters", adapter)
    return ", ".join([*(f"{name} {metadata.version(name)}" for name in names), row[0]])


def git_commit() -> str | None:
    """Commit of the checkout, with `+changes` where files differ; None without git."""
    commit = _git("rev-parse", "HEAD")
    if not commit:
        return None
    return f"{commit}+changes" if _git("status", "--porcelain") else commit


def user() -> str:
    """Name of whoever runs this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container's user may have no name.
        return "unknown"


def _project_files() -> Iterator[Path]:
    yield from filter(Path.is_file, (config.PROJECT_DIR / name for name in _FILES))
    ours = config.PROJECT_DIR / "tests" / "python"
    for part in _PARTS:
        for file in sorted((config.PROJECT_DIR / part).rglob("*")):
            if file.suffix.lower() in _KINDS and ours not in file.parents:
                yield file


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(config.PROJECT_DIR), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
