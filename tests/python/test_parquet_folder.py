"""A folder of Parquet files as one cohort, on both engines."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckfile
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Run

from python_scoring import warehouse
from python_scoring.cohorts import cohort, generator
from python_scoring.errors import BadInput
from python_scoring.warehouse import Connection

AS_OF = date(2024, 12, 31)
PEOPLE = generator.generate(50, 3)
COHORT = pd.DataFrame({"external_id": PEOPLE.external_id, **PEOPLE.base})
OUTCOMES = pd.DataFrame(
    {
        "external_id": PEOPLE.external_id,
        "days_to_readmission": PEOPLE.days_to_readmission,
    }
)


@pytest.fixture(params=["postgres", "duckdb"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Connection]:
    """An empty warehouse on either engine."""
    if request.param == "postgres":
        yield request.getfixturevalue("conn")
        return
    with duckfile.connected(tmp_path / "warehouse.duckdb") as connection:
        yield connection


def write(path: Path, frame: pd.DataFrame) -> None:
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path)


def write_parts(folder: Path, frame: pd.DataFrame, *starts: int) -> Path:
    """Write a frame's rows to files, each of which begins where it is said."""
    for number, start in enumerate(starts):
        end = (*starts, len(frame))[number + 1]
        part = frame.iloc[start:end]
        # One schema, whether or not a part has nobody without an admission.
        table = pa.Table.from_pandas(
            part, pa.Schema.from_pandas(frame, False), preserve_index=False
        )
        folder.mkdir(exist_ok=True)
        pq.write_table(table, folder / f"part-{number}.parquet")
    return folder


def load(conn: Connection, path: Path, **options):
    return cohort.load(conn, path, **({"org": "SYNTH", "as_of": AS_OF} | options))


def refused(conn: Connection, path: Path, **options) -> str:
    with pytest.raises(BadInput) as caught:
        load(conn, path, **options)
    count = "select count(*) from raw.cohort_patients"
    assert conn.execute(count).fetchall() == [(0,)]
    assert conn.execute("select count(*) from raw.loads").fetchall() == [(0,)]
    return str(caught.value)


def rows(conn: Connection, load_id: int) -> list[tuple]:
    query = "select * from raw.cohort_patients where load_id = %s order by external_id"
    return [row[1:] for row in conn.execute(query.encode(), (load_id,)).fetchall()]


def test_a_folder_is_the_same_people_as_one_file(engine, tmp_path):
    write(tmp_path / "one.parquet", COHORT)
    parts = write_parts(tmp_path / "cohort", COHORT, 0, 7, 30)
    (parts / "_SUCCESS").touch()
    (parts / ".part-0.parquet.crc").write_bytes(b"not to be read")
    one = load(engine, tmp_path / "one.parquet", as_of=date(2023, 12, 31))
    many = load(engine, parts)
    assert (many.rows, many.rejected) == (50, 0)
    assert rows(engine, many.load_id) == rows(engine, one.load_id)
    names = engine.execute("select files from raw.loads order by load_id").fetchall()
    assert names == [(["one.parquet"],), (["cohort/"],)]


def test_outcomes_beside_a_folder_are_found_and_checked(engine, tmp_path):
    parts = write_parts(tmp_path / "cohort", COHORT, 0, 20)
    write_parts(tmp_path / "cohort_outcomes", OUTCOMES, 0, 11, 12)
    result = load(engine, parts)
    assert result.has_outcomes
    assert result.tables["raw.cohort_outcomes"] == 50


def test_outcomes_in_one_file_beside_a_folder_are_found(engine, tmp_path):
    parts = write_parts(tmp_path / "cohort.parquet", COHORT, 0, 20)
    write(tmp_path / "cohort_outcomes.parquet", OUTCOMES)
    assert load(engine, parts).has_outcomes


def test_the_same_folder_again_changes_nothing_and_another_content_is_seen(
    engine, tmp_path
):
    parts = write_parts(tmp_path / "cohort", COHORT, 0, 20)
    assert not load(engine, parts).unchanged
    assert load(engine, parts).unchanged
    changed = COHORT.assign(age=COHORT["age"].where(COHORT.index != 33, 21))
    write_parts(parts, changed, 0, 20)
    with pytest.raises(BadInput, match="another cohort"):
        load(engine, parts)


