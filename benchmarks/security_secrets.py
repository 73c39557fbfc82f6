"""Whether a key, a password or an external identifier is left where it should not be.

On PostgreSQL 15 of Debian where it is installed (with pg_stat_statements, and a login
with a password), else on the embedded server.
"""

import os
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pandas as pd
import psutil
import psycopg

from python_scoring import config, server, warehouse
from python_scoring.cohorts import generator

PEOPLE = 300
DEBIAN = Path("/usr/lib/postgresql/15/bin")
_PORT = "5499"
# In every external identifier here, and nowhere else.
_MARK = "".join(["secret", "-", "person"])
_REPOSITORY = Path(__file__).parents[1]


def look_everywhere() -> list[tuple[str, int, int]]:
    """Load, build, add and ask under a key, and look for what must not be there."""
    home = config.state_dir()
    with _server(home) as password:
        with _watched() as seen:
            keys = _use(home)
        needles = [text.encode() for text in (_MARK, password, *keys) if text]
        # As PostgreSQL shows bytes.
        needles += [needle.hex().encode() for needle in needles]
        places: dict[str, Iterable[bytes]] = {
            "process list": seen,
            "files beside and of the server": _files(home),
            "the repository": _tracked(),
            "query statistics": _statements(),
            "rows of every table": _database(),
        }
        with warehouse.connect() as conn:
            version = conn.info.server_version // 10000
        return [
            _count(f"{where} (PostgreSQL {version})", texts, needles)
            for where, texts in places.items()
        ]


def _count(
    where: str, texts: Iterable[bytes], needles: list[bytes]
) -> tuple[str, int, int]:
    looked, hits = 0, 0
    for text in texts:
        looked += 1
        hits += any(needle in text for needle in needles)
    return (f"key, password or identifier in: {where}", looked, hits)


@contextmanager
def _server(home: Path) -> Iterator[str | None]:
    """Start Debian's server with a password, if it is here; else the embedded one."""
    if not (DEBIAN / "initdb").exists():
        server.start()
        yield None
        return
    password = secrets.token_urlsafe(24)
    data = home / "debian"
    data.mkdir()
    who = {"user": "postgres"} if os.geteuid() == 0 else {}
    if who:
        shutil.chown(data, "postgres")
        for folder in (home, *home.parents[:1]):
            folder.chmod(folder.stat().st_mode | 0o011)
    file = home / "password"
    file.write_text(password)
    file.chmod(0o644)
    run = {"check": True, "capture_output": True, **who}
    subprocess.run(
        [
            DEBIAN / "initdb",
            "-D",
            data,
            "-U",
            "riskmart",
            "-A",
            "scram-sha-256",
            "--pwfile",
            file,
            "-E",
            "UTF8",
        ],
        **run,
    )
    file.unlink()
    with (data / "postgresql.conf").open("a") as settings:
        settings.write(
            "shared_preload_libraries = 'pg_stat_statements'\n"
            f"listen_addresses = '127.0.0.1'\nport = {_PORT}\n"
            f"unix_socket_directories = '{data}'\nlog_statement = 'ddl'\n"
        )
    subprocess.run(
        [DEBIAN / "pg_ctl", "-D", data, "-w", "-l", data / "server.log", "start"], **run
    )
    os.environ |= {
        "PGHOST": "127.0.0.1",
        "PGPORT": _PORT,
        "PGUSER": "riskmart",
        "PGPASSWORD": password,
        "PGDATABASE": "riskmart",
    }
    try:
        with psycopg.connect("dbname=postgres", autocommit=True) as conn:
            conn.execute("create database riskmart")
        with psycopg.connect("dbname=riskmart", autocommit=True) as conn:
            conn.execute("create extension pg_stat_statements")
        yield password
    finally:
        subprocess.run([DEBIAN / "pg_ctl", "-D", data, "-m", "fast", "stop"], **run)
        for name in ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE"):
            del os.environ[name]


