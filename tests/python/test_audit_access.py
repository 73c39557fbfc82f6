"""Who read what: lines of the server's log, as parsed and as a server writes them."""

import json
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import Run
from copies import REPOSITORY
from trails import actions

from python_scoring.audit import access_lines, access_log
from python_scoring.audit.access_lines import Access
from python_scoring.errors import BadInput
from python_scoring.warehouse import Connection

FIXTURES = REPOSITORY / "tests" / "fixtures" / "server_logs"
# One statement each in the recordings: select, prepared, cursor, do and copy.
READS = [
    ("SELECT", "marts.patients"),
    ("SELECT", "build_1.patients"),
]


def parse(file: Path) -> list[Access]:
    return list(access_lines.read(file))


def of(source: str, found: list[Access]) -> list[Access]:
    return [access for access in found if access.source == source]


@pytest.mark.parametrize("name", ["server.csv", "server.json", "server.log"])
def test_recorded_lines_of_pgaudit(name: str) -> None:
    found = of("pgaudit", parse(FIXTURES / name))
    assert [(a.statement_kind, a.relation) for a in found] == READS * 6
    assert {(a.who, a.role, a.process_id) for a in found} == {("ann", None, 24421)}
    assert found[0].at == "2026-11-21T21:48:59.057000+00:00"
    if name != "server.log":
        assert {a.session_id for a in found} == {"6b0211cb.5f65"}
        assert len({a.line_sha256 for a in found}) == len(found)


@pytest.mark.parametrize("name", ["server.csv", "server.json", "server.log"])
def test_recorded_lines_of_our_policies(name: str) -> None:
    [found] = of("policy", parse(FIXTURES / name))
    assert (found.who, found.role, found.relation) == ("ann", "ann", "marts.patients")
    assert found.at == "2026-11-21T21:48:59.062720+00:00"
    assert found.process_id == 24421


def test_a_session_line_of_pgaudit_counts_as_well() -> None:
    """With `pgaudit.log = read` and `pgaudit.log_relation`, statement and all."""
    line = (
        "2026-11-21 21:48:59.057 UTC [7] ann@db LOG:  AUDIT: SESSION,1,1,READ,SELECT,"
        'TABLE,marts.patients,"select \'x\n\ty, ""z""\' from marts.patients",<none>\n'
    )
    [found] = parse_text(line)
    assert (found.relation, found.statement_kind) == ("marts.patients", "SELECT")
    assert "select" not in json.dumps(found.as_json())


@pytest.mark.parametrize(
    "message",
    [
        "AUDIT: OBJECT,1,1,WRITE,UPDATE,TABLE,marts.patients,<not logged>,<not logged>",
        "AUDIT: SESSION,1,1,READ,SELECT,,,<not logged>,<not logged>",
        "AUDIT: OBJECT,1,1,READ,SELECT,TABLE,pg_catalog.pg_class,<not logged>",
        "AUDIT: OBJECT,1,1",
        "AUDIT: ",
        "riskmart_access {",
        "riskmart_access []",
        'riskmart_access {"relation": "marts.patients"}',
        'riskmart_access {"relation": "a", "user": "b", "at": "yesterday"}',
        "duration: 3 ms",
    ],
)
def test_what_tells_of_no_read_is_passed_over(message: str) -> None:
    assert parse_text(f"2026-11-21 21:48:59.057 UTC [7] ann@db LOG:  {message}\n") == []


def test_only_what_the_server_says_at_log_level_counts() -> None:
    message = "AUDIT: OBJECT,1,1,READ,SELECT,TABLE,marts.patients,x,x"
    at = "2026-11-21 21:48:59.057 UTC [7] ann@db"
    assert parse_text(f"{at} STATEMENT:  {message}\n\t{message}\n") == []
    assert parse_text(f"{at} ERROR:  {at} LOG:  {message}\n") == []
    assert len(parse_text(f"{at} LOG:  {message}\n")) == 1


def test_who_logged_in_goes_before_what_a_line_says() -> None:
    said = {"at": "2026-11-21T00:00:00+00:00", "user": "bob", "relation": "r"}
    at, message = (
        "2026-11-21 21:48:59.057 UTC [7]",
        f"riskmart_access {json.dumps(said)}",
    )
    assert [a.who for a in parse_text(f"{at} ann@db LOG:  {message}\n")] == ["ann"]
    assert [a.who for a in parse_text(f"{at} LOG:  {message}\n")] == ["bob"]


def test_a_time_that_is_not_utc_is_refused() -> None:
    message = "AUDIT: OBJECT,1,1,READ,SELECT,TABLE,marts.patients,x,x"
    with pytest.raises(BadInput, match=r"expected one in UTC \(log_timezone\)"):
        parse_text(f"2026-11-21 21:48:59.057 CET [7] ann@db LOG:  {message}\n")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="expected a log of PostgreSQL"):
        parse(tmp_path / "missing.csv")


def parse_text(text: str) -> list[Access]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "server.log"
        file.write_text(text)
        return parse(file)


def rows(conn: Connection) -> list[tuple[Any, ...]]:
    return conn.execute(
        "select source, who, role, relation, statement_kind, client_address,"
        " process_id from audit.access_log order by access_id"
    ).fetchall()


