"""The roles of a server: who reads, who writes, and who builds past every policy.

They are groups without a login. A team gives its people logins of their own and makes
them members. Roles belong to the whole server, and so are made once for all of its
databases.
"""

from dataclasses import dataclass

import psycopg
from psycopg import sql

from python_scoring.errors import BadInput
from python_scoring.warehouse import BUILDER, Connection

READER = "riskmart_reader"
INTAKE = "riskmart_intake"
BACKUP = "riskmart_backup"
AUDIT_KEEPER = "riskmart_audit_keeper"

# Who reads marts, by the name that a model's `readers` has.
READERS = {
    "admin": "riskmart_admin",
    "analyst": "riskmart_analyst",
    "clinician": "riskmart_clinician",
    "finance": "riskmart_finance",
    "partner": "riskmart_partner",
}
AUDITOR = "riskmart_auditor"

ALL = (BUILDER, BACKUP, AUDIT_KEEPER, READER, INTAKE, AUDITOR, *READERS.values())

# What `riskmart access` makes a login, and takes away from it, by its name there.
GRANTED = {**READERS, "intake": INTAKE, "auditor": AUDITOR}

# What reads and writes past the policies; nobody who reads marts may become it.
_BYPASSING = (BUILDER, BACKUP)

# What logins hold, by a grant of ours or by hand, also by way of groups. One parameter:
# the roles in question.
HELD = """
select login.rolname::text as member, replace(ours.rolname, 'riskmart_', '') as role
from pg_roles as login
inner join pg_roles as ours
    on ours.rolname = any(%s) and pg_has_role(login.oid, ours.oid, 'member')
where not login.rolsuper
"""

_PRESENT = "select rolname from pg_roles where rolname = any(%s)"

# Ours by their names: rooms, builds, and what belongs to builds.
OUR_SCHEMAS = """
select nspname from pg_namespace
where nspname in (
    'raw', 'staging', 'intermediate', 'rules', 'reference', 'baseline', 'marts',
    'candidate', 'access'
) or nspname ~ '^(build|intake)_[0-9]+$'
"""
_NOT_THE_BUILDERS = f"""
select 'schema', nspname::text, null::text from pg_namespace
where nspname in ({OUR_SCHEMAS}) and pg_get_userbyid(nspowner) <> %(builder)s
union all
select case c.relkind when 'v' then 'view' when 'S' then 'sequence' else 'table' end,
    n.nspname, c.relname
from pg_class as c
inner join pg_namespace as n on c.relnamespace = n.oid
where n.nspname in ({OUR_SCHEMAS}) and c.relkind in ('r', 'p', 'v', 'S')
    and pg_get_userbyid(c.relowner) <> %(builder)s
    and pg_has_role(c.relowner, 'member')
    and not exists (
        select from pg_depend as d
        where d.objid = c.oid and d.classid = 'pg_class'::regclass
            and d.deptype in ('a', 'i') and c.relkind = 'S'
    )
union all
select 'function', n.nspname, p.oid::regprocedure::text
from pg_proc as p
inner join pg_namespace as n on p.pronamespace = n.oid
where n.nspname = 'access' and pg_get_userbyid(p.proowner) <> %(builder)s
"""


@dataclass(frozen=True)
class Initialised:
    """What `init` did: roles that are new, and what it could not do, in words."""

    made: list[str]
    missing: list[str]


def are_there(conn: Connection) -> bool:
    """Whether this server has the roles."""
    return len(_present(conn)) == len(ALL)


def _present(conn: Connection) -> set[str]:
    return {name for (name,) in conn.execute(_PRESENT.encode(), (list(ALL),))}


def init(conn: Connection) -> Initialised:
    """Make the roles that are missing and give them what they need; idempotent.

    Parameters
    ----------
    conn
        Of a superuser, or of a role that may create roles that bypass row-level
        security (PostgreSQL 16: `createrole bypassrls`).

    Raises
    ------
    BadInput
        We may not make roles here; nothing is changed.
    """
    missing: list[str] = []
    try:
        with conn.transaction():
            conn.execute("select pg_advisory_xact_lock(%s)", (0x401E5,))
            made = [name for name in ALL if name not in _present(conn)]
            for name in made:
                _create(conn, name)
            _arrange(conn)
    except psycopg.errors.InsufficientPrivilege as error:
        user = conn.info.user
        raise BadInput(
            f"{user} may not make the roles here ({str(error).splitlines()[0]}); "
            "expected a superuser, or on PostgreSQL 16 and newer a role with "
            "createrole and bypassrls that owns the database. Nothing was changed, "
            "and row-level security stays off"
        ) from None
    try:
        with conn.transaction():
            conn.execute(f"grant pg_read_all_stats to {BUILDER}".encode())
    except psycopg.errors.InsufficientPrivilege:
        missing.append(
            f"{BUILDER} may not see who reads (pg_read_all_stats): publications do "
            "not wait for older snapshots of others"
        )
    return Initialised(made, missing)


