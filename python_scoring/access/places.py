"""As what a login belongs where: the same everywhere, since PostgreSQL grants roles.

A role that is granted is a login's in every organization that it belongs to. So whoever
is to be an analyst here and in finance there needs two logins.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from python_scoring.access import roles
from python_scoring.errors import BadInput
from python_scoring.warehouse import Connection

_MEMBERSHIPS = """
select member, org_code, department_code, roles, null::bigint
from access.memberships
where %(member)s::text is null or member = %(member)s
order by 1, 2, 3 nulls first
"""
_ASSIGNED = """
select assigned.member, registry.org_code, null, assigned.roles, count(*)
from access.assigned_patients as assigned
inner join raw.patient_registry as registry using (patient_id)
where %(member)s::text is null or assigned.member = %(member)s
group by 1, 2, 4
order by 1, 2, 4
"""
_HELD = f"select role from ({roles.HELD}) as held where member = %s order by role"


@dataclass(frozen=True)
class Place:
    """Where a login belongs: an organization, a department, or some patients of it.

    Attributes
    ----------
    roles
        As what, by name; None where that was not noted yet.
    patient_count
        How many patients, where it is for some alone.
    """

    member: str
    org_code: str
    department_code: str | None
    roles: tuple[str, ...] | None
    patient_count: int | None

    def __str__(self) -> str:
        """Say it in a few words."""
        if self.patient_count is not None:
            return f"{self.org_code} ({self.patient_count:,} patients)"
        department = self.department_code
        return f"{self.org_code} ({department})" if department else self.org_code


def places(conn: Connection, member: str | None = None) -> list[Place]:
    """List where logins belong; of one login, or of all."""
    queries = [_MEMBERSHIPS]
    row = conn.execute("select to_regclass('raw.patient_registry')").fetchone()
    if row and row[0]:
        queries.append(_ASSIGNED)
    found = (
        Place(who, org, department, None if has is None else tuple(sorted(has)), count)
        for query in queries
        for who, org, department, has, count in conn.execute(
            query.encode(), {"member": member}
        )
    )
    return sorted(found, key=lambda place: (place.member, place.org_code))


def held(conn: Connection, member: str) -> list[str]:
    """List the roles that a login holds now, by name."""
    rows = conn.execute(_HELD.encode(), (list(roles.GRANTED.values()), member))
    return [role for (role,) in rows]


def to_be(
    conn: Connection, member: str, org_code: str, named: Sequence[str]
) -> list[str]:
    """Find as what a login shall belong to an organization.

    Raises
    ------
    BadInput
        No role is named, and it would be there what it is elsewhere.
    """
    if named:
        return sorted(set(named))
    already = [p for p in places(conn, member) if p.org_code == org_code]
    if already:
        return sorted({role for place in already for role in place.roles or ()})
    is_now = held(conn, member)
    if is_now:
        raise BadInput(
            f"{member} is {' and '.join(is_now)}, and would be so in {org_code}; "
            "expected --role to say so"
        )
    return []


def check_same(conn: Connection, member: str) -> None:
    """Refuse that a login has a role where it was not given it.

    Raises
    ------
    BadInput
        Naming the role and the place.
    """
    found = places(conn, member)
    everywhere = {role for place in found for role in place.roles or ()}
    everywhere |= set(held(conn, member))
    for place in found:
        if place.roles is None or everywhere - set(place.roles):
            raise BadInput(_words(member, place, everywhere))


def _words(member: str, place: Place, everywhere: Collection[str]) -> str:
    given = "it is not noted as what"
    if place.roles is not None:
        given = f"it is granted {' and '.join(place.roles) or 'no role'}"
    added = " and ".join(sorted(set(everywhere) - set(place.roles or ())))
    return (
        f"{member} would be {added} in {place} too, where {given}: a login has "
        "its roles wherever it belongs. Expected a login of its own for the other "
        f"role, or the same roles in each (`riskmart access revoke {member}`, then "
        "every --role for each --org)"
    )
