"""The trail in the database: a chain that cannot be changed without showing it."""

import json
import re
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from trails import actions, add_months, tamper

from python_scoring import config, warehouse
from python_scoring.audit import heads, store, stored, verify
from python_scoring.audit.chain import NOTHING
from python_scoring.errors import BadInput
from python_scoring.warehouse import Connection

# Anything that JSON writes in its own way, and what a careless join would confuse.
ODD = 'é "quoted" \\ \n\t\x01\x1f\x7f , ] null 日本 \U0001f600'


def record(conn: Connection, count: int = 5) -> None:
    for number in range(count):
        store.record(conn, "load", f"load {number}", number, detail={"n": number})


def faults(conn: Connection) -> str:
    return "\n".join(verify.verify(conn).faults)


def test_an_entry_says_who_did_what(trail: Connection) -> None:
    detail = {"share": 0.1, "text": ODD, "none": None, "list": [1, {"b": 2, "a": 1}]}
    store.record(trail, "load", f"load {ODD}", 3, 7, detail)
    row = trail.execute(
        "select entry_id, who, role, program, action, row_count, build_id, detail,"
        " previous_hash, now() - at < interval '1 minute' from audit.audit_log"
    ).fetchone()
    user = config.USER
    assert row == (1, user, user, "riskmart", "load", 3, 7, detail, NOTHING, True)
    verdict = verify.verify(trail)
    assert (verdict.count, verdict.faults) == (1, [])


def test_the_role_in_force_is_noted_beside_who_logged_in(trail: Connection) -> None:
    trail.execute("create role audit_actor; grant usage on schema audit to audit_actor")
    try:
        trail.execute("grant execute on all functions in schema audit to audit_actor")
        trail.execute("set role audit_actor")
        record(trail, 1)
        trail.execute("set role none")
        row = trail.execute("select who, role from audit.audit_log").fetchone()
        assert row == (config.USER, "audit_actor")
    finally:
        trail.execute("drop owned by audit_actor; drop role audit_actor")


def test_sql_alone_may_add_too(trail: Connection) -> None:
    trail.execute("select audit.append('role_change', 'somebody')")
    assert actions(trail) == ["role_change"]
    assert not faults(trail)


def test_what_is_rolled_back_leaves_no_gap(trail: Connection) -> None:
    record(trail, 2)
    with trail.transaction(force_rollback=True):
        record(trail, 3)
    record(trail, 1)
    verdict = verify.verify(trail)
    assert (verdict.count, verdict.faults) == (3, [])
    assert verdict.last
    assert verdict.last.entry_id == 3


def test_appends_from_many_at_once_are_one_chain(trail: Connection) -> None:
    errors: list[Exception] = []

    def work() -> None:
        try:
            with warehouse.connect(autocommit=True) as conn:
                for number in range(25):
                    is_undone = number % 5 == 0
                    with conn.transaction(force_rollback=is_undone):
                        record(conn, 2)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    verdict = verify.verify(trail)
    assert (verdict.count, verdict.faults) == (4 * 20 * 2, [])


def test_an_older_snapshot_is_refused(trail: Connection) -> None:
    record(trail, 1)
    with (
        pytest.raises(psycopg.errors.RaiseException, match="expected read committed"),
        stored.snapshot(trail),
    ):
        record(trail, 1)
    assert not faults(trail)


def test_a_new_month_gets_its_partition_and_anchor(trail: Connection) -> None:
    add_months(trail, {"2020-01": 2, "2020-02": 1})
    record(trail, 2)
    verdict = verify.verify(trail)
    assert (verdict.count, verdict.faults) == (5, [])
    rows = trail.execute(
        "select first_entry_id, previous_hash = (select hash from audit.audit_log"
        " where entry_id = 3) from audit.anchors order by month desc limit 1"
    ).fetchone()
    assert rows == (4, True)
    # This month and the next one, beside the two.
    query = "select count(*) from pg_inherits where inhparent = 'audit.audit_log'"
    assert trail.execute(f"{query}::regclass".encode()).fetchone() == (4,)


