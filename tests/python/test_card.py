"""The model card: nothing blank, every question answered, the warehouse's numbers."""

import os
import re
import shutil
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import numpy as np
import pytest
from markdown_it import MarkdownIt
from psycopg.types.json import Jsonb

from python_scoring import card, evaluation_store, warehouse
from python_scoring.card import answers, document, markdown, results
from python_scoring.card.content import TITLES
from python_scoring.errors import BadInput
from python_scoring.evaluation import Group, Outcomes, Rules
from python_scoring.readmission.features import FEATURE_NAMES, FEATURES, TARGET
from python_scoring.warehouse import Connection

VERSION = "readmission-0123456789ab"
WINDOWS = (30, 60, 90)
INTERVALS = ("days 1-30", "days 31-60", "days 61-90")
CANDIDATES = (
    "prevalence",
    "condition_count",
    "cost_percentile",
    "spline_logistic",
    "additive_boosting",
    "full_boosting",
)
RULES = Rules({1: 0.0, 2: 0.2, 3: 0.4, 4: 0.6, 5: 0.8}, 0.99, 100)
SVG = "{http://www.w3.org/2000/svg}"
# The questions there are: 27 items of TRIPOD+AI come in 52 parts; PROBAST has 20
# signalling questions, four judgements of bias and three of fit; HTI-1 31.
ASKED = {"tripod": 52, "probast": 20 + 4 + 3, "hti1": 31}


def register(conn: Connection, *, is_synthetic: bool = True) -> None:
    """Register a model in force, as training does, without fitting one."""
    values = {
        "model_version": VERSION,
        "target": TARGET,
        "role": "champion",
        "is_champion": True,
        "training_fingerprint": "ab" * 32,
        "training_rows": 20_000,
        "training_patients": 19_990,
        "feature_names": list(FEATURE_NAMES),
        "reference_patient": Jsonb(reference()),
        "library_versions": Jsonb({"python": "3.11.7", "scikit-learn": "1.9.1"}),
        "metrics": Jsonb(training_metrics(is_synthetic)),
        "candidates": Jsonb(candidate_figures()),
        "chosen": Jsonb(dict.fromkeys(INTERVALS, "spline_logistic")),
        "artifact_file": f"{VERSION}.joblib",
        "artifact_sha256": "cd" * 32,
    }
    slots = ", ".join(f"%({name})s" for name in values)
    statement = f"insert into raw.model_registry ({', '.join(values)}) values ({slots})"
    conn.execute(statement.encode(), values)
    conn.execute(
        "insert into raw.model_terms (target, model_version, promoted_at)"
        " values (%s, %s, '2026-01-02 03:04+00')",
        (TARGET, VERSION),
    )
    conn.execute(
        "insert into raw.loads (source, purpose, org_code, as_of_date, content_sha256,"
        " files, row_count, rejected_count, has_outcomes, loaded_at)"
        " values (%s, 'training', 'SYNTH', '2024-12-31', %s, '{}', 20000, 0, true,"
        " '2026-01-01')",
        ("synth" if is_synthetic else "cohort", "ef" * 32),
    )


def reference() -> dict[str, Any]:
    values = {f.name: 1.0 if f.data_type == "code" else 0.0 for f in FEATURES}
    values |= {"age": 74.0, "cost_percentile": 0.4975, "is_female": 1.0}
    missing = {"days_since_last_admission": None}
    name = "median training member"
    return {"name": name, "values": values | missing, "log_odds": [-2.0, -2.5, -3.0]}


def training_metrics(is_synthetic: bool) -> dict[str, Any]:
    counts = {name: {"at_risk": 20_000, "events": 3_000} for name in INTERVALS}
    out_of_fold = {str(days): {"auroc": 0.79, "brier": 0.12} for days in WINDOWS}
    return {"hazards": counts, "horizons": out_of_fold, "is_synthetic": is_synthetic}


def candidate_figures() -> dict[str, Any]:
    return {
        interval: {
            name: {"log_loss": 0.5 - 0.01 * place - 0.1 * hazard, "se": 0.002}
            for place, name in enumerate(CANDIDATES)
        }
        for hazard, interval in enumerate(INTERVALS)
    }


