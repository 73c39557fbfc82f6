"""Months that leave the database: in a file first, and provable there."""

import gzip
import json
import re
import stat
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from trails import actions, add_months, tamper

from python_scoring import project_vars, warehouse
from python_scoring.audit import archive, heads, store, stored, verify
from python_scoring.audit.archive import Archived
from python_scoring.errors import BadInput, GateFailed
from python_scoring.warehouse import Connection

DROP = b"select audit.drop_month(%s, %s, %s, %s, %s, %s)"
SHA256 = "0" * 64
MONTHS = {"2015-11": 3, "2015-12": 2, "2016-02": 4}


def put_away(conn: Connection, folder: Path, before: str = "2016-01") -> list[Archived]:
    return archive.archive(conn, before, folder)


def faults(conn: Connection) -> list[str]:
    return verify.verify(conn).faults


def rewrite(file: Path, old: str, new: str) -> None:
    """Change an archived month's text."""
    text = gzip.decompress(file.read_bytes()).decode()
    assert old in text
    file.write_bytes(gzip.compress(text.replace(old, new, 1).encode()))


@pytest.fixture
def old(trail: Connection) -> Connection:
    """A chain that began in 2015 and goes on today, its head noted."""
    add_months(trail, MONTHS)
    store.record(trail, "load", "load 1", 3)
    heads.note(trail)
    assert not faults(trail)
    return trail


def test_whole_months_go_and_the_rest_stays_provable(
    old: Connection, tmp_path: Path
) -> None:
    done = put_away(old, tmp_path)
    assert [(one.month, one.entries) for one in done] == [
        ("2015-11", 3),
        ("2015-12", 2),
    ]
    for one in done:
        assert stat.S_IMODE(one.file.stat().st_mode) == 0o600
        verdict = verify.verify_file(one.file, old)
        assert (verdict.count, verdict.faults) == (one.entries, [])
    verdict = verify.verify(old)
    assert verdict.faults == []
    assert verdict.first
    assert verdict.first.entry_id == 6
    assert actions(old)[-2:] == ["archive", "archive"]
    tables = "select relname from pg_class where relname like 'audit_log_2015%%'"
    assert old.execute(f"{tables} and relkind = 'r'".encode()).fetchall() == []
    # Nothing is left to do.
    assert put_away(old, tmp_path) == []
    # The rest, later.
    [last] = put_away(old, tmp_path, "2016-03")
    assert (last.month, faults(old)) == ("2016-02", [])


def test_what_is_archived_is_in_the_file_as_it_was(
    old: Connection, tmp_path: Path
) -> None:
    with stored.snapshot(old):
        before = list(stored.entries(old, "2015-11"))
    [one, _] = put_away(old, tmp_path)
    with archive.reading(one.file) as (anchor, found):
        assert list(found) == before
        assert anchor == stored.anchors(old)["2015-11"]


def test_a_month_that_was_never_archived_is_missed(old: Connection) -> None:
    old.execute("drop table audit.audit_log_2015_11")
    assert faults(old) == ["entries up to 3 are missing, and were never archived"]


def test_a_changed_anchor_after_an_archive_shows(
    old: Connection, tmp_path: Path
) -> None:
    put_away(old, tmp_path)
    store.record(old, "load", "load 2")
    tamper(
        old,
        "update audit.audit_log as log set previous_hash = repeat('a', 64)"
        " where entry_id = 6; update audit.audit_log as log"
        " set hash = audit.digest(log) where entry_id = 6",
    )
    text = "\n".join(faults(old))
    assert "entry 6 does not follow what was archived" in text


@pytest.mark.parametrize("month", ["2016", "2016-13", "16-01", "2016-01-01", ""])
def test_before_is_a_month(old: Connection, tmp_path: Path, month: str) -> None:
    with pytest.raises(BadInput, match="expected a month"):
        put_away(old, tmp_path, month)


def test_younger_months_stay(
    old: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadInput, match=r"kept for 7 years \(audit_years_kept\)"):
        put_away(old, tmp_path, "2099-01")
    monkeypatch.setattr(project_vars, "count", lambda name, least: 100)
    with pytest.raises(BadInput, match="kept for 100 years"):
        put_away(old, tmp_path)
    assert not list(tmp_path.glob("*.gz"))


@pytest.mark.parametrize("years", [-7, 0, 1, 6, None])
def test_the_database_itself_keeps_seven_years(
    trail: Connection, years: int | None
) -> None:
    now = datetime.now(UTC)
    # The end of this month is six years and eleven months ago.
    young = f"{now.year - 7 + now.month // 12:04d}-{now.month % 12 + 1:02d}"
    [_, last] = add_months(trail, {young: 2})
    told = (f"{young}-01", 2, last.hash, years, "f", SHA256)
    with pytest.raises(psycopg.errors.RaiseException, match="is to be kept for 7"):
        trail.execute(DROP, told)
    # Another day of it is no older.
    with pytest.raises(psycopg.errors.RaiseException, match="is to be kept for 7"):
        trail.execute(DROP, ("2015-11-02", *told[1:]))
    assert faults(trail) == []


def test_a_month_that_is_old_enough_goes(trail: Connection) -> None:
    [entry, last] = add_months(trail, {"2015-11": 2})
    trail.execute(DROP, ("2015-11-01", 2, last.hash, 1, "f", SHA256))
    assert stored.anchors(trail)["2015-11"].first_entry_id == entry.entry_id
    row = trail.execute("select to_regclass('audit.audit_log_2015_11')").fetchone()
    assert row == (None,)


