"""Comma-separated files: rows, their lines, and two readers that agree."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from python_scoring.cohorts import csv_table
from python_scoring.cohorts.csv_table import CsvTable
from python_scoring.errors import BadInput

COLUMNS = ["a", "b", "c"]
SEVERAL = settings(
    max_examples=200,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

VALUES = st.text(st.sampled_from('ab1 é,"\t\u2028\x0b\x85'), max_size=4)
QUOTED = VALUES.map(lambda value: '"' + value.replace('"', '""') + '"')
PLAIN = st.text(st.sampled_from("a1 é"), max_size=3)
FIELDS = PLAIN | QUOTED | VALUES
LINES = st.lists(st.lists(FIELDS, min_size=2, max_size=4).map(",".join), max_size=12)
ENDS = st.sampled_from(["\n", "\r\n"])


def read(path: Path, wanted: list[str] = COLUMNS) -> tuple[list, list] | str:
    """Rows with their lines and malformed lines, or what is wrong with the file."""
    rows: list = []
    malformed: list = []
    try:
        for batch in CsvTable(path).batches(wanted):
            columns = [batch.columns[name].to_pylist() for name in wanted]
            rows.extend(zip(batch.lines.tolist(), *columns, strict=True))
            malformed.extend((m.line, m.fields) for m in batch.malformed)
    except BadInput as error:
        return str(error)
    return rows, malformed


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "t.csv"


@SEVERAL
@given(lines=LINES, end=ENDS, is_ended=st.booleans(), size=st.sampled_from([1, 9, 999]))
def test_both_readers_see_the_same(file, lines, end, is_ended, size):
    text = end.join(["a,b,c", *lines]) + end * is_ended
    file.write_bytes(text.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_table, "BLOCK_BYTES", size)
        as_it_is = read(file)
        patch.setattr(csv_table, "_is_plain", lambda block: False)
        by_python = read(file)
    assert as_it_is == by_python


@SEVERAL
@given(lines=LINES, end=ENDS)
def test_the_size_of_a_block_does_not_matter(file, lines, end):
    file.write_bytes(end.join(["a,b,c", *lines]).encode())
    with pytest.MonkeyPatch.context() as patch:
        whole = read(file)
        patch.setattr(csv_table, "BLOCK_BYTES", 7)
        in_pieces = read(file)
    if isinstance(whole, str):
        assert isinstance(in_pieces, str)
        assert whole.split(":")[0] == in_pieces.split(":")[0]
    else:
        assert in_pieces == whole


def test_plain_blocks_go_the_short_way(file, monkeypatch):
    def forbidden(*_):
        raise AssertionError

    file.write_bytes('a,b,c\r\n1,é,""\r\n"x,y","2",3'.encode())
    monkeypatch.setattr(CsvTable, "_split_any", forbidden)
    assert read(file) == ([(2, "1", "é", ""), (3, "x,y", "2", "3")], [])


@pytest.mark.parametrize(
    "block", ['"a', 'a"b",c', '"a"b', '"a""b",c', '"a\nb",c', 'a,"b\n"c",d', '"a" ,b']
)
def test_a_block_with_odd_quotes_goes_the_long_way(block):
    assert not csv_table._is_plain(block.encode())


def test_columns_are_read_in_the_order_that_is_asked_for(file):
    file.write_text("a,b,c\n1,2,3\n")
    assert read(file, ["c", "a"]) == ([(2, "3", "1")], [])


def test_bytes_that_are_not_utf8_are_told_in_columns_that_nobody_reads(file):
    file.write_bytes(b"a,b,c\n1,2,3\n1,\xff,3\n")
    assert "t.csv, line 3: byte 0xff" in read(file, ["a"])


def test_content_counts_and_compression_does_not(tmp_path):
    import gzip

    content = b"a,b\n1,2\n"
    (tmp_path / "t.csv").write_bytes(content)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(content))
    (tmp_path / "u.csv").write_bytes(content + b"3,4")
    plain, packed, other = (
        CsvTable(tmp_path / name).digest() for name in ("t.csv", "t.csv.gz", "u.csv")
    )
    assert plain == packed
    assert other[0] != plain[0]
    assert other[1] >= 2