def outcomes(count: int, seed: int) -> Outcomes:
    """People with honest risks, in groups of which some are very small."""
    rng = np.random.default_rng(seed)
    hazard = rng.beta(1, 4, (count, 1)) * [1.0, 0.4, 0.3]
    event = np.logical_or.accumulate(rng.random((count, 3)) < hazard, axis=1)
    part = rng.integers(0, 2, count, np.int16)
    race = np.ones(count, dtype=np.int16)
    race[:2] = 5
    return Outcomes(
        window_days=WINDOWS,
        patient_ids=np.arange(count, dtype=np.int64),
        risk=np.asarray(1 - np.cumprod(1 - hazard, axis=1), dtype=np.float64),
        event=event,
        groups={
            "sex": Group(part, {0: "male", 1: "female"}),
            "age_band": Group(part * np.int16(65), {0: "under 45"}),
            "race": Group(race, {1: "White", 5: "Hispanic"}),
            "department": Group(part, {0: "CARDIOLOGY", 1: "GENERAL_MEDICINE"}),
        },
        comparators={
            name: np.full((count, 3), event.mean(axis=0))
            for name in ("prevalence", "condition_count", "cost_percentile")
        },
    )


def subject(
    org_code: str, load_id: int, as_of: date = date(2025, 12, 31)
) -> evaluation_store.Subject:
    return evaluation_store.Subject(
        target=TARGET,
        model_version=VERSION,
        artifact_sha256="cd" * 32,
        load_id=load_id,
        org_code=org_code,
        as_of_date=as_of,
    )


def evaluate(conn: Connection) -> int:
    """Judge the model on the baseline, twice, on a small cohort, and on one before.

    Of another cohort nothing is known. The card goes into the second evaluation.
    """
    evaluation_store.write(conn, subject("BASELINE", 0), outcomes(500, 1), RULES)
    judged = evaluation_store.write(
        conn, subject("BASELINE", 0), outcomes(3_000, 2), RULES
    )
    evaluation_store.write(conn, subject("CMS500", 1), outcomes(4, 3), RULES)
    evaluation_store.note_not_evaluated(
        conn, subject("SYNTH", 2), "nobody's outcomes are known"
    )
    earlier = subject("BASELINE", 3, date(2024, 12, 31))
    evaluation_store.write(conn, earlier, outcomes(600, 4), RULES)
    return judged


@pytest.fixture(scope="module")
def warehoused(database_server: None) -> Iterator[tuple[Connection, int]]:
    """A warehouse with a judged model, and the evaluation that its card goes into."""
    with warehouse.connect() as connection:
        connection.execute("drop schema if exists raw cascade")
        warehouse.prepare(connection)
        register(connection)
        judged = evaluate(connection)
        connection.commit()
        yield connection, judged
        connection.rollback()


@pytest.fixture
def conn(warehoused: tuple[Connection, int]) -> Iterator[Connection]:
    """The warehouse, for a test to change: nothing of that stays."""
    connection, _ = warehoused
    with connection.transaction(force_rollback=True):
        yield connection


@pytest.fixture
def judged(warehoused: tuple[Connection, int]) -> int:
    return warehoused[1]


@pytest.fixture
def text(conn: Connection, tmp_path: Path) -> str:
    return card.write(conn, None, tmp_path / "cards").read_text(encoding="utf-8")


def section(text: str, key: str) -> str:
    """The text under a section's heading."""
    [after] = text.split(f"\n## {TITLES[key]}\n")[1:]
    return after.split("\n## ")[0]


def tables(text: str) -> list[list[list[str]]]:
    """Cells of every table, its header first and without its rule."""
    found: list[list[list[str]]] = []
    inside = False
    for line in text.splitlines():
        if line.startswith("|"):
            if not inside:
                found.append([])
            cells = re.split(r"(?<!\\)\|", line)
            assert (cells[0], cells[-1]) == ("", ""), line
            found[-1].append([cell.strip() for cell in cells[1:-1]])
        inside = line.startswith("|")
    for table in found:
        assert set("".join(table[1])) <= {"-", ":"}
        del table[1]
    return found


