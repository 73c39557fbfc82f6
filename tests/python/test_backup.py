"""Backup and restore: all of it comes back, or what was there stays."""

import dataclasses
import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from copies import REPOSITORY, Copy

from python_scoring import (
    artifacts,
    backup,
    config,
    registry,
    restore,
    server,
    warehouse,
)
from python_scoring.backup import Backup
from python_scoring.backups import contents, databases, dumps, manifest
from python_scoring.embedded import binaries
from python_scoring.errors import BadInput, GateFailed, RiskmartError
from python_scoring.publication.manifest import published_folder
from python_scoring.readmission import score
from python_scoring.readmission.features import TARGET

READER = "backup_reader"
STRANGER = "backup_stranger"

# What a team adds to a warehouse, and a dump of the tables alone would lose.
ADDED = f"""
create schema team;
create table team.notes (note_id serial primary key, note text, list jsonb);
insert into team.notes (note, list)
values ('é' || chr(10) || '\\N', '[1]'), (null, null);
select setval('team.notes_note_id_seq', 70);
create view team.loads as select load_id, org_code from raw.loads;
comment on view team.loads is 'Who loaded';
comment on column team.notes.note is 'Anything';
grant usage on schema team to {READER};
grant select on team.loads to {READER};
grant select (note) on team.notes to {READER};
alter default privileges in schema team grant select on tables to {READER};
alter table team.notes enable row level security;
create policy everyone on team.notes to {READER} using (note is not null);
alter view team.loads owner to {READER};
"""

# Each is a list of (what, value); the two lists of two warehouses are compared.
_NOT_OURS = "nspname not like 'pg\\_%' and nspname <> 'information_schema'"
CATALOG = {
    "relations": f"""
        select nspname || '.' || relname, relkind, pg_get_userbyid(relowner),
            (select array_agg(a::text order by a::text) from unnest(coalesce(
                relacl,
                acldefault(
                    case relkind when 'S' then 's'::"char" else 'r' end, relowner
                )
            )) as a)::text,
            relrowsecurity, relpersistence, reloptions::text
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where {_NOT_OURS} order by 1""",
    "schemas": f"""
        select nspname, nspacl::text, pg_get_userbyid(nspowner)
        from pg_namespace where {_NOT_OURS} and nspname <> 'public' order by 1""",
    "views": f"""
        select nspname || '.' || relname, pg_get_viewdef(c.oid)
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where {_NOT_OURS} and relkind in ('v', 'm') order by 1""",
    "columns": f"""
        select nspname || '.' || relname, attnum, attname, attnotnull, attidentity,
            format_type(atttypid, atttypmod), attacl::text,
            pg_get_expr(adbin, adrelid)
        from pg_attribute a
        join pg_class c on c.oid = attrelid
        join pg_namespace n on n.oid = c.relnamespace
        left join pg_attrdef on adrelid = attrelid and adnum = attnum
        where {_NOT_OURS} and attnum > 0 and not attisdropped order by 1, 2""",
    # Nested conditions lose some of their brackets when they are read back.
    "constraints": f"""
        select conrelid::regclass::text, conname,
            translate(pg_get_constraintdef(c.oid), '()', '')
        from pg_constraint c join pg_namespace n on n.oid = c.connamespace
        where {_NOT_OURS} order by 1, 2""",
    "indexes": f"""
        select schemaname, indexname, indexdef from pg_indexes
        where {_NOT_OURS.replace("nspname", "schemaname")} order by 1, 2""",
    "sequences": """
        select schemaname, sequencename, last_value, increment_by, data_type::text
        from pg_sequences order by 1, 2""",
    "comments": """
        select pg_describe_object(classoid, objoid, objsubid), description
        from pg_description
        where objoid >= 16384 order by 1""",
    "policies": """
        select schemaname, tablename, policyname, roles::text, qual
        from pg_policies order by 1, 2, 3""",
    "default privileges": """
        select pg_get_userbyid(defaclrole), defaclnamespace::regnamespace::text,
            defaclacl::text
        from pg_default_acl order by 1, 2""",
}