def test_a_log_is_taken_in_once(trail: Connection) -> None:
    [done] = access_log.take_in(trail, [FIXTURES / "server.csv"])
    assert (done.reads, done.new) == (13, 13)
    assert rows(trail)[0] == (
        *("pgaudit", "ann", None, "marts.patients", "SELECT", "[local]", 24421),
    )
    [again] = access_log.take_in(trail, [FIXTURES / "server.csv"])
    assert (again.reads, again.new) == (13, 0)
    assert len(rows(trail)) == 13
    assert actions(trail) == ["import_log"]


def test_a_log_that_went_on_adds_what_is_new(trail: Connection, tmp_path: Path) -> None:
    whole = (FIXTURES / "server.csv").read_text().splitlines(keepends=True)
    file = tmp_path / "server.csv"
    file.write_text("".join(whole[:6]))
    [first] = access_log.take_in(trail, [file])
    file.write_text("".join(whole))
    [second] = access_log.take_in(trail, [file])
    assert (first.new, second.new) == (4, 9)


def test_a_line_that_is_still_being_written_waits() -> None:
    message = "AUDIT: OBJECT,1,1,READ,SELECT,TABLE,marts.patients,x,x"
    line = f"2026-11-21 21:48:59.057 UTC [7] ann@db LOG:  {message}"
    assert parse_text(line) == []
    assert len(parse_text(f"{line}\n")) == 1


def test_the_command(trail: Connection, riskmart: Run, tmp_path: Path) -> None:
    done = riskmart("audit", "import-log", str(FIXTURES / "server.json"))
    assert done.code == 0
    assert "13 reads, 13 of them new" in done.out
    assert riskmart("audit", "import-log", str(tmp_path / "missing")).code == 2


# A server with pgaudit, as the configuration in docs has it.

_BIN = Path("/usr/lib/postgresql/15/bin")
_PGAUDIT = Path("/usr/lib/postgresql/15/lib/pgaudit.so")

needs_pgaudit = pytest.mark.skipif(
    not (_BIN.is_dir() and _PGAUDIT.exists()),
    reason="no PostgreSQL 15 with pgaudit (postgresql-15, postgresql-15-pgaudit)",
)


@pytest.fixture
def audited() -> Iterator[Path]:
    """Folder of a server of its own, with its socket and its log."""
    folder = Path(tempfile.mkdtemp(prefix="riskmart-pgaudit-", dir="/tmp"))
    who: dict[str, Any] = {"env": {"PATH": str(_BIN), "LC_ALL": "C.UTF-8"}, "cwd": "/"}
    if os.geteuid() == 0:
        # PostgreSQL refuses root.
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        who |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    data = folder / "data"
    initdb = [_BIN / "initdb", "-D", data, "-U", "postgres", "--auth", "trust"]
    subprocess.run([*initdb, "-E", "UTF8"], check=True, capture_output=True, **who)
    with (data / "postgresql.conf").open("a") as file:
        file.write((REPOSITORY / "docs" / "pgaudit.conf").read_text())
        file.write(
            f"listen_addresses = ''\nunix_socket_directories = '{folder}'\n"
            f"log_directory = '{folder}'\nlog_filename = 'server.log'\n"
        )
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([_BIN / "postgres", "-D", data], **quiet, **who)
    try:
        yield folder
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(folder)


def connect(folder: Path, user: str) -> psycopg.Connection[tuple[Any, ...]]:
    for _ in range(600):
        try:
            return psycopg.connect(
                host=str(folder), user=user, dbname="postgres", autocommit=True
            )
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise AssertionError("the server does not start")


@needs_pgaudit
def test_a_server_with_pgaudit(audited: Path, trail: Connection) -> None:
    with connect(audited, "postgres") as owner:
        for statement in (
            "create extension pgaudit",
            "create role riskmart_pgaudit nologin",
            "create role ann login",
            "create schema build_1",
            "create schema marts",
            "create table build_1.patients as select 1 as patient_id",
            "create table build_1.other as select 1 as n",
            "create view marts.patients with (security_invoker = true)"
            " as select * from build_1.patients",
            "create view marts.other with (security_invoker = true)"
            " as select * from build_1.other",
            "grant usage on schema marts to ann",
            "grant select on all tables in schema marts, build_1 to ann",
            "grant select on marts.patients, build_1.patients to riskmart_pgaudit",
        ):
            owner.execute(statement.encode())
    with connect(audited, "ann") as reader:
        reader.execute("select * from marts.patients where 'a secret' <> %s", ("b",))
        reader.execute("select * from marts.other")
    log = audited / "server.csv"
    for _ in range(600):
        found = parse(log) if log.exists() else []
        if len(found) >= 2:
            break
        time.sleep(0.1)
    assert "a secret" not in log.read_text()
    access_log.take_in(trail, [log])
    assert [row[:5] for row in rows(trail)] == [
        ("pgaudit", "ann", None, "marts.patients", "SELECT"),
        ("pgaudit", "ann", None, "build_1.patients", "SELECT"),
    ]