def test_every_table_is_whole_and_no_cell_blank(text: str) -> None:
    found = tables(text)
    assert len(found) > 15
    for header, *rows in found:
        assert rows, header
        assert {len(row) for row in rows} == {len(header)}
        assert all(cell for row in [header, *rows] for cell in row), header


def test_nothing_is_left_to_be_filled(text: str) -> None:
    words = re.sub(r"<svg.*?</svg>", "", text, flags=re.DOTALL)
    assert not re.search(r"\b(None|nan|NaN|null|TODO|TBD|FIXME|inf)\b", words)
    assert not re.search(r"[{}]", words)
    assert not re.search(r"Open:\W*(\||$)", words, re.MULTILINE)


def test_sections_stand_in_order_and_links_lead_to_them(text: str) -> None:
    titles = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert titles == list(TITLES.values())
    assert all(section(text, key).strip() for key in TITLES)
    anchors = {markdown.anchor(title) for title in titles}
    links = re.findall(r"\]\(#([^)]*)\)", text)
    assert links
    assert set(links) <= anchors


def test_it_is_markdown_with_the_tables_that_were_meant(text: str) -> None:
    parsed = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    opened = [token for token in parsed if token.type == "table_open"]
    assert len(opened) == len(tables(text))
    images = [t for t in parsed if t.type == "html_block" and "<svg" in t.content]
    assert len(images) == 1
    assert "</svg>" in images[0].content


@pytest.mark.parametrize("key", ASKED)
def test_every_question_is_there_and_answered_or_open(text: str, key: str) -> None:
    asked = tomllib.loads(answers.CHECKLISTS_FILE.read_text())[key]["parts"]
    numbers = [number for part in asked.values() for number in part]
    assert len(numbers) == len(set(numbers)) == ASKED[key]
    [[_, *rows]] = tables(section(text, key))
    assert [row[0] for row in rows] == numbers
    for *_, answer in rows:
        assert "](#" in answer or "**Open:** " in answer, answer


@pytest.mark.parametrize("is_synthetic", [True, False])
def test_every_answer_refers_to_a_section_or_is_open(is_synthetic: bool) -> None:
    given = answers.read(document.ANSWERS_FILE, is_synthetic=is_synthetic)
    for checklist in given.checklists.values():
        for item in checklist.items:
            refers = re.search(r"\{(\w+)\}", item.answer)
            assert item.is_open or (refers and refers[1] in TITLES), item


def test_frameworks_have_all_their_parts() -> None:
    asked = tomllib.loads(answers.CHECKLISTS_FILE.read_text())
    of = {
        key: [number for part in asked[key]["parts"].values() for number in part]
        for key in asked
    }
    main = [re.match(r"\d+", number) for number in of["tripod"]]
    assert {int(m[0]) for m in main if m} == set(range(1, 28))
    attributes = [number.split(".")[0] for number in of["hti1"]]
    assert [attributes.count(str(n)) for n in range(1, 10)] == [
        4,
        4,
        2,
        4,
        2,
        4,
        5,
        4,
        2,
    ]
    domains = [n.split(".")[0] for n in of["probast"] if n[-1].isdigit()]
    assert [domains.count(str(n)) for n in range(1, 5)] == [2, 3, 6, 9]


def test_all_features_are_listed_in_the_models_order(text: str) -> None:
    [[_, *rows]] = tables(section(text, "predictors"))
    assert [row[1] for row in rows] == [f"`{name}`" for name in FEATURE_NAMES]
    values = {row[1]: row[4] for row in rows}
    assert values["`age`"] == "74"
    assert values["`is_female`"] == "yes"
    assert values["`has_chf`"] == "no"
    assert values["`cost_percentile`"] == "0.50"
    assert values["`days_since_last_admission`"] == "none on record"


def numbers_in(cell: str) -> list[float]:
    found = re.findall(r"-?\d[\d,]*(?:\.\d+)?", cell)
    return [float(number.replace(",", "")) for number in found]


def test_figures_are_those_of_the_warehouse(
    conn: Connection, judged: int, text: str
) -> None:
    rows = tables(section(text, "figures"))[0][1:]
    assert len(rows) == len(results.FIGURES)
    for row, (metric, _, places, _) in zip(rows, results.FIGURES, strict=True):
        for days, cell in zip(WINDOWS, row[1:4], strict=True):
            [stored] = conn.execute(
                "select value, lower, upper from raw.evaluation_metrics"
                " where evaluation_id = %s and window_days = %s and metric = %s"
                " and group_name = 'all'",
                (judged, days, metric),
            ).fetchall()
            wanted = [value for value in stored if value is not None]
            assert numbers_in(cell) == pytest.approx(wanted, abs=0.501 * 10**-places)


