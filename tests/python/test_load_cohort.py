"""Cohort files: what loads, what is refused, and what is said of it."""

import csv
import gzip
import os
import signal
import subprocess
import sys
import textwrap
import threading
import unicodedata
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from python_scoring import config
from python_scoring.cohorts import cohort, csv_table, files, loads
from python_scoring.cohorts.rejects import Reject
from python_scoring.errors import BadInput
from python_scoring.readmission.features import FEATURES

AS_OF = date(2024, 12, 31)
BASE = [f.name for f in FEATURES if f.is_base_field]
HEADER = ["external_id", *BASE]
PERSON = dict.fromkeys(BASE, "0") | {
    "age": "70",
    "race_code": "1",
    "days_since_last_admission": "",
    "annual_cost": "1234.5",
}
SEVERAL = settings(
    max_examples=60,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def person(external_id: str, **changes: str) -> dict[str, str]:
    return {"external_id": external_id, **PERSON, **changes}


def people(count: int) -> list[dict[str, str]]:
    return [person(f"P{n:03d}", age=str(20 + n % 80)) for n in range(1, count + 1)]


def write_csv(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def load(conn, file: Path, **options):
    options = {"org": "SYNTH", "as_of": AS_OF} | options
    return cohort.load(conn, file, **options)


def query(conn, statement: str) -> list[tuple]:
    return conn.execute(statement).fetchall()


def assert_nothing_loaded(conn) -> None:
    for table in (*loads.LOADED_TABLES, "raw.loads", "raw.rejected_rows"):
        assert query(conn, f"select count(*) from {table}") == [(0,)], table


def refused(conn, file: Path, **options) -> str:
    with pytest.raises(BadInput) as caught:
        load(conn, file, **options)
    assert_nothing_loaded(conn)
    assert caught.value.exit_code == 2
    return str(caught.value)


# What loads


def test_values_arrive_as_they_stand_in_the_file(conn, tmp_path):
    rows = [
        person("A;1 'x' \"y\"", age="0", annual_cost="0.1", inpatient_cost="1e3"),
        person("B", age="120", days_since_last_admission="999", annual_cost="1e8"),
    ]
    result = load(conn, write_csv(tmp_path / "c.csv", rows))
    assert (result.rows, result.rejected, result.unchanged) == (2, 0, False)
    assert result.tables == {"raw.cohort_patients": 2}
    assert not result.has_outcomes
    found = query(
        conn,
        "select external_id, age, days_since_last_admission, annual_cost,"
        " inpatient_cost, reported_frailty_score from raw.cohort_patients order by 1",
    )
    assert found == [
        ("A;1 'x' \"y\"", 0, None, 0.1, 1000.0, None),
        ("B", 120, 999, 1e8, 0.0, None),
    ]
    assert query(
        conn,
        "select load_id, source, purpose, org_code, as_of_date, files, row_count,"
        " rejected_count, has_outcomes from raw.loads",
    ) == [(result.load_id, "cohort", "cohort", "SYNTH", AS_OF, ["c.csv"], 2, 0, False)]


def test_layout_is_the_raw_table(conn):
    from python_scoring.cohorts.layout import cohort_columns

    targets = [c.target for c in cohort_columns("SYNTH", AS_OF) if c.target]
    columns = query(
        conn,
        "select column_name from information_schema.columns"
        " where table_schema = 'raw' and table_name = 'cohort_patients'",
    )
    assert {name for (name,) in columns} == {"load_id", *targets}


def as_parquet(rows: list[dict[str, str]], path: Path) -> Path:
    frame = pd.DataFrame(rows)
    for name in BASE:
        frame[name] = pd.to_numeric(frame[name])
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path)
    return path


def test_the_same_people_load_from_every_kind_of_file(conn, tmp_path):
    rows = people(7)
    rows[3]["days_since_last_admission"] = "12"
    plain = write_csv(tmp_path / "a.csv", rows)
    packed = tmp_path / "b.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    quoted = tmp_path / "c.CSV"
    frame = pd.DataFrame(rows)
    text = frame.to_csv(index=False, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    quoted.write_bytes(b"\xef\xbb\xbf" + text.encode())
    typed = as_parquet(rows, tmp_path / "d.parquet")
    strings = tmp_path / "e.parquet"
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), strings)
    backwards = write_csv(tmp_path / "f.csv", rows[::-1])
    contents = []
    for day, file in enumerate([plain, packed, quoted, typed, strings, backwards], 1):
        result = load(conn, file, as_of=date(2024, 1, day))
        assert (result.rows, result.rejected) == (7, 0), file.name
        select = f"select * from raw.cohort_patients where load_id = {result.load_id}"
        contents.append([row[1:] for row in query(conn, f"{select} order by 2")])
    assert all(content == contents[0] for content in contents)


def test_a_file_with_all_27_features_keeps_what_it_reported(conn, tmp_path):
    reported = {
        "is_elderly": "1",
        "recent_admission": "",
        "cost_percentile": "0.25",
        "org_code": "SYNTH",
        "index_date": "2024-12-31",
    }
    load(conn, write_csv(tmp_path / "c.csv", [person("A", **reported)]))
    assert query(
        conn,
        "select reported_is_elderly, reported_recent_admission,"
        " reported_cost_percentile, reported_high_cost from raw.cohort_patients",
    ) == [(1, None, 0.25, None)]


