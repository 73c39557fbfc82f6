"""`riskmart build`, `publish` and `diff`: words and exit codes when it goes wrong."""

import os
import signal
import subprocess
import sys
import time
from typing import Any

import psycopg
import pytest
from conftest import Run
from copies import REPOSITORY, Copy

from python_scoring import pipeline, server, warehouse
from python_scoring.publication import builds, publish
from python_scoring.publication.swap import swap

_WRONG_TIER = """
update candidate.predictions set risk_tier = 6 - risk_tier
where (patient_id, prediction_window) = (
    select patient_id, prediction_window from candidate.predictions
    where risk_tier = 1 limit 1
)
"""


def _published(copy: Copy) -> int | None:
    with warehouse.connect() as conn:
        current = builds.published(conn)
    if current is None:
        return None
    assert copy.value("select min(build_id) from marts.predictions") == current.build_id
    assert copy.value("select count(*) from marts.predictions") == 9_000
    return current.build_id


def test_publish_shows_diff_and_goes_back(clone: Copy, riskmart: Run) -> None:
    nothing = riskmart("diff")
    assert nothing.code == 2
    assert "expected a candidate and a published build" in nothing.err
    first = riskmart("publish")
    assert first.code == 0, first.err
    assert "Readers see build 1: " in first.out
    back = riskmart("publish", "--rollback")
    assert back.code == 2
    assert "nothing to go back to" in back.err
    assert "Readers see build 1, published" in back.err
    again = riskmart("publish")
    assert again.code == 0
    assert "No candidate" in again.out
    status = riskmart("status")
    assert "Readers see build 1" in status.out
    assert "Builds, latest first" in status.out


def test_a_gate_that_says_no_exits_1_and_says_what_readers_have(
    clone: Copy, riskmart: Run
) -> None:
    clone.execute(_WRONG_TIER)
    refused = riskmart("publish")
    assert refused.code == 1
    assert "failed" in refused.err
    assert "Readers see nothing yet." in refused.err
    assert "Build 1, which failed, is in schema candidate" in refused.err
    assert _published(clone) is None
    assert clone.value("select failures from raw.builds").startswith("test ")


def test_a_build_without_publication_stays_a_candidate(
    clone: Copy, riskmart: Run
) -> None:
    clone.published()
    built = riskmart("build", "--no-publish")
    assert built.code == 0, built.err
    assert "Readers see build 1" in built.out
    assert "Build 2 is in schema candidate" in built.out
    shown = riskmart("diff")
    assert shown.code == 0
    assert "Build 2 (candidate) against build 1 (published)" in shown.out
    assert "Nobody changes tier." in shown.out
    assert _published(clone) == 1


def test_no_room_for_a_candidate(
    clone: Copy, riskmart: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone.published()
    monkeypatch.setattr(server, "free_bytes", lambda: 5 * 1024**2)
    refused = riskmart("build")
    assert refused.code == 2
    assert "no room for another build: 5 MiB free" in refused.err
    assert "Readers see build 1" in refused.err
    assert clone.value("select failures from raw.builds where build_id = 2").startswith(
        "no room"
    )


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (psycopg.errors.DiskFull("could not extend file"), "no room left: could not"),
        (psycopg.OperationalError("server closed the connection"), "went away: server"),
        (KeyboardInterrupt(), "interrupted; what was committed stands"),
    ],
)
def test_what_comes_over_us_is_told_in_words(
    base: Copy,
    riskmart: Run,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    words: str,
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(pipeline, "build", fail)
    done = riskmart("build")
    assert done.code == 2
    assert words in done.err


def test_a_server_that_goes_away_between_test_and_publish(
    clone: Copy, riskmart: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(conn: warehouse.Connection, *arguments: Any, **options: Any) -> Any:
        with warehouse.connect(autocommit=True) as other:
            other.execute("select pg_terminate_backend(%s)", (conn.info.backend_pid,))
        return swap(conn, *arguments, **options)

    monkeypatch.setattr(publish, "swap", cut_off)
    lost = riskmart("publish")
    assert lost.code == 2
    assert "went away" in lost.err
    assert _published(clone) is None
    monkeypatch.setattr(publish, "swap", swap)
    assert riskmart("publish").code == 0
    assert _published(clone) == 1


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_in_the_middle_of_a_build(clone: Copy, sent: signal.Signals) -> None:
    clone.published()
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "RISKMART_PROJECT_DIR": str(clone.project),
    }
    command = [sys.executable, "-P", "-m", "python_scoring", "build"]
    process = subprocess.Popen(
        command,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        # A job in the background of a shell is started with SIGINT ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    building = "select count(*) from raw.builds where status = 'building'"
    while not clone.value(building) and process.poll() is None:
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(sent)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 2, said
    assert "interrupted; what was committed stands" in said
    assert "Traceback" not in said
    assert _published(clone) == 1
    [(status, failures)] = clone.rows(
        "select status, failures from raw.builds where build_id = 2"
    )
    assert (status, failures) == ("failed", "interrupted")
