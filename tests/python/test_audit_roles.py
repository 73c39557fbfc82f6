"""Whose the trail is: a keeper's whom nobody can be; and who may do what there."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from trails import actions

from python_scoring import config, warehouse
from python_scoring.audit import heads, store, verify
from python_scoring.errors import BadInput
from python_scoring.warehouse import Connection

KEEPER = "riskmart_audit_keeper"
READERS = ("riskmart_auditor",)
WRITERS = ("riskmart_admin", "riskmart_builder", "riskmart_intake")
STRANGERS = ("riskmart_analyst", "riskmart_clinician", "riskmart_finance")
ROLES = (KEEPER, *READERS, *WRITERS, *STRANGERS)
TABLES = ("audit_log", "partition", "anchors", "access_log")


@pytest.fixture
def kept(trail: Connection) -> Iterator[Connection]:
    """A trail with two entries, in the hands of its keeper; we are a superuser."""
    store.record(trail, "load", "load 1")
    trail.execute("create role audit_stranger login")
    try:
        store.hand_over(trail)
        store.record(trail, "load", "load 2")
        yield trail
    finally:
        trail.execute("set role none")
        trail.execute("drop schema audit cascade")
        trail.execute("drop owned by audit_stranger; drop role audit_stranger")


def attempt(conn: Connection, role: str, statement: str) -> Any:
    """What a role gets: a value, or the name of the error."""
    with conn.transaction(force_rollback=True):
        conn.execute(f"set local role {role}".encode())
        try:
            with conn.transaction():
                row = conn.execute(statement.encode()).fetchone()
        except psycopg.Error as error:
            return type(error).__name__
        return row[0] if row else None


def test_everything_belongs_to_the_keeper(kept: Connection) -> None:
    # Of a month that comes later, too.
    kept.execute("select audit.make_partition('2200-01-01')")
    store.hand_over(kept)
    rows = kept.execute(
        """
        select pg_get_userbyid(nspowner) from pg_namespace where nspname = 'audit'
        union all
        select pg_get_userbyid(relowner) from pg_class
        where relnamespace = 'audit'::regnamespace
        union all
        select pg_get_userbyid(proowner) from pg_proc
        where pronamespace = 'audit'::regnamespace
        """
    ).fetchall()
    assert len(rows) > 15
    assert set(rows) == {(KEEPER,)}


def test_a_partition_that_an_entry_makes_is_the_keepers(kept: Connection) -> None:
    kept.execute("set role riskmart_builder")
    kept.execute("select audit.append('load', 'load 3')")
    kept.execute("set role none")
    owners = kept.execute(
        b"select distinct pg_get_userbyid(relowner) from pg_class"
        b" where relname like 'audit_log_2%'"
    ).fetchall()
    assert owners == [(KEEPER,)]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("table", TABLES)
def test_nobody_writes_past_the_functions(
    kept: Connection, role: str, table: str
) -> None:
    name = _name(kept, table)
    for statement in (
        f"update {name} set {'month = month' if table == 'anchors' else _SAME[table]}",
        f"delete from {name}",
        f"truncate {name}",
    ):
        assert attempt(kept, role, statement) == "InsufficientPrivilege"
    if role != KEEPER:
        insert = f"insert into {name} default values"
        assert attempt(kept, role, insert) == "InsufficientPrivilege"
        for statement in (
            f"alter table {name} disable trigger append_only",
            f"drop table {name} cascade",
        ):
            assert attempt(kept, role, statement) == "InsufficientPrivilege"


_SAME = {
    **dict.fromkeys(("audit_log", "partition", "access_log"), "who = who"),
    "anchors": "month = month",
}


def _name(conn: Connection, table: str) -> str:
    if table != "partition":
        return f"audit.{table}"
    row = conn.execute("select max(tableoid::regclass::text) from audit.audit_log")
    [(name,)] = row.fetchall()
    return str(name)


@pytest.mark.parametrize("table", ["audit_log", "anchors", "access_log"])
def test_auditors_alone_read(kept: Connection, table: str) -> None:
    query = f"select count(*) >= 0 from audit.{table}"
    for role in ROLES:
        expected = True if role in (*READERS, KEEPER) else "InsufficientPrivilege"
        assert attempt(kept, role, query) == expected, role


CALLS = {
    "select audit.append('load', 'load 9')": WRITERS,
    "select entry_id from audit.head()": (*WRITERS, *READERS),
    "select audit.note_reads('[]')": ("riskmart_admin",),
    "select audit.drop_month('2000-01-01', 1, '', 7, '', '')": ("riskmart_admin",),
    "select audit.make_partition('2200-01-01')": (),
    "select audit.make_append_only('audit.anchors')": (),
    "select audit.digest(log) from audit.audit_log as log": (),
}


@pytest.mark.parametrize("call", CALLS)
def test_who_may_call_what(kept: Connection, call: str) -> None:
    for role in ROLES:
        if role != KEEPER:
            is_refused = attempt(kept, role, call) == "InsufficientPrivilege"
            assert is_refused == (role not in CALLS[call]), role


def test_functions_have_a_fixed_search_path_and_nothing_is_public(
    kept: Connection,
) -> None:
    [(functions, loose, public)] = kept.execute(
        """
        select count(*),
            count(*) filter (where proconfig is distinct from
                array['search_path=pg_catalog, pg_temp']),
            count(*) filter (where proacl is null or exists (
                select from aclexplode(proacl) where grantee = 0))
        from pg_proc where pronamespace = 'audit'::regnamespace
        """
    ).fetchall()
    assert functions > 5
    assert (loose, public) == (0, 0)
    assert attempt(kept, "audit_stranger", "select audit.append('a', 'b')") == (
        "InsufficientPrivilege"
    )


def test_an_auditor_verifies(kept: Connection) -> None:
    heads.note(kept)
    kept.execute("set role riskmart_auditor")
    verdict = verify.verify(kept)
    assert (verdict.count, verdict.faults, verdict.noted) == (2, [], 1)


def test_the_builder_records_under_its_own_name(kept: Connection) -> None:
    kept.execute("set role riskmart_builder")
    store.record(kept, "load", "load 3")
    kept.execute("set role none")
    row = kept.execute("select who, role from audit.audit_log where entry_id = 3")
    assert row.fetchone() == (config.USER, "riskmart_builder")
    assert verify.verify(kept).faults == []


def test_prepare_needs_no_ownership_where_nothing_changed(kept: Connection) -> None:
    kept.execute("set role riskmart_builder")
    store.prepare(kept)
    assert attempt(kept, KEEPER, "select count(*) from audit.audit_log") == 2


def test_prepare_says_what_to_do_where_it_may_not(kept: Connection) -> None:
    kept.execute("comment on schema audit is 'older'")
    kept.execute("set role riskmart_builder")
    with pytest.raises(BadInput, match=f"belong to {KEEPER}; .* db init-roles"):
        store.prepare(kept)
    # Who may makes them anew, and the keeper has them still.
    kept.execute("set role none")
    warehouse.prepare(kept)
    test_everything_belongs_to_the_keeper(kept)
    assert actions(kept) == ["load", "load"]


def test_who_cannot_hand_a_trail_over_keeps_it(kept: Connection) -> None:
    kept.execute("drop schema audit cascade")
    row = kept.execute("select current_database()").fetchone()
    assert row
    kept.execute(f"grant create on database {row[0]} to riskmart_builder".encode())
    kept.execute("set role riskmart_builder")
    store.prepare(kept)
    store.record(kept, "load", "load 3")
    kept.execute("set role none")
    store.hand_over(kept)
    test_everything_belongs_to_the_keeper(kept)