def test_the_template_s_example_loads(conn, tmp_path):
    file = tmp_path / "c.csv"
    file.write_text("\n".join(cohort.template().splitlines()[-2:]) + "\n")
    result = load(conn, file)
    assert (result.rows, result.rejected) == (1, 0)


def test_the_committed_baseline_loads(conn):
    folder = config.PROJECT_DIR / "seeds" / "baseline"
    result = load(
        conn,
        folder / "baseline_patients.csv",
        outcomes=folder / "baseline_outcomes.csv",
        org="BASELINE",
        as_of=date(2025, 12, 31),
    )
    assert (result.rows, result.rejected, result.has_outcomes) == (3000, 0, True)


# Bad rows


BAD_VALUES = [
    ("age", "-5"),
    ("age", "121"),
    ("age", "200"),
    ("age", "70.5"),
    ("age", "12abc"),
    ("age", ""),
    ("age", "NaN"),
    ("age", "Infinity"),
    ("age", "9" * 40),
    ("age", "7\x000"),
    ("age", "seventy"),
    ("age", "0x46"),
    ("age", "7_0"),
    ("is_female", "2"),
    ("is_female", "true"),
    ("has_chf", "Y"),
    ("race_code", "4"),
    ("race_code", "White"),
    ("total_admissions", "367"),
    ("days_since_last_admission", "-1"),
    ("days_since_last_admission", "none"),
    ("annual_cost", "-0.01"),
    ("annual_cost", "1e400"),
    ("annual_cost", "1e9"),
    ("annual_cost", "1,000"),
    ("annual_cost", "inf"),
    ("annual_cost", "-inf"),
    ("annual_cost", "nan"),
    ("annual_cost", "$100"),
    ("annual_cost", "1'); drop table raw.loads; --"),
    ("external_id", ""),
    ("external_id", "   "),
    ("external_id", "x" * 201),
    ("external_id", "a\tb"),
    ("external_id", "a\x00b"),
    ("external_id", "a\x85b"),
    ("external_id", "a\u202eb"),
    ("external_id", "a\u2066b"),
    ("external_id", "a\u200bb"),
    ("external_id", "a\u2028b"),
    ("org_code", "BASELINE"),
    ("org_code", ""),
    ("index_date", "2023-12-31"),
    ("index_date", "31.12.2024"),
    ("is_elderly", "2"),
    ("frailty_score", "1.5"),
]


@pytest.mark.parametrize(("column", "value"), BAD_VALUES)
def test_a_bad_value_rejects_its_row_and_no_other(conn, tmp_path, column, value):
    rows = people(4)
    good = {"org_code": "SYNTH", "index_date": "2024-12-31"}.get(column, "1")
    for row in rows:
        row.setdefault(column, good)
    rows[2][column] = value
    result = load(conn, write_csv(tmp_path / "c.csv", rows), max_reject_share=0.5)
    assert (result.rows, result.rejected) == (3, 1)
    [reject] = result.rejects
    assert (reject.file, reject.line, reject.column) == ("c.csv", 4, column)
    assert reject.reason.startswith("expected ")
    assert reject.value is not None
    assert len(reject.value) <= 200
    assert reject.value.isprintable()
    stored = query(
        conn, "select file, line, column_name, value, reason from raw.rejected_rows"
    )
    assert stored == [("c.csv", 4, column, reject.value, reject.reason)]
    left = query(conn, "select external_id from raw.cohort_patients order by 1")
    assert left == [(row["external_id"],) for n, row in enumerate(rows) if n != 2]


@pytest.mark.parametrize(
    ("column", "value", "stored"),
    [
        ("age", "70.0", 70),
        ("age", " 70 ", 70),
        ("age", "7e1", 70),
        ("age", "+70", 70),
        ("days_since_last_admission", "999", 999),
        ("annual_cost", "100000000", 1e8),
        ("annual_cost", "-0", 0.0),
        ("annual_cost", ".5", 0.5),
        ("external_id", "x" * 200, "x" * 200),
        ("external_id", " D ", "D"),
        ("external_id", "\u00e9\u4e2d\U0001f600", "\u00e9\u4e2d\U0001f600"),
        ("external_id", "\\N", "\\N"),
        ("external_id", "\\.", "\\."),
        ("external_id", "NULL", "NULL"),
        ("external_id", '"', '"'),
    ],
)
def test_an_unusual_value_that_is_sound_loads(conn, tmp_path, column, value, stored):
    rows = [person("A"), person("B", annual_cost="x"), person("C") | {column: value}]
    load(conn, write_csv(tmp_path / "c.csv", rows), max_reject_share=0.5)
    found = query(conn, f"select {column} from raw.cohort_patients")
    assert (stored,) in found


def test_every_fault_of_a_row_is_told(conn, tmp_path):
    rows = [*people(3), person("", age="-1", annual_cost="x", race_code="9")]
    result = load(conn, write_csv(tmp_path / "c.csv", rows), max_reject_share=0.5)
    assert result.rejected == 1
    faults = {(r.line, r.column) for r in result.rejects}
    assert faults == {
        (5, c) for c in ("external_id", "age", "annual_cost", "race_code")
    }


