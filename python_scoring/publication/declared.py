"""What our own roles may read of a mart, as it declares, column by column.

`macros/grant_readers.sql` grants that on the build's tables; it is carried to their
names. Whatever else is granted on a name stays.
"""

from psycopg import sql

from python_scoring.access import roles
from python_scoring.publication.names import BUILD_ID
from python_scoring.warehouse import Connection

# What the marts declare for our roles: all columns (null), or some.
_DECLARED = """
select c.relname, pg_get_userbyid(g.grantee), null::text[]
from pg_class as c
cross join aclexplode(c.relacl) as g
where c.relnamespace = to_regnamespace(quote_ident(%(schema)s))
    and c.relkind in ('r', 'p', 'v') and g.privilege_type = 'SELECT'
    and pg_get_userbyid(g.grantee) = any(%(roles)s)
union all
select c.relname, pg_get_userbyid(g.grantee), array_agg(a.attname::text order by attnum)
from pg_class as c
inner join pg_attribute as a on c.oid = a.attrelid
cross join aclexplode(a.attacl) as g
where c.relnamespace = to_regnamespace(quote_ident(%(schema)s))
    and c.relkind in ('r', 'p', 'v') and g.privilege_type = 'SELECT'
    and pg_get_userbyid(g.grantee) = any(%(roles)s)
group by c.relname, g.grantee
order by 1, 2
"""


def carry(conn: Connection, build_schema: str, names_schema: str) -> None:
    """Let our roles read of the names what the build declares, and nothing else."""
    ours = list(roles.READERS.values())
    named, built = (
        {
            (name, role): columns
            for name, role, columns in conn.execute(
                _DECLARED.encode(), {"schema": schema, "roles": ours}
            )
        }
        for schema in (names_schema, build_schema)
    )
    wanted = {key: columns and [BUILD_ID, *columns] for key, columns in built.items()}
    statements: list[sql.Composable] = []
    for name, role in sorted(set(named) | set(wanted)):
        place, whom = sql.Identifier(names_schema, name), sql.Identifier(role)
        before, after = named.get((name, role), []), wanted.get((name, role), [])
        if _same(before, after):
            continue
        statements.append(sql.SQL("revoke select on {} from {}").format(place, whom))
        if after != []:
            statements.append(_grant(place, whom, after))
    if built:
        statements.append(
            sql.SQL("grant usage on schema {} to {}").format(
                sql.Identifier(names_schema), sql.Identifier(roles.READER)
            )
        )
    # The name's reader needs all of the table, and has no way to it but the name.
    for name, role in sorted(built):
        statements.append(
            _grant(sql.Identifier(build_schema, name), sql.Identifier(role), None)
        )
    if statements:
        conn.execute(sql.SQL("; ").join(statements))


def _same(before: list[str] | None, after: list[str] | None) -> bool:
    if before is None or after is None:
        return before is after
    return sorted(before) == sorted(after)


def _grant(
    place: sql.Composable, whom: sql.Composable, columns: list[str] | None
) -> sql.Composable:
    names = sql.SQL(", ").join(map(sql.Identifier, columns or []))
    listed = sql.SQL(" ({})").format(names) if columns else sql.SQL("")
    return sql.SQL("grant select{} on {} to {}").format(listed, place, whom)
