"""The launcher, on a copy of the project whose locks are tiny."""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from python_scoring import bootstrap, config

# Says what it was given, and which version of the one package it found.
PROGRAM = """
import os, sys
from importlib.metadata import version
print(*sys.argv[1:], os.getcwd(), version("tiny"), sep="|")
sys.exit(7 if "fail" in sys.argv else 0)
"""


def make_wheel(folder: Path, version: str) -> str:
    """Write a wheel of a package without contents; the line that locks it."""
    wheel = folder / f"tiny-{version}-py3-none-any.whl"
    info = f"tiny-{version}.dist-info"
    files = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any",
    }
    record = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(name, text)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return f"tiny=={version} --hash=sha256:{digest}\n"


class Copy:
    """A copy of the project that installs a package of our own, off the network."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.wheels = root / "wheels"
        self.wheels.mkdir(parents=True)
        package = root / "python_scoring"
        package.mkdir()
        (root / "requirements").mkdir()
        shutil.copy(config.PROJECT_DIR / "riskmart", root)
        shutil.copy(Path(bootstrap.__file__), package)
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(PROGRAM)
        self.lock("1.0")
        self.lock("1.0", "metrics.lock")
        self.lock("1.0", "dashboard.lock")

    def lock(self, version: str, name: str = "runtime.lock") -> None:
        line = make_wheel(self.wheels, version)
        (self.root / "requirements" / name).write_text(line)

    def environment(self, **extra: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("PIP_")}
        return {
            **kept,
            "RISKMART_PYTHON": sys.executable,
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            # A URL, since pip takes a space for the end of a path.
            "PIP_FIND_LINKS": self.wheels.as_uri(),
            **extra,
        }

    def start(
        self,
        *arguments: str,
        program: Path | None = None,
        cwd: Path | None = None,
        **extra: str,
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(program or self.root / "riskmart"), *arguments],
            cwd=cwd or self.root,
            env=self.environment(**extra),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(
        self,
        *arguments: str,
        program: Path | None = None,
        cwd: Path | None = None,
        **extra: str,
    ) -> tuple[int, str, str]:
        process = self.start(*arguments, program=program, cwd=cwd, **extra)
        out, err = process.communicate()
        return process.returncode, out.strip(), err


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """A copy that was run once; its path has a space and an umlaut in it."""
    copy = Copy(tmp_path_factory.mktemp("launcher") / "a clinic's ärzte")
    code, out, err = copy.run("first")
    assert code == 0, err
    assert out == f"first|{copy.root}|1.0"
    assert "installing" in err
    return copy


@pytest.fixture
def fresh(tmp_path: Path) -> Copy:
    return Copy(tmp_path / "fresh")


def sabotage_pip(copy: Copy) -> dict[str, str]:
    """Make pip fail whoever calls it; variables that take the network away."""
    pip = next((copy.root / ".venv").glob("lib/python3*/site-packages/pip"))
    pip.rename(pip.with_name("pip-away"))
    return {"RISKMART_PYTHON": "/nowhere/python", "PIP_FIND_LINKS": "/nowhere"}


def restore_pip(copy: Copy) -> None:
    pip = next((copy.root / ".venv").glob("lib/python3*/site-packages/pip-away"))
    pip.rename(pip.with_name("pip"))


@pytest.fixture
def without_pip(installed: Copy) -> Iterator[dict[str, str]]:
    yield sabotage_pip(installed)
    restore_pip(installed)


def test_second_call_needs_neither_pip_nor_network(
    installed: Copy, without_pip: dict[str, str]
) -> None:
    code, out, err = installed.run("again", **without_pip)
    assert (code, out, err) == (0, f"again|{installed.root}|1.0", "")


def test_passes_arguments_and_exit_code_on(installed: Copy) -> None:
    code, out, _ = installed.run("fail", "two words", "*", "")
    assert code == 7
    assert out == f"fail|two words|*||{installed.root}|1.0"


def test_runs_from_anywhere_and_through_links(installed: Copy, tmp_path: Path) -> None:
    absolute = tmp_path / "absolute link"
    absolute.symlink_to(installed.root / "riskmart")
    relative = tmp_path / "relative"
    relative.symlink_to("absolute link")
    # A folder of the same name where one stands is not taken for the program.
    (tmp_path / "python_scoring").mkdir()
    (tmp_path / "python_scoring" / "__main__.py").write_text("print('wrong one')")
    _, out, _ = installed.run("x", program=relative, cwd=tmp_path)
    assert out == f"x|{tmp_path}|1.0"


def test_a_changed_lock_installs_again(installed: Copy) -> None:
    installed.lock("2.0")
    try:
        code, out, err = installed.run("x")
        assert (code, out) == (0, f"x|{installed.root}|2.0")
        assert "installing" in err
        assert installed.run("x")[2] == ""
    finally:
        installed.lock("1.0")
        assert installed.run("x")[1].endswith("|1.0")


def test_only_tests_install_the_development_lock(installed: Copy) -> None:
    installed.lock("3.0", "dashboard.lock")
    installed.lock("4.0", "development.lock")
    code, out, err = installed.run("test")
    assert (code, out) == (0, f"test|{installed.root}|4.0")
    assert "installing" in err
    # It holds the other locks as well, so nothing is left to do.
    assert installed.run("x")[2] == ""
    assert installed.run("dashboard")[2] == ""


@pytest.mark.parametrize("command", ["dashboard", "report"])
def test_pictures_install_their_lock_when_first_asked_for(
    fresh: Copy, command: str
) -> None:
    fresh.lock("3.0", "dashboard.lock")
    assert fresh.run("x")[1] == f"x|{fresh.root}|1.0"
    code, out, err = fresh.run(command)
    assert (code, out) == (0, f"{command}|{fresh.root}|3.0")
    assert "installing" in err
    assert not (fresh.root / ".venv" / "development.lock").exists()
    assert fresh.run("x")[2] == fresh.run(command)[2] == ""


def test_metricflow_comes_with_the_first_question(fresh: Copy) -> None:
    fresh.lock("4.0", "metrics.lock")
    assert fresh.run("x")[1].endswith("|1.0")
    code, out, err = fresh.run("mf")
    assert (code, out) == (0, f"mf|{fresh.root}|4.0")
    assert "installing" in err
    assert fresh.run("mf")[2] == fresh.run("x")[2] == ""


def test_a_failed_installation_is_not_taken_for_a_whole_one(fresh: Copy) -> None:
    lock = fresh.root / "requirements" / "runtime.lock"
    good = lock.read_text()
    lock.write_text(good[:-3] + ("00\n" if good[-3:-1] != "00" else "11\n"))
    code, out, err = fresh.run("x")
    assert (code, out) == (1, "")
    assert "DO NOT MATCH THE HASHES" in err
    assert "the installation failed" in err
    lock.write_text(good)
    # Were .venv kept as it is, this mark would be too.
    (fresh.root / ".venv" / "half-made").touch()
    code, out, err = fresh.run("x")
    assert (code, out) == (0, f"x|{fresh.root}|1.0")
    assert not (fresh.root / ".venv" / "half-made").exists()


def test_two_at_once_install_once(fresh: Copy) -> None:
    processes = [fresh.start(str(number)) for number in range(2)]
    results = [process.communicate() for process in processes]
    for number, (out, err) in enumerate(results):
        assert out.strip() == f"{number}|{fresh.root}|1.0", err
    assert sum("installing" in err for _, err in results) == 1


def test_says_which_python_it_needs(fresh: Copy) -> None:
    code, out, err = fresh.run("x", RISKMART_PYTHON="/nowhere/python")
    assert (code, out) == (1, "")
    assert "needs Python 3.11, 3.12 or 3.13; /nowhere/python is none" in err
    assert not (fresh.root / ".venv").exists()


def test_an_old_python_is_passed_over(fresh: Copy, tmp_path: Path) -> None:
    """`python3` may be too old, or broken, where `python3.11` is not."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, script in {
        "python3": "exit 1",
        "python3.13": "exec /nowhere/python",
        "python3.12": 'echo "took $*"; case $1 in -c) exit 0 ;; esac; exit 3',
    }.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    code, out, _ = fresh.run("x", RISKMART_PYTHON="", PATH=f"{folder}:/usr/bin:/bin")
    bootstrap_file = fresh.root / "python_scoring" / "bootstrap.py"
    assert (code, out) == (3, f"took -I {bootstrap_file} runtime.lock")


def test_names_the_package_when_ensurepip_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "find_spec", lambda name: None)
    assert bootstrap.main(bootstrap.RUNTIME) == 1
    assert "apt-get install python3-venv" in capsys.readouterr().err