def test_a_typed_null_or_fraction_is_a_bad_value(conn, tmp_path):
    frame = pd.DataFrame(people(4))
    for name in BASE:
        frame[name] = pd.to_numeric(frame[name])
    frame["age"] = [50.0, np.nan, 50.5, np.inf]
    path = tmp_path / "c.parquet"
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path)
    result = load(conn, path, max_reject_share=0.9)
    assert (result.rows, result.rejected) == (1, 3)
    assert [r.line for r in result.rejects] == [2, 3, 4]


def test_a_parquet_column_of_another_type_is_refused(conn, tmp_path):
    frame = pd.DataFrame(people(2)).assign(age=pd.Timestamp("2024-01-01"))
    path = tmp_path / "c.parquet"
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path)
    message = refused(conn, path)
    assert "column age is of type timestamp" in message
    assert "expected a whole number from 0 to 120" in message


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("batch_rows", [2, 1000])
def test_a_repeated_person_is_rejected_once_seen(
    conn, tmp_path, monkeypatch, kind, batch_rows
):
    monkeypatch.setattr(csv_table, "BLOCK_BYTES", batch_rows * 40)
    monkeypatch.setattr(files, "PARQUET_BATCH_ROWS", batch_rows)
    ids = ["A", "B", "A", "C", "B", "A", "D"]
    rows = [person(name, age=str(50 + n)) for n, name in enumerate(ids)]
    make = {"csv": write_csv, "parquet": lambda path, rows: as_parquet(rows, path)}
    file = make[kind](tmp_path / f"c.{kind}", rows)
    result = load(conn, file, max_reject_share=0.5)
    header = 1 if kind == "csv" else 0
    assert [r.line for r in result.rejects] == [3 + header, 5 + header, 6 + header]
    assert {r.column for r in result.rejects} == {"external_id"}
    kept = query(conn, "select external_id, age from raw.cohort_patients order by 1")
    assert kept == [("A", 50), ("B", 51), ("C", 53), ("D", 56)]


def test_a_rejected_row_does_not_claim_its_id(conn, tmp_path):
    rows = [person("A", age="-1"), person("A", age="40"), person("B")]
    result = load(conn, write_csv(tmp_path / "c.csv", rows), max_reject_share=0.5)
    assert (result.rows, result.rejected) == (2, 1)


def test_ragged_and_blank_lines_leave_the_line_numbers_right(conn, tmp_path):
    good = [",".join(person(f"P{n}").values()) for n in range(4)]
    bad = ",".join(person("X", age="-1").values())
    lines = [",".join(HEADER), good[0], "", good[1] + ",1", good[2], "P9,1", "", bad]
    file = tmp_path / "c.csv"
    file.write_text("\r\n".join([*lines, good[3]]))
    result = load(conn, file, max_reject_share=0.6)
    assert (result.rows, result.rejected) == (3, 3)
    told = [(r.line, r.column, r.reason) for r in sorted(result.rejects, key=str)]
    fields = "expected 21 fields, as in the header"
    assert told[0][:2] == (4, "(whole line)")
    assert (told[0][2], told[1][2]) == (fields, fields)
    assert told[1][:2] == (6, "(whole line)")
    assert told[2][:2] == (8, "age")


def test_lines_are_right_across_batches(conn, tmp_path, monkeypatch):
    monkeypatch.setattr(csv_table, "BLOCK_BYTES", 120)
    rows = people(20)
    for n in (0, 4, 11, 19):
        rows[n]["age"] = "-1"
    result = load(conn, write_csv(tmp_path / "c.csv", rows), max_reject_share=0.5)
    assert [r.line for r in result.rejects] == [2, 6, 13, 21]
    assert result.rows == 16


# Too many bad rows


def test_at_the_limit_loads_and_over_it_nothing_does(conn, tmp_path):
    rows = people(200)
    rows[5]["age"] = rows[9]["annual_cost"] = "x"
    at_limit = write_csv(tmp_path / "at.csv", rows)
    rows[7]["age"] = "-1"
    over = write_csv(tmp_path / "over.csv", rows)
    message = refused(conn, over)
    assert "over.csv: 3 of 200 rows (1.50%)" in message
    assert "2 x over.csv, column age: expected a whole number from 0 to 120" in message
    assert "over.csv, line 9, column age: '-1'" in message
    assert load(conn, at_limit).rejected == 2


def test_a_fault_is_told_in_a_line_of_plain_text():
    in_csv = Reject("c.CSV", 4, "age", "a\\tb", "expected a number")
    in_parquet = Reject("c.parquet", 4, "age", "", "expected a number")
    assert str(in_csv) == "c.CSV, line 4, column age: 'a\\tb'; expected a number"
    assert str(in_parquet) == "c.parquet, row 4, column age: nothing; expected a number"


def test_a_hopeless_file_is_counted_to_its_end(conn, tmp_path, monkeypatch):
    monkeypatch.setattr(csv_table, "BLOCK_BYTES", 400)
    rows = [person(f"P{n}", age="-1", is_female="7") for n in range(100)]
    message = refused(conn, write_csv(tmp_path / "c.csv", rows))
    assert "100 of 100 rows (100.00%)" in message
    assert "100 x c.csv, column age" in message
    assert "100 x c.csv, column is_female" in message
    listed = message.split("The first of them:")[1].strip().splitlines()
    assert len(listed) == 10


