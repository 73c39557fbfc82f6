"""Who belongs to which organization, department and patient list."""

from collections.abc import Collection, Sequence

import psycopg
from psycopg import sql

from python_scoring.access import places, roles
from python_scoring.audit import store as trail
from python_scoring.errors import BadInput
from python_scoring.warehouse import BUILDER, Connection

_FOLLOW = """
delete from access.organizations;
insert into access.organizations select organization_id, org_code from {}.organizations;
delete from access.departments;
insert into access.departments select department_id, department_code from {}.departments
"""
# What somebody is in a place already, they stay.
_AND_WHAT_IT_WAS = """
set roles = array(
    select distinct role from unnest(old.roles || excluded.roles) as both_of (role)
    order by role
)
"""


def follow(conn: Connection, build_schema: str) -> None:
    """Take the numbers of organizations and departments from a build."""
    row = conn.execute("select to_regclass('access.organizations')").fetchone()
    if row and row[0]:
        schema = sql.Identifier(build_schema)
        conn.execute(sql.SQL(_FOLLOW).format(schema, schema))


def grant(
    conn: Connection,
    member: str,
    org_code: str,
    *,
    role: str | Sequence[str] = (),
    departments: Sequence[str] = (),
    patients: Sequence[str] = (),
) -> None:
    """Let a login see an organization, or departments or patients of it alone.

    Parameters
    ----------
    member
        Name of the database login.
    role
        One or more keys of `roles.READERS`, `intake` or `auditor`: as what. A role is
        a login's wherever it belongs, so that it is to be given everywhere.
    departments, patients
        Codes and patient_uuids; with neither, the whole organization.

    Raises
    ------
    BadInput
        No such login, organization, department or patient; or the login would have a
        role where it was not given it.
    """
    named = [role] if isinstance(role, str) else [*role]
    with conn.transaction():
        _check_codes(conn, org_code, departments)
        _check_known("role", named, roles.GRANTED)
        _check_no_builder(conn, member)
        if not _exists(conn, member):
            raise BadInput(f"{member}: no such login on this server; expected one")
        # Of two grants at once, the second sees the first.
        conn.execute("lock table access.memberships in share row exclusive mode")
        given = places.to_be(conn, member, org_code, named)
        where: list[str | None] = list(departments)
        if not departments and not patients:
            where = [None]
        for department in where:
            conn.execute(
                "insert into access.memberships as old"
                " (member, org_code, department_code, roles) values (%s, %s, %s, %s)"
                " on conflict (member, org_code, department_code) do update"
                f" {_AND_WHAT_IT_WAS}".encode(),
                (member, org_code, department, given),
            )
        _assign(conn, member, org_code, patients, given)
        places.check_same(conn, member)
        for name in named:
            _join(conn, member, name)
        trail.record(
            conn,
            "role_change",
            member,
            len(where) + len(patients),
            detail={
                "granted": ", ".join(named) or None,
                "org_code": org_code,
                "departments": [*departments],
                "patient_uuids": [*patients],
            },
        )


def revoke(conn: Connection, member: str, org_code: str | None = None) -> int:
    """Take a login's memberships away, of one organization or all; and its roles.

    Returns
    -------
    int
        Memberships and assigned patients that were taken away.
    """
    with conn.transaction():
        if not _exists(conn, member) and not _belongs(conn, member):
            raise BadInput(f"{member}: no such login, and no membership of that name")
        count = conn.execute(
            "delete from access.memberships"
            " where member = %s and (%s::text is null or org_code = %s)",
            (member, org_code, org_code),
        ).rowcount
        count += conn.execute(
            "delete from access.assigned_patients as assigned"
            " where member = %s and (%s::text is null or exists ("
            "select from raw.patient_registry as registry"
            " where registry.patient_id = assigned.patient_id"
            " and registry.org_code = %s))",
            (member, org_code, org_code),
        ).rowcount
        if org_code is None and _exists(conn, member):
            roles.take_away(conn, member)
        trail.record(
            conn, "role_change", member, count, detail={"revoked": org_code or "all"}
        )
    return count


def _check_no_builder(conn: Connection, member: str) -> None:
    row = conn.execute(
        "select rolsuper or rolbypassrls or pg_has_role(oid, %s, 'member')"
        " from pg_roles where rolname = %s",
        (BUILDER, member),
    ).fetchone()
    if row and row[0]:
        raise BadInput(
            f"{member} builds, past every policy; expected a login of its own for "
            "whoever reads"
        )


def _exists(conn: Connection, login: str) -> bool:
    row = conn.execute("select from pg_roles where rolname = %s", (login,)).fetchone()
    return row is not None


def _belongs(conn: Connection, member: str) -> bool:
    row = conn.execute(
        "select from access.memberships where member = %s limit 1", (member,)
    ).fetchone()
    return row is not None


def _check_codes(conn: Connection, org_code: str, departments: Sequence[str]) -> None:
    organizations = conn.execute("select org_code from access.organizations")
    _check_known("organization", [org_code], {code for (code,) in organizations})
    known = conn.execute("select department_code from access.departments")
    _check_known("department", departments, {code for (code,) in known})


def _check_known(what: str, given: Sequence[str], known: Collection[str]) -> None:
    for code in given:
        if code not in known:
            expected = ", ".join(sorted(known)) or "none yet: run `riskmart build`"
            is_there = "" if what == "role" else " is published"
            raise BadInput(
                f"{code}: no such {what}{is_there}; expected one of {expected}"
            )


def _join(conn: Connection, member: str, role: str) -> None:
    try:
        conn.execute(
            sql.SQL("grant {} to {}").format(
                sql.Identifier(roles.GRANTED[role]), sql.Identifier(member)
            )
        )
    except psycopg.errors.InsufficientPrivilege as error:
        raise BadInput(
            f"{str(error).splitlines()[0]}; expected a database user who may grant "
            f"{roles.GRANTED[role]} (the one who ran `riskmart db init-roles`)"
        ) from None


def _assign(
    conn: Connection,
    member: str,
    org_code: str,
    patients: Sequence[str],
    given: Sequence[str],
) -> None:
    for uuid in patients:
        try:
            done = conn.execute(
                "insert into access.assigned_patients as old"
                " (member, patient_id, roles)"
                " select %s, patient_id, %s from raw.patient_registry"
                " where patient_uuid = %s::uuid and org_code = %s"
                " on conflict (member, patient_id) do update"
                f" {_AND_WHAT_IT_WAS}".encode(),
                (member, [*given], uuid, org_code),
            )
        except psycopg.errors.InvalidTextRepresentation:
            raise BadInput(f"{uuid}: expected a patient_uuid") from None
        if not done.rowcount:
            raise BadInput(f"{uuid}: no such patient_uuid in {org_code}")