def test_the_summary_repeats_three_figures_with_their_intervals(text: str) -> None:
    [[_, *headlines]] = tables(section(text, "summary"))
    figures = {row[0]: row[1:4] for row in tables(section(text, "figures"))[0]}
    names = ("AUROC", "Observed / expected", "Calibration slope")
    assert [row[1:] for row in headlines] == [figures[name] for name in names]
    assert all(len(numbers_in(cell)) == 3 for row in headlines for cell in row[1:])


def test_every_group_is_shown_and_small_ones_are_marked(
    conn: Connection, judged: int, text: str
) -> None:
    shown = tables(section(text, "subgroups"))
    assert len(shown) == len(WINDOWS)
    for days, (_, *rows) in zip(WINDOWS, shown, strict=True):
        stored = conn.execute(
            "select group_name, group_value, patient_count, event_count, is_small,"
            " value from raw.evaluation_metrics where evaluation_id = %s"
            " and window_days = %s and group_name <> 'all' and metric = 'auroc'"
            " order by group_name, group_value not like 'under%%', group_value",
            (judged, days),
        ).fetchall()
        assert len(rows) == len(stored) == 8
        for row, (kind, value, people, events, is_small, auroc) in zip(
            rows, stored, strict=True
        ):
            assert row[0] == kind.replace("_", " ")
            assert value.replace("_", " ").lower() in row[1].lower()
            assert row[1].endswith("†") == is_small
            assert numbers_in(row[2]) == [people]
            assert numbers_in(row[3]) == [events]
            assert (row[7] == "too few") == (auroc is None)
        assert {row[1] for row in rows if row[1].endswith("†")} == {"Hispanic †"}


def test_tiers_and_deciles_are_those_of_the_warehouse(
    conn: Connection, judged: int, text: str
) -> None:
    for kind, key in (("tier", "tiers"), ("decile", "calibration")):
        for days, (_, *rows) in zip(WINDOWS, tables(section(text, key)), strict=True):
            stored = conn.execute(
                "select bin, patient_count, 100 * expected_rate, 100 * observed_rate,"
                " 100 * lower, 100 * upper, event_count from raw.evaluation_bins"
                " where evaluation_id = %s and window_days = %s and bin_type = %s"
                " and group_name = 'all' order by bin",
                (judged, days, kind),
            ).fetchall()
            assert len(rows) == len(stored)
            for row, values in zip(rows, stored, strict=True):
                if values[1]:
                    found = [number for cell in row for number in numbers_in(cell)]
                    assert found == pytest.approx(values, abs=0.0501)
                else:
                    assert row[1:] == ["0", "nobody", "nobody", "0"]


def test_net_benefit_is_that_of_the_warehouse(
    conn: Connection, judged: int, text: str
) -> None:
    [[_, *rows]] = tables(section(text, "decisions"))
    assert len(rows) == len(WINDOWS) * len(results.THRESHOLDS)
    for row in rows:
        [days], [threshold] = numbers_in(row[0]), numbers_in(row[1])
        stored = conn.execute(
            "select flagged_count, 1000 * net_benefit, 1000 * net_benefit_all"
            " from raw.evaluation_thresholds where evaluation_id = %s"
            " and window_days = %s and threshold = %s and group_name = 'all'",
            (judged, days, threshold / 100),
        ).fetchone()
        found = [number for cell in (row[2], *row[5:]) for number in numbers_in(cell)]
        assert found == pytest.approx(stored, abs=0.0501)