def _use(home: Path) -> list[str]:
    """Run the commands as people do; return the keys that were in force.

    A key, roles, a cohort, a build, a patient, a question, and another key.
    """
    cohort = home / "people.csv"
    people = generator.generate(PEOPLE, 11)
    names = [f"{number:05}-{_MARK}" for number in range(PEOPLE)]
    frame = pd.DataFrame({"external_id": names, **people.base})
    frame.to_csv(cohort, index=False)
    person = home / "person.csv"
    person.write_text(
        "org_code,external_id,source_system,index_date,age,gender,race,conditions,"
        "has_esrd,total_admissions,total_hospital_days,last_admission_date,"
        "total_outpatient_visits,annual_cost,inpatient_cost\n"
        f"SYNTH,NEW-{_MARK},API,{date.today()},70,female,White,chf,false,1,2,"
        f"{date.today()},3,12000,5000\n"
    )
    _run("keys", "init")
    keys = [_key(home)]
    _run("db", "init-roles")
    _run("load", "cohort", str(cohort), "--org", "SYNTH", "--as-of", "2025-12-31")
    _run("build")
    _run("add", str(person), "--json")
    with warehouse.connect() as conn:
        row = conn.execute(
            "select patient_uuid::text from marts.patients"
            " inner join marts.organizations using (organization_id)"
            " where org_code = 'SYNTH' limit 1"
        ).fetchone()
    assert row
    _run("reidentify", row[0], "--reason", "to see where it is left")
    _run("keys", "rotate")
    _run("build")
    cohort.unlink()
    person.unlink()
    return [*keys, _key(home)]


def _key(home: Path) -> str:
    return (home / "identity.key").read_text().strip()


def _run(*arguments: str) -> None:
    command = [sys.executable, "-m", "python_scoring", *arguments]
    done = subprocess.run(command, cwd=_REPOSITORY, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stdout}{done.stderr}")


@contextmanager
def _watched() -> Iterator[list[bytes]]:
    """Collect the command line of every process, twenty times a second."""
    seen: set[bytes] = set()
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            for process in psutil.process_iter(["cmdline"]):
                seen.add(" ".join(process.info["cmdline"] or []).encode())

    thread = threading.Thread(target=watch)
    thread.start()
    texts: list[bytes] = []
    try:
        yield texts
    finally:
        stop.set()
        thread.join()
        texts += sorted(seen)


def _files(home: Path) -> Iterator[bytes]:
    """Read what is there: dbt's target, logs, notes, and the server's own files."""
    for folder, _, names in os.walk(home):
        for path in (Path(folder) / name for name in names):
            if path.is_file() and not path.name.startswith("identity.key"):
                yield path.read_bytes()


def _tracked() -> list[bytes]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=_REPOSITORY, capture_output=True, check=True
    )
    names = [name for name in listed.stdout.decode().split("\0") if name]
    ours = {Path(__file__).name}
    return [
        (_REPOSITORY / name).read_bytes()
        for name in names
        if Path(name).name not in ours and (_REPOSITORY / name).is_file()
    ]


def _statements() -> list[bytes]:
    """Read the statistics of queries, where the server keeps any."""
    with warehouse.connect(autocommit=True) as conn:
        row = conn.execute("select to_regclass('public.pg_stat_statements')").fetchone()
        if not (row and row[0]):
            return []
        rows = conn.execute("select query from pg_stat_statements").fetchall()
    return [query.encode() for (query,) in rows]


def _database() -> list[bytes]:
    """Read every row of every table as text."""
    texts: list[bytes] = []
    with warehouse.connect() as conn:
        tables = conn.execute(
            "select oid::regclass::text from pg_class where relkind in ('r', 'm')"
            " and relnamespace::regnamespace::text !~ '^(pg_|information_schema)'"
        ).fetchall()
        for (table,) in tables:
            rows = conn.execute(f"select t::text from {table} as t".encode()).fetchall()
            texts += [row.encode() for (row,) in rows]
    return texts
