"""Fitted models on disk: written whole or not at all, loaded only if vouched for."""

import hashlib
import importlib.metadata
import io
import os
import platform
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import joblib

from python_scoring import config
from python_scoring.errors import BadInput

_RECORDED = ("scikit-learn", "numpy", "scipy", "joblib")


def library_versions() -> dict[str, str]:
    """Versions of Python and of every library that a fitted model depends on."""
    versions = {name: importlib.metadata.version(name) for name in _RECORDED}
    return {"python": platform.python_version(), **versions}


def check_versions(recorded: Mapping[str, str]) -> None:
    """Refuse a model of another scikit-learn minor version, before it is opened.

    scikit-learn promises nothing about loading those: they may fail or, worse,
    give other numbers.

    Raises
    ------
    BadInput
        Naming both versions and what to do.
    """
    fitted = recorded.get("scikit-learn", "an unrecorded version")
    installed = importlib.metadata.version("scikit-learn")
    if _minor(fitted) != _minor(installed):
        raise BadInput(
            f"the model was fitted with scikit-learn {fitted}, {installed} is "
            f"installed; run `riskmart train`, or install scikit-learn {fitted}"
        )


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]


def path_of(artifact_file: str) -> Path:
    """Place of an artifact, whatever folder its registered name claims."""
    return config.artifact_dir() / Path(artifact_file).name


def save(content: Mapping[str, Any], path: Path) -> str:
    """Write an artifact by joblib; the file is there whole or not at all.

    Returns
    -------
    SHA-256 of the file, 64 hexadecimal digits.
    """
    buffer = io.BytesIO()
    joblib.dump(dict(content), buffer)
    data = buffer.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return hashlib.sha256(data).hexdigest()


def sha256_of(path: Path) -> str | None:
    """Hash the file as it is now; None where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def is_intact(path: Path, sha256: str) -> bool:
    """Tell whether the file is there and is the registered one."""
    return sha256_of(path) == sha256


def packed(part: Any) -> bytes:
    """Turn a part of an artifact to bytes, to be opened by those who need it."""
    buffer = io.BytesIO()
    joblib.dump(part, buffer)
    return buffer.getvalue()


def unpacked(data: bytes) -> Any:
    """Open a packed part of an artifact that `load_verified` has loaded."""
    return joblib.load(io.BytesIO(data))


def load_verified(path: Path, sha256: str) -> dict[str, Any]:
    """Load an artifact that the registry vouches for.

    The bytes that were hashed are the bytes that are unpickled: unpickling runs
    what the file says, so nothing else may get there, not even a file swapped in
    between.

    Raises
    ------
    BadInput
        If the file is missing, or its SHA-256 is not the registered one. Nothing
        has been unpickled then.
    """
    if not path.is_file():
        raise BadInput(
            f"{path}: no such file; expected the registered model. Bring it from "
            "the machine it was trained on, or run `riskmart train`"
        )
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise BadInput(
            f"{path}: SHA-256 {found}; expected {sha256} as registered. The file "
            "was changed, swapped or cut short and has not been opened; bring back "
            "the original, or run `riskmart train`"
        )
    content: dict[str, Any] = joblib.load(io.BytesIO(data))
    return content