def test_the_plot_has_a_point_for_each_decile(
    conn: Connection, judged: int, text: str
) -> None:
    [source] = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert "\n\n" not in source
    panels = Xml.fromstring(source).findall(f"{SVG}g")
    assert len(panels) == len(WINDOWS)
    ids = [element.get("id") for element in Xml.fromstring(source).iter()]
    named = [name for name in ids if name]
    assert len(named) == len(set(named)) == 2 * len(WINDOWS)
    top = None
    for days, panel in zip(WINDOWS, panels, strict=True):
        title, desc = panel.find(f"{SVG}title"), panel.find(f"{SVG}desc")
        assert title is not None
        assert (title.text or "").startswith(f"{days} days")
        assert desc is not None
        assert (desc.text or "").count("tenth") == 10
        assert panel.get("role") == "img"
        stored = conn.execute(
            "select expected_rate, observed_rate from raw.evaluation_bins"
            " where evaluation_id = %s and window_days = %s and bin_type = 'decile'"
            " and group_name = 'all' order by bin",
            (judged, days),
        ).fetchall()
        points = panel.findall(f"{SVG}circle")
        at = [(float(p.get("cx", "")), float(p.get("cy", ""))) for p in points]
        # One scale for all panels: the same pixels a point of risk.
        top = top or at[-1][0] / stored[-1][0]
        wanted = [
            (expected * top, 200 - observed * top) for expected, observed in stored
        ]
        assert np.array(at) == pytest.approx(np.array(wanted), abs=0.3)


def test_a_cohort_not_evaluated_says_so(text: str) -> None:
    _, *rows = tables(section(text, "figures"))[1]
    cohorts = {row[0]: row[1:] for row in rows}
    assert list(cohorts) == [
        "BASELINE as of 2024-12-31",
        "BASELINE as of 2025-12-31",
        "CMS500 as of 2025-12-31",
        "SYNTH as of 2025-12-31",
    ]
    [_, auroc, _] = cohorts["SYNTH as of 2025-12-31"]
    assert auroc == "**not evaluated**: nobody's outcomes are known"
    assert "1 of 4 cohorts could not be evaluated" in section(text, "figures")
    assert "too few" in cohorts["CMS500 as of 2025-12-31"][1]


def test_candidates_are_compared_and_the_chosen_one_is_bold(text: str) -> None:
    header, *rows = tables(section(text, "model"))[0]
    assert header[1:] == list(INTERVALS)
    words = tomllib.loads(document.ANSWERS_FILE.read_text())["text"]["candidates"]
    assert [row[0] for row in rows] == [words[name] for name in reversed(CANDIDATES)]
    for row in rows:
        is_chosen = row[0] == words["spline_logistic"]
        assert all(cell.startswith("**") == is_chosen for cell in row[1:])
    assert numbers_in(rows[-1][1]) == [0.5, 0.002]


def test_it_says_which_model_it_is_and_when_it_was_in_force(text: str) -> None:
    record = {row[0]: row[1] for row in tables(section(text, "record"))[0]}
    assert record["Model version"] == f"`{VERSION}`"
    assert record["Model file, SHA-256"] == f"`{'cd' * 32}`"
    assert record["Training data, SHA-256"] == f"`{'ab' * 32}`"
    assert record["Fitted with"] == "python 3.11.7, scikit-learn 1.9.1"
    assert record["In force"] == "In force from 2026-01-02 03:04 UTC on, and still."
    assert record["Model file that was judged"] == "the same"


def test_it_says_whether_the_people_were_synthetic(
    conn: Connection, text: str, tmp_path: Path
) -> None:
    assert "**synthetic people**" in section(text, "summary")
    conn.execute(
        "update raw.model_registry set metrics = metrics || '{\"is_synthetic\": false}'"
    )
    own = card.write(conn, None, tmp_path).read_text(encoding="utf-8")
    assert "history that the organization brought" in section(own, "summary")
    assert "synthetic people that come with" in section(own, "summary")
    assert "No: people are synthetic" not in own