def test_a_clock_that_was_set_back_does_not_part_the_chain(trail: Connection) -> None:
    add_months(trail, {"2199-12": 2})
    record(trail, 2)
    row = trail.execute("select max(at), count(*) from audit.audit_log_2199_12")
    assert (
        row.fetchone()
        == trail.execute(
            "select at, 4 from audit.audit_log where entry_id = 2"
        ).fetchone()
    )
    assert not faults(trail)


# What somebody does who may do anything in the database, and what shows it.
TAMPERING = {
    "change": (
        "update audit.audit_log set row_count = 99 where entry_id = 3",
        "entry 3 of .* was changed",
    ),
    "change of a detail": (
        """update audit.audit_log set detail = '{"n": 3}' where entry_id = 3""",
        "entry 3 of .* was changed",
    ),
    "change of who": (
        "update audit.audit_log set os_user = null where entry_id = 3",
        "entry 3 of .* was changed",
    ),
    "change with its own hash": (
        "update audit.audit_log set row_count = 99 where entry_id = 3;"
        " update audit.audit_log as log set hash = audit.digest(log)"
        " where entry_id = 3",
        "entry 4 of .* does not follow entry 3",
    ),
    "removal": (
        "delete from audit.audit_log where entry_id in (3, 4)",
        "entries 3 to 4 were removed",
    ),
    "removal of the first": (
        "delete from audit.audit_log where entry_id = 1",
        "entries up to 1 are missing",
    ),
    "cut tail": (
        "delete from audit.audit_log where entry_id > 3",
        "ends with entry 3, .* entries from 4 on were cut off",
    ),
    "insertion": (
        "insert into audit.audit_log select 3, at, who, role, os_user, program,"
        " 'publish', object, row_count, build_id, detail, previous_hash, hash"
        " from audit.audit_log where entry_id = 4",
        "entry 3 of .* is there twice",
    ),
    "insertion at the end": (
        "insert into audit.audit_log select 6, at, who, role, os_user, program,"
        " 'publish', object, row_count, build_id, detail, hash, hash"
        " from audit.audit_log where entry_id = 5",
        "entry 6 of .* was changed",
    ),
    "reordering": (
        "update audit.audit_log set entry_id = 7 - entry_id where entry_id in (3, 4)",
        "entry 3 of .* was changed",
    ),
    "removal and renumbering": (
        "delete from audit.audit_log where entry_id = 3;"
        " update audit.audit_log set entry_id = entry_id - 1 where entry_id > 3",
        "entry 4 of .* was changed",
    ),
    "an anchor moved": (
        "update audit.anchors set first_entry_id = 3",
        "begins with entry 1, and its anchor is entry 3",
    ),
    "no anchor": ("delete from audit.anchors", "has no anchor"),
    "an emptied month": (
        "truncate audit.audit_log",
        "ends with entry 0, and entry 5 was noted outside",
    ),
}


@pytest.mark.parametrize("kind", TAMPERING)
def test_tampering_shows(trail: Connection, kind: str) -> None:
    record(trail)
    heads.note(trail)
    assert not faults(trail)
    statement, words = TAMPERING[kind]
    tamper(trail, statement)
    assert re.search(words, faults(trail)), faults(trail)


def test_a_replaced_chain_shows(trail: Connection) -> None:
    record(trail)
    heads.note(trail)
    tamper(trail, "truncate audit.audit_log, audit.anchors")
    record(trail, 7)
    # Whoever goes on with it does not hide it.
    heads.note(trail)
    found = verify.verify(trail)
    [fault] = found.faults
    assert fault.startswith("entry 5 of ")
    assert "noted outside" in fault


def test_a_chain_rewritten_from_a_row_on_shows(trail: Connection) -> None:
    record(trail)
    heads.note(trail)
    rows = list(_entries(trail))
    tamper(trail, "delete from audit.audit_log where entry_id >= 3")
    for row in rows[2:]:
        store.record(trail, row.action, row.object, 99, detail=json.loads(row.detail))
    assert "entry 5 of " in faults(trail)


def _entries(trail: Connection) -> Iterator[stored.Entry]:
    with stored.snapshot(trail):
        yield from stored.entries(trail)


