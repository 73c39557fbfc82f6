"""Folders of DE-SynPUF files: what loads, what is refused, what is said of it."""

import csv
import gzip
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from python_scoring import config
from python_scoring.cohorts import cms, csv_table
from python_scoring.errors import BadInput

AS_OF = date(2008, 12, 31)
FIXTURES = Path(__file__).parents[1] / "fixtures" / "cms"
SUMMARY = "DE1_0_2008_Beneficiary_Summary_File_Sample_99.csv"
SUMMARY_2009 = "DE1_0_2009_Beneficiary_Summary_File_Sample_99.csv"
INPATIENT = "DE1_0_2008_to_2010_Inpatient_Claims_Sample_99.csv"
OUTPATIENT = "DE1_0_2008_to_2010_Outpatient_Claims_Sample_99.csv"
TABLES = {
    SUMMARY: "raw.cms_beneficiaries",
    INPATIENT: "raw.cms_inpatient_claims",
    OUTPATIENT: "raw.cms_outpatient_claims",
}
# Real files are no part of the repository; where they lie beside it, they count.
REAL = config.PROJECT_DIR.parent / "shared" / "data" / "cms_synpuf"

Rows = list[dict[str, str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FIXTURES, tmp_path / "cms"))


def load(conn, folder: Path, **options):
    return cms.load(conn, folder, **({"org": "CMS500", "as_of": AS_OF} | options))


def query(conn, statement: str) -> list[tuple]:
    return conn.execute(statement).fetchall()


def refused(conn, folder: Path, **options) -> str:
    with pytest.raises(BadInput) as caught:
        load(conn, folder, **options)
    for table in (*TABLES.values(), "raw.loads", "raw.rejected_rows"):
        assert query(conn, f"select count(*) from {table}") == [(0,)], table
    return str(caught.value)


def rewrite(file: Path, change: Callable[[Rows], Rows | None], **options) -> None:
    with file.open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    rows = change(rows) or rows
    with file.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]), **options)
        writer.writeheader()
        writer.writerows(rows)


def test_a_folder_loads_under_cms_s_names(conn, folder):
    result = load(conn, folder)
    assert (result.source, result.purpose) == ("cms", "cohort")
    assert (result.rows, result.rejected, result.unchanged) == (6, 0, False)
    assert result.tables == {
        "raw.cms_beneficiaries": 6,
        "raw.cms_inpatient_claims": 5,
        "raw.cms_outpatient_claims": 7,
    }
    people = query(
        conn,
        "select desynpuf_id, bene_birth_dt, bene_death_dt, bene_sex_ident_cd,"
        " bene_race_cd, bene_esrd_ind, sp_chf, sp_diabetes, sp_ra_oa, medreimb_ip,"
        " benres_ip, medreimb_op, medreimb_car"
        " from raw.cms_beneficiaries order by desynpuf_id desc limit 2",
    )
    born, died = date(1944, 1, 1), date(2009, 2, 3)
    assert people == [
        ("FFFFFFFFFFFFFFA4", born, died, 1, 3, "0", 2, 1, 2, 5000, 1024, -40, 620),
        (
            "DEADBEEF0000FFA6",
            date(1939, 7, 1),
            None,
            1,
            1,
            "0",
            2,
            2,
            1,
            0,
            0,
            250,
            700,
        ),
    ]


def test_a_further_segment_may_lack_its_days(conn, folder):
    load(conn, folder)
    claims = query(
        conn,
        "select segment, clm_from_dt, clm_thru_dt, clm_admsn_dt, clm_utlztn_day_cnt,"
        " clm_pmt_amt from raw.cms_inpatient_claims"
        " where clm_id = '990000000000001' order by segment",
    )
    admitted = date(2008, 3, 10)
    assert claims == [
        (1, admitted, date(2008, 3, 18), admitted, 8, 8000),
        (2, None, None, admitted, None, 0),
    ]


def test_outcomes_are_known_where_claims_go_on_for_90_days(conn, folder):
    # The last claim of the fixtures begins on 2009-04-15: 90 days after 01-15.
    assert load(conn, folder).has_outcomes
    assert load(conn, folder, as_of=date(2009, 1, 15)).has_outcomes
    assert not load(conn, folder, as_of=date(2009, 1, 16)).has_outcomes
    assert not load(conn, folder, as_of=date(2009, 12, 31)).has_outcomes
    assert query(conn, "select has_outcomes from raw.loads order by as_of_date") == [
        (True,),
        (True,),
        (False,),
        (False,),
    ]


