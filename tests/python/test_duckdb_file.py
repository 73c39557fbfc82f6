"""A DuckDB file by itself: its raw tables, its settings, and what is refused."""

import base64
import os
import signal
import stat
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import duckfile
import pytest
import yaml
from conftest import Run
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.environments.local import LocalEnvironment
from dbt.config.renderer import ProfileRenderer
from dbt_common.context import set_invocation_context
from test_load_cohort import people, write_csv

from python_scoring import config, warehouse
from python_scoring.cohorts import cohort, loads
from python_scoring.dbt import project_environment
from python_scoring.duck import connection as duck
from python_scoring.duck import raw_tables
from python_scoring.errors import BadInput
from python_scoring.identities import keys
from python_scoring.warehouse import Connection

AS_OF = date(2024, 12, 31)

# PostgreSQL's types, as DuckDB calls the same.
TYPES = {
    "text": "VARCHAR",
    "bytea": "BLOB",
    "jsonb": "JSON",
    "ARRAY": "VARCHAR[]",
    "double precision": "DOUBLE",
    "timestamp with time zone": "TIMESTAMP WITH TIME ZONE",
}
_COLUMNS = """
select columns.table_name, columns.column_name, columns.data_type,
    columns.is_nullable
from information_schema.columns as columns
inner join information_schema.tables as tables
    on columns.table_schema = tables.table_schema
    and columns.table_name = tables.table_name
where tables.table_schema = 'raw'
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file that is not there yet, in force."""
    monkeypatch.setenv("RISKMART_HOME", str(tmp_path / "home"))
    with duckfile.in_force(tmp_path / "riskmart.duckdb") as path:
        yield path


@pytest.fixture
def made(file: Path) -> Path:
    """The file with its raw tables."""
    with warehouse.connect(autocommit=True) as conn:
        warehouse.prepare(conn)
    return file


def columns(conn: Connection) -> dict[tuple[str, str], tuple[str, str]]:
    return {
        (table, column): (TYPES.get(kind, kind.upper()), nullable)
        for table, column, kind, nullable in conn.execute(_COLUMNS.encode())
    }


def refused(riskmart: Run, *arguments: str) -> str:
    done = riskmart(*arguments)
    assert done.code == BadInput.exit_code, done.out + done.err
    return " ".join(done.err.split())


# Raw tables


def test_raw_tables_are_those_of_postgresql(conn: Connection, tmp_path: Path) -> None:
    ours = columns(conn)
    with duckfile.connected(tmp_path / "other.duckdb") as other:
        theirs = columns(other)
    assert len({table for table, _ in theirs}) > 20
    assert ours == theirs


_RULES = """
select split_part(conrelid::regclass::text, '.', 2), contype = 'p', count(*)
from pg_constraint
where connamespace = 'raw'::regnamespace and contype in ('c', 'p')
    and pg_get_constraintdef(oid) not like '%isfinite%'
group by 1, 2
"""
_DUCKDB_RULES = """
select table_name, constraint_type = 'PRIMARY KEY', count(*)
from duckdb_constraints()
where schema_name = 'raw' and constraint_type in ('CHECK', 'PRIMARY KEY')
group by all
"""


def test_raw_tables_have_their_checks_and_the_small_ones_their_keys(
    conn: Connection, made: Path
) -> None:
    ours = set(conn.execute(_RULES.encode()).fetchall())
    with warehouse.connect() as other:
        theirs = set(other.execute(_DUCKDB_RULES).fetchall())
    assert len(theirs) > 20
    assert theirs <= ours
    assert {(f"raw.{table}", is_key) for table, is_key, _ in ours - theirs} == {
        (table, True) for table in raw_tables.LARGE
    }


def test_raw_tables_are_made_once(made: Path) -> None:
    with warehouse.connect(autocommit=True) as conn:
        conn.execute("insert into raw.identity_key (fingerprint) values ('f')")
        warehouse.prepare(conn)
        assert conn.execute("select fingerprint from raw.identity_key").fetchall() == [
            ("f",)
        ]