def test_drift_shows_what_moved_most_and_says_when_nothing_is_known(
    conn: Connection, text: str, tmp_path: Path
) -> None:
    assert "**Nothing published yet**" in section(text, "drift")
    conn.execute("drop schema if exists marts cascade")
    conn.execute("create schema marts")
    conn.execute(
        "create table marts.organizations as"
        " select 1 as organization_id, 'BASELINE' as org_code"
    )
    conn.execute(
        "create table marts.model_drift as"
        " select 1 as organization_id, model_version, 'feature_' || number"
        " as feature_name, nullif(number, 1) / 100.0::float8 as psi"
        " from generate_series(1, 11) as number, (values (%s), ('other')) as m"
        " (model_version)",
        (VERSION,),
    )
    drifted = card.write(conn, None, tmp_path).read_text(encoding="utf-8")
    [[_, *rows]] = tables(section(drifted, "drift"))
    assert rows == [
        ["BASELINE", f"`feature_{number}`", f"{number / 100:.3f}"]
        for number in range(11, 1, -1)
    ]
    conn.execute("update marts.model_drift set psi = null")
    unknown = card.write(conn, None, tmp_path).read_text(encoding="utf-8")
    [[_, *rows]] = tables(section(unknown, "drift"))
    assert {row[2] for row in rows} == {"too few"}