def test_a_file_without_one_good_row_is_refused_at_any_limit(conn, tmp_path):
    file = write_csv(tmp_path / "c.csv", [person("A", age="-1")])
    assert "1 of 1 rows" in refused(conn, file, max_reject_share=1.0)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_is_between_0_and_1(conn, tmp_path, share):
    file = write_csv(tmp_path / "c.csv", people(1))
    assert "--max-reject-share" in refused(conn, file, max_reject_share=share)


# Wrong structure


def content(*lines: str) -> bytes:
    return "\n".join([*lines, ""]).encode()


GOOD = ",".join(person("A").values())
GOOD_HEADER = ",".join(HEADER)
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00"

STRUCTURES = {
    "empty": ("c.csv", b"", "c.csv: is empty; expected a header line"),
    "empty gzip": ("c.csv.gz", gzip.compress(b""), "is empty"),
    "header only": ("c.csv", content(GOOD_HEADER), "has a header and no rows"),
    "blank": ("c.csv", b"\n\n", "missing: external_id"),
    "missing column": (
        "c.csv",
        content(GOOD_HEADER.replace("age,", ""), GOOD),
        "missing: age",
    ),
    "duplicate column": (
        "c.csv",
        content(GOOD_HEADER + ",age", GOOD + ",1"),
        "column 'age' is there more than once",
    ),
    "unknown column": (
        "c.csv",
        content(GOOD_HEADER.replace("has_chf", "has_chd"), GOOD),
        "unknown column 'has_chd', did you mean has_chf?",
    ),
    "semicolons": (
        "c.csv",
        content(GOOD_HEADER.replace(",", ";"), GOOD.replace(",", ";")),
        "c.csv, header: one column only; is the delimiter ';'? expected a comma",
    ),
    "tabs": (
        "c.csv",
        content(GOOD_HEADER.replace(",", "\t"), GOOD.replace(",", "\t")),
        "c.csv, header: one column only; is the delimiter a tab? expected a comma",
    ),
    "one semicolon": (
        "c.csv",
        content("external_id;age", "A;70"),
        "c.csv, header: one column only; is the delimiter ';'? expected a comma",
    ),
    "picture": ("c.csv", PNG, "c.csv, line 1: byte 0x89 is not UTF-8"),
    "gzip named csv": ("c.csv", gzip.compress(b"x"), "name it .csv.gz"),
    "csv named gzip": ("c.csv.gz", content(GOOD_HEADER, GOOD), "no complete gzip"),
    "cut gzip": (
        "c.csv.gz",
        gzip.compress(content(GOOD_HEADER, GOOD))[:-12],
        "no complete gzip",
    ),
    "damaged gzip": (
        "c.csv.gz",
        gzip.compress(content(GOOD_HEADER, GOOD))[:20] + b"\xff" * 60,
        "no complete gzip",
    ),
    "csv named parquet": ("c.parquet", content(GOOD_HEADER), "read as Parquet"),
    "empty parquet": ("c.parquet", b"", "read as Parquet"),
    "UTF-16": (
        "c.csv",
        content(GOOD_HEADER, GOOD).decode().encode("utf-16"),
        "is not text in UTF-8",
    ),
    "UTF-16 without a mark": (
        "c.csv",
        content(GOOD_HEADER, GOOD).decode().encode("utf-16-le"),
        "is not text in UTF-8",
    ),
    "latin-1": (
        "c.csv",
        content(GOOD_HEADER, GOOD) + GOOD.replace("A,", "\u00e9,", 1).encode("latin-1"),
        "c.csv, line 3: byte 0xe9 is not UTF-8",
    ),
    "unclosed quote": (
        "c.csv",
        content(GOOD_HEADER, GOOD, '"' + GOOD, GOOD),
        "c.csv, line 3",
    ),
    "unclosed quote at the end": (
        "c.csv",
        content(GOOD_HEADER, GOOD, '"B'),
        "c.csv, line 3",
    ),
    "quote closed lines later": (
        "c.csv",
        content(GOOD_HEADER, GOOD, '"B,70', GOOD, 'C"' + GOOD[1:], GOOD),
        "c.csv, line 3: a quoted value does not end on its line",
    ),
    "text after a quote": (
        "c.csv",
        content(GOOD_HEADER, GOOD, '"B"x' + GOOD[1:]),
        "c.csv, line 3: cannot be read as CSV",
    ),
    "unclosed quote in the header": ("c.csv", content('"external_id'), "line 1"),
    "old Mac line ends": (
        "c.csv",
        content(GOOD_HEADER, GOOD).replace(b"\n", b"\r"),
        "carriage return",
    ),
    "a line without end": (
        "c.csv",
        content(GOOD_HEADER) + b"x" * (csv_table.LONGEST_LINE + 1),
        "c.csv, line 2: longer than",
    ),
    "a field without end": (
        "c.csv",
        content(GOOD_HEADER, GOOD, "x" * 200_000),
        "c.csv, line 3: cannot be read as CSV",
    ),
    "spreadsheet": ("c.xlsx", b"PK", "c.xlsx: unknown kind of file; expected"),
    "no extension": ("cohort", content(GOOD_HEADER, GOOD), "unknown kind of file"),
    "nothing but an extension": (".csv", content(GOOD_HEADER, GOOD), "unknown kind"),
}