def test_a_fault_names_the_file_and_its_row_there(engine, tmp_path):
    bad = COHORT.assign(age=COHORT["age"].where(COHORT.index != 33, 300))
    result = load(
        engine, write_parts(tmp_path / "cohort", bad, 0, 7, 30), max_reject_share=0.5
    )
    assert (result.rows, result.rejected) == (49, 1)
    [told] = result.rejects
    assert str(told).startswith("cohort/part-2.parquet, row 4, column age: '300'")
    kept = engine.execute("select file, line from raw.rejected_rows").fetchall()
    assert kept == [("cohort/part-2.parquet", 4)]


def test_one_person_in_two_files_is_told_of_the_second(engine, tmp_path):
    twice = pd.concat([COHORT, COHORT.iloc[[2]]], ignore_index=True)
    folder = write_parts(tmp_path / "cohort", twice, 0, 50)
    said = refused(engine, folder, max_reject_share=0.0)
    assert "cohort/part-1.parquet, row 1, column external_id" in said


def test_an_outcome_of_a_stranger_is_told_by_file_and_row(engine, tmp_path):
    parts = write_parts(tmp_path / "cohort", COHORT, 0)
    strange = OUTCOMES.copy()
    strange.loc[len(strange)] = ["nobody", None]
    write_parts(tmp_path / "cohort_outcomes", strange, 0, 49)
    result = load(engine, parts, max_reject_share=0.5)
    [told] = result.rejects
    assert (told.file, told.line) == ("cohort_outcomes/part-1.parquet", 2)


DIFFERENCES = {
    "a column less": (
        lambda part: part.drop(columns=["age", "has_chf"]),
        [
            "column 'age' is in part-0.parquet alone",
            "'has_chf' is in part-0.parquet alone",
        ],
    ),
    "a column more": (
        lambda part: part.assign(postcode="AB1"),
        ["column 'postcode' is in part-1.parquet alone"],
    ),
    "another type": (
        lambda part: part.assign(age=part["age"].astype(str)),
        ["column 'age' is int16 and large_string"],
    ),
    "outcomes": (
        lambda part: part[["external_id"]].assign(days_to_readmission=3),
        ["column 'age' is in part-0.parquet alone", "and 16 more differences"],
    ),
}


@pytest.mark.parametrize("case", DIFFERENCES)
def test_two_schemas_in_a_folder_are_refused(engine, tmp_path, case):
    change, said = DIFFERENCES[case]
    folder = write_parts(tmp_path / "cohort", COHORT, 0, 20)
    part = folder / "part-1.parquet"
    write(part, change(pd.read_parquet(part)))
    message = refused(engine, folder)
    assert "cohort/: part-0.parquet and part-1.parquet are two tables" in message
    for words in said:
        assert words in message


def test_columns_in_another_order_are_one_schema(engine, tmp_path):
    folder = write_parts(tmp_path / "cohort", COHORT, 0, 20)
    part = folder / "part-1.parquet"
    table = pq.read_table(part)
    pq.write_table(table.select(table.column_names[::-1]), part)
    assert load(engine, folder).rows == 50


def test_what_is_no_folder_of_parquet_files_is_refused(engine, tmp_path):
    folder = tmp_path / "cohort"
    folder.mkdir()
    (folder / "_SUCCESS").touch()
    assert "no Parquet files in it" in refused(engine, folder)
    write_parts(folder, COHORT, 0)
    (folder / "notes.csv").write_text("x\n1\n")
    assert "notes.csv in it is no Parquet file" in refused(engine, folder)
    (folder / "notes.csv").unlink()
    (folder / "year=2024").mkdir()
    assert "year=2024 in it is a folder" in refused(engine, folder)
    (folder / "year=2024").rmdir()
    (folder / "part-9.parquet").write_bytes(b"PAR1, or not")
    assert "part-9.parquet: cannot be read as Parquet" in refused(engine, folder)


def test_the_command_loads_a_folder_and_its_help_says_so(
    engine: Connection, riskmart: Run, tmp_path: Path
):
    folder = write_parts(tmp_path / "cohort", COHORT, 0, 20)
    arguments = ("--org", "SYNTH", "--as-of", "2024-12-31")
    done = riskmart("load", "cohort", str(folder), *arguments)
    assert done.code == 0, done.err
    assert "50" in done.out
    with warehouse.connect() as other:
        count = other.execute("select count(*) from raw.cohort_patients").fetchone()
    assert count == (50,)
    told = riskmart("load", "cohort", "--help").out.replace("│", " ")
    assert "or a folder of .parquet files." in " ".join(told.split())