def test_the_as_of_year_picks_the_summary(conn, folder):
    result = load(conn, folder, as_of=date(2009, 12, 31))
    assert result.rows == 5
    [(names,)] = query(conn, "select files from raw.loads")
    assert sorted(names) == sorted([SUMMARY_2009, INPATIENT, OUTPATIENT])


def test_a_day_inside_the_year_is_warned_of(conn, folder):
    assert load(conn, folder).warnings == ()
    [warning] = load(conn, folder, as_of=date(2009, 1, 16)).warnings
    assert "covers the whole of 2009" in warning
    assert "what came after 2009-01-16" in warning


def content(conn, load_id: int) -> list[list[tuple]]:
    selects = (f"select * from {t} where load_id = {load_id}" for t in TABLES.values())
    return [sorted((r[1:] for r in query(conn, s)), key=str) for s in selects]


def change_form(folder: Path, form: str) -> None:
    for name in TABLES:
        file = folder / name
        if form == "gzip":
            packed = gzip.compress(file.read_bytes())
            (folder / f"{name}.gz").write_bytes(packed)
            file.unlink()
        elif form == "all quoted":
            rewrite(file, lambda rows: rows, quoting=csv.QUOTE_ALL)
        elif form == "order of columns":
            rewrite(file, lambda rows: [dict(reversed(r.items())) for r in rows])
        elif form == "lower case":
            rewrite(file, lambda rows: [{k.lower(): r[k] for k in r} for r in rows])
        elif form == "order of rows":
            rewrite(file, lambda rows: rows[::-1])
        elif form == "more columns":
            rewrite(file, with_more_columns)
        elif form == "decimals":
            rewrite(file, with_decimals)


def with_more_columns(rows: Rows) -> Rows:
    more = {f"HCPCS_CD_{n}": "" for n in range(2, 46)}
    return [row | more for row in rows]


def with_decimals(rows: Rows) -> Rows:
    amounts = [c for c in rows[0] if "MEDREIMB" in c or c.endswith("PMT_AMT")]
    return [r | {c: f"{float(r[c]):.2f}" for c in amounts} for r in rows]


FORMS = [
    "gzip",
    "all quoted",
    "order of columns",
    "lower case",
    "order of rows",
    "more columns",
    "decimals",
]


@pytest.mark.parametrize("form", FORMS)
def test_the_form_of_the_files_does_not_matter(conn, folder, form):
    as_made = load(conn, folder)
    change_form(folder, form)
    changed = load(conn, folder, org="SYNTH")
    assert changed.rejected == 0
    assert content(conn, changed.load_id) == content(conn, as_made.load_id)


def test_the_same_folder_again_changes_nothing(conn, folder):
    first = load(conn, folder)
    change_form(folder, "gzip")
    again = load(conn, folder)
    assert again.unchanged
    assert (again.load_id, again.rows) == (first.load_id, 6)
    change_form_back = folder / f"{OUTPATIENT}.gz"
    lines = gzip.decompress(change_form_back.read_bytes()).splitlines(keepends=True)
    change_form_back.write_bytes(gzip.compress(b"".join(lines[:-1])))
    with pytest.raises(BadInput, match="--replace"):
        load(conn, folder)
    replaced = load(conn, folder, replace=True)
    assert (replaced.replaced_rows, replaced.tables["raw.cms_outpatient_claims"]) == (
        6,
        6,
    )
    assert query(conn, "select distinct load_id from raw.cms_inpatient_claims") == [
        (replaced.load_id,)
    ]


