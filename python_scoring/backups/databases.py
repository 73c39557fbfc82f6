"""Whole databases: one made beside the warehouse in force, and put in its place."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from python_scoring import warehouse
from python_scoring.errors import BadInput
from python_scoring.warehouse import Connection

# PostgreSQL cuts longer names short without a word.
_NAME_BYTES = 63
# A session that was closed is listed until its server process has ended.
_CLOSING_S = 2.0
_MARK = "an unfinished `riskmart restore` made it; it may be dropped"

_OTHERS = """
select application_name, usename, pid
from pg_stat_activity
where datname = %s and usename is not null
    and coalesce(backend_type, 'client backend') = 'client backend'
    and pid <> pg_backend_pid()
order by pid
"""
_TRAITS = """
select pg_encoding_to_char(encoding), datcollate, datctype, datlocprovider::text,
    coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'),
    pg_get_userbyid(datdba)
from pg_database as d where datname = %s
"""
_GRANTS = """
select case a.grantee when 0 then null else pg_get_userbyid(a.grantee) end,
    a.privilege_type, a.is_grantable
from pg_database as d cross join aclexplode(d.datacl) as a
where d.datname = %s and a.grantee <> d.datdba
"""
_SETTINGS = """
select case s.setrole when 0 then null else pg_get_userbyid(s.setrole) end,
    split_part(c.setting, '=', 1), substr(c.setting, strpos(c.setting, '=') + 1)
from pg_db_role_setting as s
inner join pg_database as d on s.setdatabase = d.oid
cross join unnest(s.setconfig) as c (setting)
where d.datname = %s
"""


@contextmanager
def administration(database: str) -> Iterator[Connection]:
    """Connect beside a database: none can be renamed from within.

    One restore of a database at a time holds this connection.

    Raises
    ------
    BadInput
        Neither of the server's own databases lets us in, or another restore is
        at work.
    """
    with _beside(database) as conn:
        key = f"riskmart restore {database}"
        lock = "select pg_try_advisory_lock(hashtextextended(%s, 0))"
        if conn.execute(lock, (key,)).fetchone() != (True,):
            raise BadInput(f"another restore of {database} is at work")
        yield conn


def _beside(database: str) -> Connection:
    first, *rest = [n for n in ("postgres", "template1") if n != database]
    try:
        return warehouse.connect(dbname=first, autocommit=True)
    except BadInput:
        if not rest:
            raise
        return warehouse.connect(dbname=rest[0], autocommit=True)


def named(database: str, suffix: str) -> str:
    """Return a database's name with a suffix, no longer than names may be."""
    room = _NAME_BYTES - len(suffix.encode())
    return database.encode()[:room].decode(errors="ignore") + suffix


def others(conn: Connection, database: str) -> list[str]:
    """Sessions on a database that are not this one, in words."""
    return [
        f"{application or 'unnamed'} (database user {user}, process {pid})"
        for application, user, pid in conn.execute(_OTHERS.encode(), (database,))
    ]


def create_like(conn: Connection, database: str, name: str) -> None:
    """Make an empty database with the encoding, locale, owner and grants of another.

    What an unfinished restore left under that name goes.

    Raises
    ------
    BadInput
        There is one of that name, and it is not ours or somebody uses it.
    """
    drop_unfinished(conn, name)
    row = conn.execute(_TRAITS.encode(), (database,)).fetchone()
    assert row
    encoding, collate, ctype, provider, locale, owner = row
    statement = "create database {} template template0 encoding {} lc_collate {} "
    parts = [sql.Identifier(name), *map(sql.Literal, (encoding, collate, ctype))]
    kinds = {"c": "libc", "i": "icu icu_locale {}", "b": "builtin builtin_locale {}"}
    statement += "lc_ctype {} owner {} locale_provider " + kinds[provider]
    values = [*parts, sql.Identifier(owner), sql.Literal(locale)]
    conn.execute(sql.SQL(statement).format(*values))
    _comment(conn, name, _MARK)
    _copy_grants(conn, database, name)


