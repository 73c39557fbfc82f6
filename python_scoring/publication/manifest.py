"""The published project's manifest, for slim CI: `dbt build --defer --state`."""

import json
import os
import shutil
from pathlib import Path

from python_scoring import config
from python_scoring.publication.builds import CANDIDATE_SCHEMA
from python_scoring.publication.names import SCHEMA

_FILE = "manifest.json"


def published_folder() -> Path:
    """Folder for `--state`: the manifest of the build that readers see."""
    return config.state_dir() / "published"


def keep(build_id: int, written: Path) -> None:
    """Keep the manifest of a build, its marts under the names that readers use.

    Parameters
    ----------
    written
        `manifest.json` as dbt wrote it, with the marts in schema `candidate`; in a
        DuckDB file too, where only the manifest in memory leads to the build's own.
    """
    manifest = json.loads(written.read_text(encoding="utf-8"))
    for node in manifest["nodes"].values():
        if node.get("schema") == CANDIDATE_SCHEMA:
            node["schema"] = SCHEMA
            node["relation_name"] = (node.get("relation_name") or "").replace(
                f'"{CANDIDATE_SCHEMA}"', f'"{SCHEMA}"'
            )
    _write(_folder(build_id) / _FILE, json.dumps(manifest))


def publish(build_id: int | None) -> None:
    """Make a build's manifest the published one; without one there is none."""
    kept = _folder(build_id) / _FILE if build_id else None
    if kept and kept.is_file():
        _write(published_folder() / _FILE, kept.read_text(encoding="utf-8"))
    else:
        # Built from another checkout: an older build's would mislead.
        (published_folder() / _FILE).unlink(missing_ok=True)


def forget(build_ids: set[int]) -> None:
    """Delete the manifests of builds that are not among these any more."""
    for folder in (config.state_dir() / "manifests").glob("*"):
        if folder.name.isdigit() and int(folder.name) not in build_ids:
            shutil.rmtree(folder)


def _folder(build_id: int) -> Path:
    return config.state_dir() / "manifests" / str(build_id)


def _write(file: Path, text: str) -> None:
    """Write a file whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".new")
    unfinished.write_text(text, encoding="utf-8")
    os.replace(unfinished, file)
