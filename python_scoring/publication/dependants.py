"""What others built on the names: who they are, and how to put it back.

Only where a change of columns was asked for: a view with other columns cannot
replace the old one in place, so the name is dropped and made anew, and with it
every view above it. Nothing of somebody else's is destroyed: what cannot be put
back as it was refuses the whole publication.
"""

from dataclasses import dataclass

import psycopg

from python_scoring.errors import GateFailed
from python_scoring.publication.names import SCHEMA
from python_scoring.warehouse import Connection

# Views by way of their rules; a view stands after all that it is built on.
_DEPENDANTS = """
with recursive above as (
    select c.oid, 0 as depth
    from pg_class as c
    where c.relnamespace = to_regnamespace(quote_ident(%(schema)s))
        and c.relname = any(%(names)s)
    union
    select r.ev_class, above.depth + 1
    from above
    inner join pg_depend as d
        on above.oid = d.refobjid and d.refclassid = 'pg_class'::regclass
        and d.classid = 'pg_rewrite'::regclass
    inner join pg_rewrite as r on d.objid = r.oid and r.ev_class <> above.oid
    where above.depth < 50
)

select c.oid, c.oid::regclass::text, c.relkind::text
from above
inner join pg_class as c on above.oid = c.oid
where not (
    c.relnamespace = to_regnamespace(quote_ident(%(schema)s))
    and c.relname = any(%(names)s)
)
group by c.oid, c.relkind
order by max(above.depth), c.oid::regclass::text
"""

# Functions, rules and triggers hold on to a view's row type or to the view itself.
_OTHERS = """
select distinct pg_describe_object(d.classid, d.objid, d.objsubid)
from pg_depend as d
inner join pg_class as c
    on (d.refclassid = 'pg_class'::regclass and d.refobjid = c.oid)
    or (d.refclassid = 'pg_type'::regclass and d.refobjid = c.reltype)
left join pg_rewrite as r
    on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
where c.oid = any(%s) and d.deptype in ('n', 'a')
    and (r.oid is null or r.rulename <> '_RETURN')
    and not (d.classid = 'pg_type'::regclass)
"""

_DEFINITION = """
select format('create view %%s%%s as %%s', c.oid::regclass,
    coalesce(' with (' || array_to_string(c.reloptions, ', ') || ')', ''),
    pg_get_viewdef(c.oid))
from pg_class as c where c.oid = %s
"""
_AFTERWARDS = """
select format('alter view %%s owner to %%I',
    c.oid::regclass, pg_get_userbyid(c.relowner))
from pg_class as c where c.oid = %(oid)s
union all
select format('comment on %%s %%s%%s is %%L', case d.objsubid when 0 then 'view'
    else 'column' end, c.oid::regclass, coalesce('.' || quote_ident(a.attname), ''),
    d.description)
from pg_description as d
inner join pg_class as c on d.objoid = c.oid and d.classoid = 'pg_class'::regclass
left join pg_attribute as a on d.objoid = a.attrelid and d.objsubid = a.attnum
    and a.attnum > 0
where c.oid = %(oid)s
"""
_GRANTS = """
select format('grant %%s%%s on %%s to %%s%%s', g.privilege_type,
    coalesce(' (' || quote_ident(g.attname) || ')', ''), g.oid::regclass,
    case g.grantee
        when 0 then 'public' else quote_ident(pg_get_userbyid(g.grantee)) end,
    case when g.is_grantable then ' with grant option' else '' end), g.attname
from (
    select c.oid, c.relowner, null as attname, x.*
    from pg_class as c cross join aclexplode(c.relacl) as x
    union all
    select c.oid, c.relowner, a.attname, x.*
    from pg_class as c
    inner join pg_attribute as a on c.oid = a.attrelid
    cross join aclexplode(a.attacl) as x
) as g
where g.oid = %s and g.grantee <> g.relowner
"""


@dataclass(frozen=True)
class SavedView:
    """A view of somebody's as statements that make it again."""

    name: str
    statements: tuple[str, ...]


def dependants(conn: Connection, names: list[str]) -> list[str]:
    """Say who depends on these names of `marts`, however far above, in words."""
    return [
        f"{name} ({_KINDS.get(kind, kind)})" for _, name, kind in _above(conn, names)
    ]


def save(conn: Connection, names: list[str]) -> list[SavedView]:
    """Note everything that stands on these names, lowest first.

    Raises
    ------
    GateFailed
        Something other than a plain view does: that cannot be made again.
    """
    above = _above(conn, names)
    oids = [oid for oid, _, _ in above] + _oids(conn, names)
    stuck = [f"{name} ({_KINDS[kind]})" for _, name, kind in above if kind != "v"]
    stuck += [name for (name,) in conn.execute(_OTHERS.encode(), (oids,))]
    if stuck:
        raise GateFailed(
            "these depend on names that change and cannot be put back afterwards: "
            f"{', '.join(stuck)}; drop them first"
        )
    return [_saved(conn, oid, name) for oid, name, _ in above]


def grants_on(conn: Connection, name: str) -> list[tuple[str, str | None]]:
    """Write what is granted on a name: statements, with the column where on one."""
    [oid] = _oids(conn, [name])
    return conn.execute(_GRANTS.encode(), (oid,)).fetchall()


def put_back(conn: Connection, views: list[SavedView]) -> None:
    """Make the saved views again.

    Raises
    ------
    GateFailed
        One of them no longer fits; naming it.
    """
    for view in views:
        try:
            for statement in view.statements:
                conn.execute(statement.encode())
        except psycopg.ProgrammingError as error:
            raise GateFailed(
                f"{view.name} does not fit the new columns: "
                f"{str(error).splitlines()[0]}; change or drop it first"
            ) from None


def _saved(conn: Connection, oid: int, name: str) -> SavedView:
    statements = [
        *conn.execute(_DEFINITION.encode(), (oid,)),
        *conn.execute(_AFTERWARDS.encode(), {"oid": oid}),
        *conn.execute(_GRANTS.encode(), (oid,)),
    ]
    return SavedView(name, tuple(row[0] for row in statements))


def _above(conn: Connection, names: list[str]) -> list[tuple[int, str, str]]:
    values = {"schema": SCHEMA, "names": names}
    return conn.execute(_DEPENDANTS.encode(), values).fetchall()


def _oids(conn: Connection, names: list[str]) -> list[int]:
    rows = conn.execute(
        "select oid from pg_class where relname = any(%s)"
        " and relnamespace = to_regnamespace(%s)",
        (names, SCHEMA),
    )
    return [oid for (oid,) in rows]


_KINDS = {"v": "view", "m": "materialized view", "r": "table"}