@pytest.mark.parametrize("case", STRUCTURES)
def test_a_file_that_is_no_such_table_is_refused(conn, tmp_path, case):
    name, content, said = STRUCTURES[case]
    file = tmp_path / name
    file.write_bytes(content)
    assert said in refused(conn, file)


def test_a_missing_file_and_an_empty_folder_are_refused(conn, tmp_path):
    assert "no such file" in refused(conn, tmp_path / "none.csv")
    assert "no Parquet files" in refused(conn, tmp_path)
    (tmp_path / "folder.csv").mkdir()
    assert "no Parquet files" in refused(conn, tmp_path / "folder.csv")


@pytest.mark.parametrize("kind", ["plain", "read by Python", "parquet"])
def test_an_identifier_that_cannot_be_seen_is_rejected(conn, tmp_path, kind):
    rows = [
        *people(3),
        person("x\u202ey"),
        person("\ufeffz"),
        person("soft\u00adhyphen"),
    ]
    if kind == "parquet":
        file = as_parquet(rows, tmp_path / "c.parquet")
    else:
        file = write_csv(tmp_path / "c.csv", rows)
    if kind == "read by Python":
        file.write_bytes(file.read_bytes() + b"\n")  # a blank line is not for Arrow
    result = load(conn, file, max_reject_share=0.5)
    assert (result.rows, result.rejected) == (3, 3)
    said = "expected an identifier of 1 to 200 printable characters"
    assert {reject.reason for reject in result.rejects} == {said}
    assert result.rejects[0].value == "x\\u202ey"


@pytest.mark.parametrize("name", ["c.csv", "c.csv.gz", "c.parquet"])
def test_a_file_that_may_not_be_read_is_refused(conn, tmp_path, monkeypatch, name):
    def deny(path, *_):
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / name).touch()
    for module in (files, csv_table):
        monkeypatch.setattr(module, "open", deny, raising=False)
    assert "cannot be read (Permission denied)" in refused(conn, tmp_path / name)


def test_a_damaged_page_of_a_parquet_file_is_told(conn, tmp_path):
    file = as_parquet(people(50), tmp_path / "c.parquet")
    content = bytearray(file.read_bytes())
    content[4:200] = b"\xff" * 196
    file.write_bytes(content)
    assert "read as Parquet" in refused(conn, file)


def test_parquet_text_that_is_not_utf8_is_refused(conn, tmp_path):
    table = pa.Table.from_pylist(people(1))
    broken = pa.array([b"\xff\xfe"], pa.binary()).view(pa.string())
    pq.write_table(table.set_column(0, "external_id", broken), tmp_path / "c.parquet")
    assert "not UTF-8" in refused(conn, tmp_path / "c.parquet")


def test_a_parquet_column_twice_is_refused(conn, tmp_path):
    table = pa.Table.from_pylist(people(1))
    pq.write_table(table.append_column("age", table["age"]), tmp_path / "c.parquet")
    message = refused(conn, tmp_path / "c.parquet")
    assert "column 'age' is there more than once" in message


def test_an_unknown_organization_is_told_the_known_ones(conn, tmp_path):
    message = refused(conn, write_csv(tmp_path / "c.csv", people(1)), org="synth")
    assert "BASELINE" in message
    assert "seeds/rules/organizations.csv" in message


# Anything at all


ANY_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=40)


@SEVERAL
@given(st.lists(ANY_TEXT, min_size=1, max_size=8))
@example(["'; drop table raw.loads; --", '","', "\x00", "\ufeff", "a\u2028b", ",,,,"])
def test_any_identifier_is_loaded_as_it_looks_or_rejected(conn, tmp_path, ids):
    file = write_csv(tmp_path / "c.csv", [person("anchor"), *map(person, ids)])
    with conn.transaction(force_rollback=True):
        result = load(conn, file, max_reject_share=1.0)
        loaded = {
            i for (i,) in query(conn, "select external_id from raw.cohort_patients")
        }
        lines = {line for (line,) in query(conn, "select line from raw.rejected_rows")}
    assert result.rows + result.rejected == len(ids) + 1
    looks = [unicodedata.normalize("NFC", name.strip()) for name in ids]
    assert loaded <= {"anchor", *looks}
    for line, name in enumerate(looks, start=3):
        assert name in loaded or line in lines
        is_sound = 1 <= len(name) <= 200 and name.isprintable() and name.strip()
        assert name in loaded or not is_sound


@pytest.mark.parametrize("kind", ["plain", "parquet"])
def test_who_looks_the_same_is_the_same(conn, tmp_path, kind):
    """As for new patients, or a record of one would be another person's."""
    rows = [person(" A-1"), person("A-2\u00a0"), person("Zoe\u0308"), person("A-1 ")]
    if kind == "plain":
        file = write_csv(tmp_path / "c.csv", rows)
    else:
        file = tmp_path / "c.parquet"
        pq.write_table(pa.Table.from_pylist(rows), file)
    result = load(conn, file, max_reject_share=1.0)
    assert (result.rows, result.rejected) == (3, 1)
    found = query(conn, "select external_id from raw.cohort_patients order by 1")
    assert [i for (i,) in found] == ["A-1", "A-2", "Zo\u00eb"]


