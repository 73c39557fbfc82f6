"""Readers' privileges: whoever may read a name gets its table with it.

Our own roles read what the marts declare (`macros/grant_readers.sql`), column by
column; whatever else is granted on a name stays.

A name is a `security_invoker` view: its reader needs `select` on the table too, on
the whole of it, even where the name is granted by column. The build's schema is
granted to nobody, so that there is no way to a table but by its name.
"""

from psycopg import sql

from python_scoring.access import roles
from python_scoring.publication.names import BUILD_ID, SCHEMA
from python_scoring.warehouse import Connection

# Who may read relations or some of their columns; the owner may anyhow. Whoever takes
# new patients in goes to the tables, not to the names.
_READERS = f"""
select c.relname, g.grantee
from pg_class as c
cross join aclexplode(c.relacl) as g
where c.relnamespace = to_regnamespace(quote_ident({{schema}}))
    and c.relkind in ('r', 'p', 'v') and g.privilege_type = 'SELECT'
    and g.grantee <> c.relowner
    and g.grantee is distinct from to_regrole('{roles.INTAKE}')
union
select c.relname, g.grantee
from pg_class as c
inner join pg_attribute as a on c.oid = a.attrelid
cross join aclexplode(a.attacl) as g
where c.relnamespace = to_regnamespace(quote_ident({{schema}}))
    and c.relkind in ('r', 'p', 'v') and g.privilege_type = 'SELECT'
    and g.grantee <> c.relowner
    and g.grantee is distinct from to_regrole('{roles.INTAKE}')
"""

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

# What may be read in one schema and not, of the same name, in the other.
_SURPLUS = """
select surplus.relname,
    case when surplus.grantee <> 0 then pg_get_userbyid(surplus.grantee) end
from (({here}) except ({there})) as surplus
inner join pg_class as c
    on surplus.relname = c.relname
    and c.relnamespace = to_regnamespace(quote_ident({changed}))
order by 1, 2
"""

# A build's view reads as whoever asks, so its readers need its tables too.
_THROUGH_VIEWS = """
select distinct base.relname,
    case when g.grantee <> 0 then pg_get_userbyid(g.grantee) end
from pg_class as v
cross join aclexplode(v.relacl) as g
inner join pg_rewrite as r on v.oid = r.ev_class
inner join pg_depend as d
    on r.oid = d.objid and d.classid = 'pg_rewrite'::regclass
    and d.refclassid = 'pg_class'::regclass
inner join pg_class as base
    on d.refobjid = base.oid and base.relnamespace = v.relnamespace
    and base.relkind in ('r', 'p')
where v.relnamespace = to_regnamespace(quote_ident(%s)) and v.relkind = 'v'
    and g.privilege_type = 'SELECT' and g.grantee <> v.relowner
order by 1, 2
"""

# A row policy asks as whoever reads: its readers need what it looks into.
_THROUGH_POLICIES = """
select distinct base.relname,
    case when g.grantee <> 0 then pg_get_userbyid(g.grantee) end
from pg_policy as p
inner join pg_class as t on p.polrelid = t.oid
cross join aclexplode(t.relacl) as g
inner join pg_depend as d
    on p.oid = d.objid and d.classid = 'pg_policy'::regclass
    and d.refclassid = 'pg_class'::regclass
inner join pg_class as base
    on d.refobjid = base.oid and base.relnamespace = t.relnamespace
    and base.oid <> t.oid
where t.relnamespace = to_regnamespace(quote_ident(%s))
    and g.privilege_type = 'SELECT' and g.grantee <> t.relowner
order by 1, 2
"""


def carry(conn: Connection, build_schema: str, *, from_tables: bool) -> None:
    """Let those read a build's tables who may read their names.

    Parameters
    ----------
    build_schema
        Schema of the build's tables.
    from_tables
        For a new build: what dbt granted on its tables (the config `grants`) is
        granted on their names first. Else it is revoked from the tables, as what
        the names no longer grant.
    """
    if from_tables:
        _declare(conn, build_schema)
        _change(conn, "grant", _surplus(conn, build_schema, SCHEMA, SCHEMA), SCHEMA)
    else:
        stale = _surplus(conn, build_schema, SCHEMA, build_schema)
        _change(conn, "revoke", stale, build_schema)
    missing = _surplus(conn, SCHEMA, build_schema, build_schema)
    _change(conn, "grant", missing, build_schema)
    _open_to_intake(conn, build_schema)
    for query in (_THROUGH_VIEWS, _THROUGH_POLICIES):
        below = conn.execute(query.encode(), (build_schema,)).fetchall()
        _change(conn, "grant", below, build_schema)


def _open_to_intake(conn: Connection, build_schema: str) -> None:
    row = conn.execute("select to_regrole(%s) is not null", (roles.INTAKE,)).fetchone()
    if row and row[0]:
        conn.execute(
            sql.SQL("grant usage on schema {} to {}").format(
                sql.Identifier(build_schema), sql.Identifier(roles.INTAKE)
            )
        )


def _declare(conn: Connection, build_schema: str) -> None:
    """Let our roles read of the names what the build declares, and nothing else."""
    ours = list(roles.READERS.values())
    named, built = (
        {
            (name, role): columns
            for name, role, columns in conn.execute(
                _DECLARED.encode(), {"schema": schema, "roles": ours}
            )
        }
        for schema in (SCHEMA, build_schema)
    )
    wanted = {key: columns and [BUILD_ID, *columns] for key, columns in built.items()}
    statements: list[sql.Composable] = []
    for name, role in sorted(set(named) | set(wanted)):
        place, whom = sql.Identifier(SCHEMA, name), sql.Identifier(role)
        before, after = named.get((name, role), []), wanted.get((name, role), [])
        if _same(before, after):
            continue
        statements.append(sql.SQL("revoke select on {} from {}").format(place, whom))
        if after != []:
            statements.append(_grant(place, whom, after))
    if built:
        statements.append(
            sql.SQL("grant usage on schema {} to {}").format(
                sql.Identifier(SCHEMA), sql.Identifier(roles.READER)
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


def _surplus(
    conn: Connection, here: str, there: str, changed: str
) -> list[tuple[str, str | None]]:
    """Relations and roles (None is everybody) that `here` has beyond `there`."""

    def readers(schema: str) -> sql.Composed:
        return sql.SQL(_READERS).format(schema=sql.Literal(schema))

    query = sql.SQL(_SURPLUS).format(
        here=readers(here), there=readers(there), changed=sql.Literal(changed)
    )
    return conn.execute(query).fetchall()


def _change(
    conn: Connection, verb: str, readers: list[tuple[str, str | None]], schema: str
) -> None:
    statement = {
        "grant": sql.SQL("grant select on {} to {}"),
        "revoke": sql.SQL("revoke select on {} from {}"),
    }[verb]
    statements = [
        statement.format(
            sql.Identifier(schema, name),
            sql.Identifier(role) if role else sql.SQL("public"),
        )
        for name, role in readers
    ]
    if statements:
        conn.execute(sql.SQL("; ").join(statements))
