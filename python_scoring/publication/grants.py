"""Readers' privileges: what is granted on a name is carried to its table.

A name is a `security_invoker` view, so that its reader needs the table as well.
Only `select` is carried: nobody writes to a published table through its name.
"""

from psycopg import sql

from python_scoring.publication.names import SCHEMA
from python_scoring.warehouse import Connection

# Whole relations (column null) and single columns; the owner's own are implied.
_SELECT_GRANTS = """
select c.relname, null as column_name, g.grantee
from pg_class as c
cross join aclexplode(c.relacl) as g
where c.relnamespace = to_regnamespace(quote_ident({schema}))
    and c.relkind in ('r', 'p', 'v') and g.privilege_type = 'SELECT'
    and g.grantee <> c.relowner
union all
select c.relname, a.attname, g.grantee
from pg_class as c
inner join pg_attribute as a on c.oid = a.attrelid
cross join aclexplode(a.attacl) as g
where c.relnamespace = to_regnamespace(quote_ident({schema}))
    and c.relkind in ('r', 'p', 'v') and g.privilege_type = 'SELECT'
    and g.grantee <> c.relowner
"""

# What one schema's relations grant and the other's of the same name do not.
_MISSING = """
with

wanted as ({wanted}),

present as ({present})

select wanted.relname, wanted.column_name,
    case when wanted.grantee = 0 then null else pg_get_userbyid(wanted.grantee) end
from wanted
inner join pg_class as c
    on wanted.relname = c.relname
    and c.relnamespace = to_regnamespace(quote_ident({schema}))
where not exists (
        select from present
        where present.relname = wanted.relname and present.grantee = wanted.grantee
            and present.column_name is not distinct from wanted.column_name
    )
    and (wanted.column_name is null or exists (
        select from pg_attribute as a
        where a.attrelid = c.oid and a.attname = wanted.column_name
    ))
order by 1, 2, 3
"""


def carry(conn: Connection, build_schema: str, *, from_tables: bool) -> int:
    """Grant on a build's tables what their names grant; the number of changes.

    Parameters
    ----------
    build_schema
        Schema of the build's tables.
    from_tables
        For a new build: what dbt granted on its tables (the config `grants`) is
        granted on their names first. Else what the names do not grant, or no
        longer, is revoked from the tables.
    """
    changes = 0
    if from_tables:
        changes += _change(conn, "grant", wanted=build_schema, present=SCHEMA)
    else:
        changes += _change(conn, "revoke", wanted=build_schema, present=SCHEMA)
    changes += _change(conn, "grant", wanted=SCHEMA, present=build_schema)
    return changes


def _change(conn: Connection, verb: str, *, wanted: str, present: str) -> int:
    """Make one schema's grants follow the other's, in one direction."""
    # A surplus is taken from where it is, a lack is granted where it lacks.
    changed = wanted if verb == "revoke" else present
    statements = []
    for table, column, role in _missing(conn, wanted, present, changed):
        grantee = sql.SQL("public") if role is None else sql.Identifier(role)
        columns = (
            sql.SQL(" ({})").format(sql.Identifier(column)) if column else sql.SQL("")
        )
        towards = sql.SQL("to" if verb == "grant" else "from")
        statements.append(
            sql.SQL("{} select{} on {} {} {}").format(
                sql.SQL(verb), columns, sql.Identifier(changed, table), towards, grantee
            )
        )
        if verb == "grant" and changed != SCHEMA:
            statements.append(
                sql.SQL("grant usage on schema {} to {}").format(
                    sql.Identifier(changed), grantee
                )
            )
    if statements:
        conn.execute(sql.SQL("; ").join(statements))
    return len(statements)


def _missing(
    conn: Connection, wanted: str, present: str, changed: str
) -> list[tuple[str, str | None, str | None]]:
    def grants(schema: str) -> sql.Composed:
        return sql.SQL(_SELECT_GRANTS).format(schema=sql.Literal(schema))

    query = sql.SQL(_MISSING).format(
        wanted=grants(wanted), present=grants(present), schema=sql.Literal(changed)
    )
    return conn.execute(query).fetchall()