@SEVERAL
@given(
    st.lists(
        ANY_TEXT
        | st.floats().map(repr)
        | st.integers().map(str)
        | st.decimals(allow_nan=True).map(str),
        min_size=1,
        max_size=10,
    )
)
@example(
    ["1e5", "x", " 2 ", "1e400", "NaN", "+3", "1_0", "\u0663", "0x1p3", "infinity"]
)
def test_any_cost_is_the_number_it_says_or_rejected(conn, tmp_path, costs):
    rows = [person(f"P{n}", annual_cost=cost) for n, cost in enumerate(costs)]
    file = write_csv(tmp_path / "c.csv", [person("anchor"), *rows])
    with conn.transaction(force_rollback=True):
        load(conn, file, max_reject_share=1.0)
        stored = dict(
            query(conn, "select external_id, annual_cost from raw.cohort_patients")
        )
        lines = {line for (line,) in query(conn, "select line from raw.rejected_rows")}
    for n, cost in enumerate(costs):
        assert (f"P{n}" in stored) != (n + 3 in lines)
        if f"P{n}" in stored:
            assert stored[f"P{n}"] == float(cost)
            assert 0 <= float(cost) <= 1e8


@SEVERAL
@given(st.binary(max_size=300))
@example(b'"' * 7 + b"\n" + b"\x00")
def test_any_bytes_after_a_good_row_are_told_of(conn, tmp_path, tail):
    file = tmp_path / "c.csv"
    file.write_bytes(content(GOOD_HEADER, GOOD) + tail)
    with conn.transaction(force_rollback=True):
        try:
            result = load(conn, file, max_reject_share=1.0)
        except BadInput as error:
            said = str(error)
        else:
            lines = [line for line in tail.split(b"\n") if line.strip(b"\r")]
            assert result.rows + result.rejected == 1 + len(lines)
            said = "c.csv"
    assert said.startswith("c.csv")


# Once, again, and instead


def test_the_same_content_again_changes_nothing(conn, tmp_path):
    rows = people(150)
    rows[3]["age"] = "x"
    first = load(conn, write_csv(tmp_path / "c.csv", rows))
    renamed = tmp_path / "other.csv.gz"
    renamed.write_bytes(gzip.compress((tmp_path / "c.csv").read_bytes()))
    for file in (tmp_path / "c.csv", renamed):
        again = load(conn, file, replace=True)
        assert again.unchanged
        assert (again.load_id, again.rows, again.rejected) == (first.load_id, 149, 1)
        assert again.rejects == first.rejects
    assert query(conn, "select count(*) from raw.cohort_patients") == [(149,)]


def test_other_content_for_the_same_day_needs_replace(conn, tmp_path):
    first = load(conn, write_csv(tmp_path / "a.csv", people(5)))
    other = write_csv(tmp_path / "b.csv", people(8))
    with pytest.raises(BadInput) as caught:
        load(conn, other)
    assert f"load {first.load_id} with 5 people from a.csv" in str(caught.value)
    assert "--replace" in str(caught.value)
    assert query(conn, "select count(*) from raw.cohort_patients") == [(5,)]
    result = load(conn, other, replace=True)
    assert (result.rows, result.replaced_rows) == (8, 5)
    assert query(conn, "select distinct load_id from raw.cohort_patients") == [
        (result.load_id,)
    ]
    assert query(conn, "select load_id from raw.loads") == [(result.load_id,)]


def test_a_removed_load_is_gone_and_others_stay(conn, tmp_path):
    rows = people(150)
    rows[3]["age"] = "x"
    write_csv(tmp_path / "a.csv", rows)
    write_outcomes(tmp_path / "a_outcomes.csv", {r["external_id"]: "" for r in rows})
    gone = load(conn, tmp_path / "a.csv")
    kept = load(conn, write_csv(tmp_path / "b.csv", people(8)), org="BASELINE")
    removed = loads.remove(conn, gone.load_id)
    assert (removed.load_id, removed.org, removed.as_of) == (
        gone.load_id,
        "SYNTH",
        AS_OF,
    )
    assert removed.rows == 149
    assert removed.tables == {
        "raw.cohort_patients": 149,
        "raw.cohort_outcomes": 149,
        "raw.rejected_rows": 1,
        "raw.loads": 1,
    }
    for table in ("raw.cohort_patients", "raw.loads"):
        assert query(conn, f"select distinct load_id from {table}") == [(kept.load_id,)]
    for table in ("raw.cohort_outcomes", "raw.rejected_rows"):
        assert query(conn, f"select count(*) from {table}") == [(0,)]
    assert not load(conn, tmp_path / "a.csv").unchanged


def test_every_table_with_rows_of_loads_is_emptied_by_a_removal(conn):
    found = query(
        conn,
        "select table_schema || '.' || table_name from information_schema.columns"
        " where table_schema = 'raw' and column_name = 'load_id'",
    )
    expected = {*loads.LOADED_TABLES, "raw.rejected_rows", "raw.loads"}
    # Who is in a programme stays so, whichever cohort they are in; its load_id is
    # another list's.
    expected |= {"raw.programme_enrolments", "raw.enrolment_loads"}
    # What was found of a cohort stays on record when its people go.
    kept = {"raw.evaluations", "raw.batch_distribution"}
    assert {name for (name,) in found} == expected | kept


