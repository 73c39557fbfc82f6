"""Artifacts: whole or absent, and never opened unless vouched for."""

import hashlib
import importlib.metadata
import os
import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from python_scoring import artifacts
from python_scoring.errors import BadInput


class _Bomb:
    """Unpickling it leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "model.joblib"
    sha256 = artifacts.save({"numbers": np.arange(5)}, path)
    assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert artifacts.is_intact(path, sha256)
    loaded = artifacts.load_verified(path, sha256)
    np.testing.assert_array_equal(loaded["numbers"], np.arange(5))
    assert [file.name for file in path.parent.iterdir()] == ["model.joblib"]


def test_the_same_content_gives_the_same_file(tmp_path: Path) -> None:
    content = {"numbers": np.arange(5), "name": "a"}
    hashes = {artifacts.save(content, tmp_path / name) for name in ("a", "b")}
    assert len(hashes) == 1


@pytest.mark.parametrize("fault", ["unpicklable", "full disk"])
def test_a_failed_save_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    path = tmp_path / "model.joblib"
    sha256 = artifacts.save({"number": 1}, path)
    content: dict[str, Any] = {"number": 2}
    if fault == "unpicklable":
        content["lambda"] = lambda: None
    else:
        monkeypatch.setattr(os, "fsync", _no_space)
    with pytest.raises((pickle.PicklingError, AttributeError, OSError)):
        artifacts.save(content, path)
    assert artifacts.load_verified(path, sha256) == {"number": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["model.joblib"]


def _no_space(descriptor: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_swapped_file_is_refused_and_nothing_unpickled(tmp_path: Path) -> None:
    path, trace = tmp_path / "model.joblib", tmp_path / "trace"
    registered = artifacts.save({"number": 1}, path)
    joblib.dump(_Bomb(trace), path)
    with pytest.raises(BadInput, match="SHA-256"):
        artifacts.load_verified(path, registered)
    assert not trace.exists()
    # The bomb is a real one: vouched for, it goes off.
    artifacts.load_verified(path, hashlib.sha256(path.read_bytes()).hexdigest())
    assert trace.exists()


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    sha256 = artifacts.save({"numbers": np.arange(500)}, path)
    path.write_bytes(path.read_bytes()[:-1])
    assert not artifacts.is_intact(path, sha256)
    with pytest.raises(BadInput, match="cut short") as refusal:
        artifacts.load_verified(path, sha256)
    assert refusal.value.exit_code == 2


def test_a_missing_file_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    assert not artifacts.is_intact(path, "0" * 64)
    with pytest.raises(BadInput, match="riskmart train"):
        artifacts.load_verified(path, "0" * 64)


def test_another_minor_version_of_scikit_learn_is_refused() -> None:
    recorded = artifacts.library_versions()
    artifacts.check_versions(recorded)
    major, minor, *_ = recorded["scikit-learn"].split(".")
    artifacts.check_versions({"scikit-learn": f"{major}.{minor}.99"})
    other = f"{major}.{int(minor) + 1}.0"
    with pytest.raises(BadInput, match=f"{other}.*riskmart train"):
        artifacts.check_versions({"scikit-learn": other})
    with pytest.raises(BadInput, match="unrecorded"):
        artifacts.check_versions({})


def test_versions_are_those_installed() -> None:
    versions = artifacts.library_versions()
    assert versions["numpy"] == importlib.metadata.version("numpy")
    assert set(versions) == {"python", "scikit-learn", "numpy", "scipy", "joblib"}


def test_a_registered_name_cannot_lead_out_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RISKMART_HOME", str(tmp_path))
    for name in ("../../model.joblib", "/somewhere/model.joblib", "model.joblib"):
        assert artifacts.path_of(name) == tmp_path / "artifacts" / "model.joblib"
