"""Who sees what: every role, every relation, every row, and what would undo that."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from conftest import Run
from copies import Copy
from psycopg import sql
from test_add import PERSON

from benchmarks import readers
from benchmarks.readers import (
    READERS,
    declared,
    login_of,
    logins,
    place_of,
    relations,
    session,
)
from python_scoring import config, warehouse
from python_scoring.access import members, places
from python_scoring.errors import BadInput
from python_scoring.intake import adding
from python_scoring.warehouse import Connection

DEPARTMENT = "CARDIOLOGY"


@pytest.fixture(scope="module")
def shared(filled: Copy) -> Iterator[Copy]:
    """Three organizations, published; and a login of each role, of one of them."""
    filled.administer("create database {} template {}", "readers", filled.database)
    copy = replace(filled, database="readers")
    with copy.in_force(), logins("BASELINE", clinician=DEPARTMENT):
        yield copy
    copy.drop()


# Privileges.


def test_every_role_may_do_what_the_matrix_declares_and_nothing_else(
    shared: Copy,
) -> None:
    count, wrong = readers.try_everything()
    assert count > 4_000
    assert not wrong


def test_every_role_reads_the_columns_that_the_matrix_declares(shared: Copy) -> None:
    allowed = declared()
    with warehouse.connect() as conn:
        found = [r for r in relations(conn) if r.schema == "marts"]
    wrong = []
    for role in READERS:
        with session(role) as conn:
            for relation in found:
                hidden = allowed.get((role, place_of(relation)), {}).get("select")
                for column in relation.columns if hidden is not None else ():
                    query = sql.SQL("select {} from {} limit 0").format(
                        sql.Identifier(column), relation.identifier
                    )
                    try:
                        conn.execute(query)
                        is_read = True
                    except psycopg.errors.InsufficientPrivilege:
                        is_read = False
                    if is_read == (column in hidden):
                        wrong.append((role, relation.name, column, is_read))
    assert not wrong


# Rows.


def _numbers(copy: Copy) -> tuple[int, int]:
    """The organization and the department that the logins are of."""
    organization = copy.value(
        "select organization_id from marts.organizations where org_code = 'BASELINE'"
    )
    department = copy.value(
        "select department_id from marts.departments where department_code = %s",
        DEPARTMENT,
    )
    return organization, department


def test_a_role_sees_its_own_rows_and_all_of_them(shared: Copy) -> None:
    looks = readers.look_at_rows("BASELINE", DEPARTMENT)
    assert len(looks) > 60
    assert not [look for look in looks if look.seen != look.own]
    hidden = {look.role for look in looks if look.others}
    assert hidden == {"admin", "analyst", "clinician", "finance", "partner"}


def test_nobody_who_belongs_nowhere_sees_a_row(shared: Copy) -> None:
    shared.execute("create role try_nobody login; grant riskmart_admin to try_nobody")
    try:
        with session("nobody") as conn:
            for mart in (
                "patients",
                "predictions",
                "org_tier_summary",
                "model_metrics",
            ):
                row = conn.execute(f"select count(*) from marts.{mart}".encode())
                assert row.fetchone() == (0,), mart
    finally:
        shared.execute("drop role try_nobody")


def test_assigned_patients_are_seen_beside_ones_department(shared: Copy) -> None:
    organization, department = _numbers(shared)
    other = "organization_id = %s and department_id <> %s"
    [(patient, uuid)] = shared.rows(
        f"select patient_id, patient_uuid from marts.patients where {other}"
        " order by patient_id limit 1",
        *(organization, department),
    )
    query = b"select count(*) from marts.predictions where patient_id = %s"
    with session("clinician") as conn, warehouse.connect(autocommit=True) as ours:
        assert conn.execute(query, (patient,)).fetchone() == (0,)
        login = login_of("clinician")
        members.grant(ours, login, "BASELINE", patients=[str(uuid)])
        assert conn.execute(query, (patient,)).fetchone() == (3,)
        ours.execute("delete from access.assigned_patients")
        assert conn.execute(query, (patient,)).fetchone() == (0,)


# Ways around.

_LEAK = """
create function pg_temp.tell(what anyelement) returns boolean language plpgsql
cost 0.0000001 as $$ begin raise notice 'leaked %', what; return true; end $$
"""


def test_a_leaky_function_is_called_with_ones_own_rows_alone(shared: Copy) -> None:
    organization, _ = _numbers(shared)
    told: list[str] = []
    with session("admin") as conn:
        conn.add_notice_handler(lambda said: told.append(said.message_primary or ""))
        conn.execute(_LEAK.encode())
        conn.execute(
            "select count(*) from marts.org_tier_summary"
            " where pg_temp.tell(organization_id)"
        )
    assert set(told) == {f"leaked {organization}"}


@pytest.mark.parametrize("role", READERS)
def test_no_other_way_leads_to_a_row(shared: Copy, role: str) -> None:
    build = shared.value("select build_id from marts.builds where is_published")
    hidden = f"build_{build}.patients"
    refused = (
        f"select * from {hidden}",
        f"select query_to_xml('select * from {hidden}', true, true, '')",
        f"select table_to_xml('{hidden}'::regclass, true, true, '')",
        f"copy {hidden} to stdout",
        "select last_value from raw.loads_load_id_seq",
        "select raw.last_patient_id()",
        "select * from raw.visible_batches",
        "select * from intermediate.int_patient_features",
        "create table marts.mine as select 1",
        "create table public.mine as select 1",
        "set role riskmart_builder",
        "set role riskmart_intake",
        "set role riskmart_backup",
        "set session authorization riskmart",
        "alter table marts.patients disable row level security",
        "select pg_read_file('postgresql.conf')",
    )
    with session(role) as conn:
        for statement in refused:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(statement.encode())
        # PostgreSQL shows no statistics of a table whose rows a policy hides.
        rows = conn.execute(
            "select tablename, attname from pg_stats"
            " where schemaname !~ '^(pg_|information_schema)'"
        ).fetchall()
    assert rows == []


def test_explain_and_errors_show_no_value_of_another_organization(
    shared: Copy,
) -> None:
    organization, _ = _numbers(shared)
    others = {
        str(value)
        for (value,) in shared.rows(
            "select annual_cost from marts.patients where organization_id <> %s",
            organization,
        )
        if len(str(value)) > 5
    }
    assert len(others) > 5
    probes = (
        "explain (analyze, verbose, buffers off) select * from marts.roi_sums",
        "explain (verbose) select * from marts.patients where annual_cost > 0",
        "select 1 / (organization_id - 3) from marts.patients",
        "select cast(annual_cost || 'x' as integer) from marts.patients",
    )
    said = []
    with session("admin") as conn:
        for probe in probes:
            try:
                said += [str(row) for row in conn.execute(probe.encode()).fetchall()]
            except psycopg.Error as error:
                said.append(str(error))
    text = "\n".join(said)
    assert "invalid input syntax" in text
    assert not [value for value in others if f'"{value}x"' in text or value in text]


# Who takes patients in.


def test_intake_of_one_organization_sees_and_changes_it_alone(shared: Copy) -> None:
    organization, _ = _numbers(shared)
    build = shared.value("select build_id from marts.builds where is_published")
    with session("intake") as conn:
        rows = conn.execute(
            f"select distinct organization_id from build_{build}.patients".encode()
        )
        assert rows.fetchall() == [(organization,)]
        rows = conn.execute("select distinct org_code from raw.patient_registry")
        assert rows.fetchall() == [("BASELINE",)]
        other = f"update build_{build}.risk_sums set patient_count = 0"
        changed = conn.execute(
            f"{other} where organization_id <> {organization}".encode()
        )
        assert changed.rowcount == 0
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level"):
            conn.execute(
                "insert into raw.new_patient_raw_input (content, submitted_by)"
                " values ('x', 'somebody')"
            )


@pytest.mark.parametrize(
    "statement",
    [
        "insert into raw.patient_registry values"
        " ('BASELINE', 'far', 9223372036854775807, gen_random_uuid(), now())",
        "insert into raw.patient_registry values"
        " ('CMS500', 'theirs', 1000000, gen_random_uuid(), now())",
        "update raw.builds set intake_entry_id = 999999",
        "update raw.prediction_batches set row_count = 1",
        "delete from raw.predictions",
        "select audit.append('archive', '2019-01')",
        "select audit.append('reidentify', 'somebody')",
        "select audit.add('publish', 'marts')",
        "insert into access.memberships (member, org_code) values ('me', 'SYNTH')",
    ],
)
def test_intake_can_spoil_nothing_of_others(shared: Copy, statement: str) -> None:
    with (
        session("intake") as conn,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        conn.execute(statement.encode())


def test_what_was_processed_stays_as_it_came(shared: Copy) -> None:
    with session("intake") as conn, conn.transaction(force_rollback=True):
        conn.execute(
            "insert into raw.new_patient_raw_input (content, outcome, processed_at)"
            " values ('x', 'accepted', now())"
        )
        changed = conn.execute("update raw.new_patient_raw_input set content = 'y'")
        assert changed.rowcount == 0


def test_a_record_is_of_an_organization_of_whoever_left_it(shared: Copy) -> None:
    record = json.dumps(PERSON | {"org_code": "SYNTH", "external_id": "THEIRS"})
    with session("intake") as conn:
        conn.execute(
            "insert into raw.new_patient_raw_input (content) values (%s)",
            (record.encode(),),
        )
    with adding.intake() as intake:
        answer = intake.add_waiting(10)
    assert answer is not None
    [entry] = answer.entries
    assert entry.outcome == "rejected"
    [fault] = entry.faults
    assert fault.field == "org_code"
    assert fault.expected.endswith("belongs to: BASELINE")


def test_an_admin_lets_nobody_in(shared: Copy) -> None:
    with session("admin") as conn:
        rows = conn.execute("select distinct org_code from access.memberships")
        assert rows.fetchall() == [("BASELINE",)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(
                "insert into access.memberships (member, org_code)"
                " values (current_user, 'SYNTH')"
            )


def test_a_reader_cannot_switch_the_log_of_reads_off(shared: Copy) -> None:
    log = config.log_file()
    before = log.read_text(errors="replace").count("riskmart_access")
    with session("clinician") as conn:
        conn.execute("set pgaudit.log = 'all'")
        with conn.transaction(force_rollback=True):
            conn.execute("select count(*) from marts.patients")
    lines = log.read_text(errors="replace").splitlines()
    read = [line for line in lines if "riskmart_access" in line]
    assert len(read) == before + 1
    assert '"user" : "try_clinician"' in read[-1]
    assert '"relation" : "patients"' in read[-1]


# Members.


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"member": "nobody_here"}, "nobody_here: no such login"),
        ({"org_code": "ELSEWHERE"}, "ELSEWHERE: no such organization .* BASELINE"),
        ({"departments": ["X"]}, "X: no such department .* CARDIOLOGY"),
        ({"role": "king"}, "king: no such role; expected one of admin"),
        ({"patients": ["7"]}, "7: expected a patient_uuid"),
    ],
)
def test_a_membership_of_nothing_is_refused(
    shared: Copy, given: dict[str, str], message: str
) -> None:
    before = shared.rows("select * from access.memberships order by 1, 2, 3")
    whole = {"member": login_of("analyst"), "org_code": "BASELINE", **given}
    with (
        warehouse.connect(autocommit=True) as conn,
        pytest.raises(BadInput, match=message),
    ):
        members.grant(conn, **whole)  # type: ignore[arg-type]
    assert shared.rows("select * from access.memberships order by 1, 2, 3") == before


def test_what_is_revoked_is_gone_at_once(shared: Copy) -> None:
    query = b"select count(*) from marts.organizations"
    with session("finance") as conn, warehouse.connect(autocommit=True) as ours:
        assert conn.execute(query).fetchone() == (1,)
        members.revoke(ours, login_of("finance"), "BASELINE")
        assert conn.execute(query).fetchone() == (0,)
        # Nobody guesses as what.
        with pytest.raises(BadInput, match="is finance, and would be so in BASELINE"):
            members.grant(ours, login_of("finance"), "BASELINE")
        members.grant(ours, login_of("finance"), "BASELINE", role="finance")
        assert conn.execute(query).fetchone() == (1,)


@pytest.fixture
def anna(shared: Copy) -> Iterator[Connection]:
    """A connection of ours, and a login that belongs nowhere yet: anna."""
    with warehouse.connect(autocommit=True) as ours:
        ours.execute("create role anna login")
        try:
            yield ours
        finally:
            ours.execute("delete from access.memberships where member = 'anna'")
            ours.execute("delete from access.assigned_patients where member = 'anna'")
            ours.execute("drop owned by anna; drop role anna")


def as_what(ours: Connection) -> dict[str, tuple[str, ...] | None]:
    return {str(place): place.roles for place in places.places(ours, "anna")}


ROLE_ELSEWHERE = [
    # Given first, and what would then widen a role.
    ({"role": "finance"}, {"org_code": "SYNTH", "role": "analyst"}),
    ({"role": "finance"}, {"org_code": "SYNTH", "role": ["analyst", "finance"]}),
    ({"role": ["analyst", "finance"]}, {"org_code": "SYNTH", "role": "analyst"}),
    ({"role": "finance"}, {"org_code": "SYNTH"}),
    ({"departments": [DEPARTMENT], "role": "clinician"}, {"role": "admin"}),
    ({"departments": [DEPARTMENT], "role": "clinician"}, {"role": "analyst"}),
    (
        {"departments": [DEPARTMENT], "role": "clinician"},
        {"departments": ["GERIATRICS"], "role": "admin"},
    ),
]


@pytest.mark.parametrize(("first", "then"), ROLE_ELSEWHERE)
def test_a_role_is_not_widened_to_where_it_was_not_given(
    anna: Connection, first: dict[str, Any], then: dict[str, Any]
) -> None:
    members.grant(anna, "anna", **{"org_code": "BASELINE", **first})
    before = as_what(anna), places.held(anna, "anna")
    with pytest.raises(BadInput, match=r"^anna (would be|is) "):
        members.grant(anna, "anna", **{"org_code": "BASELINE", **then})
    assert (as_what(anna), places.held(anna, "anna")) == before


def test_a_role_by_hand_is_not_widened_either(anna: Connection) -> None:
    anna.execute("grant riskmart_analyst to anna")
    for named in ([], ["finance"]):
        with pytest.raises(BadInput, match=r"^anna (would be|is) analyst"):
            members.grant(anna, "anna", "BASELINE", role=named)
    members.grant(anna, "anna", "BASELINE", role="analyst")
    assert as_what(anna) == {"BASELINE": ("analyst",)}


def test_the_same_roles_everywhere_are_one_login(
    anna: Connection, riskmart: Run
) -> None:
    for org in ("BASELINE", "SYNTH", "SYNTH"):
        members.grant(anna, "anna", org, role=["finance", "analyst"])
    # A department and a patient of where one is already, as what one is there.
    members.grant(anna, "anna", "SYNTH", departments=[DEPARTMENT])
    row = anna.execute(
        "select patient_uuid::text from raw.patient_registry where org_code = 'SYNTH'"
    ).fetchone()
    assert row
    for _ in range(2):
        members.grant(anna, "anna", "SYNTH", patients=[*row])
    both = ("analyst", "finance")
    assert as_what(anna) == {
        "BASELINE": both,
        "SYNTH": both,
        f"SYNTH ({DEPARTMENT})": both,
        "SYNTH (1 patients)": both,
    }
    anna.execute("revoke riskmart_finance from anna; grant riskmart_admin to anna")
    listed = riskmart("access", "list").out
    assert "analyst, finance" in " ".join(listed.split())
    anna.execute("revoke riskmart_admin from anna")


def test_as_what_is_noted_of_memberships_of_before(anna: Connection) -> None:
    anna.execute("create role bert login in role riskmart_clinician, riskmart_finance")
    try:
        anna.execute("grant riskmart_analyst to anna")
        for member, org in (
            *(("anna", "BASELINE"), ("anna", "SYNTH")),
            *(("bert", "BASELINE"), ("bert", "SYNTH")),
        ):
            anna.execute(
                "insert into access.memberships (member, org_code) values (%s, %s)",
                (member, org),
            )
        for _ in range(2):
            anna.execute("comment on schema raw is 'of before'")
            warehouse.prepare(anna)
        assert as_what(anna) == dict.fromkeys(("BASELINE", "SYNTH"), ("analyst",))
        # As both in both, for all that anybody knows: somebody has to say it anew.
        assert {p.roles for p in places.places(anna, "bert")} == {None}
        both = ["clinician", "finance"]
        with pytest.raises(BadInput, match=r"in SYNTH too, where it is not noted"):
            members.grant(anna, "bert", "BASELINE", role=both)
        members.revoke(anna, "bert")
        for org in ("BASELINE", "SYNTH"):
            members.grant(anna, "bert", org, role=both)
    finally:
        members.revoke(anna, "bert")
        anna.execute("drop role bert")


def test_the_command_refuses_in_words(anna: Connection, riskmart: Run) -> None:
    grant = ("access", "grant", "anna", "--role")
    assert riskmart(*grant, "finance", "--org", "BASELINE").code == 0
    done = riskmart(*grant, "analyst", "--org", "SYNTH")
    assert done.code == 2
    words = " ".join(done.err.split())
    assert "anna would be analyst in BASELINE too, where it is granted finance" in words
    assert "Expected a login of its own" in words
