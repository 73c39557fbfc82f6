"""The record of builds: begun, tested, published, retired; and the mart of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from python_scoring import project_vars, warehouse
from python_scoring.audit import store as trail
from python_scoring.errors import BadInput
from python_scoring.publication import provenance
from python_scoring.publication.relations import (
    Column,
    columns_of,
    drop_all,
    who_depends,
)
from python_scoring.warehouse import Connection, is_duckdb

CANDIDATE_SCHEMA = "candidate"
MART = "builds"
_CANDIDATE_COMMENT = "What riskmart builds before it is published; cleared by each"
_MART_SOURCE = "intermediate.int_builds"

# "publish", for an advisory lock of ours; a build's turn is another one, so that
# going back need not wait until a build is done.
_LOCK = 0x9B115

_FIELDS = """
build_id, status, started_at, finished_at, published_at, replaced_build_id,
built_by, git_commit, project_fingerprint, row_counts, test_count, failures
"""
_BEGIN = """
insert into raw.builds (
    status, built_by, riskmart_version, git_commit, project_fingerprint, inputs,
    intake_entry_id
) values ('building', %s, %s, %s, %s, %s, (
    select coalesce(max(entry_id), 0) from raw.new_patients
))
returning build_id
"""

_PASSED = """
select max(build_id)
from raw.builds
where project_fingerprint = %(fingerprint)s
    and riskmart_version = %(version)s
    and (inputs ->> 'made_with') = %(made_with)s
    and (inputs ->> 'unit_tests') = 'passed'
    -- whoever has seen one fail since is not told that they pass
    and build_id > (
        select coalesce(max(build_id), 0)
        from raw.builds
        where project_fingerprint = %(fingerprint)s
            and strpos(', ' || failures, ', unit_test ') > 0
    )
"""


@dataclass(frozen=True)
class BuildRecord:
    """One row of `raw.builds`, as far as publication asks."""

    build_id: int
    status: str
    started_at: datetime
    finished_at: datetime | None
    published_at: datetime | None
    replaced_build_id: int | None
    built_by: str
    git_commit: str | None
    project_fingerprint: str
    row_counts: dict[str, int | None] | None
    test_count: int | None
    failures: str | None

    @property
    def schema(self) -> str:
        """Where its tables are, once it is published."""
        return schema_of(self.build_id)


def schema_of(build_id: int) -> str:
    """Where a build's tables are, once it is published."""
    return f"build_{build_id}"


def candidate_schema(conn: Connection, build_id: int) -> str:
    """Where a build's tables are before it is published.

    A DuckDB file cannot rename a schema: there they are where they stay.
    """
    return schema_of(build_id) if is_duckdb(conn) else CANDIDATE_SCHEMA


def lock(conn: Connection) -> None:
    """Wait until nobody else changes which build is what, to the transaction's end.

    Whoever fills the mart of builds beside a publication would fill the other
    build's, or leave out what the other is about to write.
    """
    conn.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))


def begin(conn: Connection, fingerprint: str) -> int:
    """Clear the last candidate away and note a new build of a project; its number.

    To be called by whoever holds the turn to build: what still stands as being
    built then is of somebody who was killed.
    """
    with conn.transaction():
        # May wait for whoever reads the candidate; the way back must not.
        if is_duckdb(conn):
            _clear_unpublished(conn)
        else:
            _clear_candidate(conn)
        lock(conn)
        conn.execute(
            "update raw.builds"
            " set status = 'abandoned', finished_at = clock_timestamp()"
            " where status in ('building', 'candidate')"
        )
        row = conn.execute(
            _BEGIN.encode(),
            (
                provenance.user(),
                project_vars.version(),
                provenance.git_commit(),
                fingerprint,
                Jsonb(provenance.inputs(conn)),
            ),
        ).fetchone()
        refresh_mart(conn)
    if row is None:
        raise RuntimeError("insert returning gave no row")
    return int(row[0])