def state() -> dict[str, Any]:
    """Everything of the warehouse in force: the catalogue, and each table's rows."""
    with warehouse.connect() as conn:
        conn.execute("set search_path = ''")
        found = {k: conn.execute(q.encode()).fetchall() for k, q in CATALOG.items()}
        for name, kind, *_ in found["relations"]:
            # The trail goes on: backup and restore are noted there.
            if kind == "r" and not name.startswith("audit.audit_log_"):
                quoted = psycopg.sql.Identifier(*name.split(".", 1))
                query = psycopg.sql.SQL(
                    "select count(*), md5(string_agg(t::text, '|' order by t::text))"
                    " from {} as t"
                )
                found[name] = conn.execute(query.format(quoted)).fetchall()
    return found


def differences(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """What only one of two states holds, by its kind."""
    return {
        kind: set(one.get(kind, [])) ^ set(other.get(kind, []))
        for kind in one.keys() | other.keys()
        if one.get(kind) != other.get(kind)
    }


def execute(statements: str) -> None:
    with warehouse.connect(autocommit=True) as conn:
        conn.execute(statements.encode())


def value(query: str) -> Any:
    with warehouse.connect() as conn:
        row = conn.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def names_of_databases() -> set[str]:
    with warehouse.connect() as conn:
        return {name for (name,) in conn.execute("select datname from pg_database")}


@pytest.fixture
def readers(built: Copy) -> Iterator[None]:
    """Roles that a team made; they belong to the server, not to the database."""
    names = (READER, STRANGER)
    for name in names:
        built.administer("create role {} login", name)
    try:
        yield
    finally:
        for name in names:
            built.administer("drop role {}", name)


@pytest.fixture
def tidy(built: Copy) -> Iterator[None]:
    """Drop the databases that a test's restores leave."""
    with built.in_force():
        before = names_of_databases()
    yield
    with built.in_force():
        made = names_of_databases() - before - {config.DATABASE}
    for name in made:
        built.administer("drop database {} with (force)", name)


@pytest.fixture
def team(readers: None, tidy: None, clone: Copy) -> Copy:
    """A clone with what a team adds to it."""
    execute(ADDED)
    return clone


@pytest.fixture
def saved(tidy: None, clone: Copy, tmp_path: Path) -> Backup:
    """A backup of a clone, which is in force."""
    return backup.make(place(tmp_path), 14)


def place(tmp_path: Path) -> Path:
    folder = tmp_path / "backups"
    folder.mkdir(exist_ok=True)
    return folder


def test_everything_comes_back(team: Copy, tmp_path: Path) -> None:
    execute("alter database riskmart set search_path to team, raw")
    execute("comment on database riskmart is 'ours'")
    execute("revoke all on database riskmart from public")
    execute(f"grant connect on database riskmart to {READER}")
    before = state()
    assert before["team.notes"][0][0] == 2
    last_load = value("select max(load_id) from raw.loads")
    made = backup.make(place(tmp_path), 14)
    assert made.notes == ()
    assert made.models == 1
    execute("drop schema team cascade; delete from raw.loads")
    stale = published_folder() / "manifest.json"
    stale.parent.mkdir(parents=True, exist_ok=True)
    stale.write_text("{}")
    done = restore.restore(made.folder, replace=True)
    assert not stale.exists() or stale.read_text() != "{}"
    assert differences(state(), before) == {}
    assert done.notes == ()
    assert (done.tables, done.rows) == (made.tables, made.rows)
    assert value("select nextval('team.notes_note_id_seq')") == 71
    assert value("insert into raw.loads " + _COPY_OF_A_LOAD) > last_load
    assert value("show search_path") == "team, raw"
    [(comment, acl)] = team.rows(
        "select shobj_description(oid, 'pg_database'), datacl::text from pg_database"
        " where datname = 'riskmart'"
    )
    assert comment == "ours"
    assert f"{READER}=c" in acl
    assert "{=" not in acl
    assert ",=" not in acl
    with warehouse.connect(dbname=done.kept_as) as conn:
        assert conn.execute("select count(*) from raw.loads").fetchone() == (0,)


_COPY_OF_A_LOAD = """
(source, purpose, org_code, as_of_date, content_sha256, files, row_count,
    rejected_count, has_outcomes)
select source, purpose, 'NEW', as_of_date, content_sha256, files, 0, 0, false
from raw.loads limit 1
returning load_id
"""


def test_another_server_gets_all_and_scores(
    team: Copy, tmp_path: Path, own_home: Path
) -> None:
    with team.in_force():
        before = state()
        patients = value("select count(*) from raw.patient_registry")
        made = backup.make(place(tmp_path), 14)
    other = dataclasses.replace(team, home=own_home)
    with other.in_force():
        server.start()
        with warehouse.connect(autocommit=True) as conn:
            warehouse.prepare(conn)
        with pytest.raises(BadInput, match=f'create role "{READER}"') as refused:
            restore.restore(made.folder)
        assert STRANGER not in str(refused.value)
        assert not config.artifact_dir().exists()
        execute(f"create role {READER}")
        done = restore.restore(made.folder)
        assert done.kept_as is None
        assert names_of_databases() == {
            *("riskmart", "postgres", "template0", "template1")
        }
        assert differences(state(), before) == {}
        with warehouse.connect(autocommit=True) as conn:
            scored = score.score(conn, rescore=True)
        assert 0 < scored.scored <= patients
        assert value("select count(*) from raw.prediction_batches") == 1 + len(
            before["raw.prediction_batches"]
        )


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("fault", [flip, cut, Path.unlink])
@pytest.mark.parametrize("file", ["warehouse.dump", "artifacts/*.joblib"])
def test_a_damaged_file_is_named_and_nothing_changed(
    saved: Backup, fault: Callable[[Path], None], file: str
) -> None:
    [path] = saved.folder.glob(file)
    fault(path)
    before = names_of_databases()
    with pytest.raises(BadInput, match=path.name) as refused:
        restore.restore(saved.folder, replace=True)
    assert refused.value.exit_code == 2
    assert names_of_databases() == before


def edit(folder: Path, **changes: Any) -> None:
    file = folder / "backup.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2},
        {"files": {}},
        {"files": {"warehouse.dump": {"bytes": 1}}},
        {"tables": None},
        {"more": 1},
        {
            "files": {
                "warehouse.dump": {"bytes": 1, "sha256": ""},
                "artifacts/../../x": {"bytes": 1, "sha256": ""},
            }
        },
    ],
)
def test_a_list_of_another_kind_is_refused(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    manifest.write(tmp_path, EMPTY)
    assert manifest.read(tmp_path) == EMPTY
    edit(tmp_path, **changes)
    with pytest.raises(BadInput, match=r"backup\.json is not as expected"):
        manifest.read(tmp_path)


EMPTY = manifest.Manifest(
    made_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    riskmart_version="0",
    warehouse="somewhere",
    database="riskmart",
    server_version=180004,
    owners=[],
    roles=[],
    tables={"a.b": contents.Table(rows=1, hash="5")},
    files={"warehouse.dump": manifest.File(bytes=0, sha256="0")},
)


def test_no_backup_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="expected a folder that `riskmart backup`"):
        restore.restore(tmp_path)
    (tmp_path / "backup.json").write_text("{")
    with pytest.raises(BadInput, match="no JSON"):
        restore.restore(tmp_path)