@pytest.mark.parametrize(
    ("file", "sha256"), [("", SHA256), (None, SHA256), ("f", ""), ("f", None)]
)
def test_a_month_in_no_file_stays(
    trail: Connection, file: str | None, sha256: str | None
) -> None:
    [_, last] = add_months(trail, {"2015-11": 2})
    with pytest.raises(psycopg.errors.RaiseException, match="in no file"):
        trail.execute(DROP, ("2015-11-01", 2, last.hash, 7, file, sha256))


def test_fewer_years_are_no_setting(
    old: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project_vars, "_read", lambda name: 6)
    with pytest.raises(BadInput, match=r"audit_years_kept is 6; .* from 7"):
        put_away(old, tmp_path)


def test_only_the_oldest_month_can_go(old: Connection) -> None:
    with pytest.raises(psycopg.errors.RaiseException, match="not the oldest"):
        old.execute("select audit.drop_month('2015-12-01', 2, '', 7, 'f', 's')")


def test_only_what_is_in_the_file_can_go(old: Connection) -> None:
    row = old.execute("select hash from audit.audit_log where entry_id = 3").fetchone()
    assert row
    for entries, last_hash in ((3, "other"), (2, *row)):
        with pytest.raises(psycopg.errors.RaiseException, match="not what was"):
            old.execute(
                "select audit.drop_month('2015-11-01', %s, %s, 7, 'f', 's')",
                (entries, last_hash),
            )


def test_a_folder_that_is_not_there_is_not_made(
    old: Connection, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="not a folder"):
        put_away(old, tmp_path / "missing")


def test_killed_between_file_and_drop_goes_on(
    old: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(archive, "_DROP", "select 1 / 0, %s, %s, %s, %s, %s, %s, %s")
        with pytest.raises(psycopg.errors.DivisionByZero):
            put_away(old, tmp_path)
    # In both places.
    assert [file.name for file in tmp_path.glob("*.gz")] == ["audit_2015-11.jsonl.gz"]
    assert not faults(old)
    assert len(put_away(old, tmp_path)) == 2
    assert not faults(old)


def test_killed_while_writing_leaves_no_half_file(
    old: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a killed process leaves, and an error does not.
    (tmp_path / ".audit_2015-11.jsonl.gz.unfinished").write_bytes(b"half")
    with monkeypatch.context() as patch:
        patch.setattr(archive.os, "fsync", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            put_away(old, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["heads.jsonl"]
    assert not faults(old)
    assert len(put_away(old, tmp_path)) == 2


def test_a_file_of_something_else_is_not_taken_for_it(
    old: Connection, tmp_path: Path
) -> None:
    file = tmp_path / "audit_2015-11.jsonl.gz"
    put_away(old, tmp_path)
    rewrite(file, '"load"', '"score"')
    # The same months again, in another warehouse's database.
    old.execute("drop schema audit cascade")
    warehouse.prepare(old)
    add_months(old, MONTHS)
    with pytest.raises(GateFailed, match="stays in the database"):
        put_away(old, tmp_path)
    assert len(actions(old)) == 9


def test_a_month_that_is_no_chain_stays(old: Connection, tmp_path: Path) -> None:
    tamper(old, "update audit.audit_log set who = 'x' where entry_id = 2")
    with pytest.raises(GateFailed, match=r"entry 2 of .* was changed"):
        put_away(old, tmp_path)
    assert len(actions(old)) == 10


CHANGES = {
    "a change": ('"load 1"', '"load 2"', "entry 1 of .* was changed"),
    "another anchor": ('"first_entry_id": 1', '"first_entry_id": 2', "its anchor is"),
    "a cut": ('{"end"', '{"begin"', "no whole month after entry 3"),
    "another count": ('"entries": 3', '"entries": 4', "no whole month after entry 3"),
    "no anchor": ('{"anchor"', '{"other"', "does not say where it begins"),
    "no JSON": ("[1,", "[1;", "not an archived month"),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_changed_file_shows(old: Connection, tmp_path: Path, kind: str) -> None:
    [one, _] = put_away(old, tmp_path)
    before, after, words = CHANGES[kind]
    rewrite(one.file, before, after)
    try:
        found = "\n".join(verify.verify_file(one.file).faults)
    except BadInput as error:
        found = str(error)
    assert re.search(words, found), found


def test_a_cut_file_that_looks_whole_shows_beside_the_warehouse(
    old: Connection, tmp_path: Path
) -> None:
    [one, _] = put_away(old, tmp_path)
    lines = gzip.decompress(one.file.read_bytes()).decode().splitlines()
    lines[-1] = json.dumps({"end": {"entries": 2}})
    del lines[-2]
    one.file.write_bytes(gzip.compress("\n".join(lines).encode()))
    assert verify.verify_file(one.file).faults == []
    [fault] = verify.verify_file(one.file, old).faults
    assert "some were cut off" in fault


@pytest.mark.parametrize("content", [b"", b"no gzip", gzip.compress(b"", mtime=0)[:-4]])
def test_what_is_no_archive_is_told_in_words(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "audit_2015-11.jsonl.gz"
    file.write_bytes(content)
    with pytest.raises(BadInput, match=r"audit_2015-11\.jsonl\.gz: .*archived month"):
        verify.verify_file(file)