def test_removing_an_unknown_load_lists_the_known_ones(conn, tmp_path):
    with pytest.raises(BadInput, match="load 7: no such load; nothing is loaded"):
        loads.remove(conn, 7)
    there = load(conn, write_csv(tmp_path / "a.csv", people(5))).load_id
    with pytest.raises(BadInput) as caught:
        loads.remove(conn, there + 1)
    known = f"expected one of {there} (SYNTH as of 2024-12-31, cohort)"
    assert known in str(caught.value)
    assert query(conn, "select count(*) from raw.cohort_patients") == [(5,)]


def test_a_day_to_come_is_warned_of(conn, tmp_path):
    file = write_csv(tmp_path / "a.csv", people(2))
    today = date.today()
    assert load(conn, file, as_of=today).warnings == ()
    later = today + timedelta(days=2)  # midnight may pass meanwhile
    for is_unchanged in (False, True):
        result = load(conn, file, as_of=later)
        assert result.unchanged == is_unchanged
        [warning] = result.warnings
        assert f"{later} is still to come" in warning
        assert "SYNTH's current cohort" in warning
        assert f"riskmart load remove {result.load_id}`" in warning


def test_outcomes_of_an_open_window_are_warned_of(conn, tmp_path):
    file = write_csv(tmp_path / "a.csv", people(2))
    write_outcomes(tmp_path / "a_outcomes.csv", {"P001": "", "P002": "9"})
    closed, still_open = (date.today() - timedelta(days=n) for n in (92, 88))
    assert load(conn, file, as_of=closed).warnings == ()
    for purpose in ("cohort", "training"):
        [warning] = load(conn, file, as_of=still_open, purpose=purpose).warnings
        assert f"end on {still_open + timedelta(days=90)}" in warning


def test_a_refused_replacement_leaves_what_was_there(conn, tmp_path):
    first = load(conn, write_csv(tmp_path / "a.csv", people(5)))
    bad = write_csv(tmp_path / "b.csv", [person("A", age="-1")])
    with pytest.raises(BadInput):
        load(conn, bad, replace=True)
    assert query(conn, "select load_id, row_count from raw.loads") == [
        (first.load_id, 5)
    ]
    assert query(conn, "select count(*) from raw.cohort_patients") == [(5,)]


def test_other_days_and_organizations_stand_side_by_side(conn, tmp_path):
    file = write_csv(tmp_path / "c.csv", people(5))
    load(conn, file)
    load(conn, file, as_of=date(2023, 12, 31))
    load(conn, file, org="BASELINE")
    assert query(conn, "select count(*) from raw.cohort_patients") == [(15,)]


# Outcomes


def write_outcomes(path: Path, days: dict[str, str]) -> Path:
    rows = [
        {"external_id": name, "days_to_readmission": day} for name, day in days.items()
    ]
    return write_csv(path, rows)


def test_outcomes_beside_the_cohort_are_found(conn, tmp_path):
    file = write_csv(tmp_path / "c.csv", people(3))
    days = {"P001": "1", "P002": "", "P003": "90"}
    write_outcomes(tmp_path / "c_outcomes.csv", days)
    result = load(conn, file, purpose="training")
    assert result.has_outcomes
    assert result.tables == {"raw.cohort_patients": 3, "raw.cohort_outcomes": 3}
    found = query(
        conn,
        "select external_id, days_to_readmission from raw.cohort_outcomes order by 1",
    )
    assert found == [("P001", 1), ("P002", None), ("P003", 90)]


def test_training_without_outcomes_is_refused(conn, tmp_path):
    file = write_csv(tmp_path / "c.csv", people(3))
    assert "expected an outcomes file" in refused(conn, file, purpose="training")


def test_two_outcomes_files_beside_it_are_refused(conn, tmp_path):
    file = write_csv(tmp_path / "c.csv", people(1))
    write_outcomes(tmp_path / "c_outcomes.csv", {"P001": ""})
    (tmp_path / "c_outcomes.parquet").touch()
    message = refused(conn, file)
    assert "c_outcomes.csv, c_outcomes.parquet" in message


def test_somebody_without_an_outcome_is_named(conn, tmp_path):
    file = write_csv(tmp_path / "c.csv", people(9))
    outcomes = write_outcomes(tmp_path / "o.csv", {"P002": "", "P004": "5"})
    message = refused(conn, file, outcomes=outcomes)
    assert "no row for 7 people" in message
    assert "'P001', 'P003', 'P005', 'P006', 'P007' and 2 more" in message


def test_bad_outcomes_and_strangers_are_rejected(conn, tmp_path, monkeypatch):
    monkeypatch.setattr(csv_table, "BLOCK_BYTES", 80)
    rows = people(6)
    rows[5]["age"] = "-1"
    file = write_csv(tmp_path / "c.csv", rows)
    outcomes = tmp_path / "o.csv"
    outcomes.write_text(
        "days_to_readmission,external_id\n"
        "3,P001\n0,P002\n91,P003\n12,stranger\n,P004\n7,P004\n8,P005\n9,P006\n"
        "4,stranger\n5,P004,\n"
    )
    result = load(conn, file, outcomes=outcomes, max_reject_share=0.6)
    told = [(r.file, r.line, r.column) for r in result.rejects]
    assert sorted(told) == [
        ("c.csv", 7, "age"),
        ("o.csv", 3, "days_to_readmission"),
        ("o.csv", 4, "days_to_readmission"),
        ("o.csv", 5, "external_id"),
        ("o.csv", 7, "external_id"),
        ("o.csv", 10, "external_id"),
        ("o.csv", 11, "(whole line)"),
    ]
    assert result.rejected == 7
    found = query(
        conn,
        "select external_id, days_to_readmission from raw.cohort_outcomes order by 1",
    )
    assert found == [("P001", 3), ("P004", None), ("P005", 8)]
    assert result.tables["raw.cohort_outcomes"] == 3


