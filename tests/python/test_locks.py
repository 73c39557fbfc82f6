"""The locks: hashes for everything, no address, one version of each package."""

import itertools
import re
import tomllib
from pathlib import Path

import pytest

from python_scoring import bootstrap, config

FOLDER = config.PROJECT_DIR / "requirements"
LOCKS = ["runtime.lock", "dashboard.lock", "development.lock"]


def read_pins(lock: str) -> dict[str, frozenset[str]]:
    """Name, version and marker of each package, with its hashes."""
    text = (FOLDER / lock).read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    pins = {}
    for line in lines:
        head, *hashes = re.split(r"\s+--hash=", line.strip())
        pins[head.strip()] = frozenset(hashes)
    return pins


@pytest.mark.parametrize("lock", LOCKS)
def test_holds_no_address_and_no_option(lock: str) -> None:
    text = (FOLDER / lock).read_text()
    assert "://" not in text
    assert not [line for line in text.splitlines() if line.startswith("-")]


@pytest.mark.parametrize("lock", LOCKS)
def test_pins_and_hashes_everything(lock: str) -> None:
    pins = read_pins(lock)
    assert len(pins) > 20
    for head, hashes in pins.items():
        assert re.match(r"^[a-z0-9.\-]+(\[[a-z0-9,\-]+\])?==\S+( ;.*)?$", head), head
        assert hashes, head
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", h) for h in hashes), head


@pytest.mark.parametrize(("less", "more"), list(itertools.pairwise(LOCKS)))
def test_each_lock_holds_the_pins_before_it_identically(less: str, more: str) -> None:
    assert read_pins(less).items() < read_pins(more).items()


def test_the_installer_knows_the_locks_in_that_order() -> None:
    assert list(bootstrap.LOCKS) == LOCKS


def test_pictures_are_an_extra() -> None:
    names = {re.split(r"[=\[]", head)[0] for head in read_pins("runtime.lock")}
    assert not names & {"streamlit", "altair", "vl-convert-python", "playwright"}


@pytest.mark.parametrize("lock", LOCKS)
def test_one_version_serves_every_python(lock: str) -> None:
    names = [re.split(r"[=\[]", head)[0] for head in read_pins(lock)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("lock", LOCKS)
def test_holds_what_was_asked_for(lock: str) -> None:
    asked = (FOLDER / lock).with_suffix(".in").read_text().splitlines()
    wanted = {re.split(r"[<>=\[]", a)[0].lower() for a in asked if a[:1].isalpha()}
    names = {re.split(r"[=\[]", head)[0] for head in read_pins(lock)}
    assert wanted
    assert wanted <= names


@pytest.mark.parametrize("lock", LOCKS)
def test_brings_no_deep_learning_framework(lock: str) -> None:
    names = {re.split(r"[=\[]", head)[0] for head in read_pins(lock)}
    assert not names & {"torch", "tensorflow", "jax", "pyspark", "duckdb"}


def test_the_project_declares_the_same_list() -> None:
    project = tomllib.loads((config.PROJECT_DIR / "pyproject.toml").read_text())
    declared = project["tool"]["setuptools"]["dynamic"]["dependencies"]["file"]
    assert [Path(file).name for file in declared] == ["runtime.in"]
