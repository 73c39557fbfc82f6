"""Readers' privileges: whoever may read a name gets its table with it.

A name is a `security_invoker` view: its reader needs `select` on the table too, on
the whole of it, even where the name is granted by column. The build's schema is
granted to nobody, so that there is no way to a table but by its name.
"""

from psycopg import sql

from python_scoring.access import roles
from python_scoring.publication import declared
from python_scoring.publication.names import SCHEMA
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


def carry(conn: Connection, build_schema: str, *, from_tables: bool) -> int:
    """Let those read a build's tables who may read their names.

    Parameters
    ----------
    build_schema
        Schema of the build's tables.
    from_tables
        For a new build: what dbt granted on its tables (the config `grants`) is
        granted on their names first. Else it is revoked from the tables, as what
        the names no longer grant.

    Returns
    -------
    How many were granted or revoked.
    """
    if from_tables:
        declared.carry(conn, build_schema, SCHEMA)
        new = _surplus(conn, build_schema, SCHEMA, SCHEMA)
        _change(conn, "grant", new, SCHEMA)
    else:
        needed = _needed_below(conn, build_schema)
        stale = _surplus(conn, build_schema, SCHEMA, build_schema)
        new = [reader for reader in stale if reader not in needed]
        _change(conn, "revoke", new, build_schema)
    missing = _surplus(conn, SCHEMA, build_schema, build_schema)
    _change(conn, "grant", missing, build_schema)
    _open_to_intake(conn, build_schema)
    _change(conn, "grant", _needed_below(conn, build_schema), build_schema)
    return len(new) + len(missing)


def _needed_below(conn: Connection, build_schema: str) -> list[tuple[str, str | None]]:
    """Find what is read through a build's views, and asked by its policies."""
    return [
        row
        for query in (_THROUGH_VIEWS, _THROUGH_POLICIES)
        for row in conn.execute(query.encode(), (build_schema,)).fetchall()
    ]


def _open_to_intake(conn: Connection, build_schema: str) -> None:
    row = conn.execute("select to_regrole(%s) is not null", (roles.INTAKE,)).fetchone()
    if row and row[0]:
        conn.execute(
            sql.SQL("grant usage on schema {} to {}").format(
                sql.Identifier(build_schema), sql.Identifier(roles.INTAKE)
            )
        )


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