def test_what_comes_back_otherwise_takes_nothings_place(saved: Backup) -> None:
    tables = json.loads((saved.folder / "backup.json").read_text())["tables"]
    tables["raw.loads"]["hash"] += "1"
    edit(saved.folder, tables=tables)
    before = names_of_databases(), state()
    with pytest.raises(GateFailed, match=r": raw\.loads$"):
        restore.restore(saved.folder, replace=True)
    assert (names_of_databases(), state()) == before


def test_a_newer_servers_backup_is_refused(saved: Backup) -> None:
    edit(saved.folder, server_version=990001)
    with pytest.raises(BadInput, match="PostgreSQL 99"):
        restore.restore(saved.folder, replace=True)


def test_a_warehouse_that_holds_something_is_replaced_on_request_only(
    saved: Backup,
) -> None:
    before = names_of_databases()
    with pytest.raises(BadInput, match="--replace") as refused:
        restore.restore(saved.folder)
    assert refused.value.exit_code == 2
    assert names_of_databases() == before


def test_nobody_is_cut_off(saved: Backup) -> None:
    target = f"{config.conninfo()} application_name=dashboard"
    with psycopg.connect(target) as conn:
        told: list[str] = []
        with pytest.raises(BadInput, match="dashboard") as refused:
            restore.restore(saved.folder, replace=True, tell=told.append)
        assert told == ["checking the backup"]
        assert str(conn.info.backend_pid) in str(refused.value)
        assert conn.execute("select 1").fetchone() == (1,)
    restore.restore(saved.folder, replace=True)