def test_a_file_of_an_older_riskmart_is_refused_and_left_as_it_is(
    made: Path, riskmart: Run
) -> None:
    with warehouse.connect(autocommit=True) as conn:
        conn.execute("alter table raw.builds drop column feature_version")
        conn.execute("comment on table raw.loads is 'Tables as of before'")
    assert (
        f"{made}: made by an older riskmart: raw.builds has no column feature_version;"
        " expected a file of this version"
    ) in refused(riskmart, "build")
    with warehouse.connect(autocommit=True) as conn:
        assert conn.execute(
            "select comment from duckdb_tables() where table_name = 'loads'"
        ).fetchall() == [("Tables as of before",)]


def test_a_file_of_other_words_and_the_same_columns_is_taken(made: Path) -> None:
    with warehouse.connect(autocommit=True) as conn:
        conn.execute("comment on table raw.loads is 'Tables as of before'")
        warehouse.prepare(conn)
        [(comment,)] = conn.execute(
            "select comment from duckdb_tables() where table_name = 'loads'"
        ).fetchall()
    assert comment.startswith("Tables as of ")
    assert comment != "Tables as of before"


# Files that are not to be opened


def test_the_file_is_ours_alone(made: Path) -> None:
    assert stat.S_IMODE(made.stat().st_mode) == 0o600


@pytest.mark.parametrize("version", [1, 99])
def test_a_file_of_another_version_is_refused(
    made: Path, riskmart: Run, version: int
) -> None:
    duckfile.forge_version(made, version)
    before = made.read_bytes()
    said = refused(riskmart, "build")
    assert (
        f"{made}: written by another version of DuckDB than {duckdb.__version__}"
        in said
    )
    assert f"version number {version}" in said
    assert made.read_bytes() == before


NO_FILES = {
    "text": b"patient_id,age\n" * 1000,
    "empty": b"",
    "SQLite": b"SQLite format 3\0".ljust(4096, b"\0"),
}


@pytest.mark.parametrize("content", NO_FILES.values(), ids=NO_FILES)
def test_what_is_no_duckdb_file_is_refused(
    file: Path, riskmart: Run, content: bytes
) -> None:
    file.write_bytes(content)
    said = refused(riskmart, "build")
    assert f"{file}: cannot be opened as a DuckDB file" in said
    assert file.read_bytes() == content


def test_a_damaged_file_is_refused(made: Path, riskmart: Run) -> None:
    content = bytearray(made.read_bytes())
    content[20] ^= 1
    made.write_bytes(content)
    assert "checksum" in refused(riskmart, "status")


def test_a_folder_in_the_place_of_the_file_is_refused(
    file: Path, riskmart: Run
) -> None:
    file.mkdir()
    for command in ("status", "build"):
        assert f"{file}: cannot be opened" in refused(riskmart, command)


