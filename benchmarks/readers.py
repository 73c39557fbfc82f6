"""Logins of every role, and what each of them may do, declared and tried."""

import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from python_scoring import config, warehouse
from python_scoring.access import members
from python_scoring.warehouse import Connection

DECLARED = Path(__file__).parents[1] / "tests" / "fixtures" / "access"
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
    """A table, view or sequence, and its columns but generated numbers."""

    schema: str
    name: str
    kind: str
    columns: tuple[str, ...]

    @property
    def identifier(self) -> sql.Identifier:
        """Its name as SQL."""
        return sql.Identifier(self.schema, self.name)


def relations(conn: Connection) -> list[Relation]:
    """Every relation of the database but PostgreSQL's own, by the catalogue."""
    rows = conn.execute(_RELATIONS.encode()).fetchall()
    return [Relation(s, n, k, tuple(columns or ())) for s, n, k, columns in rows]


def login_of(role: str) -> str:
    """Name the login of a role."""
    return f"try_{role}"


@contextmanager
def logins(org: str, **departments: str) -> Iterator[None]:
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
    """Read what the matrix allows: by role and relation, columns by privilege.

    An empty set stands for every column.
    """
    allowed: dict[tuple[str, str], dict[str, set[str]]] = {}
    with (DECLARED / "matrix.csv").open() as file:
        for row in csv.DictReader(file):
            for role in READERS:
                if row[role]:
                    hidden = set(row[role].replace("-", "").split()) - {"all"}
                    allowed[role, f"marts.{row['mart']}"] = {"select": hidden}
    with (DECLARED / "restricted.csv").open() as file:
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


def try_everything() -> tuple[int, list[tuple[str, str, str, bool]]]:
    """Try every privilege of every role on every relation of the warehouse in force.

    Returns
    -------
    How often something was tried, and what went otherwise than declared: role,
    relation, privilege, and whether it was let through.
    """
    with warehouse.connect() as conn:
        found = relations(conn)
    allowed, count = declared(), 0
    wrong, used = [], set()
    for role in ROLES:
        with session(role) as conn:
            for relation in found:
                place = place_of(relation)
                expected = allowed.get((role, place), {})
                used |= {(role, place)} if expected else set()
                for privilege in PRIVILEGES:
                    count += 1
                    may = attempt(conn, privilege, relation)
                    if may != (privilege in expected):
                        wrong.append((role, place, privilege, may))
    # What is declared and not there would be a matrix of another warehouse.
    wrong += [(role, place, "declared", False) for role, place in set(allowed) - used]
    return count, wrong


@dataclass(frozen=True)
class Look:
    """Rows that a role saw of a mart, and how many are its own and how many others'."""

    role: str
    mart: str
    seen: int
    own: int
    others: int


def look_at_rows(org: str, department: str) -> list[Look]:
    """Count what each role sees of each mart, beside what is its own.

    What is its own is worked out here from the mart's columns, without any policy.

    Parameters
    ----------
    org, department
        Codes of what the logins belong to; the department is the clinician's.
    """
    allowed = declared()
    with warehouse.connect() as conn:
        numbers = _numbers(conn, org, department)
        found = [r for r in relations(conn) if r.schema == "marts"]
        looks = []
        for role in READERS:
            with session(role) as theirs:
                for mart in found:
                    # A summary of the patients whom one sees: each sees another one.
                    is_own = (role, mart.name) == ("clinician", "cohort_comparison")
                    if (role, place_of(mart)) in allowed and not is_own:
                        looks.append(_look(conn, theirs, role, mart, numbers))
    return looks


def _look(
    conn: Connection,
    theirs: Connection,
    role: str,
    mart: Relation,
    numbers: tuple[int, int],
) -> Look:
    own = _own(role, mart.columns, numbers)
    counts = f"select count(*) filter (where {own}), count(*) from marts.{mart.name}"
    [(mine, everything)] = conn.execute(counts.encode()).fetchall()
    count = f"select count(*) from marts.{mart.name}"
    [(seen,)] = theirs.execute(count.encode()).fetchall()
    return Look(role, mart.name, seen, mine, everything - mine)