def test_who_is_leaving_is_waited_for(saved: Backup) -> None:
    conn = psycopg.connect(config.conninfo())
    leaving = threading.Timer(0.7, conn.close)
    leaving.start()
    restore.restore(saved.folder, replace=True)
    leaving.join()


def test_who_comes_while_it_is_restored_is_not_cut_off(saved: Backup) -> None:
    before = names_of_databases()
    late = []

    def come(message: str) -> None:
        if message.startswith("comparing"):
            target = f"{config.conninfo()} application_name=latecomer"
            late.append(psycopg.connect(target))

    with pytest.raises(BadInput, match="latecomer"):
        restore.restore(saved.folder, replace=True, tell=come)
    assert names_of_databases() == before
    late[0].execute("select 1 from raw.loads")
    late[0].close()


def test_what_was_loaded_meanwhile_is_kept(saved: Backup, own_home: Path) -> None:
    server.start()
    with warehouse.connect(autocommit=True) as conn:
        warehouse.prepare(conn)
    statement = "insert into raw.rejected_rows select 1, '', 1, '', '', '' where false"
    load = statement.replace(" where false", "").replace(
        "insert",
        "alter table raw.rejected_rows drop constraint if exists"
        " rejected_rows_load_id_fkey; insert",
        1,
    )

    def come(message: str) -> None:
        if message.startswith("comparing"):
            execute(load)

    done = restore.restore(saved.folder, tell=come)
    assert done.kept_as
    with warehouse.connect(dbname=done.kept_as) as conn:
        assert conn.execute("select count(*) from raw.rejected_rows").fetchone() == (1,)


def test_what_a_killed_restore_left_goes_and_others_stay(saved: Backup) -> None:
    with databases.administration(config.DATABASE) as admin:
        databases.create_like(admin, config.DATABASE, "riskmart_restoring")
        with pytest.raises(BadInput, match="another restore"):
            restore.restore(saved.folder, replace=True)
    restore.restore(saved.folder, replace=True)
    assert "riskmart_restoring" not in names_of_databases()
    execute("create database riskmart_restoring")
    with pytest.raises(BadInput, match="riskmart_restoring"):
        restore.restore(saved.folder, replace=True)
    assert "riskmart_restoring" in names_of_databases()


@pytest.fixture
def no_creator(
    team: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Backup]:
    """A backup; in force is an empty database of a role that makes none."""
    # Only a superuser or their owner may give these.
    execute(f"""alter default privileges in schema team
        revoke select on tables from {READER}""")
    made = backup.make(place(tmp_path), 14)
    team.administer("create database plain owner {}", STRANGER)
    team.administer("grant {} to {}", READER, STRANGER)
    monkeypatch.setenv(
        "RISKMART_DSN", f"host={team.socket_dir} user={STRANGER} dbname=plain"
    )
    with warehouse.connect(autocommit=True) as conn:
        warehouse.prepare(conn)
    yield made
    monkeypatch.delenv("RISKMART_DSN")
    team.administer("drop database plain with (force)")
    team.administer("drop owned by {}", STRANGER)


def test_an_empty_database_will_do(no_creator: Backup) -> None:
    done = restore.restore(no_creator.folder)
    assert done.kept_as is None
    [note] = done.notes
    assert f"belongs to {STRANGER} now" in note
    assert READER in note
    assert value("select count(*) from team.notes") == 2
    assert value("select current_user") == STRANGER
    with pytest.raises(BadInput, match="createdb"):
        restore.restore(no_creator.folder, replace=True)


