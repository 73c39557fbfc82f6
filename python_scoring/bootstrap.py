"""Make .venv from a hash-locked list; run by `./riskmart` with a bare Python.

Standard library only, and nothing of ours: there is no .venv yet. What is
complete is noted by a copy of its lock in .venv, written last, so that an
interrupted installation is never taken for a whole one.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import venv
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUNTIME = "runtime.lock"
METRICS = "metrics.lock"
DASHBOARD = "dashboard.lock"
DEVELOPMENT = "development.lock"

# What else a lock holds. What two of them share they pin alike.
HELD: dict[str, tuple[str, ...]] = {
    RUNTIME: (),
    METRICS: (RUNTIME,),
    DASHBOARD: (RUNTIME,),
    DEVELOPMENT: (RUNTIME, METRICS, DASHBOARD),
}

# These would send pip's work elsewhere than into .venv.
_DIVERTING = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PYTHONPATH")

_NO_ENSUREPIP = (
    f"{sys.executable} cannot make a virtual environment, as it comes "
    "without ensurepip. On Debian and Ubuntu: apt-get install python3-venv. Or name "
    "another Python 3.11 to 3.13 in RISKMART_PYTHON"
)


def main(lock: str) -> int:
    """Install a lock into .venv, unless someone else just did; the exit code."""
    if find_spec("ensurepip") is None:
        _say(_NO_ENSUREPIP)
        return 1
    with (ROOT / "requirements" / RUNTIME).open() as file:
        # One installation at a time, of whichever; gone with the process.
        fcntl.flock(file, fcntl.LOCK_EX)
        if _is_complete(lock):
            return 0
        return _install(lock)


def _is_complete(lock: str) -> bool:
    noted = ROOT / ".venv" / lock
    if not (noted.is_file() and _has_python()):
        return False
    return noted.read_bytes() == (ROOT / "requirements" / lock).read_bytes()


def _has_python() -> bool:
    return os.access(ROOT / ".venv" / "bin" / "python", os.X_OK)


def _install(lock: str) -> int:
    home = ROOT / ".venv"
    notes = [home / name for name in HELD]
    # A whole one is brought up to date in place, under a server that may run from
    # it; any other is made anew.
    whole = _has_python() and any(note.is_file() for note in notes)
    # What was asked for before goes on being there.
    stay = [name for name in HELD if _is_complete(name)]
    for note in notes:
        note.unlink(missing_ok=True)
    _say("installing into .venv; this takes a minute or two, once")
    if not whole:
        venv.create(home, clear=True, with_pip=True)
    command = [
        *(str(home / "bin" / "python"), "-I", "-m", "pip", "install", "--quiet"),
        *("--disable-pip-version-check", "--no-input", "--only-binary", ":all:"),
        # A lock is complete, and in one place goes against a package's own word
        # (requirements/overrides.txt).
        "--no-deps",
        *("--require-hashes", "--requirement", str(ROOT / "requirements" / lock)),
    ]
    environment = {k: v for k, v in os.environ.items() if k not in _DIVERTING}
    done = subprocess.run(command, env=environment, stdout=sys.stderr, check=False)
    if done.returncode:
        _say("the installation failed, see above; once mended, run it again")
        return 1
    for name in {lock, *HELD[lock], *stay}:
        unfinished = home / f"{name}.new"
        shutil.copyfile(ROOT / "requirements" / name, unfinished)
        unfinished.replace(home / name)
    return 0


def _say(text: str) -> None:
    # Standard output belongs to the command that comes after.
    print(f"riskmart: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
