"""Backup and restore beside the trail: noted there, and no head is held against it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from copies import Copy
from trails import actions

from python_scoring import backup, config, restore, warehouse
from python_scoring.audit import heads, store, verify
from python_scoring.audit.verify import Verdict


@pytest.fixture
def changing(
    clone: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Copy]:
    """A clone with a file of heads of its own; what a restore leaves is dropped."""
    monkeypatch.setenv("RISKMART_AUDIT_HEADS", str(tmp_path / "heads.jsonl"))
    known = _databases(clone)
    yield clone
    for name in _databases(clone) - known - {config.DATABASE}:
        clone.administer("drop database {} with (force)", name)


def _databases(copy: Copy) -> set[str]:
    return {name for (name,) in copy.rows("select datname from pg_database")}


def verified() -> Verdict:
    with warehouse.connect(autocommit=True) as conn:
        return verify.verify(conn)


def add(count: int) -> None:
    with warehouse.connect(autocommit=True) as conn:
        for number in range(count):
            store.record(conn, "load", f"load {number}")
        heads.note(conn)


def test_a_backup_and_its_restore_are_entries(changing: Copy, tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    add(1)
    before = verified().count
    made = backup.make(tmp_path / "backups")
    add(5)
    assert verified().count == before + 6
    done = restore.restore(made.folder, replace=True)
    with warehouse.connect() as conn:
        # The backup's own entry came after what it holds.
        assert actions(conn)[before:] == ["restore"]
    assert done.kept_as
    verdict = verified()
    assert verdict.faults == []
    [note] = verdict.notes
    assert note.startswith("1 heads noted outside are of a warehouse that a restore")
    with warehouse.connect(dbname=done.kept_as) as conn:
        assert actions(conn)[before] == "backup"
        row = conn.execute(
            "select object, row_count, detail ->> 'dump_sha256' from audit.audit_log"
            " where action = 'backup'"
        ).fetchone()
    assert row
    assert row[:2] == (made.folder.name, made.rows)
    assert len(row[2]) == 64
    # A tail that is cut off after that shows as before.
    add(1)
    with warehouse.connect(autocommit=True) as conn:
        name = conn.execute("select max(tableoid::regclass::text) from audit.audit_log")
        [(table,)] = name.fetchall()
        conn.execute(f"alter table {table} disable trigger append_only".encode())
        conn.execute(f"delete from {table} where entry_id > {before}".encode())
    [fault] = verified().faults
    assert f"entries from {before + 1} on were cut off" in fault


def test_a_backup_that_cannot_be_noted_is_none(
    changing: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise RuntimeError("refused")

    (tmp_path / "backups").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(store, "record", refuse)
        with pytest.raises(RuntimeError, match="refused"):
            backup.make(tmp_path / "backups")
    left = [path.name for path in (tmp_path / "backups").iterdir()]
    assert left == [".riskmart-backup.lock"]