def test_too_many_strangers_are_refused(conn, tmp_path):
    file = write_csv(tmp_path / "c.csv", people(4))
    known = {f"P00{n}": "" for n in range(1, 5)}
    outcomes = write_outcomes(tmp_path / "o.csv", known | {"X": "", "Y": ""})
    message = refused(conn, file, outcomes=outcomes, max_reject_share=0.2)
    assert "o.csv: 2 of 6 rows" in message
    assert "o.csv, line 6, column external_id: 'X'; expected a person" in message


def test_outcomes_that_arrive_later_are_other_content(conn, tmp_path):
    file = write_csv(tmp_path / "c.csv", people(2))
    load(conn, file)
    write_outcomes(tmp_path / "c_outcomes.csv", {"P001": "", "P002": "9"})
    result = load(conn, file, replace=True)
    assert (result.unchanged, result.replaced_rows) == (False, 2)
    assert result.has_outcomes


# From memory


def test_a_frame_loads_as_a_file_does(conn, tmp_path):
    frame = pd.DataFrame(people(5))
    for name in BASE:
        frame[name] = pd.to_numeric(frame[name])
    days = {
        "external_id": frame["external_id"],
        "days_to_readmission": [1.0, *[None] * 4],
    }
    outcomes = pd.DataFrame(days)
    options = {"org": "SYNTH", "as_of": AS_OF, "purpose": "training"}
    result = cohort.load_frame(conn, frame, outcomes, **options)
    assert (result.rows, result.has_outcomes, result.source) == (5, True, "synth")
    again = cohort.load_frame(conn, frame.copy(), outcomes.copy(), **options)
    assert again.unchanged
    other = cohort.load_frame(conn, frame.assign(age=44), outcomes, **options)
    assert not other.unchanged
    from_frame = query(
        conn, f"select * from raw.cohort_patients where load_id = {result.load_id}"
    )
    file = load(conn, as_parquet(people(5), tmp_path / "c.parquet"))
    from_file = query(
        conn, f"select * from raw.cohort_patients where load_id = {file.load_id}"
    )
    assert sorted(r[1:2] for r in from_frame) == sorted(r[1:2] for r in from_file)
    assert sorted(map(str, (r[1:] for r in from_frame))) == sorted(
        map(str, (r[1:] for r in from_file))
    )


def test_a_bad_frame_is_refused(conn):
    frame = pd.DataFrame(people(5)).assign(age="-1")
    with pytest.raises(BadInput, match="synth patients: 5 of 5 rows"):
        cohort.load_frame(conn, frame, org="SYNTH", as_of=AS_OF)
    assert_nothing_loaded(conn)


# Two at once, and killed


def test_two_loads_of_one_file_at_once_are_one_load(conn, tmp_path):
    file = write_csv(tmp_path / "c.csv", people(500))
    results = []

    def load_once() -> None:
        with psycopg.connect(conn.info.dsn) as own:
            results.append(load(own, file))

    threads = [threading.Thread(target=load_once) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(r.unchanged for r in results) == [False, True, True]
    assert len({r.load_id for r in results}) == 1


KILLED = """
    import sys, time
    from datetime import date
    from pathlib import Path
    import psycopg
    from python_scoring.cohorts import cohort, csv_table, intake

    csv_table.BLOCK_BYTES = 5000
    copy = intake.Intake._copy_good

    def copy_and_wait(self, *arguments):
        copy(self, *arguments)
        print(self.taken["raw.cohort_patients"], flush=True)
        if self.taken["raw.cohort_patients"] > 150:
            time.sleep(60)

    intake.Intake._copy_good = copy_and_wait
    with psycopg.connect(sys.argv[1]) as conn:
        day = date.fromisoformat(sys.argv[3])
        cohort.load(conn, Path(sys.argv[2]), org="SYNTH", as_of=day)
"""


def test_a_killed_load_leaves_nothing_behind(conn, tmp_path):
    file = write_csv(tmp_path / "c.csv", people(500))
    script = [sys.executable, "-c", textwrap.dedent(KILLED)]
    with subprocess.Popen(
        [*script, conn.info.dsn, str(file), str(AS_OF)],
        stdout=subprocess.PIPE,
        cwd=config.PROJECT_DIR,
        text=True,
    ) as process:
        copied = [int(process.stdout.readline()) for _ in range(2)]
        os.kill(process.pid, signal.SIGKILL)
    assert 0 < copied[0] < copied[1] < 500
    assert_nothing_loaded(conn)
    conn.commit()
    # The lock went with the connection: the next load need not wait for long.
    conn.execute("set lock_timeout = '30s'")
    assert load(conn, file).rows == 500