def drop_unfinished(conn: Connection, name: str) -> None:
    """Drop the database of an unfinished restore, if there is one.

    Raises
    ------
    BadInput
        It is not ours, or in use.
    """
    row = conn.execute(
        "select shobj_description(oid, 'pg_database') from pg_database"
        " where datname = %s",
        (name,),
    ).fetchone()
    if row is None:
        return
    if row[0] != _MARK:
        raise BadInput(
            f"there is a database {name}, and no restore of ours made it; expected "
            "that name to be free"
        )
    try:
        conn.execute(sql.SQL("drop database {}").format(sql.Identifier(name)))
    except psycopg.errors.ObjectInUse:
        users = ", ".join(others(conn, name))
        raise BadInput(f"database {name} is in use: {users}") from None


def swap(conn: Connection, database: str, new: str, old: str) -> None:
    """Put the new database in the place of the other, which becomes `old`.

    Both get their names in one transaction. The other's settings and comment go
    over, as they belong to the database rather than to what is in it.

    Raises
    ------
    BadInput
        Somebody is connected to it; nothing is changed then.
    """
    rename = sql.SQL("alter database {} rename to {}")
    both = sql.Identifier(database), sql.Identifier(old)
    try:
        with conn.transaction():
            _copy_settings(conn, database, new)
            _copy_comment(conn, database, new)
            conn.execute(rename.format(*both))
            conn.execute(rename.format(sql.Identifier(new), sql.Identifier(database)))
    except psycopg.errors.ObjectInUse:
        refuse_others(conn, database)
        raise BadInput(f"database {database} is in use; try again") from None


def refuse_others(conn: Connection, database: str) -> None:
    """Make sure that nobody but us is connected.

    Raises
    ------
    BadInput
        Naming who is.
    """
    users = others(conn, database)
    waits_until = time.monotonic() + _CLOSING_S
    while users and time.monotonic() < waits_until:
        time.sleep(0.05)
        users = others(conn, database)
    if users:
        raise BadInput(
            f"database {database} is in use and cannot be replaced: "
            f"{', '.join(users)}. Have them finish or disconnect, then try again"
        )


def drop(conn: Connection, name: str) -> None:
    """Drop a database, whoever is connected."""
    conn.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def _copy_grants(conn: Connection, database: str, new: str) -> None:
    row = conn.execute(
        "select datacl is null from pg_database where datname = %s", (database,)
    ).fetchone()
    if row == (True,):
        return
    target = sql.Identifier(new)
    conn.execute(sql.SQL("revoke all on database {} from public").format(target))
    for grantee, privilege, is_grantable in conn.execute(_GRANTS.encode(), (database,)):
        to = sql.Identifier(grantee) if grantee else sql.SQL("public")
        end = " with grant option" if is_grantable else ""
        grant = sql.SQL(f"grant {privilege} on database {{}} to {{}}{end}")
        conn.execute(grant.format(target, to))


def _copy_settings(conn: Connection, database: str, new: str) -> None:
    rows = conn.execute(_SETTINGS.encode(), (database,)).fetchall()
    for role, name, value in rows:
        conn.execute("select set_config(%s, %s, true)", (name, value))
        whose = sql.SQL("database {}").format(sql.Identifier(new))
        if role:
            whose = sql.SQL("role {} in {}").format(sql.Identifier(role), whose)
        # From current: only so is a list of schemas taken as a list.
        statement = sql.SQL("alter {} set {} from current")
        conn.execute(statement.format(whose, sql.Identifier(*name.split("."))))


def _copy_comment(conn: Connection, database: str, new: str) -> None:
    row = conn.execute(
        "select shobj_description(oid, 'pg_database') from pg_database"
        " where datname = %s",
        (database,),
    ).fetchone()
    _comment(conn, new, row[0] if row else None)


def _comment(conn: Connection, name: str, text: str | None) -> None:
    statement = sql.SQL("comment on database {} is {}")
    conn.execute(statement.format(sql.Identifier(name), sql.Literal(text)))
