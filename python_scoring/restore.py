"""Restore a backup: beside the warehouse, checked, and only then in its place."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from python_scoring import config, server, turns, warehouse
from python_scoring.access import protection, roles
from python_scoring.audit import heads
from python_scoring.audit import store as trail
from python_scoring.backups import contents, databases, dumps, manifest, models
from python_scoring.backups.contents import Table
from python_scoring.backups.manifest import Manifest
from python_scoring.errors import BadInput, GateFailed
from python_scoring.publication import builds
from python_scoring.publication import manifest as published_manifest
from python_scoring.warehouse import Connection

_DATABASE = """
select current_database(), current_user, r.rolsuper,
    (r.rolcreatedb or r.rolsuper) and pg_has_role(d.datdba, 'usage')
from pg_roles as r cross join pg_database as d
where r.rolname = current_user and d.datname = current_database()
"""

Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What was restored, and where what it replaced is.

    Attributes
    ----------
    database
        Of the warehouse in force, which holds the backup's content now.
    made_at
        When the backup was made, UTC.
    tables, rows, models
        How many of each came back.
    kept_as
        Database that was replaced, under its new name; None if it held nothing.
    notes
        What whoever reads the result should know: other owners, a model without
        its file, a model's file set aside.
    """

    database: str
    made_at: datetime
    tables: int
    rows: int
    models: int
    kept_as: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Target:
    """The database to restore to, and what we may do there."""

    database: str
    user: str
    version: int
    may_create: bool
    is_pristine: bool
    keeps_owners: bool


def restore(
    backup: Path, *, replace: bool = False, tell: Tell | None = None
) -> Restored:
    """Bring the warehouse in force back to what a backup holds.

    The backup is restored to a database beside it and compared with what was noted
    when it was made; then the two change names. A role that may not create
    databases can restore to an empty one, in one transaction.

    Parameters
    ----------
    backup
        Folder that `backup.make` made.
    replace
        Take the place of a warehouse that holds something; it stays, renamed.
    tell
        Called with what is done now.

    Raises
    ------
    BadInput
        The backup is damaged or from a newer server; roles are missing; the
        warehouse holds something, or somebody is connected to it.
    GateFailed
        What was restored is not what was backed up; nothing was replaced.
    """
    say = tell or (lambda _: None)
    say("checking the backup")
    listed = manifest.read(backup)
    manifest.verify(backup, listed)
    server.ensure_running()
    if not config.is_team_server():
        # A new server of our own: grants and policies name them.
        with warehouse.connect(autocommit=True) as conn:
            roles.init(conn)
    target = _look(listed)
    _check_room(target, replace=replace)
    way = _restore_beside if target.may_create else _restore_inside
    restored = way(backup, listed, target, say)
    with warehouse.connect(autocommit=True) as conn:
        warehouse.prepare(conn)
        _record(conn, backup, restored)
        current = builds.published(conn)
    # Lets plain dbt defer to the build that readers have now.
    published_manifest.publish(current.build_id if current else None)
    return restored


def _record(conn: Connection, backup: Path, restored: Restored) -> None:
    """Note the restore in the trail that came back, and outside where that ended."""
    detail = {"made_at": restored.made_at.isoformat(), "kept_as": restored.kept_as}
    entry_id = trail.record(conn, "restore", backup.name, restored.rows, detail=detail)
    heads.note(conn, restored_after=entry_id - 1)


def _look(listed: Manifest) -> _Target:
    with warehouse.connect(autocommit=True) as conn:
        _check_version(conn, listed)
        known = {name for (name,) in conn.execute("select rolname from pg_roles")}
        _check_roles(listed, known)
        row = conn.execute(_DATABASE.encode()).fetchone()
        assert row
        database, user, is_superuser, may_create = row
        return _Target(
            database=database,
            user=user,
            version=conn.info.server_version,
            may_create=may_create,
            is_pristine=contents.is_pristine(conn),
            keeps_owners=is_superuser and set(listed.owners) <= known,
        )


def _check_version(conn: Connection, listed: Manifest) -> None:
    ours, theirs = conn.info.server_version // 10000, listed.server_version // 10000
    if theirs > ours:
        raise BadInput(
            f"the backup is of PostgreSQL {theirs}, the warehouse "
            f"({config.describe()}) is PostgreSQL {ours}; expected {theirs} or newer"
        )


