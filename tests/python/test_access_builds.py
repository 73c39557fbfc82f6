"""What would let a row past its policy fails the build; and who builds sees all."""

from collections.abc import Iterator

import pytest
from copies import Copy

from python_scoring import config, pipeline, warehouse
from python_scoring.access import catalogue, members, protection, roles
from python_scoring.audit import store as trail
from python_scoring.errors import BadInput, GateFailed
from python_scoring.publication import builds, publish

# What would undo it fails the build.


_FAULTS = {
    "a table of people": "alter table candidate.patients no force row level security",
    "raw": "alter table raw.predictions disable row level security",
    "a policy": "drop policy readers on candidate.org_tier_summary",
    "a view as its owner": "create view public.peek as select * from marts.patients;"
    " grant select on public.peek to riskmart_analyst",
    "a grant to everybody": "grant select on marts.patients to public",
    "a schema for everybody": "grant usage on schema raw to public",
    "a function": "create function raw.f() returns int language sql as 'select 1';"
    " revoke all on function raw.f() from public",
    "a function for everybody": "create function raw.f() returns int language sql"
    " set search_path = pg_catalog as 'select 1'",
    "the next table": "alter default privileges in schema marts"
    " grant select on tables to riskmart_analyst",
    "a reader who builds": "grant riskmart_builder to riskmart_analyst",
    "a reader past policies": "alter role riskmart_analyst bypassrls",
    "a view over a view": "create view public.one as table raw.patient_registry;"
    " create view public.two as table public.one;"
    " grant select on public.two to riskmart_analyst",
    "a name as its owner": "alter view marts.patients set (security_invoker = false);"
    " grant select on marts.patients to riskmart_analyst",
    "a column for everybody": "grant select (age) on candidate.patients to public",
    "a function as its owner": "create function public.leak() returns bigint"
    " language sql security definer set search_path = pg_catalog"
    " as 'select count(*) from raw.patient_registry'",
    "another policy": "create policy all_of_it on raw.patient_registry using (true)",
    "another policy of a name of ours": "create policy admin on candidate.patients"
    " to riskmart_analyst using (true)",
    "a policy that asks nothing": "drop policy readers on candidate.predictions;"
    " create policy readers on candidate.predictions using (true)",
    "a policy for intake that asks nothing": "create policy intake_update"
    " on raw.patient_registry to riskmart_intake using (true)",
    "a function beside ours": "create function access.leak() returns bigint"
    " language sql security definer set search_path = pg_catalog"
    " as 'select count(*) from raw.patient_registry';"
    " revoke all on function access.leak() from public;"
    " grant execute on function access.leak() to riskmart_reader",
    "a view beside ours": "create view access.leak as table raw.patient_registry;"
    " grant select on access.leak to riskmart_reader",
    "what was handed in": "alter table raw.new_patient_raw_input"
    " disable row level security",
    "what was rejected": "alter table raw.rejected_rows no force row level security",
    "a way past names": "create schema build_77;"
    " grant usage on schema build_77 to riskmart_analyst",
}


@pytest.fixture(scope="module")
def catalogue_test(built: Copy) -> Iterator[str]:
    """The test of the catalogue as dbt compiles it, over a published warehouse."""
    copy = built.clone(config.DATABASE)
    with copy.in_force():
        node = copy.run("compile", "--select", "assert_rows_are_protected")
        [code] = [n.compiled_code for n in node.values() if "protected" in n.name]
        with warehouse.connect(autocommit=True) as conn:
            candidate = builds.candidate(conn)
            assert candidate
            conn.execute("create schema marts")
            conn.execute(
                "create view marts.patients with (security_invoker = true)"
                " as select * from candidate.patients"
            )
    # Other tests want the usual name for clones of their own.
    copy = copy.rename("catalogue")
    with copy.in_force():
        yield code
    copy.drop()


def test_a_whole_warehouse_passes(catalogue_test: str) -> None:
    with warehouse.connect() as conn:
        assert conn.execute(catalogue_test.encode()).fetchall() == []


@pytest.mark.parametrize("fault", _FAULTS)
def test_what_would_let_a_row_past_fails_the_build(
    catalogue_test: str, fault: str
) -> None:
    with warehouse.connect() as conn:
        conn.execute(_FAULTS[fault].encode())
        assert conn.execute(catalogue_test.encode()).fetchall()
        conn.rollback()


# Who builds.


