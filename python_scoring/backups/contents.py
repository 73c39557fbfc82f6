"""What a warehouse holds: its tables, counted and hashed, and whose they are."""

from dataclasses import dataclass

from psycopg import sql

from python_scoring.warehouse import Connection

_TABLES = r"""
select n.nspname, c.relname
from pg_class as c
inner join pg_namespace as n on c.relnamespace = n.oid
where c.relkind = 'r'
    and n.nspname not like 'pg\_%' and n.nspname <> 'information_schema'
    and not exists (
        select 1 from pg_depend as d
        where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
    )
order by n.nspname, c.relname
"""

# A row's text depends on these.
_STEADY_TEXT = """
select set_config('datestyle', 'ISO, YMD', true),
    set_config('intervalstyle', 'postgres', true),
    set_config('timezone', 'UTC', true),
    set_config('bytea_output', 'hex', true),
    set_config('extra_float_digits', '1', true),
    -- an error rather than fewer rows, as in pg_dump
    set_config('row_security', 'off', true)
"""

_MEASURE = """
select count(*),
    coalesce(sum(cast(hashtextextended(cast(whole_row as text), 0) as numeric)), 0)
from {} as whole_row
"""

_OTHER_RELATIONS = r"""
select exists (
    select 1
    from pg_class as c
    inner join pg_namespace as n on c.relnamespace = n.oid
    where n.nspname not in ('raw', 'audit', 'access', 'information_schema')
        and n.nspname not like 'pg\_%' and c.relkind in ('r', 'p', 'v', 'm', 'f')
        and not exists (
            select 1 from pg_depend as d
            where d.classid = 'pg_class'::regclass and d.objid = c.oid
                and d.deptype = 'e'
        )
)
"""

_OWNERS = r"""
select distinct pg_get_userbyid(owned.owner)
from (
    select nspname, nspowner as owner from pg_namespace where nspname <> 'public'
    union all
    select n.nspname, c.relowner
    from pg_class as c inner join pg_namespace as n on c.relnamespace = n.oid
    union all
    select n.nspname, p.proowner
    from pg_proc as p inner join pg_namespace as n on p.pronamespace = n.oid
    union all
    select n.nspname, t.typowner
    from pg_type as t inner join pg_namespace as n on t.typnamespace = n.oid
) as owned
where owned.nspname not like 'pg\_%' and owned.nspname <> 'information_schema'
order by 1
"""

# PostgreSQL notes on whom an object depends, but for the server's first user (10).
_ROLES = r"""
select pg_get_userbyid(d.refobjid)
from pg_shdepend as d
inner join pg_database as b on d.dbid = b.oid
where b.datname = current_database() and d.refclassid = 'pg_authid'::regclass
    and d.deptype <> 'o'
union
select pg_get_userbyid(defaclrole) from pg_default_acl
union
select pg_get_userbyid(a.grantee)
from pg_class as c cross join aclexplode(c.relacl) as a
where a.grantee = 10 and c.relowner <> 10
union
select pg_get_userbyid(a.grantee)
from pg_namespace as n cross join aclexplode(n.nspacl) as a
where a.grantee = 10 and n.nspowner <> 10
order by 1
"""

_MODELS = "select artifact_file, artifact_sha256 from raw.model_registry order by 1"


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table's content: how many rows, and the sum of their 64-bit hashes."""

    rows: int
    hash: str


def measure(conn: Connection) -> dict[str, Table]:
    """Count and hash every table, by `schema.name`; the order of rows is nothing.

    The same rows give the same hash in another database, on another server and in
    another version of PostgreSQL.

    Parameters
    ----------
    conn
        In a transaction; some of its settings change until its end.
    """
    conn.execute(_STEADY_TEXT.encode())
    return {f"{s}.{name}": _measure(conn, s, name) for s, name in _tables(conn)}


def is_pristine(conn: Connection) -> bool:
    """Whether there are the tables of raw, trail and access alone, all empty."""
    row = conn.execute(_OTHER_RELATIONS.encode()).fetchone()
    return row == (False,) and not any(_has_rows(conn, *t) for t in _tables(conn))


def owners(conn: Connection) -> list[str]:
    """Roles that own what is in the database."""
    return [str(name) for (name,) in conn.execute(_OWNERS.encode())]


def roles(conn: Connection) -> list[str]:
    """Roles that grants, default privileges and policies name."""
    return [str(name) for (name,) in conn.execute(_ROLES.encode())]


def models(conn: Connection) -> list[tuple[str, str]]:
    """Return file name and SHA-256 of each registered model."""
    row = conn.execute("select to_regclass('raw.model_registry') is null").fetchone()
    if row == (True,):
        return []
    return [(str(name), str(sha)) for name, sha in conn.execute(_MODELS.encode())]


def _tables(conn: Connection) -> list[tuple[str, str]]:
    return [(str(schema), str(name)) for schema, name in conn.execute(_TABLES.encode())]


def _measure(conn: Connection, schema: str, name: str) -> Table:
    row = conn.execute(
        sql.SQL(_MEASURE).format(sql.Identifier(schema, name))
    ).fetchone()
    count, total = row or (0, 0)
    return Table(rows=int(count), hash=str(total))


def _has_rows(conn: Connection, schema: str, name: str) -> bool:
    query = sql.SQL("select exists (select 1 from {})")
    return conn.execute(query.format(sql.Identifier(schema, name))).fetchone() == (
        True,
    )
