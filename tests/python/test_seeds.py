"""Seeds against their declared types: file, line, column, value, what was expected."""

import shutil
import sys
from pathlib import Path

import pytest
from copies import REPOSITORY, Copy

from python_scoring import cli, config, seeds
from python_scoring.errors import BadInput
from python_scoring.readmission import horizons

SCENARIOS = "rules/roi_scenarios.csv"
TIERS = "rules/risk_tiers.csv"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the seeds, which are the project's meanwhile."""
    shutil.copytree(REPOSITORY / "seeds", tmp_path / "seeds")
    monkeypatch.setattr(config, "PROJECT_DIR", tmp_path)
    return tmp_path / "seeds"


def _edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


def test_the_seeds_hold_what_they_declare(folder: Path) -> None:
    seeds.check()


# file, what stands there, what is written instead, and what is said of it
BAD = [
    (
        *(SCENARIOS, "optimistic,0.7,", "optimistic,much,"),
        "line 4, column addressable_share: 'much'; expected a number",
    ),
    (
        *(TIERS, "\n2,Low", "\n2.0,Low"),
        "line 3, column risk_tier: '2.0'; expected a whole number from -32768 to 32767",
    ),
    (*(TIERS, "\n2,Low", "\n70000,Low"), "'70000'; expected a whole number"),
    (*(TIERS, "\n2,Low", "\n1_0,Low"), "'1_0'; expected a whole number"),
    (*(TIERS, "upper_bound", "upper"), "column upper_bound: 'missing'"),
    (*(TIERS, "lower_bound", "upper_bound"), "column upper_bound: 'twice'"),
    (*(TIERS, "2,Low Risk,", "2,"), "line 3, column (all): '2,0.2,0.4'; expected 4"),
    (
        *("reference/features.csv", "3,is_elderly,demographics,false,", ""),
        "expected 13 fields",
    ),
]


@pytest.mark.parametrize(("name", "old", "new", "said"), BAD)
def test_what_is_of_another_type_is_told_with_its_place(
    folder: Path, name: str, old: str, new: str, said: str
) -> None:
    _edit(folder / name, old, new)
    with pytest.raises(BadInput) as caught:
        seeds.check()
    assert said in str(caught.value)
    assert f"seeds/{name}, line" in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [str(f.relative_to(REPOSITORY / "seeds")) for f in seeds.folder().rglob("*.csv")],
)
def test_each_seed_that_is_empty_is_named(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"")
    with pytest.raises(BadInput, match="is empty; expected a header line") as caught:
        seeds.check()
    assert Path(name).name in str(caught.value)


def test_a_file_that_is_gone_is_named(folder: Path) -> None:
    (folder / TIERS).unlink()
    with pytest.raises(BadInput, match=r"risk_tiers.csv: no such file"):
        seeds.check()


def test_a_date_and_a_truth_are_told_from_words(folder: Path) -> None:
    people = folder / "baseline" / "baseline_patients.csv"
    lines = people.read_text().splitlines()
    lines[7] = lines[7].replace("2025-12-31", "31.12.2025")
    people.write_text("\n".join(lines))
    features = folder / "reference" / "features.csv"
    features.write_text(features.read_text().replace(",true,", ",indeed,", 1))
    with pytest.raises(BadInput) as caught:
        seeds.check()
    said = str(caught.value)
    assert "baseline_patients.csv, line 8, column index_date: '31.12.2025'" in said
    assert "column is_base_field: 'indeed'; expected true or false" in said


def test_what_is_empty_or_null_is_of_every_type(folder: Path) -> None:
    _edit(folder / SCENARIOS, "optimistic,0.7,1.25,", "optimistic,,NULL,")
    seeds.check()


def test_many_faults_are_told_and_counted(folder: Path) -> None:
    people = folder / "baseline" / "baseline_patients.csv"
    people.write_text(people.read_text().replace("2025-12-31", "someday"))
    with pytest.raises(BadInput, match="and 2,980 more"):
        seeds.check()


def test_windows_are_told_where_python_reads_them(folder: Path) -> None:
    file = folder / "rules" / "prediction_windows.csv"
    _edit(file, "60_day,60", "60_day,sixty")
    with pytest.raises(BadInput, match="line 3, column window_days: 'sixty'"):
        horizons.read_horizons(file)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "roi_scenarios.csv: is empty"),
        (
            b"scenario,addressable_share\nbase,x\n",
            "line 2, column addressable_share: 'x'",
        ),
    ],
)
def test_a_build_stops_before_it_begins(
    clone: Copy,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: bytes,
    said: str,
) -> None:
    builds = clone.value("select count(*) from raw.builds")
    monkeypatch.setattr(sys, "argv", ["riskmart", "build"])
    with (
        clone.edited(roi_scenarios=text.decode()),
        pytest.raises(SystemExit) as caught,
    ):
        cli.main()
    assert caught.value.code == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert clone.value("select count(*) from raw.builds") == builds