def _clear_unpublished(conn: Connection) -> None:
    """Drop what was built and not published: a DuckDB file names it by its build."""
    left = _all(conn, "status in ('building', 'candidate', 'failed', 'abandoned')")
    for build in left:
        drop_all(conn, build.schema)


def _clear_candidate(conn: Connection) -> None:
    """Drop the last candidate, and make room for the next; ours by its comment."""
    row = conn.execute(
        "select obj_description(oid, 'pg_namespace') from pg_namespace"
        " where nspname = %s",
        (CANDIDATE_SCHEMA,),
    ).fetchone()
    if row and row[0] != _CANDIDATE_COMMENT:
        raise BadInput(
            f"schema {CANDIDATE_SCHEMA} is there and riskmart did not make it; "
            "expected the name to be free: rename or drop it"
        )
    try:
        drop_all(conn, CANDIDATE_SCHEMA)
    except psycopg.errors.DependentObjectsStillExist as error:
        raise BadInput(
            f"the last candidate cannot be cleared away: {who_depends(error)}; "
            "drop that first"
        ) from None
    conn.execute(f"create schema {CANDIDATE_SCHEMA}".encode())
    comment = sql.SQL("comment on schema {} is {}")
    conn.execute(
        comment.format(
            sql.Identifier(CANDIDATE_SCHEMA), sql.Literal(_CANDIDATE_COMMENT)
        )
    )


def note(conn: Connection, build_id: int, **values: Any) -> None:
    """Set columns of a build's row, and show it in the published mart."""
    changes = ", ".join(f"{name} = %s" for name in values)
    given = [_adapt(value) for value in values.values()]
    with conn.transaction():
        lock(conn)
        conn.execute(
            f"update raw.builds set {changes} where build_id = %s".encode(),
            [*given, build_id],
        )
        refresh_mart(conn)


def finish(conn: Connection, build_id: int, status: str, **values: Any) -> None:
    """Note how a build ended: `candidate` or `failed`, when, and with what."""
    row = conn.execute("select clock_timestamp()").fetchone()
    assert row is not None
    with conn.transaction():
        note(conn, build_id, status=status, finished_at=row[0], **values)
        detail = {"status": status}
        trail.record(conn, "build", "candidate", build_id=build_id, detail=detail)


def note_published(conn: Connection, build: BuildRecord, previous: int | None) -> None:
    """Note that readers have this build now, and no more what they had before."""
    conn.execute(
        "update raw.builds set status = 'retired', retired_at = clock_timestamp()"
        " where status = 'published'"
    )
    conn.execute(
        "update raw.builds set status = 'published', published_at = clock_timestamp(),"
        " retired_at = null, replaced_build_id = coalesce(replaced_build_id, %s)"
        " where build_id = %s",
        (previous if build.status == "candidate" else None, build.build_id),
    )
    refresh_mart(conn)


def get(conn: Connection, build_id: int) -> BuildRecord:
    """One build.

    Raises
    ------
    BadInput
        There is no build of that number.
    """
    found = _first(conn, f"build_id = {int(build_id)}")
    if found is None:
        raise BadInput(f"build {build_id}: there is none; `riskmart status` lists them")
    return found


def published(conn: Connection) -> BuildRecord | None:
    """Return the build that readers see."""
    return _first(conn, "status = 'published'")


def candidate(conn: Connection) -> BuildRecord | None:
    """Return the build in schema `candidate`, tested or failed."""
    newest = _first(
        conn, "true" if is_duckdb(conn) else "to_regnamespace('candidate') is not null"
    )
    return newest if newest and newest.status in ("candidate", "failed") else None


def retired(conn: Connection) -> list[BuildRecord]:
    """Earlier builds whose tables are still there, the newest first."""
    return _all(conn, "status = 'retired'")


