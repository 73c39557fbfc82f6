"""The peers end with the same as the project; how fast, no test says."""

import json
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from copies import Copy

from benchmarks import (
    curve,
    peers,
    peers_ours,
    peers_pandas,
    peers_report,
    peers_rows,
    peers_same,
    peers_work,
)
from benchmarks.peers_clock import Clock
from benchmarks.peers_work import KEYS, VALUES, Answer
from python_scoring import config, registry, warehouse
from python_scoring.cohorts import generator
from python_scoring.errors import GateFailed
from python_scoring.readmission import features, score

PEOPLE = 300
RULES = peers_work.read_rules()
_EXTRA = "not installed; requirements/peers.lock has it, ./riskmart test does without"


@pytest.fixture(scope="module")
def model(built: Copy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("model") / "model"
    with built.in_force(), warehouse.connect() as conn:
        champion = registry.champion(conn, features.TARGET)
        assert champion is not None
        peers_work.save_model(score.load_hazards(champion), file)
    return file


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    file = folder / "people.parquet"
    generator.write_parquet(file, folder / "outcomes.parquet", PEOPLE, 1)
    rows = pd.read_parquet(file)
    # By the layout of a file: none on record.
    rows.loc[7, "days_since_last_admission"] = 999
    rows.to_parquet(file)
    return file


@pytest.fixture(scope="module")
def by_pandas(
    model: Path, people: Path, tmp_path_factory: pytest.TempPathFactory
) -> Answer:
    return _answer_of_pandas(people, model, tmp_path_factory.mktemp("pandas"))


def _answer_of_pandas(people: Path, model: Path, folder: Path) -> Answer:
    answer = Answer(folder)
    frames = peers_pandas.compute(Clock(), people, model)
    peers_pandas.answer(frames, RULES, answer)
    return answer


def _rows(answer: Answer, name: str) -> pd.DataFrame:
    return pd.read_parquet(answer.file(name))


def test_pandas_ends_with_what_the_project_ends_with(
    clone: Copy, model: Path, tmp_path: Path
) -> None:
    """On the baseline, which is built already."""
    seed = config.PROJECT_DIR / "seeds" / "baseline" / "baseline_patients.csv"
    people = tmp_path / "people.parquet"
    columns = ["external_id", *peers_work.BASE_FIELDS]
    rows = pd.read_csv(seed)[columns]
    rows.fillna({"days_since_last_admission": 999}).to_parquet(people)
    theirs = _answer_of_pandas(people, model, tmp_path / "pandas")
    ours = Answer(tmp_path / "ours")
    peers_ours.answer(RULES, generator.BASELINE_ORG_CODE, ours)
    assert peers_same.differences(ours, theirs) == []
    counts = {name: len(_rows(ours, name)) for name in KEYS}
    assert counts.pop("positive_roi_patients") > 0
    assert counts == {
        "projections": 3 * generator.BASELINE_PATIENTS,
        "org_tier_summary": 15,
        "dept_risk_distribution": 150,
        "roi_aggregations": 3,
        "roi_by_department": 30,
        "cohort_comparison": 27,
    }


def test_row_by_row_ends_with_the_same(
    clone: Copy, model: Path, people: Path, by_pandas: Answer, tmp_path: Path
) -> None:
    clock = Clock()
    peers_rows.run(clock, people, model)
    answer = Answer(tmp_path)
    peers_rows.answer(RULES, answer)
    assert peers_same.differences(by_pandas, answer) == []
    assert list(clock.seconds) == ["load", "row by row", "summaries"]


@pytest.mark.parametrize("way", ["inserts", "copy"])
def test_pandas_writes_every_row(
    clone: Copy, model: Path, people: Path, way: str
) -> None:
    pytest.importorskip("sqlalchemy", reason=f"SQLAlchemy is {_EXTRA}")
    frames = peers_pandas.compute(Clock(), people, model)
    peers_pandas.write(Clock(), frames, way)
    for name, frame in frames.items():
        [(count,)] = clone.rows(f"select count(*) from {peers_pandas.SCHEMA}.{name}")
        assert count == len(frame)
    net = "select sum(net_benefit) from peer.financial_projections"
    [(total,)] = clone.rows(net)
    assert total == pytest.approx(frames["financial_projections"]["net_benefit"].sum())


def test_polars_ends_with_the_same(
    model: Path, people: Path, by_pandas: Answer, tmp_path: Path
) -> None:
    pytest.importorskip("polars", reason=f"Polars is {_EXTRA}")
    from benchmarks import peers_polars

    answer = Answer(tmp_path)
    peers_polars.answer(peers_polars.compute(Clock(), people, model), answer)
    assert peers_same.differences(by_pandas, answer) == []


def test_duckdb_by_hand_ends_with_the_same(
    model: Path, people: Path, by_pandas: Answer, tmp_path: Path
) -> None:
    pytest.importorskip("duckdb", reason=f"DuckDB is {_EXTRA}")
    from benchmarks import peers_duckdb, peers_floor

    file = tmp_path / "peer.duckdb"
    conn = peers_duckdb.run(Clock(), people, model, file)
    answer = Answer(tmp_path / "answer")
    peers_duckdb.answer(conn, RULES, answer)
    conn.close()
    assert peers_same.differences(by_pandas, answer) == []
    assert peers_floor.duckdb_seconds(file, "main", tmp_path) > 0
    assert peers_floor.risk_seconds(file, model) > 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["answer", "peer.duckdb"]


@pytest.fixture
def spoilt(by_pandas: Answer, tmp_path: Path) -> Callable[..., Answer]:
    """Copy an answer with one table changed."""

    def spoil(name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Answer:
        answer = Answer(tmp_path / "spoilt")
        for table in KEYS:
            rows = _rows(by_pandas, table)
            changed = change(rows) if table == name else rows
            pq.write_table(
                pa.Table.from_pandas(changed, preserve_index=False), answer.file(table)
            )
        return answer

    return spoil


@pytest.mark.parametrize(
    ("table", "column"), [(name, column) for name in KEYS for column in VALUES[name]]
)
def test_a_figure_that_differs_is_named(
    by_pandas: Answer, spoilt: Callable[..., Answer], table: str, column: str
) -> None:
    def by(share: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
        def change(rows: pd.DataFrame) -> pd.DataFrame:
            value = rows.loc[2, column]
            rows.loc[2, column] = value + share * max(1, abs(value))
            return rows

        return change

    assert peers_same.differences(by_pandas, spoilt(table, by(5e-10))) == []
    [found] = peers_same.differences(by_pandas, spoilt(table, by(2e-9)))
    assert found.startswith(f"{table}, ")
    assert f", {column}: " in found


def test_a_row_that_is_missing_is_told(
    by_pandas: Answer, spoilt: Callable[..., Answer]
) -> None:
    answer = spoilt("projections", lambda rows: rows.iloc[:-1])
    found = peers_same.differences(by_pandas, answer)
    assert found == ["projections: not as many rows"]


def test_nothing_is_not_the_same_as_a_figure(
    by_pandas: Answer, spoilt: Callable[..., Answer]
) -> None:
    answer = spoilt("cohort_comparison", lambda rows: rows.assign(mean=float("nan")))
    [found] = peers_same.differences(by_pandas, answer)
    assert found.startswith("cohort_comparison, feature_id 1, mean: ")


def bench(folder: Path, **options: Any) -> peers.Bench:
    given = {"repeat": 3, "rows_at_most": 100, "pandas_at_most": 1000, **options}
    return peers.Bench(folder, Path(sys.executable), Namespace(**given))


def test_a_peer_that_differs_fails_the_run(
    by_pandas: Answer, spoilt: Callable[..., Answer], tmp_path: Path
) -> None:
    own = bench(tmp_path)
    own.hold("pandas", PEOPLE, by_pandas)
    double = lambda rows: rows.assign(net_benefit=2 * rows["net_benefit"])  # noqa: E731
    answer = spoilt("projections", double)
    with pytest.raises(GateFailed, match="pandas and other differ at 300 people") as e:
        own.hold("other", PEOPLE, answer)
    assert "net_benefit" in str(e.value)


def test_what_is_cheap_is_measured_again_and_the_median_told(tmp_path: Path) -> None:
    taken = iter([5.0, 1.0, 3.0, 99.0])
    found = peers._repeated(bench(tmp_path), lambda: {"seconds": next(taken)})
    assert found == {"seconds": 3.0, "all_seconds": [5.0, 1.0, 3.0]}
    assert peers._repeated(bench(tmp_path), lambda: {"seconds": next(taken)}) == {
        "seconds": 99.0,
        "all_seconds": [99.0],
    }


def test_row_by_row_is_multiplied_beyond_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = bench(tmp_path)
    own.reference[100] = ("polars", Answer(tmp_path))

    def measured(bench: peers.Bench, way: str, patients: int) -> peers.Run:
        steps = {"row by row": 6.0, "start": 1.0}
        return {"seconds": 7.0, "steps": steps, "people": patients}

    monkeypatch.setattr(peers, "_on_server", measured)
    found = peers._rows(own, "rows", 1000)
    assert found["seconds"] == 61.0
    assert found["steps"] == {"row by row": 60.0, "start": 1.0}
    assert found["people"] == found["measured_patients"] == 100
    assert peers._rows(own, "rows", 50)["measured_patients"] == 50


def test_what_is_not_there_is_left_out_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "TARGETS", ("postgres",), raising=False)
    found = peers.WAYS["riskmart-duckdb"](bench(tmp_path), "riskmart-duckdb", 10)
    assert found == "this project has no target duckdb"
    found = peers.WAYS["pandas"](bench(tmp_path), "pandas", 1001)
    assert found == "beyond 1,000 people (--pandas-at-most)"


GIB = 1024**3


def measured(peer: str, patients: int, seconds: float, **more: Any) -> peers.Run:
    return {
        "peer": peer,
        "patients": patients,
        "seconds": seconds,
        "client_bytes": GIB,
        "server_bytes": GIB // 2,
        "date": "2026-01-02",
        **more,
    }


MACHINE = {
    "date": "2026-01-02",
    "cores": 2,
    "memory_gib": 8,
    "system": "Linux x86_64",
    **dict.fromkeys(("python", "postgresql", "dbt", "duckdb", "polars"), "1.0"),
    **dict.fromkeys(("pandas", "SQLAlchemy"), "1.0"),
}
RESULTS = {
    "machine": MACHINE,
    "runs": [
        measured("riskmart-postgres", 1000, 10.0, floor_seconds=2.0),
        measured("rows", 1000, 40.0, measured_patients=1000),
        measured(
            "riskmart-postgres",
            1_000_000,
            50.0,
            floor_seconds=20.0,
            seconds_with_tests=80.0,
        ),
        measured("pandas", 1_000_000, 400.0),
        measured("rows", 1_000_000, 40_000.0, measured_patients=1000),
        measured("polars", 1_000_000, 4.0, server_bytes=0),
        measured("duckdb-sql", 1_000_000, 8.0, server_bytes=0, floor_seconds=3.0),
    ],
}


def test_the_report_tells_ratios_goals_and_what_was_extrapolated() -> None:
    told = peers_report.markdown(RESULTS)
    lines = told.splitlines()
    assert "| riskmart on PostgreSQL | 10.0 (1.00) | 50.0 (1.00) |" in lines
    tested = "| riskmart on PostgreSQL, with every test, published | - | 80.0 (1.60) |"
    assert tested in lines
    assert "| pandas + SQLAlchemy `to_sql` | - | 400.0 (8.00) |" in lines
    assert "| row by row, as first drawn | 40.0 (4.00) | 40,000 (800.00) * |" in lines
    assert "| floor of riskmart on PostgreSQL | 2.0 (0.20) | 20.0 (0.40) |" in lines
    # Of what nobody ran no memory is told.
    assert "| row by row, as first drawn | 1.00 + 0.50 | - |" in lines
    assert "| Polars, in memory | - | 1.00 |" in lines
    assert "measured on 1,000 people and multiplied" in told
    assert (
        "- riskmart on PostgreSQL at most 2 times floor of riskmart on PostgreSQL, at "
        "1,000,000: missed, 2.50: 1.2 times too slow" in lines
    )
    assert (
        "- riskmart on PostgreSQL at least 5 times as fast as pandas + SQLAlchemy "
        "`to_sql`, at 1,000,000: met, 8" in lines
    )
    assert (
        "- riskmart on DuckDB at most 1.5 times hand-written DuckDB SQL, at "
        "1,000,000: not measured" in lines
    )
    assert "riskmart on DuckDB |" not in told


SVG = "{http://www.w3.org/2000/svg}"


def test_the_picture_names_every_line_and_tells_itself(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    file.write_text(json.dumps(RESULTS))
    picture = tmp_path / "picture.svg"
    curve.main(["--json", str(file), "--svg", str(picture)])
    root = ElementTree.parse(picture).getroot()
    assert root.get("role") == "img"
    named = {e.get("id"): e for e in root if e.get("id")}
    assert root.get("aria-labelledby") == "title desc"
    alt = named["desc"].text or ""
    assert named["title"].text == curve.TITLE
    assert "riskmart, PostgreSQL: 10 s at 1,000, 50 s at 1,000,000." in alt
    assert "row by row: 40 s at 1,000, 11.1 h at 1,000,000 (extrapolated" in alt
    texts = [e.text for e in root.iter(f"{SVG}text")]
    for label in ("pandas + to_sql", "Polars, in memory", "DuckDB by hand"):
        assert texts.count(label) == 2
    # A floor is a time; what nobody ran has a line in memory as far as it was run.
    assert texts.count("floor, PostgreSQL") == 1
    assert texts.count("row by row") == 2
    assert "riskmart, DuckDB" not in texts
    places = [
        (float(e.get("x", "nan")), float(e.get("y", "nan")))
        for e in root.iter(f"{SVG}text")
    ]
    assert all(0 <= x < curve.WIDTH and 0 <= y < curve.HEIGHT for x, y in places)


def test_labels_do_not_lie_over_each_other() -> None:
    wanted = [10.0, 11.0, 12.0, 50.0, 60.0, 61.0]
    spread = curve.spread(wanted, 10)
    assert all(b - a >= 10 - 1e-9 for a, b in pairwise(spread))
    assert spread[:3] == pytest.approx([1, 11, 21])
    assert curve.spread([1.0, 100.0], 10) == [1.0, 100.0]


def test_figures_of_two_machines_are_kept_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "results.json"
    peers.check_machine(file)
    file.write_text(json.dumps({"machine": {**MACHINE, "cores": 10_000}, "runs": []}))
    with pytest.raises(SystemExit) as stop:
        peers.check_machine(file)
    assert stop.value.code == 2
    assert "cores 10000, and " in capsys.readouterr().err


@pytest.mark.parametrize("patients", ["0", "10000000"])
def test_a_size_that_cannot_be_generated_is_refused_at_once(
    patients: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        peers.main(["--patients", "30", patients])
    assert stop.value.code == 2
    assert "expected whole numbers from 1 to 9999999" in capsys.readouterr().err


def test_a_picture_of_nothing_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        curve.main(["--json", str(tmp_path / "none.json")])
    assert stop.value.code == 2
    assert "none.json: no such file" in capsys.readouterr().err


def test_the_default_installation_runs_without_the_peers() -> None:
    """Importing the benchmark loads none of them."""
    script = (
        "import sys; from benchmarks import peers, curve;"
        "print(sorted({'polars', 'sqlalchemy'} & set(sys.modules)))"
    )
    told = subprocess.run(
        [sys.executable, "-c", script],
        cwd=config.PROJECT_DIR,
        check=True,
        capture_output=True,
        text=True,
    )
    assert told.stdout.strip() == "[]"
