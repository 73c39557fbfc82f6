"""Row-level security of what no dbt model makes: raw, and who belongs where.

Marts get theirs from dbt as they are made (`macros/protect_rows.sql`).
"""

from collections.abc import Collection, Sequence
from pathlib import Path

from psycopg import sql

from python_scoring import warehouse
from python_scoring.access import roles
from python_scoring.audit import store as audit
from python_scoring.publication.relations import columns_of
from python_scoring.warehouse import BUILDER, Connection, is_duckdb

_TABLES = Path(__file__).with_name("tables.sql")

OFF = (
    "row-level security is off: the roles are not there. A superuser runs "
    "`riskmart db init-roles` once; until then whoever may read a mart reads all of it"
)
IN_A_FILE = (
    "row-level security is off: a DuckDB file has no roles, and whoever may read the "
    "file reads all of it"
)
CANNOT = (
    "row-level security is off: {user} is neither a superuser nor a member of "
    f"{BUILDER}, and would build empty marts under it"
)

# Memberships of before, as what they are: not where that differs, for all we know.
_NOTE_ROLES = f"""
update access.{{}} as place
set roles = held.roles
from (
    select member, array_agg(role order by role) as roles
    from ({roles.HELD}) as every_role
    group by member
) as held
where place.roles is null and place.member = held.member and (
    cardinality(held.roles) = 1
    or 1 = (
        select count(*) from access.memberships as one where one.member = place.member
    )
    and not exists (
        select from access.assigned_patients as given where given.member = place.member
    )
)
"""

_FORCED = "enable row level security, force row level security"

# A row of somebody: of a person, or of what a person's record says.
_PERSONAL = ("patient_id", "external_id", "desynpuf_id", "content", "value")
_HAVE = """
select c.relname, array_agg(a.attname::text)
from pg_class as c
inner join pg_attribute as a
    on c.oid = a.attrelid and a.attnum > 0 and not a.attisdropped
where c.relnamespace = 'raw'::regnamespace and c.relkind in ('r', 'p')
    and c.relname <> 'patient_registry'
group by c.relname order by 1
"""

# Which rows a login that takes patients in works with: those of its organizations.
_MINE = "org_code in (select org_code from access.my_whole_organizations)"
_WHOLE = (
    "organization_id in (select organization_id from access.my_whole_organizations)"
)
_LOADS = f"load_id in (select load_id from raw.loads where {_MINE})"
_PEOPLE = "access.is_mine(patient_id)"
_OF_INPUT = (
    "exists (select from raw.new_patient_raw_input as given"
    " where given.input_id = new_patients.input_id)"
)
_SUBMITTED = "submitted_by in (select member from access.my_submitters)"

# What intake does with each table of raw; nothing with the others. The registry is a
# dbt model's and gets its own from it.
_INTAKE = {
    "loads": "select",
    "cohort_patients": "select",
    "cohort_outcomes": "select",
    "cms_beneficiaries": "select",
    "cms_inpatient_claims": "select",
    "cms_outpatient_claims": "select",
    "model_registry": "select",
    "model_terms": "select",
    "prediction_batches": "select, insert",
    "visible_batches": "select",
    "predictions": "select, insert",
    "scored_features": "select, insert",
    "builds": "select",
    "identity_key": "select",
    "patient_identifiers": "select, insert",
    "new_patient_raw_input": (
        "select, insert, update (content, key_fingerprint, source_system, outcome,"
        " faults, processed_at)"
    ),
    "new_patients": "select, insert",
    "patient_feature_engineering_log": "select, insert",
    "intake_steps": "select",
}


def version() -> bytes:
    """Return what changes when the protection of raw does."""
    return _TABLES.read_bytes() + Path(__file__).read_bytes()


def why_off(conn: Connection) -> str | None:
    """Say why rows are not protected on this server; None where they are."""
    if is_duckdb(conn):
        return IN_A_FILE
    if not roles.are_there(conn):
        return OFF
    row = conn.execute(
        "select rolsuper or rolbypassrls from pg_roles where rolname = current_user"
    ).fetchone()
    return None if row and row[0] else CANNOT.format(user=conn.info.user)


def init(conn: Connection, builders: Sequence[str]) -> roles.Initialised:
    """Make the roles and hand what is ours to the builder; idempotent.

    Parameters
    ----------
    builders
        Logins that may become the builder.

    Raises
    ------
    BadInput
        We may not make roles here, or there is no such login.
    """
    done = roles.init(conn)
    with conn.transaction():
        for login in builders:
            roles.add_builder(conn, login)
        if builders:
            roles.hand_over(conn)
    warehouse.prepare(conn)
    with conn.transaction():
        audit.hand_over(conn)
        audit.record(
            conn,
            "role_change",
            "init-roles",
            len(done.made),
            detail={"made": done.made, "builders": [*builders]},
        )
    return done


def prepare(conn: Connection) -> None:
    """Protect raw, and make the tables that the policies ask; idempotent."""
    conn.execute(_TABLES.read_bytes())
    for table in ("memberships", "assigned_patients"):
        conn.execute(
            _NOTE_ROLES.format(table).encode(), (list(roles.GRANTED.values()),)
        )
    conn.execute(_grants().encode())
    for name, columns in conn.execute(_HAVE.encode()).fetchall():
        conn.execute("; ".join(_protect(name, set(columns))).encode())
    for (table,) in _left_over(conn):
        conn.execute(f"alter table {table} {_FORCED}".encode())