def test_a_builder_publishes_every_row_it_computed(
    clone: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone.execute("create role try_etl login")
    try:
        with warehouse.connect(autocommit=True) as conn:
            protection.init(conn, ["try_etl"])
        monkeypatch.setenv(
            "RISKMART_DSN", clone.dsn.replace(f"user={config.USER}", "user=try_etl")
        )
        with warehouse.connect() as conn:
            row = conn.execute("select current_user, session_user").fetchone()
            assert row == (roles.BUILDER, "try_etl")
        pipeline.publish_candidate()
        counts = clone.value("select row_counts from raw.builds")
        monkeypatch.delenv("RISKMART_DSN")
        for mart, count in counts.items():
            if count is not None:
                assert clone.value(f"select count(*) from marts.{mart}") == count
        assert counts["predictions"] == 9_000
    finally:
        monkeypatch.delenv("RISKMART_DSN", raising=False)
        clone.administer("reassign owned by try_etl to riskmart")
        clone.execute("drop owned by try_etl; drop role try_etl")


def test_whoever_may_not_see_every_row_builds_nothing(
    clone: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone.execute("create role try_etl login; grant all on schema raw to try_etl")
    clone.execute("grant all on all tables in schema raw to try_etl")
    try:
        for name, value in {
            "PGHOST": str(clone.socket_dir),
            "PGUSER": "try_etl",
        }.items():
            monkeypatch.setenv(name, value)
        with warehouse.connect() as conn:
            assert protection.why_off(conn) == protection.CANNOT.format(user="try_etl")
        with pytest.raises(GateFailed, match="may not see all rows of raw"):
            clone.dbt("run", "--select", "int_rule_faults")
    finally:
        for name in ("PGHOST", "PGUSER"):
            monkeypatch.delenv(name)
        clone.execute("drop owned by try_etl; drop role try_etl")


def test_who_may_not_bypass_policies_has_a_warehouse_without_them(
    built: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a server whose roles are of other databases."""
    built.administer("create role try_weak login")
    built.administer("create database {} owner try_weak", "weak")
    try:
        monkeypatch.setenv(
            "RISKMART_DSN", f"host={built.socket_dir} user=try_weak dbname=weak"
        )
        with warehouse.connect(autocommit=True) as conn:
            warehouse.prepare(conn)
            warehouse.prepare(conn)
            assert protection.why_off(conn) == protection.CANNOT.format(user="try_weak")
            trail.record(conn, "test", "of a trail of one's own")
            with pytest.raises(BadInput, match="try_weak may not make the roles"):
                protection.init(conn, [])
    finally:
        built.administer("drop database {}", "weak")
        built.administer("drop role try_weak")


def test_nobody_both_reads_and_builds(clone: Copy) -> None:
    clone.published()
    clone.execute("create role try_both login")
    try:
        with warehouse.connect(autocommit=True) as conn:
            members.grant(conn, "try_both", "BASELINE", role="analyst")
            with pytest.raises(BadInput, match="try_both reads marts by the policies"):
                protection.init(conn, ["try_both"])
            members.revoke(conn, "try_both")
            protection.init(conn, ["try_both"])
            with pytest.raises(BadInput, match="try_both builds, past every policy"):
                members.grant(conn, "try_both", "BASELINE", role="analyst")
            members.revoke(conn, "try_both")
            row = conn.execute(
                "select pg_has_role('try_both', %s, 'member')", (roles.BUILDER,)
            ).fetchone()
            assert row == (False,)
            with pytest.raises(BadInput, match="nobody_here: no such login"):
                members.revoke(conn, "nobody_here")
    finally:
        clone.execute("drop owned by try_both; drop role try_both")


def test_status_tells_of_what_was_opened_since(clone: Copy) -> None:
    clone.published()
    clone.execute("alter table build_1.patients disable row level security")
    with warehouse.connect(autocommit=True) as conn:
        assert catalogue.unprotected(conn, "build_1") == ["patients"]
        with pytest.raises(
            GateFailed, match=r"without row-level security \(patients\)"
        ):
            publish.carry_grants(conn)


def test_a_build_without_policies_is_not_published(clone: Copy) -> None:
    clone.execute("alter table candidate.predictions disable row level security")
    with warehouse.connect(autocommit=True) as conn:
        candidate = builds.candidate(conn)
        assert candidate
        with pytest.raises(GateFailed, match="without row-level security") as refused:
            publish.publish(conn, candidate)
    assert "(predictions)" in str(refused.value)
    assert clone.value("select bool_and(status = 'candidate') from raw.builds")


def test_a_server_without_the_roles_says_so(
    clone: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roles, "ALL", (*roles.ALL, "riskmart_missing"))
    with warehouse.connect() as conn:
        assert protection.why_off(conn) == protection.OFF
