"""Whether what is about to be published is protected, by the catalogue."""

from python_scoring.access import protection
from python_scoring.errors import GateFailed
from python_scoring.warehouse import Connection

_UNPROTECTED = """
select c.relname
from pg_class as c
inner join pg_namespace as n on c.relnamespace = n.oid
where n.nspname = any(%s) and c.relkind in ('r', 'p')
    and not (
        c.relrowsecurity and c.relforcerowsecurity
        and exists (
            select from pg_policy as p
            where p.polrelid = c.oid and p.polname in ('readers', 'intake')
        )
    )
order by 1
"""

_MOST_NAMED = 5


def check_protected(conn: Connection, *schemas: str) -> None:
    """Refuse a build with a table that is not under row-level security.

    Parameters
    ----------
    schemas
        Of its marts, and of the copies beside them.

    Raises
    ------
    GateFailed
        Naming the marts; not where the roles are not there.
    """
    found = unprotected(conn, *schemas)
    if found:
        names = ", ".join(found[:_MOST_NAMED])
        more = f" and {len(found) - _MOST_NAMED} more" * (len(found) > _MOST_NAMED)
        raise GateFailed(
            f"not published: {schemas[0]} has tables without row-level security "
            f"({names}{more}); it is from before there were roles, or somebody took it "
            "off. Expected a build of now (`riskmart build`)"
        )


def unprotected(conn: Connection, *schemas: str) -> list[str]:
    """Find the tables that are not under row-level security, by name.

    None where the roles are not there.
    """
    if protection.why_off(conn):
        return []
    rows = conn.execute(_UNPROTECTED.encode(), (list(schemas),)).fetchall()
    return sorted({name for (name,) in rows})
