"""What looks for secrets finds them where they are; and dbt writes no command line."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest
from copies import Copy

from benchmarks import security_secrets
from benchmarks.security_secrets import count, files
from python_scoring import dbt

SECRET = "typed-person"


@pytest.mark.parametrize(
    "content",
    [
        SECRET.encode(),
        f'{{"args": "{SECRET}"}}'.encode(),
        SECRET.encode().hex().encode(),
        gzip.compress(SECRET.encode()),
    ],
)
def test_a_secret_in_a_file_is_found(tmp_path: Path, content: bytes) -> None:
    for name in ("target/run_results.json", "logs/dbt.log", "copy/identity.key"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
    found = count("files", files(tmp_path), [SECRET.encode()])
    assert found[2] == 3


def test_a_key_where_it_belongs_is_no_leak(tmp_path: Path) -> None:
    (tmp_path / "identity.key").write_text(SECRET)
    (tmp_path / "identity.key.0123").write_text(SECRET)
    assert count("files", files(tmp_path), [SECRET.encode()])[1:] == (0, 0)


def test_a_secret_on_a_command_line_is_seen() -> None:
    command = [sys.executable, "-c", "input()", SECRET]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        with security_secrets.watched() as seen:
            pass
        process.communicate(b"\n")
    assert count("processes", seen, [SECRET.encode()])[2] == 1


def test_dbt_writes_no_command_line_of_ours(
    built: Copy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DBT_TARGET_PATH", str(tmp_path / "target"))
    monkeypatch.setenv("DBT_LOG_PATH", str(tmp_path / "logs"))
    monkeypatch.setattr(sys, "argv", ["riskmart", "forget", "--external-id", SECRET])
    with built.in_force():
        assert dbt.passthrough(["compile", "--select", "stg_cohorts__loads"]) == 0
    _, looked, found = count("dbt", files(tmp_path), [SECRET.encode()])
    assert (looked > 3, found) == (True, 0)
    assert sys.argv[-1] == SECRET