BAD_VALUES = [
    (SUMMARY, "DESYNPUF_ID", "00000000000000G1"),
    (SUMMARY, "DESYNPUF_ID", "123"),
    (SUMMARY, "DESYNPUF_ID", ""),
    (SUMMARY, "BENE_BIRTH_DT", "19300231"),
    (SUMMARY, "BENE_BIRTH_DT", "19301301"),
    (SUMMARY, "BENE_BIRTH_DT", "1930-01-01"),
    (SUMMARY, "BENE_BIRTH_DT", "19300100"),
    (SUMMARY, "BENE_BIRTH_DT", "00000000"),
    (SUMMARY, "BENE_BIRTH_DT", "19290229"),
    (SUMMARY, "BENE_BIRTH_DT", ""),
    (SUMMARY, "BENE_BIRTH_DT", "20090101"),
    (SUMMARY, "BENE_BIRTH_DT", "18871231"),
    (SUMMARY, "BENE_DEATH_DT", "never"),
    (SUMMARY, "BENE_DEATH_DT", "19001231"),
    (SUMMARY, "BENE_SEX_IDENT_CD", "0"),
    (SUMMARY, "BENE_SEX_IDENT_CD", "F"),
    (SUMMARY, "BENE_RACE_CD", "4"),
    (SUMMARY, "BENE_RACE_CD", ""),
    (SUMMARY, "BENE_ESRD_IND", "N"),
    (SUMMARY, "BENE_ESRD_IND", "1"),
    (SUMMARY, "SP_CHF", "0"),
    (SUMMARY, "SP_STRKETIA", "Y"),
    (SUMMARY, "MEDREIMB_IP", "NaN"),
    (SUMMARY, "BENRES_IP", "inf"),
    (SUMMARY, "MEDREIMB_CAR", "9" * 40),
    (SUMMARY, "MEDREIMB_OP", ""),
    (INPATIENT, "DESYNPUF_ID", "x" * 16),
    (INPATIENT, "CLM_ID", ""),
    (INPATIENT, "CLM_ID", "12\x003"),
    (INPATIENT, "CLM_ID", "1' or '1' = '1"),
    (INPATIENT, "SEGMENT", "0"),
    (INPATIENT, "CLM_FROM_DT", ""),
    (INPATIENT, "CLM_FROM_DT", "20080230"),
    (INPATIENT, "CLM_THRU_DT", "20070101"),
    (INPATIENT, "CLM_ADMSN_DT", ""),
    (INPATIENT, "CLM_UTLZTN_DAY_CNT", "-1"),
    (INPATIENT, "CLM_UTLZTN_DAY_CNT", ""),
    (INPATIENT, "CLM_UTLZTN_DAY_CNT", "1.5"),
    (INPATIENT, "NCH_BENE_DSCHRG_DT", "20070101"),
    (INPATIENT, "CLM_PMT_AMT", "1e400"),
    (OUTPATIENT, "CLM_FROM_DT", ""),
    (OUTPATIENT, "CLM_THRU_DT", ""),
    (OUTPATIENT, "CLM_THRU_DT", "20071231"),
    (OUTPATIENT, "CLM_PMT_AMT", "free"),
]


@pytest.mark.parametrize(("name", "column", "value"), BAD_VALUES)
def test_a_bad_value_rejects_its_row_and_no_other(conn, folder, name, column, value):
    rewrite(folder / name, lambda rows: rows[0].update({column: value}))
    result = load(conn, folder, max_reject_share=0.5)
    assert result.rejected == 1
    [reject] = result.rejects
    assert (reject.file, reject.line, reject.column) == (name, 2, column)
    assert reject.reason.startswith("expected ")
    stored = query(
        conn, "select file, line, column_name, reason from raw.rejected_rows"
    )
    assert stored == [(name, 2, column, reject.reason)]
    rows = {TABLES[name]: len((folder / name).read_text().splitlines()) - 2}
    assert rows.items() <= result.tables.items()
    assert sum(result.tables.values()) == 6 + 5 + 7 - 1


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        (SUMMARY, "BENE_BIRTH_DT", "20081231"),
        (SUMMARY, "BENE_BIRTH_DT", "18880101"),
        (SUMMARY, "BENE_DEATH_DT", "20081231"),
        (SUMMARY, "MEDREIMB_OP", "-40.00"),
        (SUMMARY, "DESYNPUF_ID", "00000000000000af"),
        (INPATIENT, "CLM_PMT_AMT", "-5"),
        (INPATIENT, "CLM_PMT_AMT", "0"),
        (INPATIENT, "CLM_UTLZTN_DAY_CNT", "0"),
        (INPATIENT, "NCH_BENE_DSCHRG_DT", ""),
        (INPATIENT, "NCH_BENE_DSCHRG_DT", "20080310"),
        (OUTPATIENT, "CLM_ID", "1"),
    ],
)
def test_a_value_at_the_edge_loads(conn, folder, name, column, value):
    rewrite(folder / name, lambda rows: rows[0].update({column: value}))
    assert load(conn, folder).rejected == 0


@pytest.mark.parametrize("batch_rows", [1, 1000])
def test_repeated_rows_are_rejected(conn, folder, monkeypatch, batch_rows):
    monkeypatch.setattr(csv_table, "BLOCK_BYTES", batch_rows)
    for name in TABLES:
        rewrite(folder / name, lambda rows: [*rows, rows[0]])
    result = load(conn, folder, max_reject_share=0.5)
    assert [(r.file, r.line, r.column) for r in result.rejects] == [
        (SUMMARY, 8, "DESYNPUF_ID"),
        (INPATIENT, 7, "CLM_ID"),
        (OUTPATIENT, 9, "CLM_ID"),
    ]
    assert "expected each CLM_ID and SEGMENT once" in result.rejects[1].reason
    assert result.rows == 6