def before(conn: Connection, build: BuildRecord) -> BuildRecord | None:
    """Return the build that readers had before this one, if it is still there.

    What it took the place of when it was first published: a build that was gone
    back from is on nobody's way back.
    """
    known = {b.build_id: b for b in _all(conn, "published_at is not null")}
    place = known.get(build.replaced_build_id or 0)
    while place is not None and place.status != "retired":
        place = known.get(place.replaced_build_id or 0)
    return place


def passed_unit_tests(conn: Connection, fingerprint: str) -> int | None:
    """Return the last build that passed a project's unit tests, if one did.

    Their rows are given, so that of the same project, with the same dbt on the same
    engine, they say the same whatever the data.
    """
    given = {
        "fingerprint": fingerprint,
        "version": project_vars.version(),
        "made_with": provenance.made_with(conn),
    }
    row = conn.execute(_PASSED.encode(), given).fetchone()
    return row[0] if row else None


def ever_published(conn: Connection) -> set[str]:
    """Return the names of all marts that a build had: what may be ours in `marts`."""
    rows = conn.execute(
        "select row_counts from raw.builds where published_at is not null"
    )
    return {name for (counts,) in rows for name in counts or {}}


def refresh_mart(conn: Connection) -> None:
    """Fill the published `builds` mart again, so that it tells of now."""
    current = published(conn)
    if current:
        _fill(conn, current.schema)


def foretell_mart(conn: Connection, build_id: int) -> None:
    """Fill the candidate's `builds` as if it was published already.

    To a snapshot from between this and the swap it is then whole: the names lead to
    this build, and its `builds` says so. Nobody else sees it before.
    """
    schema = candidate_schema(conn, build_id)
    if not _fill(conn, schema):
        return
    conn.execute(
        f"update {schema}.{MART} set status = 'retired',"
        " is_published = false where is_published".encode()
    )
    conn.execute(
        f"update {schema}.{MART} set status = 'published',"
        " is_published = true, published_at = now() where build_id = %s".encode(),
        (build_id,),
    )


def _fill(conn: Connection, schema: str) -> bool:
    """Fill a build's `builds` from `int_builds`; False where it does not fit.

    The view may be of another version of the project by now, as after a candidate
    that was never published: what it lacks is null, and if that may not be, the
    table stays as it was. No change of a build's status hangs on it.
    """
    source = columns_of(conn, *_MART_SOURCE.split("."))
    columns = columns_of(conn, schema, MART)
    given = [name for name in columns if _fits(columns[name], source.get(name))]
    table = sql.Identifier(schema, MART)
    if not given or not _needed(conn, table) <= set(given):
        return False
    names = sql.SQL(", ").join(map(sql.Identifier, given))
    conn.execute(sql.SQL("delete from {}").format(table))
    conn.execute(
        sql.SQL("insert into {} ({}) select {} from {}").format(
            table, names, names, sql.Identifier(*_MART_SOURCE.split("."))
        )
    )
    return True


def _needed(conn: Connection, table: sql.Identifier) -> set[str]:
    """Columns that may not be null; a DuckDB file has no such constraints of ours."""
    if is_duckdb(conn):
        return set()
    rows = conn.execute(
        "select attname from pg_attribute where attnotnull and attnum > 0"
        " and attrelid = to_regclass(%s)",
        (table.as_string(),),
    )
    return {name for (name,) in rows}


def _fits(column: Column, source: Column | None) -> bool:
    return source is not None and source.data_type == column.data_type


def _adapt(value: Any) -> Any:
    return Jsonb(value) if isinstance(value, dict) else value


def _first(conn: Connection, condition: str) -> BuildRecord | None:
    found = _all(conn, condition)
    return found[0] if found else None


def _all(conn: Connection, condition: str) -> list[BuildRecord]:
    query = f"select {_FIELDS} from raw.builds where {condition} order by build_id desc"
    return warehouse.fetch_as(conn, BuildRecord, query)
