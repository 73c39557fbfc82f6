"""Who belongs to which organization, department and patient list."""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from python_scoring.access import roles
from python_scoring.audit import store as trail
from python_scoring.errors import BadInput
from python_scoring.warehouse import BUILDER, Connection

_FOLLOW = """
delete from access.organizations;
insert into access.organizations select organization_id, org_code from {}.organizations;
delete from access.departments;
insert into access.departments select department_id, department_code from {}.departments
"""
_MEMBERS = """
select m.member, m.org_code, m.department_code,
    array(
        select replace(g.rolname, 'riskmart_', '')
        from pg_auth_members as a
        inner join pg_roles as g on a.roleid = g.oid
        inner join pg_roles as u on a.member = u.oid
        where u.rolname = m.member and g.rolname = any(%s)
        order by 1
    ),
    (select count(*) from access.assigned_patients as p where p.member = m.member)
from access.memberships as m
order by 1, 2, 3
"""


@dataclass(frozen=True)
class Member:
    """One membership of a login, with the roles it has and its assigned patients."""

    member: str
    org_code: str
    department_code: str | None
    roles: list[str]
    patient_count: int


def follow(conn: Connection, build_schema: str) -> None:
    """Take the numbers of organizations and departments from a build."""
    row = conn.execute("select to_regclass('access.organizations')").fetchone()
    if row and row[0]:
        schema = sql.Identifier(build_schema)
        conn.execute(sql.SQL(_FOLLOW).format(schema, schema))


def members(conn: Connection) -> list[Member]:
    """List every membership."""
    ours = (list(roles.GRANTED),)
    return [Member(*row) for row in conn.execute(_MEMBERS.encode(), ours)]


def grant(
    conn: Connection,
    member: str,
    org_code: str,
    *,
    role: str | None = None,
    departments: Sequence[str] = (),
    patients: Sequence[str] = (),
) -> None:
    """Let a login see an organization, or departments or patients of it alone.

    Parameters
    ----------
    member
        Name of the database login.
    role
        A key of `roles.READERS`, `intake` or `auditor`: what it may do there.
    departments, patients
        Codes and patient_uuids; with neither, the whole organization.

    Raises
    ------
    BadInput
        No such login, organization, department or patient.
    """
    with conn.transaction():
        _check_codes(conn, org_code, departments)
        _check_no_builder(conn, member)
        if role:
            _join(conn, member, role)
        elif not _exists(conn, member):
            raise BadInput(f"{member}: no such login on this server; expected one")
        places: list[str | None] = list(departments)
        if not departments and not patients:
            places = [None]
        for department in places:
            conn.execute(
                "insert into access.memberships (member, org_code, department_code)"
                " values (%s, %s, %s) on conflict do nothing",
                (member, org_code, department),
            )
        _assign(conn, member, org_code, patients)
        trail.record(
            conn,
            "role_change",
            member,
            len(places) + len(patients),
            detail={
                "granted": role,
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


def _check_known(what: str, given: Sequence[str], known: set[str]) -> None:
    for code in given:
        if code not in known:
            expected = ", ".join(sorted(known)) or "none yet: run `riskmart build`"
            raise BadInput(
                f"{code}: no such {what} is published; expected one of {expected}"
            )


def _join(conn: Connection, member: str, role: str) -> None:
    known = {**roles.READERS, "intake": roles.INTAKE, "auditor": roles.AUDITOR}
    if role not in known:
        raise BadInput(f"{role}: no such role; expected one of {', '.join(known)}")
    if not _exists(conn, member):
        raise BadInput(f"{member}: no such login on this server; expected one")
    try:
        conn.execute(
            sql.SQL("grant {} to {}").format(
                sql.Identifier(known[role]), sql.Identifier(member)
            )
        )
    except psycopg.errors.InsufficientPrivilege as error:
        raise BadInput(
            f"{str(error).splitlines()[0]}; expected a database user who may grant "
            f"{known[role]} (the one who ran `riskmart db init-roles`)"
        ) from None


def _assign(
    conn: Connection, member: str, org_code: str, patients: Sequence[str]
) -> None:
    for uuid in patients:
        try:
            done = conn.execute(
                "insert into access.assigned_patients (member, patient_id)"
                " select %s, patient_id from raw.patient_registry"
                " where patient_uuid = %s::uuid and org_code = %s"
                " on conflict (member, patient_id) do update"
                " set granted_at = excluded.granted_at",
                (member, uuid, org_code),
            )
        except psycopg.errors.InvalidTextRepresentation:
            raise BadInput(f"{uuid}: expected a patient_uuid") from None
        if not done.rowcount:
            raise BadInput(f"{uuid}: no such patient_uuid in {org_code}")