def test_a_folder_that_cannot_be_written_to_is_refused(
    file: Path, riskmart: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Neither may root: nobody makes a folder in /proc, or below a file.
    file.write_text("")
    for place in ("/proc/riskmart/riskmart.duckdb", str(file / "riskmart.duckdb")):
        monkeypatch.setenv("RISKMART_DUCKDB", place)
        said = refused(riskmart, "build")
        assert place in said
        assert "expected a file of ours in a folder that we may write to" in said


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_read_only_file_is_refused(made: Path, riskmart: Run) -> None:
    made.chmod(0o400)
    assert "Permission denied" in refused(riskmart, "status")


@pytest.mark.parametrize("name", ["raw.duckdb", "Marts.db", "build_1.duckdb"])
def test_a_file_called_as_a_schema_is_refused(
    file: Path, riskmart: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("RISKMART_DUCKDB", str(file.with_name(name)))
    said = refused(riskmart, "build")
    assert f"{name}: DuckDB calls a file's tables by the file's name" in said


def test_status_of_no_file_says_how_to_make_one(file: Path, riskmart: Run) -> None:
    done = riskmart("status")
    assert done.code == 0
    assert "not there yet; `riskmart build` makes it" in " ".join(done.out.split())
    assert not file.exists()


# Settings


def test_an_unknown_target_is_refused(
    riskmart: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RISKMART_TARGET", "oracle")
    assert "RISKMART_TARGET oracle: no such target" in refused(riskmart, "status")
    monkeypatch.setenv("RISKMART_TARGET", "postgres")
    said = refused(riskmart, "--target", "spark", "status")
    assert "spark: no such target; expected one of postgres, duckdb" in said


@pytest.mark.parametrize("value", ["lots", "75", "8 potatoes", "-5", "-1GB", "none"])
def test_a_memory_limit_that_is_none_is_refused(
    file: Path, riskmart: Run, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("RISKMART_DUCKDB_MEMORY", value)
    said = refused(riskmart, "build")
    assert f"RISKMART_DUCKDB_MEMORY {value}: " in said
    assert not file.exists()


def test_too_little_memory_to_open_a_file_is_told(
    made: Path, riskmart: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RISKMART_DUCKDB_MEMORY", "1KB")
    assert "1KB of memory are too little" in refused(riskmart, "status")


def test_dbt_without_a_target_works_where_riskmart_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = (config.PROJECT_DIR / "profiles.yml").read_text()
    given = yaml.safe_load(text)["riskmart"]["target"]
    for target in ("duckdb", "postgres"):
        monkeypatch.setenv("RISKMART_TARGET", target)
        set_invocation_context(os.environ)
        assert ProfileRenderer({}).render_value(given) == target
    monkeypatch.delenv("RISKMART_TARGET")
    set_invocation_context(os.environ)
    assert ProfileRenderer({}).render_value(given) == "postgres"


def test_settings_hold_in_every_connection_and_in_dbt_s(
    made: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "o'brien"
    monkeypatch.setenv("RISKMART_DUCKDB_TEMP", str(home))
    monkeypatch.setenv("RISKMART_DUCKDB_MEMORY", "64MiB")
    asked = (
        "select current_setting('memory_limit'), current_setting('temp_directory'),"
        " current_setting('preserve_insertion_order'),"
        " current_setting('autoinstall_known_extensions')"
    )
    expected = ("64.0 MiB", str(home), False, False)
    with warehouse.connect(autocommit=True) as conn:
        assert conn.execute(asked).fetchone() == expected
        # Something in the temporary folder, after which DuckDB lets nobody set it.
        conn.execute(
            "create temporary table big as select range as n, hash(range) as h,"
            " hash(range + 1)::varchar as t from range(3000000)"
        )
        assert any(home.iterdir())
        with warehouse.connect(autocommit=True) as other:
            assert other.execute(asked).fetchone() == expected
        options = profile("duckdb_candidate")
        environment = LocalEnvironment(DuckDBCredentials.from_dict(options))
        cursor = environment.handle().cursor()
        assert cursor.execute(asked).fetchone() == expected
        environment.close()


def profile(target: str) -> dict[str, object]:
    """What dbt makes of our profile."""
    text = (config.PROJECT_DIR / "profiles.yml").read_text()
    output = yaml.safe_load(text)["riskmart"]["outputs"][target]
    with project_environment():
        set_invocation_context(os.environ)
        rendered: dict[str, object] = ProfileRenderer({}).render_data(output)
    return {"database": "riskmart", **rendered}


def test_no_room_for_what_is_not_held_in_memory_is_told(
    made: Path, riskmart: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RISKMART_DUCKDB_MEMORY", "40MB")
    monkeypatch.setenv("RISKMART_DUCKDB_TEMP", str(tmp_path / "spill"))
    sorting = (
        "select max(t) from (select hash(range) as h, hash(range + 1)::varchar as t"
        " from range(3000000) order by h limit 2900000)"
    )
    # DuckDB allows itself 90 % of the disk; a small disk here is one by decree.
    small = "set max_temp_directory_size = '8MB'; "
    assert riskmart("sql", sorting).code == 0
    said = refused(riskmart, "sql", small + sorting)
    assert (
        f"no room left in {tmp_path / 'spill'} for what is not held in memory" in said
    )
    assert "RISKMART_DUCKDB_TEMP" in said
    in_one_piece = (
        "select max(len(l)) from (select list(range) as l from range(20000000))"
    )
    said = refused(riskmart, "sql", in_one_piece)
    assert "40MB of memory are too little" in said
    assert "expected more in RISKMART_DUCKDB_MEMORY" in said


def test_a_full_disk_is_told(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = duckdb.IOException(
        'Could not write file "x.wal": No space left on device\n\nmore'
    )
    words = duck.in_words(error)
    assert words
    assert words.startswith(f"no room left on the disk of {made} or ")
    assert duck.in_words(duckdb.IOException("Something else")) is None


# Commands


def test_what_has_no_counterpart_is_refused_in_words(made: Path, riskmart: Run) -> None:
    for command in ("backup", "psql", "keys", "diff", "access", "dashboard", "forget"):
        said = refused(riskmart, command, *["init"] * (command in ("keys", "access")))
        assert f"riskmart {command}: not of a DuckDB file" in said


def test_a_faulty_statement_is_told_without_a_traceback(
    made: Path, riskmart: Run
) -> None:
    assert "nowhere does not exist" in refused(riskmart, "sql", "select * from nowhere")
    assert "syntax error" in refused(riskmart, "sql", "selekt 1")
    assert riskmart("sql", "--csv", "select 7 as n").out.splitlines() == ["n", "7"]


@pytest.mark.parametrize(
    "said", ["'pg_temp.x for update'", "'it''s pg_temp.x for update'"]
)
def test_what_stands_in_quotes_is_left_as_it_is(
    said: str, made: Path, riskmart: Run
) -> None:
    shown = riskmart("sql", "--csv", f"select {said} as said")
    expected = said[1:-1].replace("''", "'")
    assert shown.out.splitlines() == ["said", expected]


@pytest.mark.parametrize(
    "comment", ["-- the patient's own\n", "/* whose it's */", '"o\'clock", ']
)
def test_an_apostrophe_outside_quotes_begins_none(comment: str, made: Path) -> None:
    with warehouse.connect() as conn:
        conn.execute(b"create temporary table mine on commit drop as select 7 as n")
        conn.execute(b'alter table pg_temp.mine add column "o\'clock" integer')
        query = f"select {comment} n, 'for update' from pg_temp.mine for update"
        assert conn.execute(query.encode()).fetchone()[-2:] == (7, "for update")


def test_a_column_called_count_is_shown(made: Path, riskmart: Run) -> None:
    asked = riskmart("sql", "--csv", 'select 7 as "Count"')
    assert asked.out.splitlines() == ["Count", "7"]
    with warehouse.connect(autocommit=True) as conn:
        done = conn.execute("insert into raw.identity_key (fingerprint) values ('f')")
        assert (done.rowcount, done.description) == (1, None)


def test_many_rows_go_in_whole_whatever_their_types(made: Path) -> None:
    rows = [(n, None if n % 2 else n / 2, f"it's {n}", [n]) for n in range(2500)]
    with warehouse.connect() as conn, conn.cursor() as cursor:
        conn.execute(
            b"create temporary table mine"
            b" (n bigint primary key, half double, said text, seen integer[])"
        )
        cursor.executemany("insert into pg_temp.mine values (%s, %s, %s, %s)", rows)
        cursor.executemany(
            "insert into pg_temp.mine values (%s, %s, %s, %s) on conflict do nothing",
            [(7, 1.0, "again", None)],
        )
        assert conn.execute(b"from mine order by n").fetchall() == rows
        with pytest.raises(ValueError, match="other lengths"):
            cursor.executemany("insert into mine values (%s, %s)", [(1, 2), (3,)])


def test_an_interrupt_in_the_middle_of_a_statement_is_told(
    made: Path, riskmart: Run
) -> None:
    timer = threading.Timer(1, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    try:
        endless = "select count(*) from range(100000000000) t(a) where hash(a) % 7 = 3"
        said = refused(riskmart, "sql", endless)
    finally:
        timer.cancel()
    assert "interrupted; what was committed stands" in said


def test_loads_are_taken_out_again(made: Path, riskmart: Run, tmp_path: Path) -> None:
    rows = write_csv(tmp_path / "c.csv", people(7))
    with warehouse.connect(autocommit=True) as conn:
        result = cohort.load(conn, rows, org="SYNTH", as_of=AS_OF)
    assert "no such load; expected one of 1 (SYNTH" in refused(
        riskmart, "load", "remove", "99"
    )
    assert riskmart("load", "remove", str(result.load_id)).code == 0
    with warehouse.connect() as conn:
        for table in loads.LOADED_TABLES:
            assert conn.execute(
                f"select count(*) from {table}".encode()
            ).fetchone() == (0,)


def test_a_refused_load_leaves_nothing(
    made: Path, riskmart: Run, tmp_path: Path
) -> None:
    bad = [one | {"age": "300"} for one in people(7)]
    file = write_csv(tmp_path / "c.csv", [*people(3), *bad])
    said = refused(
        riskmart, "load", "cohort", str(file), "--org", "SYNTH", "--as-of", "2024-12-31"
    )
    assert "c.csv" in said
    with warehouse.connect() as conn:
        for table in (*loads.LOADED_TABLES, "raw.loads", "raw.rejected_rows"):
            assert conn.execute(
                f"select count(*) from {table}".encode()
            ).fetchone() == (0,)


# Under a key


def test_a_file_under_a_key_holds_pseudonyms_and_encrypted_originals(
    made: Path, riskmart: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = people(40)
    for row in rows:
        row["external_id"] = f"Original-{row['external_id']}"
    file = write_csv(tmp_path / "c.csv", rows)
    master = keys.generate()
    monkeypatch.setenv("RISKMART_KEY", base64.b64encode(master).decode())
    arguments = ("load", "cohort", str(file), "--org", "SYNTH", "--as-of")
    assert riskmart(*arguments, "2024-12-31").code == 0
    with warehouse.connect() as conn:
        kept = dict(
            conn.execute("select pseudonym, encrypted from raw.patient_identifiers")
        )
        called = conn.execute("select external_id from raw.cohort_patients").fetchall()
    assert {one for (one,) in called} == set(kept)
    fernet = keys.derive(master).fernet
    originals = {fernet.decrypt(bytes(one)).decode() for one in kept.values()}
    assert originals == {row["external_id"] for row in rows}
    held = made.read_bytes()
    wal = made.with_name(made.name + ".wal")
    held += wal.read_bytes() if wal.exists() else b""
    assert b"Original-" not in held
    # Without it, and with another, nothing more is taken in.
    monkeypatch.delenv("RISKMART_KEY")
    assert "no key, and the warehouse is under key" in refused(
        riskmart, *arguments, "2025-06-30"
    )
    other = base64.b64encode(keys.generate()).decode()
    monkeypatch.setenv("RISKMART_KEY", other)
    assert "expected that one" in refused(riskmart, *arguments, "2025-06-30")


def test_a_key_comes_too_late_for_people_who_are_there(
    made: Path, riskmart: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_csv(tmp_path / "c.csv", people(5))
    arguments = ("load", "cohort", str(file), "--org", "SYNTH", "--as-of")
    assert riskmart(*arguments, "2024-12-31").code == 0
    key = base64.b64encode(keys.generate()).decode()
    monkeypatch.setenv("RISKMART_KEY", key)
    said = refused(riskmart, *arguments, "2025-06-30")
    assert "is not in force" in said
    assert "expected no key, or another file" in said