def test_a_long_file_of_claims_cannot_hide_bad_people(conn, folder):
    def add_claims(rows: Rows) -> Rows:
        return [*rows, *(rows[0] | {"CLM_ID": str(n)} for n in range(500))]

    rewrite(folder / OUTPATIENT, add_claims)
    rewrite(folder / SUMMARY, lambda rows: rows[0].update({"BENE_RACE_CD": "9"}))
    message = refused(conn, folder, max_reject_share=0.1)
    assert f"{SUMMARY}: 1 of 6 rows" in message
    assert load(conn, folder, max_reject_share=0.2).rejected == 1


@pytest.mark.parametrize("name", [SUMMARY, INPATIENT, OUTPATIENT])
def test_a_missing_file_is_named(conn, folder, name):
    (folder / name).unlink()
    assert name in refused(conn, folder)


def test_a_year_without_a_summary_is_told_which_there_are(conn, folder):
    message = refused(conn, folder, as_of=date(2010, 12, 31))
    assert SUMMARY.replace("2008", "2010") in message
    assert "there are summaries of 2008, 2009" in message


def test_two_samples_in_a_folder_are_refused(conn, folder):
    shutil.copy(folder / INPATIENT, folder / INPATIENT.replace("99", "7"))
    assert "files of samples 7, 99" in refused(conn, folder)


def test_a_file_packed_and_unpacked_is_refused(conn, folder):
    (folder / f"{INPATIENT}.gz").write_bytes(b"")
    assert f"{INPATIENT} and {INPATIENT}.gz" in refused(conn, folder)


def test_files_that_are_not_needed_are_left_unread(conn, folder):
    for name in ("Carrier_Claims_Sample_99A", "Carrier_Claims_Sample_99B"):
        (folder / f"DE1_0_2008_to_2010_{name}.csv").write_bytes(b"\xff")
    (folder / "README.txt").write_text("x")
    (folder / "DE1_0_2008_to_2010_Prescription_Drug_Events_Sample_99.csv").touch()
    assert load(conn, folder).rows == 6


def test_a_place_without_files_is_refused(conn, folder, tmp_path):
    assert "no such folder" in refused(conn, tmp_path / "none")
    assert "is a file" in refused(conn, folder / SUMMARY)
    (tmp_path / "empty").mkdir()
    message = refused(conn, tmp_path / "empty")
    assert "Beneficiary_Summary_File" in message
    assert "there are summaries of no year" in message


@pytest.mark.parametrize(
    ("name", "column"), [(SUMMARY, "SP_CHF"), (INPATIENT, "CLM_ADMSN_DT")]
)
def test_a_missing_column_is_named(conn, folder, name, column):
    rewrite(
        folder / name,
        lambda rows: [{k: v for k, v in r.items() if k != column} for r in rows],
    )
    assert f"{name}, header: missing: {column}" in refused(conn, folder)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\x89PNG\r\n", "is not UTF-8"),
        (gzip.compress(b"x", mtime=0), "name it .csv.gz"),
    ],
)
def test_a_file_that_is_no_table_is_refused(conn, folder, content, said):
    (folder / OUTPATIENT).write_bytes(content)
    message = refused(conn, folder)
    assert OUTPATIENT in message
    assert said in message


def test_claims_without_rows_are_refused(conn, folder):
    header = (folder / INPATIENT).read_text().splitlines()[0]
    (folder / INPATIENT).write_text(header + "\n")
    assert "has a header and no rows" in refused(conn, folder)


@pytest.mark.skipif(not REAL.is_dir(), reason="no real DE-SynPUF files here")
@pytest.mark.parametrize(("year", "people", "known"), [(2008, 500, 1), (2009, 498, 0)])
def test_the_real_complete_sample_loads_without_a_reject(conn, year, people, known):
    folder = REAL / "sample2_complete_500"
    result = load(conn, folder, as_of=date(year, 12, 31))
    assert (result.rows, result.rejected, result.has_outcomes) == (people, 0, known)
    assert result.tables["raw.cms_inpatient_claims"] == 225
    assert result.tables["raw.cms_outpatient_claims"] == 2827


@pytest.mark.skipif(not REAL.is_dir(), reason="no real DE-SynPUF files here")
def test_files_of_full_width_load(conn):
    result = load(conn, REAL / "layout", as_of=date(2010, 12, 31))
    assert set(result.tables.values()) == {2}
    assert result.rejected == 0