def protect_copies(
    conn: Connection, schema: str, names: Sequence[str], kept: Collection[str]
) -> None:
    """Protect the copies beside a build: each sees its organizations', all see rules.

    Those who take patients in read them, and nobody else.

    Parameters
    ----------
    kept
        Those that change with a new patient.
    """
    if why_off(conn):
        return
    place, intake = sql.Identifier(schema), sql.Identifier(roles.INTAKE)
    conn.execute(sql.SQL("grant usage on schema {} to {}").format(place, intake))
    for name in names:
        policy = _copy_policy(schema, set(columns_of(conn, schema, name)))
        allowed = "select, insert, update, delete" if name in kept else "select"
        for statement in (
            f"alter table {{table}} {_FORCED}",
            "create policy intake on {table} to {intake} using ({policy})",
            f"grant {allowed} on {{table}} to {{intake}}",
        ):
            table = sql.Identifier(schema, name)
            conn.execute(
                sql.SQL(statement).format(table=table, intake=intake, policy=policy)
            )


def _copy_policy(schema: str, columns: set[str]) -> sql.Composable:
    if "organization_id" in columns:
        return sql.SQL(_WHOLE)
    if "load_id" in columns:
        loads = sql.Identifier(schema, "int_cohort_loads")
        return sql.SQL("load_id in (select load_id from {})").format(loads)
    return sql.SQL("true")


def _left_over(conn: Connection) -> list[tuple[str]]:
    """Find unprotected tables that dbt has made, and may not make any more."""
    return conn.execute(
        "select oid::regclass::text from pg_class"
        " where relnamespace in (to_regnamespace('intermediate'),"
        " to_regnamespace('baseline')) and relkind in ('r', 'p')"
        " and not (relrowsecurity and relforcerowsecurity)"
    ).fetchall()


def take_off_where_hidden(conn: Connection) -> None:
    """Let the owner of a restored warehouse see it, who is not past the policies.

    On a server whose roles are for others: readers stay under the policies, and
    `why_off` tells that the owner is not.
    """
    hidden = conn.execute(
        "select oid::regclass::text from pg_class where relforcerowsecurity"
        " and row_security_active(oid) and pg_has_role(relowner, 'usage')"
    ).fetchall()
    for (table,) in hidden:
        conn.execute(f"alter table {table} no force row level security".encode())


def _grants() -> str:
    views = ("organizations", "whole_organizations", "departments", "patients")
    mine = ", ".join(f"access.my_{view}" for view in views)
    raw = "; ".join(
        f"revoke all on raw.{table} from {roles.INTAKE};"
        f" grant {what} on raw.{table} to {roles.INTAKE}"
        for table, what in _INTAKE.items()
    )
    admin = roles.READERS["admin"]
    return f"""
grant usage on schema access to {roles.READER}, {roles.INTAKE};
grant select on {mine} to {roles.READER}, {roles.INTAKE};
grant select on access.my_submitters to {roles.INTAKE};
grant execute on function access.note_read(text) to {roles.READER}, {roles.INTAKE};
grant execute on function raw.last_patient_id(), raw.note_intake(bigint, bigint),
access.is_mine(bigint), access.may_hand_in(text) to {roles.INTAKE};
grant select on access.organizations, access.departments to {admin};
revoke all on access.memberships, access.assigned_patients from {admin};
grant select on access.memberships to {admin};
grant usage on schema raw to {roles.INTAKE};
{raw}
"""


def _protect(table: str, columns: set[str]) -> list[str]:
    """Write what protects a table of raw: who has no policy sees nothing."""
    policy = _policy(table, columns)
    if policy is None and not columns & set(_PERSONAL) and "org_code" not in columns:
        return [f"alter table raw.{table} disable row level security"]
    made = [f"alter table raw.{table} {_FORCED}"]
    if policy and table in _INTAKE:
        made += [
            f"drop policy if exists intake_{what} on raw.{table}"
            for what in ("select", "insert", "update")
        ]
        made += _policies(table, policy)
    return made


def _policies(table: str, policy: str) -> list[str]:
    allowed = {
        what
        for what in ("select", "insert", "update")
        if what in _INTAKE[table].replace(",", " ").split()
    }
    # A record is of an input that one sees, and what was processed stays as it is.
    of_input = f" and {_OF_INPUT}" if table == "new_patients" else ""
    clauses = {
        "select": f"using ({policy})",
        "insert": f"with check ({policy}{of_input})",
        "update": f"using ({policy} and processed_at is null) with check ({policy})",
    }
    return [
        f"create policy intake_{what} on raw.{table} for {what} to {roles.INTAKE}"
        f" {clauses[what]}"
        for what in sorted(allowed)
    ]


def _policy(table: str, columns: set[str]) -> str | None:
    """Find which rows of a table are of a login's organizations."""
    if "submitted_by" in columns:
        return _SUBMITTED
    if "org_code" in columns:
        return _MINE
    if "load_id" in columns and table in _INTAKE:
        return _LOADS
    if "patient_id" in columns:
        return _PEOPLE
    return None