def _create(conn: Connection, name: str) -> None:
    bypass = "bypassrls" if name in _BYPASSING else "nobypassrls"
    conn.execute(
        sql.SQL("create role {} nologin inherit {}").format(
            sql.Identifier(name), sql.SQL(bypass)
        )
    )


def _arrange(conn: Connection) -> None:
    """Who is a member of whom, and who may use the database."""
    readers = ", ".join(READERS.values())
    conn.execute(f"grant {READER} to {readers}".encode())
    row = conn.execute("select current_database()").fetchone()
    assert row is not None
    database = sql.Identifier(row[0])
    conn.execute(
        sql.SQL("grant create, connect, temporary on database {} to {}").format(
            database, sql.Identifier(BUILDER)
        )
    )
    conn.execute(
        sql.SQL("grant connect, temporary on database {} to {}").format(
            database, sql.Identifier(INTAKE)
        )
    )
    conn.execute(f"grant pg_read_all_data to {BACKUP}".encode())


def hand_over(conn: Connection) -> int:
    """Give the builder what is ours in this database, and count it.

    Builds run as the builder from then on, who could not change what is another's.
    """
    rows = conn.execute(_NOT_THE_BUILDERS.encode(), {"builder": BUILDER}).fetchall()
    for kind, schema, name in rows:
        what = (
            sql.Identifier(schema)
            if kind == "schema"
            else sql.SQL(name)
            if kind == "function"
            else sql.Identifier(schema, name)
        )
        conn.execute(
            sql.SQL("alter {} {} owner to {}").format(
                sql.SQL(kind), what, sql.Identifier(BUILDER)
            )
        )
    return len(rows)


def add_builder(conn: Connection, login: str) -> None:
    """Let a login build, load, score, publish and back up, in this database.

    Its sessions begin as the builder, whoever opens them: ours, dbt's, psql's. A policy
    that would hide rows from it is an error to it, rather than fewer rows.
    """
    row = conn.execute(
        "select current_database() from pg_roles where rolname = %s", (login,)
    ).fetchone()
    if row is None:
        raise BadInput(f"{login}: no such login on this server; expected one")
    reads = conn.execute(
        "select pg_has_role(%s, %s, 'member') and not rolsuper from pg_roles"
        " where rolname = %s",
        (login, READER, login),
    ).fetchone()
    if reads and reads[0]:
        raise BadInput(
            f"{login} reads marts by the policies; expected a login of its own for who "
            "builds, past every policy"
        )
    options = ""
    if conn.info.server_version >= 160000:
        options = " with inherit false, set true"
    for statement in (
        f"grant {BUILDER} to {{login}}{options}",
        f"grant {BACKUP} to {{login}}{options}",
        f"alter role {{login}} in database {{database}} set role = {BUILDER}",
        "alter role {login} in database {database} set row_security = off",
    ):
        conn.execute(
            sql.SQL(statement).format(
                login=sql.Identifier(login), database=sql.Identifier(row[0])
            )
        )


def take_away(conn: Connection, login: str) -> None:
    """Take every role of ours from a login, the builder's too."""
    row = conn.execute("select current_database()").fetchone()
    assert row is not None
    ours = ", ".join([*GRANTED.values(), READER, BUILDER, BACKUP])
    for statement in (
        f"revoke {ours} from {{login}}",
        "alter role {login} in database {database} reset role",
        "alter role {login} in database {database} reset row_security",
    ):
        conn.execute(
            sql.SQL(statement).format(
                login=sql.Identifier(login), database=sql.Identifier(row[0])
            )
        )


def become_backup(conn: Connection) -> str | None:
    """Let a session see everything and change nothing, where it may.

    Returns
    -------
    The role it is now; None where it stays whoever it is: a superuser, or somebody on
    a server without the roles.
    """
    row = conn.execute(
        "select set_config('role', rolname, false) from pg_roles where rolname = %s"
        " and pg_has_role(session_user, oid, 'member') and not ("
        "select rolsuper from pg_roles where rolname = session_user)",
        (BACKUP,),
    ).fetchone()
    conn.commit()
    return row[0] if row else None