def _numbers(conn: Connection, org: str, department: str) -> tuple[int, int]:
    row = conn.execute(
        "select (select organization_id from marts.organizations where org_code = %s),"
        " (select department_id from marts.departments where department_code = %s)",
        (org, department),
    ).fetchone()
    assert row
    return row


def _own(role: str, columns: tuple[str, ...], numbers: tuple[int, int]) -> str:
    """Write which rows of a mart are a login's."""
    organization, department = numbers
    mine = f"organization_id = {organization}"
    if "organization_id" not in columns:
        evaluations = "select evaluation_id from marts.model_evaluations where"
        is_judged = "evaluation_id" in columns
        return f"evaluation_id in ({evaluations} {mine})" if is_judged else "true"
    if role != "clinician":
        return mine
    if "department_id" in columns:
        return f"{mine} and department_id = {department}"
    if "patient_id" in columns:
        people = f"{mine} and department_id = {department}"
        return f"patient_id in (select patient_id from marts.patients where {people})"
    return mine


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


_PROTECTIONS = """
select 'policy', c.relname::text, p.polname::text, p.polcmd::text,
    p.polroles::regrole[]::text, pg_get_expr(p.polqual, p.polrelid)
    || coalesce(' / ' || pg_get_expr(p.polwithcheck, p.polrelid), '')
from pg_policy as p
inner join pg_class as c on p.polrelid = c.oid
where c.relnamespace = any(%(schemas)s::regnamespace[])
union all
select 'forced', relname, relrowsecurity::text, relforcerowsecurity::text, '', ''
from pg_class
where relkind in ('r', 'p') and relnamespace = any(%(schemas)s::regnamespace[])
union all
select 'grant', c.relname, coalesce(a.attname, ''), g.privilege_type,
    coalesce(r.rolname, 'public'), g.is_grantable::text
from pg_class as c
left join pg_attribute as a on c.oid = a.attrelid and a.attacl is not null
cross join lateral aclexplode(case when a.attname is null then c.relacl
    else a.attacl end) as g
left join pg_roles as r on g.grantee = r.oid
where c.relkind in ('r', 'p', 'v') and c.relnamespace = any(%(schemas)s::regnamespace[])
union all
select 'grant on all', c.relname, '', g.privilege_type,
    coalesce(r.rolname, 'public'), g.is_grantable::text
from pg_class as c
cross join lateral aclexplode(c.relacl) as g
left join pg_roles as r on g.grantee = r.oid
where c.relkind in ('r', 'p', 'v') and c.relnamespace = any(%(schemas)s::regnamespace[])
union all
select 'owner', c.relname, pg_get_userbyid(c.relowner), coalesce(reloptions::text, ''),
    '', ''
from pg_class as c
where c.relkind in ('r', 'p', 'v') and c.relnamespace = any(%(schemas)s::regnamespace[])
union all
select 'schema', regexp_replace(n.nspname, '_[0-9]+$', ''),
    pg_get_userbyid(n.nspowner), n.nspacl::text, '', ''
from pg_namespace as n where n.oid = any(%(schemas)s::regnamespace[])
order by 1, 2, 3, 4, 5, 6
"""


def protections(conn: Connection) -> list[tuple[str, ...]]:
    """Grants, policies and ownership of the names, the published build and raw.

    The build's number is left out, so that one build can be held against another.
    """
    row = conn.execute("select build_id from raw.builds where status = 'published'")
    [number] = row.fetchone() or (None,)
    schemas = ["marts", "raw", f"build_{number}", f"intake_{number}"]
    rows = conn.execute(_PROTECTIONS.encode(), {"schemas": schemas}).fetchall()
    of_build = re.compile(rf"\b(build|intake)_{number}\b")
    return [tuple(of_build.sub(r"\1", str(value)) for value in row) for row in rows]
