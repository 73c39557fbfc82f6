"""The locks: hashes for everything, no address, one version of each package."""

import itertools
import re
import tomllib
from pathlib import Path

import pytest

from python_scoring import config
from python_scoring.bootstrap import HELD

FOLDER = config.PROJECT_DIR / "requirements"
LOCKS = ["runtime.lock", "metrics.lock", "dashboard.lock", "development.lock"]


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


@pytest.mark.parametrize(
    ("less", "more"), [(less, more) for more, held in HELD.items() for less in held]
)
def test_a_lock_holds_the_pins_of_those_in_it(less: str, more: str) -> None:
    assert read_pins(less).items() < read_pins(more).items()


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(LOCKS, 2)))
def test_what_two_locks_share_is_pinned_alike(one: str, other: str) -> None:
    """Or to install one after the other would undo the first."""
    mine, theirs = _versions(one), _versions(other)
    shared = set(mine) & set(theirs)
    assert shared
    assert {n: mine[n] for n in shared} == {n: theirs[n] for n in shared}


def _versions(lock: str) -> dict[str, str]:
    heads = (head.split(";")[0].strip() for head in read_pins(lock))
    return {re.split(r"[=\[]", head)[0]: head.split("==")[1] for head in heads}


def test_the_installer_knows_the_locks() -> None:
    assert list(HELD) == LOCKS


def test_what_a_lock_overrides_is_in_it_as_that() -> None:
    """`--no-deps` lets it in, for there is a wheel of no other."""
    overrides = (FOLDER / "overrides.txt").read_text().splitlines()
    wanted = {line for line in overrides if not line.startswith("#")}
    assert wanted
    assert wanted <= set(read_pins("metrics.lock"))


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
    assert not names & {"torch", "tensorflow", "jax", "pyspark"}


def test_the_project_declares_the_same_list() -> None:
    project = tomllib.loads((config.PROJECT_DIR / "pyproject.toml").read_text())
    declared = project["tool"]["setuptools"]["dynamic"]["dependencies"]["file"]
    assert [Path(file).name for file in declared] == ["runtime.in"]