def test_a_removed_month_shows(trail: Connection) -> None:
    add_months(trail, {"2020-01": 2, "2020-02": 2, "2020-03": 2})
    record(trail, 1)
    trail.execute("drop table audit.audit_log_2020_02")
    assert "entries 3 to 4 were removed" in faults(trail)
    trail.execute("drop table audit.audit_log_2020_01")
    assert "entries up to 4 are missing, and were never archived" in faults(trail)


def test_many_faults_are_counted_and_the_first_told(trail: Connection) -> None:
    record(trail, 30)
    tamper(trail, "update audit.audit_log set os_user = 'x'")
    verdict = verify.verify(trail)
    assert (len(verdict.faults), verdict.fault_count) == (20, 30)


@pytest.mark.parametrize(
    "statement",
    [
        "update audit.{} set {} = {}",
        "delete from audit.{0}",
        "delete from audit.{0} where false",
        "truncate audit.{0}",
    ],
)
@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("audit_log", "object"),
        ("partition", "object"),
        ("anchors", "month"),
        ("access_log", "who"),
    ],
)
def test_nobody_changes_anything(
    trail: Connection, statement: str, table: str, column: str
) -> None:
    record(trail, 2)
    row = trail.execute("select tableoid::regclass::text from audit.audit_log")
    [(partition,)] = set(row.fetchall())
    name = partition.removeprefix("audit.") if table == "partition" else table
    # Replaying changes switches ordinary triggers off.
    for mode in ("origin", "replica"):
        trail.execute(f"set session_replication_role = {mode}".encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            trail.execute(statement.format(name, column, column).encode())
    trail.execute("reset session_replication_role")
    assert not faults(trail)


def test_the_head_is_noted_outside_once(trail: Connection) -> None:
    record(trail, 3)
    for _ in range(3):
        heads.note(trail)
    [line] = heads.path().read_text().splitlines()
    row = trail.execute("select * from audit.head()").fetchone()
    assert row
    said = json.loads(line)
    assert (said["entry_id"], said["hash"]) == row[:2]
    assert stat.S_IMODE(heads.path().stat().st_mode) == 0o600
    record(trail, 1)
    heads.note(trail)
    assert sorted(heads.read().hashes) == [3, 4]
    assert verify.verify(trail).noted == 2


def test_no_head_before_the_first_entry(trail: Connection) -> None:
    heads.note(trail)
    assert not heads.path().exists()
    verdict = verify.verify(trail)
    assert (verdict.count, verdict.faults) == (0, [])


def test_a_torn_line_costs_itself_alone(trail: Connection) -> None:
    record(trail, 1)
    heads.note(trail)
    with heads.path().open("a") as file:
        file.write('{"entry_id": 2, "ha')
    record(trail, 1)
    heads.note(trail)
    found = heads.read()
    assert sorted(found.hashes) == [1, 2]
    assert found.unreadable == [2]
    assert any("line 2" in note for note in verify.verify(trail).notes)


def test_heads_of_other_warehouses_are_theirs(trail: Connection) -> None:
    record(trail, 1)
    other = {"entry_id": 9, "hash": "f" * 64, "at": "", "warehouse": "elsewhere"}
    heads.path().write_text(json.dumps(other) + "\n")
    heads.note(trail)
    assert sorted(heads.read().hashes) == [1]
    assert not faults(trail)


def test_without_any_head_a_note_says_what_that_means(trail: Connection) -> None:
    record(trail, 1)
    [note] = verify.verify(trail).notes
    assert "nothing would show it" in note


def test_heads_that_cannot_be_noted_are_an_error(
    trail: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(trail, 1)
    monkeypatch.setenv("RISKMART_AUDIT_HEADS", str(tmp_path / "missing" / "heads"))
    with pytest.raises(BadInput, match="what was done stands"):
        heads.note(trail)


def test_prepare_again_changes_nothing(trail: Connection) -> None:
    record(trail, 2)
    warehouse.prepare(trail)
    # Also where the definition has changed since.
    trail.execute("comment on schema audit is 'older'")
    warehouse.prepare(trail)
    assert verify.verify(trail).count == 2
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        trail.execute("truncate audit.audit_log")
