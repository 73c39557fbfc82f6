"""Who is looking, and what the database lets them read.

Nothing is decided here: privileges and policies are the database's. This asks for
them beforehand, so that a page can say in words what it cannot show.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg.conninfo import make_conninfo

from python_scoring import config
from python_scoring.access import roles
from python_scoring.errors import BadInput, RiskmartError
from python_scoring.warehouse import Connection

SCHEMA = "marts"

# A page is for a person who waits: rather words than minutes.
_LIMIT = "set local statement_timeout = '30s'"

_READABLE = """
select c.relname::text, array_agg(a.attname::text)
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
inner join pg_catalog.pg_attribute as a on c.oid = a.attrelid
where n.nspname = %s and a.attnum > 0 and not a.attisdropped
    and has_schema_privilege(n.oid, 'usage')
    and has_column_privilege(c.oid, a.attnum, 'select')
group by c.relname
"""
_ROLES = """
select r.rolname::text from pg_catalog.pg_roles as r
where r.rolname = any(%s) and pg_has_role(r.oid, 'usage')
"""
# By the catalogue, which everybody may read: whoever has no right to the schema may
# not even ask `to_regclass`.
_MART = """
select c.oid from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
where n.nspname = %s and c.relname = %s
"""
_READERS_OF = f"""
select r.rolname::text from pg_catalog.pg_roles as r
inner join ({_MART}) as c on has_any_column_privilege(r.oid, c.oid, 'select')
where r.rolname = any(%s) and not exists (
    select from unnest(%s::text[]) as wanted (name)
    where not has_column_privilege(r.oid, c.oid, wanted.name, 'select')
)
order by 1
"""
_SEES_EVERYTHING = """
select rolsuper or rolbypassrls from pg_catalog.pg_roles where rolname = current_user
"""
_LOGIN = "select current_user::text"


class NotForThisLogin(RiskmartError):
    """A mart or column that the login may not read, in words."""


class NothingPublished(RiskmartError):
    """There is no published mart to read, in words."""


@dataclass(frozen=True)
class Reader:
    """A login: its roles, and the columns that it may read of each mart."""

    login: str
    roles: tuple[str, ...]
    sees_everything: bool
    columns: Mapping[str, frozenset[str]]
    conn: Connection

    def may(self, mart: str, *columns: str) -> bool:
        """Whether the login may read these columns, or any column if none is named."""
        readable = self.columns.get(mart, frozenset())
        return bool(readable) and readable.issuperset(columns)

    def require(self, mart: str, *columns: str) -> None:
        """Refuse in words what the login may not read.

        Raises
        ------
        NotForThisLogin
            The message names the mart, and the roles that read it.
        NothingPublished
            The published build has no such mart.
        """
        if self.may(mart, *columns):
            return
        if not self.conn.execute(_MART, (SCHEMA, mart)).fetchone():
            raise NothingPublished(
                f"The published build has no mart {mart}. "
                "A build of this version makes it: ./riskmart build"
            )
        wanted = f"{mart} ({', '.join(columns)})" if self.may(mart) else mart
        who = ", ".join(self._readers_of(mart, columns)) or "none"
        raise NotForThisLogin(
            f"{self.named} may not read {wanted}. Roles that read it: {who}."
        )

    def first(self, *marts: str) -> str:
        """Choose the first mart that the login may read, or refuse the first."""
        for mart in marts:
            if self.may(mart):
                return mart
        self.require(marts[0])
        raise AssertionError(marts)

    @property
    def named(self) -> str:
        """The login and its roles, as `cleo (clinician)`."""
        if self.sees_everything:
            return f"{self.login} (past every policy)"
        return f"{self.login} ({', '.join(self.roles) or 'no role of riskmart'})"

    @property
    def names_people(self) -> bool:
        """Whether the login sees who somebody is."""
        return self.may("positive_roi_patients", "patient_id", "patient_uuid")

    def _readers_of(self, mart: str, columns: tuple[str, ...]) -> list[str]:
        known = list(roles.READERS.values())
        values = (SCHEMA, mart, known, list(columns))
        rows = self.conn.execute(_READERS_OF, values).fetchall()
        return [role.removeprefix("riskmart_") for (role,) in rows]


def conninfo(login: str | None) -> str:
    """Return the connection string for a login. Never print it."""
    given = {"user": login} if login else {}
    named = {"application_name": "riskmart dashboard", **given}
    return make_conninfo(config.conninfo(), **named)


@contextmanager
def reading(login: str | None) -> Iterator[Reader]:
    """Connect as a login, read only, to one state of the marts.

    Everything that a page shows comes from one snapshot, and so from one build.

    Raises
    ------
    NothingPublished
        There is no published build.
    """
    with psycopg.connect(conninfo(login)) as conn:
        conn.read_only = True
        conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        conn.execute(_LIMIT.encode())
        if not conn.execute(_MART, (SCHEMA, "organizations")).fetchone():
            raise NothingPublished(
                "Nothing is published yet. ./riskmart build makes and publishes it."
            )
        yield _find_out(conn)


def check(login: str | None) -> str:
    """Connect once as a login, to refuse at once what cannot work; its name.

    Raises
    ------
    BadInput
        The warehouse cannot be reached as this login.
    """
    try:
        with psycopg.connect(conninfo(login)) as conn:
            return str(_value(conn, _LOGIN))
    except psycopg.OperationalError as error:
        raise BadInput(
            f"no connection to the warehouse ({config.describe()})"
            f"{f' as {login}' if login else ''}: {str(error).strip()}"
        ) from None


def _find_out(conn: Connection) -> Reader:
    known = [*roles.READERS.values(), roles.AUDITOR, roles.INTAKE]
    held = [row[0] for row in conn.execute(_ROLES, (known,)).fetchall()]
    readable = conn.execute(_READABLE, (SCHEMA,)).fetchall()
    return Reader(
        login=str(_value(conn, _LOGIN)),
        roles=tuple(sorted(role.removeprefix("riskmart_") for role in held)),
        sees_everything=bool(_value(conn, _SEES_EVERYTHING)),
        columns={mart: frozenset(columns) for mart, columns in readable},
        conn=conn,
    )


def _value(conn: Connection, query: str) -> object:
    row = conn.execute(query.encode()).fetchone()
    return row[0] if row else None