def test_a_half_read_dump_leaves_an_empty_database_empty(
    no_creator: Backup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(name: str) -> Path:
        return program if name == "pg_restore" else client(name)

    client = binaries.client
    program = tmp_path / "pg_restore"
    program.write_text(
        "#!/bin/sh\necho 'create schema half;'\necho damaged >&2\nexit 1\n"
    )
    program.chmod(0o700)
    monkeypatch.setattr(binaries, "client", half)
    with pytest.raises(RiskmartError, match="cannot be read: damaged"):
        restore.restore(no_creator.folder)
    with warehouse.connect() as conn:
        assert contents.is_pristine(conn)
    assert value("select to_regnamespace('half') is null")
    assert value("select to_regclass('raw.loads') is not null")


def test_servers_before_17_are_told_nothing_they_do_not_know(saved: Backup) -> None:
    command = [str(binaries.client("pg_restore")), "--file=-", "--schema-only"]
    script = subprocess.run(
        [*command, str(saved.folder / "warehouse.dump")],
        capture_output=True,
        check=True,
    ).stdout
    told = {}
    for is_old in (True, False):
        file = saved.folder.parent / "script"
        file.write_bytes(script)
        with file.open("rb") as stream:
            first = b"".join(dumps.preamble(stream, is_old=is_old))
            told[is_old] = first + stream.read()
    assert told[False] == script
    assert told[True].count(b"transaction_timeout") < script.count(
        b"transaction_timeout"
    )
    assert b"\nSET transaction_timeout" not in told[True]


# A process of its own that says when the dump is written, and then waits.
_HANGS = """
import sys, time
from pathlib import Path
from python_scoring import backup
from python_scoring.backups import manifest
def hang(folder, listed):
    print("written", flush=True)
    time.sleep(600)
manifest.write = hang
backup.make(Path(sys.argv[1]), 1)
"""


def test_a_killed_backup_leaves_the_older_ones(saved: Backup) -> None:
    folder = saved.folder.parent
    command = [sys.executable, "-c", _HANGS, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"written\n"
        with pytest.raises(BadInput, match="another backup"):
            backup.make(folder, 1)
        process.send_signal(signal.SIGKILL)
    [left] = folder.glob(".riskmart-*.unfinished")
    assert [p.name for p in folder.glob("[!.]*")] == [saved.folder.name]
    manifest.verify(saved.folder, manifest.read(saved.folder))
    made = backup.make(folder, 2)
    assert not left.exists()
    assert set(folder.glob("[!.]*")) == {saved.folder, made.folder}


def test_only_our_oldest_go(saved: Backup) -> None:
    folder = saved.folder.parent
    elsewhere = folder / "riskmart-20200101T000000Z"
    shutil.copytree(saved.folder, elsewhere)
    edit(elsewhere, warehouse="another one")
    (folder / "riskmart-20200102T000000Z").mkdir()
    (folder / "riskmart-20200103T000000Z").symlink_to(saved.folder)
    shutil.copytree(saved.folder, folder / "riskmart-20200104T000000Z.mine")
    shutil.copytree(saved.folder, folder / "older")
    (folder / ".riskmart-notes.unfinished").mkdir()
    (folder / "riskmart-20200105T000000Z").write_text("a file")
    foreign = set(folder.iterdir()) - {saved.folder}
    second = backup.make(folder, 2)
    assert second.deleted == ()
    third = backup.make(folder, 2)
    assert third.deleted == (saved.folder,)
    assert set(folder.iterdir()) == foreign | {second.folder, third.folder}


def test_a_clock_that_goes_wrong_does_not_cost_the_new_backup(saved: Backup) -> None:
    ahead = saved.folder.with_name("riskmart-29990101T000000Z")
    saved.folder.rename(ahead)
    made = backup.make(ahead.parent, 1)
    assert made.folder.is_dir()
    assert made.deleted == (ahead,)


@pytest.mark.parametrize("keep", [0, -1])
def test_none_kept_is_refused(tmp_path: Path, keep: int) -> None:
    with pytest.raises(BadInput, match="1 or more"):
        backup.make(tmp_path, keep)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not a folder"):
        backup.make(tmp_path / "unmounted", 1)
    assert list(tmp_path.iterdir()) == []


def test_two_at_once_do_not_meet(tmp_path: Path) -> None:
    with (tmp_path / ".riskmart-backup.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(BadInput, match="another backup"):
            backup.make(tmp_path, 1)


def test_a_full_disk_is_said_and_leaves_no_rest(
    saved: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    folder = saved.folder.parent
    before = set(folder.iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_space)
        with pytest.raises(BadInput, match="No space left"):
            backup.make(folder, 1)
    assert set(folder.iterdir()) == before
    manifest.verify(saved.folder, manifest.read(saved.folder))


def test_it_is_for_its_owner_alone(clone: Copy) -> None:
    before = os.umask(0)
    try:
        made = backup.make()
    finally:
        os.umask(before)
    assert made.folder.parent == config.state_dir() / "backups"
    found = [made.folder.parent, made.folder, *made.folder.rglob("*")]
    modes = {p.name: p.stat().st_mode & 0o777 for p in found}
    assert len(modes) == 6
    assert set(modes.values()) == {0o700, 0o600}
    assert all(not p.is_file() or p.stat().st_mode & 0o777 == 0o600 for p in found)
    shutil.rmtree(made.folder.parent)


def test_no_password_is_on_a_command_line_or_in_a_file(
    tidy: None, clone: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "s3cret-of-mine"
    monkeypatch.setenv(
        "RISKMART_DSN", f"host={clone.socket_dir} dbname=riskmart password={secret}"
    )
    calls: list[tuple[Any, Any]] = []

    class Spy(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, command: Any, **options: Any) -> None:
            calls.append((command, options["env"]))
            super().__init__(command, **options)

    monkeypatch.setattr(subprocess, "Popen", Spy)
    made = backup.make(place(tmp_path), 1)
    restore.restore(made.folder, replace=True)
    assert len(calls) == 3
    for command, environment in calls:
        assert secret not in str(command)
        assert environment["PGPASSWORD"] == secret
    assert secret not in (made.folder / "backup.json").read_text()


def test_a_model_without_its_file_is_said(
    tidy: None, clone: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "artifact_dir", lambda: tmp_path / "artifacts")
    made = backup.make(place(tmp_path), 1)
    [note] = made.notes
    assert "is missing" in note
    done = restore.restore(made.folder, replace=True)
    [note] = done.notes
    assert ".joblib" in note


def test_another_file_of_a_models_name_is_set_aside(
    saved: Backup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "artifact_dir", lambda: tmp_path / "artifacts")
    with warehouse.connect() as conn:
        model = registry.champion(conn, TARGET)
    assert model
    path = artifacts.path_of(model.artifact_file)
    artifacts.save({"number": 1}, path)
    other = path.read_bytes()
    done = restore.restore(saved.folder, replace=True)
    assert "additive" in artifacts.load_verified(path, model.artifact_sha256)
    [aside] = path.parent.glob("*_before_*")
    assert aside.read_bytes() == other
    assert aside.name in done.notes[0]


def test_a_hash_is_of_rows_and_not_of_their_order(
    conn: psycopg.Connection[tuple[Any, ...]],
) -> None:
    conn.execute("create schema hashed")
    for name, rows in {
        "a": "(1, 'x', 0.1), (2, null, 'nan')",
        "b": "(2, null, 'nan'), (1, 'x', 0.1)",
        "other_value": "(1, 'x', 0.1), (2, null, 0)",
        "one_twice": "(1, 'x', 0.1), (2, null, 'nan'), (1, 'x', 0.1)",
        "null_or_text": "(1, 'x', 0.1), (2, '', 'nan')",
        "none": "(0, null, 0.1) offset 1",
    }.items():
        conn.execute(f"create table hashed.{name} (i int, t text, f float8)".encode())
        conn.execute(f"insert into hashed.{name} values {rows}".encode())
    found = {
        name.removeprefix("hashed."): table.hash
        for name, table in contents.measure(conn).items()
        if name.startswith("hashed.")
    }
    assert found.pop("a") == found["b"]
    assert len(set(found.values())) == len(found)
    conn.execute("set timezone = 'Asia/Tokyo'")
    conn.execute("set extra_float_digits = -3")
    assert contents.measure(conn)["hashed.b"].hash == found["b"]
