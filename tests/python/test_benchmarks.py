"""The benchmark runs and tells what it should; how fast, no test says."""

import json
from pathlib import Path

import pytest
from copies import Copy

from benchmarks import pipeline, report, run

PEOPLE = 300
MEASURED = 5


@pytest.fixture
def measured(clone: Copy, tmp_path: Path) -> report.Measured:
    result = run.measure_size(PEOPLE, tmp_path, MEASURED).as_dict()
    left = clone.rows("select nspname from pg_namespace where nspname like 'bench%'")
    assert left == []
    assert list(tmp_path.iterdir()) == []
    again: report.Measured = json.loads(json.dumps(result))
    return again


def test_a_small_run_measures_every_step(measured: report.Measured) -> None:
    steps = measured["seconds"]
    # The model is there already: nothing to train.
    assert list(steps) == [
        *run.SETUP,
        "generate",
        "load",
        "read project",
        "seeds and features",
        "score",
        "evaluate",
        "marts",
        "tests",
    ]
    assert all(seconds > 0 for seconds in steps.values())
    assert measured["all_patients"] == 3000 + PEOPLE
    assert measured["row_by_row_measured"] == MEASURED
    assert measured["tests"] > 100
    # A prediction and a projection a window, of some 200 bytes together.
    assert measured["floor_bytes"] > (3000 + PEOPLE) * 3 * 200
    for name in ("our_peak_bytes", "score_peak_bytes", "database_bytes"):
        assert measured[name] > 10 * 1024**2
    for name in ("floor_copy_seconds", "floor_score_seconds", "score_seconds"):
        assert measured[name] > 0
    table = report.markdown([measured], [20.0, 10.0])
    assert f"| {PEOPLE:,} |" in table
    assert all(step in table for step in steps)


def _run(patients: int, seconds: float) -> report.Measured:
    steps = {"load": seconds / 2, "train": 9.0, "marts": seconds / 2, "tests": 1.0}
    return {"patients": patients, "all_patients": patients, "seconds": steps}


def test_totals_leave_out_what_happens_once() -> None:
    assert report.totals(_run(10, 4.0)) == {"without tests": 4.0, "with tests": 5.0}


@pytest.mark.parametrize("power", [0.8, 1.0, 1.3])
def test_exponent_is_the_slope_on_log_log_axes(power: float) -> None:
    runs = [_run(n, 2e-3 * n**power) for n in (30_000, 300_000, 1_000_000)]
    assert report.exponent(runs, "without tests") == pytest.approx(power)
    fixed = [_run(n, 5 + 2e-3 * n**power) for n in (30_000, 300_000, 1_000_000)]
    assert report.exponent(fixed, "without tests") < power
    net = report.exponent(fixed, "without tests", less=5.0)
    assert net == pytest.approx(power)
    assert report.exponent(runs[:1], "without tests") is None


def test_command_line_writes_what_it_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pipeline, "_measure_warm", lambda options: [9.0, 7.0])
    pipeline.main(["--warm", "--json", str(tmp_path / "measured.json")])
    assert capsys.readouterr().out == "warm builds, s: [9.0, 7.0]\n"
    written = json.loads((tmp_path / "measured.json").read_text())
    assert written == {"runs": [], "warm_build_seconds": [9.0, 7.0]}


def test_a_fresh_home_leaves_nothing_behind(tmp_path: Path) -> None:
    with run.fresh_home(tmp_path) as home:
        assert home.is_dir()
    assert list(tmp_path.iterdir()) == []
