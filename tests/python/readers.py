"""Logins of every role, and what each of them may do by the declared matrix."""

import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from copies import FIXTURES, Copy
from psycopg import sql
from psycopg.conninfo import make_conninfo

from python_scoring import config, warehouse
from python_scoring.access import members
from python_scoring.warehouse import Connection

PRIVILEGES = ("select", "insert", "update", "delete", "truncate")
READERS = ("admin", "analyst", "clinician", "finance", "partner")
ROLES = (*READERS, "intake", "auditor")

# Without generated numbers, which nobody may update.
_RELATIONS = """
select n.nspname, c.relname, c.relkind::text,
    (
        select array_agg(a.attname::text order by a.attnum) from pg_attribute as a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
            and a.attidentity = ''
    )
from pg_class as c
inner join pg_namespace as n on c.relnamespace = n.oid
where c.relkind in ('r', 'p', 'v', 'm', 'S')
    and n.nspname !~ '^(pg_|information_schema)'
order by 1, 2
"""


@dataclass(frozen=True)
class Relation:
    schema: str
    name: str
    kind: str
    columns: tuple[str, ...]

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)


def relations(conn: Connection) -> list[Relation]:
    """Every relation of the database but PostgreSQL's own, by the catalogue."""
    rows = conn.execute(_RELATIONS.encode()).fetchall()
    return [Relation(s, n, k, tuple(columns or ())) for s, n, k, columns in rows]


def login_of(role: str) -> str:
    return f"try_{role}"


@contextmanager
def logins(copy: Copy, org: str, **departments: str) -> Iterator[None]:
    """Make a login of each role, of one organization; a clinician of a department."""
    names = [login_of(role) for role in ROLES]
    with warehouse.connect(autocommit=True) as conn:
        for role, name in zip(ROLES, names, strict=True):
            conn.execute(f"create role {name} login".encode())
            of = [departments[role]] if role in departments else []
            members.grant(conn, name, org, role=role, departments=of)
    try:
        yield
    finally:
        with warehouse.connect(autocommit=True) as conn:
            for name in names:
                members.revoke(conn, name)
                conn.execute(f"drop owned by {name}; drop role {name}".encode())


@contextmanager
def session(role: str) -> Iterator[Connection]:
    """Connect as the login of a role, as psql or a BI tool would."""
    target = make_conninfo(config.conninfo(), user=login_of(role))
    with psycopg.connect(target, autocommit=True) as conn:
        yield conn


def declared() -> dict[tuple[str, str], dict[str, set[str]]]:
    """What the matrix allows: by role and relation, columns by privilege.

    An empty set stands for every column.
    """
    allowed: dict[tuple[str, str], dict[str, set[str]]] = {}
    with (FIXTURES / "access" / "matrix.csv").open() as file:
        for row in csv.DictReader(file):
            for role in READERS:
                if row[role]:
                    hidden = set(row[role].replace("-", "").split()) - {"all"}
                    allowed[role, f"marts.{row['mart']}"] = {"select": hidden}
    with (FIXTURES / "access" / "restricted.csv").open() as file:
        for row in csv.DictReader(file):
            whom = (*READERS, "intake") if row["role"] == "every" else (row["role"],)
            for role in whom:
                allowed[role, row["relation"]] = {
                    privilege: set() for privilege in row["privileges"].split()
                }
    return allowed


def place_of(relation: Relation) -> str:
    """Name a relation as the matrix does: a build's number says nothing."""
    return f"{re.sub('_[0-9]+$', '', relation.schema)}.{relation.name}"


def attempt(conn: Connection, privilege: str, relation: Relation) -> bool:
    """Do it, and undo it: whether PostgreSQL lets us.

    What fails for another reason than a privilege was let through to fail there.
    """
    column = sql.Identifier(_column_for(conn, privilege, relation))
    statement = {
        "select": "select count(*) from {of} limit 0",
        "insert": "insert into {of} default values",
        "update": "update {of} set {column} = {column} where false",
        "delete": "delete from {of} where false",
        "truncate": "truncate {of}",
    }[privilege]
    try:
        with conn.transaction(force_rollback=True):
            conn.execute(
                sql.SQL(statement).format(of=relation.identifier, column=column)
            )
    except psycopg.errors.InsufficientPrivilege as error:
        # A row that the policy refuses got past the privilege.
        return "row-level security policy" in str(error)
    except (
        psycopg.errors.WrongObjectType,
        psycopg.errors.ObjectNotInPrerequisiteState,
        psycopg.errors.FeatureNotSupported,
    ):
        return False
    except psycopg.Error:
        return True
    return True


def _column_for(conn: Connection, privilege: str, relation: Relation) -> str:
    """Find a column that we may use, if there is one: some have a privilege alone."""
    if privilege != "update":
        return relation.columns[-1]
    row = conn.execute(
        "select a.attname::text from pg_attribute as a"
        " inner join pg_class as c on a.attrelid = c.oid"
        " inner join pg_namespace as n on c.relnamespace = n.oid"
        " where n.nspname = %s and c.relname = %s and a.attname = any(%s)"
        " and has_column_privilege(c.oid, a.attnum, 'update') limit 1",
        (relation.schema, relation.name, list(relation.columns)),
    ).fetchone()
    return row[0] if row else relation.columns[-1]