def test_real_data_are_told_of_as_they_were_written_down(
    conn: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "real.md"
    monkeypatch.setattr(document, "REAL_DATA_FILE", file)
    without = card.write(conn, None, tmp_path).read_text(encoding="utf-8")
    assert "**Not measured yet**" in section(without, "real_data")
    file.write_text("## UCI\n\n| AUROC |\n| --- |\n| 0.67 |\n")
    told = card.write(conn, None, tmp_path).read_text(encoding="utf-8")
    assert "**UCI**\n\n| AUROC |\n| --- |\n| 0.67 |" in section(told, "real_data")
    assert re.findall(r"^## .*", told, re.MULTILINE) == [
        f"## {title}" for title in TITLES.values()
    ]


def test_the_same_warehouse_gives_the_same_file(
    conn: Connection, text: str, tmp_path: Path
) -> None:
    again = card.write(conn, VERSION, tmp_path / "again")
    assert again.name == f"{VERSION}.md"
    assert again.read_text(encoding="utf-8") == text
    assert [file.name for file in again.parent.iterdir()] == [again.name]


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the answers, to be spoilt."""
    return Path(shutil.copy(document.ANSWERS_FILE, tmp_path / "card.toml"))


def refusal(conn: Connection, folder: Path, **how: Any) -> str:
    """What is said when no card can be written; and nothing is."""
    with pytest.raises(BadInput) as refused:
        card.write(conn, how.pop("version", None), folder / "cards", **how)
    assert not (folder / "cards").exists()
    return str(refused.value)


@pytest.mark.parametrize(
    ("line", "spoilt", "named"),
    [
        (r'^"4" = ".*"$', '"4" = ""', "tripod.4"),
        (r'^"4" = ".*"$', '"4" = "Open: "', "tripod.4"),
        (r'^"4" = ".*"$', '"4" = " - "', "tripod.4"),
        (r'^"4" = ".*"$', '"4" = "TODO: ask"', "tripod.4"),
        (r'^"4" = ".*"$', '"4" = "By <name here>."', "tripod.4"),
        (r'^"4" = ".*"$', '"4" = 4', "tripod.4"),
        (r'^"4" = ".*"$', "", "tripod: no answer to ['4']"),
        (r'^"4" = ".*"$', '"4" = "See {nowhere}."', "tripod.4"),
        (r'^"4" = ".*"$', '"4" = "Yes."\n"4a" = "No such question."', "['4a']"),
        (r'^"4" = ".*"$', '"4" = { own = "Yes, we do." }', "no answer to ['4']"),
        (r'^"9.ii" = ".*"$', '"9.ii" = "None"', "hti1.9.ii"),
        (r'^"4.9" = ".*"$', "", "probast: no answer to ['4.9']"),
        (r'^predicts = ".*"$', 'predicts = "?"', "text.predicts"),
        (r'^owner = ".*"$', "", "text.maintainer.owner"),
        (r"^intended_use = \[", 'intended_use = [\n"",', "lists.intended_use[1]"),
        (r"^prevalence = .*$", "", "text.candidates.prevalence"),
        (r"^\[lists.limits\]$", "[lists.other]", "lists.limits"),
        (r"^\[tripod\]$", "[tripod", "cannot be read"),
    ],
)
def test_a_blank_answer_is_refused_by_name(
    conn: Connection,
    copied: Path,
    tmp_path: Path,
    line: str,
    spoilt: str,
    named: str,
) -> None:
    given = copied.read_text()
    copied.write_text(
        re.sub(line, lambda _: spoilt, given, count=1, flags=re.MULTILINE)
    )
    assert copied.read_text() != given
    assert named in refusal(conn, tmp_path, answers_file=copied)


@pytest.mark.parametrize("metric", [name for name, *_ in results.FIGURES])
def test_a_missing_figure_is_refused_by_name(
    conn: Connection, judged: int, tmp_path: Path, metric: str
) -> None:
    of = (
        "evaluation_id = %s and group_name = 'all' and window_days = 60 and metric = %s"
    )
    table = "raw.evaluation_metrics"
    with conn.transaction(force_rollback=True):
        conn.execute(f"update {table} set value = null where {of}", (judged, metric))
        said = refusal(conn, tmp_path)
        assert f"60 days: {metric} is null" in said
    conn.execute(f"delete from {table} where {of}", (judged, metric))
    assert f"60 days, all all: no {metric};" in refusal(conn, tmp_path)


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("delete from raw.evaluation_bins where bin_type = 'tier'", "no tiers"),
        ("delete from raw.evaluation_bins where bin_type = 'decile'", "no deciles"),
        ("delete from raw.evaluation_thresholds where window_days = 90", "90 days"),
        ("delete from raw.evaluation_metrics where group_name <> 'all'", "no groups"),
        (
            "update raw.model_registry set candidates"
            " = candidates #- '{days 31-60,prevalence}'",
            "candidate prevalence, days 31-60",
        ),
        (
            "update raw.model_registry set candidates"
            " = jsonb_set(candidates, '{days 1-30,net}', '{\"log_loss\": 1}')",
            "candidate net, days 31-60",
        ),
        (
            "update raw.model_registry set training_patients = null",
            "registered without its number of people",
        ),
        (
            "update raw.model_registry set candidates = '{}'",
            "registered without its candidates",
        ),
        (
            "update raw.model_registry set metrics = metrics #- '{horizons,60}'",
            "no out-of-fold figures for [60] days",
        ),
        (
            "update raw.model_registry set feature_names"
            " = array_append(feature_names, 'shoe_size')",
            "shoe_size",
        ),
        (
            "update raw.model_registry set is_champion = false",
            "no model in force; run `riskmart train`",
        ),
        (
            "update raw.evaluations set status = 'not_evaluated', reason = 'x',"
            " scores_sha256 = null",
            "never evaluated",
        ),
    ],
)
def test_what_is_missing_in_the_warehouse_is_refused_by_name(
    conn: Connection, tmp_path: Path, statement: str, named: str
) -> None:
    conn.execute(statement.encode())
    assert named in refusal(conn, tmp_path)


def test_an_unknown_version_is_refused_with_those_there_are(
    conn: Connection, tmp_path: Path
) -> None:
    said = refusal(conn, tmp_path, version="readmission-nowhere")
    assert "readmission-nowhere" in said
    assert VERSION in said


def test_a_refusal_leaves_the_card_that_was_there(
    conn: Connection, copied: Path, tmp_path: Path
) -> None:
    path = card.write(conn, None, tmp_path / "cards")
    before = path.read_text(encoding="utf-8")
    conn.execute("delete from raw.evaluation_bins")
    with pytest.raises(BadInput):
        card.write(conn, None, path.parent)
    assert path.read_text(encoding="utf-8") == before


def test_a_failed_write_leaves_nothing_of_itself(
    conn: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = card.write(conn, None, tmp_path)
    path.write_text("the card that was there")

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space"):
        card.write(conn, None, tmp_path)
    assert path.read_text() == "the card that was there"
    assert list(tmp_path.iterdir()) == [path]


def test_a_blank_cell_is_refused() -> None:
    with pytest.raises(BadInput, match="a cell is blank"):
        markdown.table(["a", "b"], [["1", " "]])
    with pytest.raises(BadInput, match="a cell is blank"):
        markdown.table(["a", "b"], [["1"]])


def test_a_number_that_is_none_is_not_written() -> None:
    with pytest.raises(ValueError, match="finite"):
        markdown.number(float("nan"))
    assert markdown.number(-0.0001, 3) == "0.000"
    assert markdown.number(-1234.5, 1) == "-1,234.5"