def _check_roles(listed: Manifest, known: set[str]) -> None:
    missing = [name for name in listed.roles if name not in known]
    if missing:
        statements = "; ".join(f'create role "{name}"' for name in missing)
        raise BadInput(
            f"the backup gives rights to roles that this server does not have: "
            f"{', '.join(missing)}. Make them first (they need no password): "
            f"{statements}"
        )


def _check_room(target: _Target, *, replace: bool) -> None:
    if target.is_pristine:
        return
    if not target.may_create:
        raise BadInput(
            f"database {target.database} holds something already, and to restore "
            f"beside it {target.user} would have to own it and be allowed to create "
            f'databases (alter role "{target.user}" createdb); expected that, or an '
            "empty database"
        )
    if not replace:
        raise BadInput(
            f"the warehouse ({config.describe()}) holds something already; with "
            f"--replace the backup takes its place, and database {target.database} "
            "stays under another name"
        )


def _restore_beside(
    backup: Path, listed: Manifest, target: _Target, say: Tell
) -> Restored:
    new = databases.named(target.database, "_restoring")
    now = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    old = databases.named(target.database, f"_before_{now.lower()}")
    with databases.administration(target.database) as admin:
        databases.refuse_others(admin, target.database)
        databases.create_like(admin, target.database, new)
        try:
            _fill(backup, listed, target, new, say)
            with models.staged(backup, listed) as files:
                databases.swap(admin, target.database, new, old)
                notes = models.place(files, now)
        finally:
            # It has another name by now, if all went well.
            databases.drop_unfinished(admin, new)
        is_kept = not (target.is_pristine and _is_still_pristine(old))
        if not is_kept:
            databases.drop(admin, old)
    return _describe(listed, target, notes, old if is_kept else None)


def _is_still_pristine(database: str) -> bool:
    """Look again: somebody may have loaded something while we were at work."""
    with warehouse.connect(dbname=database, autocommit=True) as conn:
        return contents.is_pristine(conn)


def _restore_inside(
    backup: Path, listed: Manifest, target: _Target, say: Tell
) -> Restored:
    """Restore to an empty database that is not ours to replace by another."""
    now = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    with turns.take("restore", tell=say), models.staged(backup, listed) as files:
        # The raw tables are there, without a row.
        first = "drop schema if exists raw, audit, access cascade;"
        _fill(backup, listed, target, target.database, say, first)
        notes = models.place(files, now)
    return _describe(listed, target, notes, None)


def _fill(
    backup: Path,
    listed: Manifest,
    target: _Target,
    database: str,
    say: Tell,
    first: str = "",
) -> None:
    """Load the dump to a database and compare all of it with what was noted."""
    say(f"restoring {listed.rows:,} rows")
    dumps.load(
        backup / manifest.DUMP,
        database,
        server_version=target.version,
        owners=target.keeps_owners,
        first=first,
    )
    say("comparing every table with what was backed up")
    with warehouse.connect(dbname=database, autocommit=True) as conn:
        # Who is not past the policies would not see what it owns now.
        protection.take_off_where_hidden(conn)
    with warehouse.connect(dbname=database) as conn:
        _compare(listed, contents.measure(conn))
    with warehouse.connect(dbname=database, autocommit=True) as conn:
        conn.execute("set client_min_messages = error")
        conn.execute("vacuum (analyze)")


def _compare(listed: Manifest, found: Mapping[str, Table]) -> None:
    names = sorted(listed.tables.keys() | found.keys())
    other = [name for name in names if listed.tables.get(name) != found.get(name)]
    if other:
        raise GateFailed(
            "what was restored is not what was backed up, and takes nothing's place: "
            f"{', '.join(other)}"
        )


def _describe(
    listed: Manifest, target: _Target, notes: list[str], kept_as: str | None
) -> Restored:
    with warehouse.connect(autocommit=True) as conn:
        notes = [*notes, *models.missing(conn)]
    others = [name for name in listed.owners if name != target.user]
    if others and not target.keeps_owners:
        notes = [
            *notes,
            f"everything belongs to {target.user} now; in the backup some of it "
            f"belonged to {', '.join(others)}",
        ]
    return Restored(
        database=target.database,
        made_at=listed.made_at,
        tables=len(listed.tables),
        rows=listed.rows,
        models=len(listed.models),
        kept_as=kept_as,
        notes=tuple(notes),
    )
