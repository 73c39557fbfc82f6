"""Whether a key, a password or an external identifier is left where it should not be.

On PostgreSQL 15 of Debian where it is installed (with pg_stat_statements, and a login
with a password), else on the embedded server.
"""

import base64
import gzip
import os
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd
import psutil
import psycopg

from python_scoring import config, server, warehouse
from python_scoring.cohorts import generator
from python_scoring.embedded import binaries
from python_scoring.errors import BadInput
from python_scoring.identities.keys import derive

PEOPLE = 300
DEBIAN = Path("/usr/lib/postgresql/15/bin")
_PORT = "5499"
# In every external identifier here, and nowhere else.
_MARK = "".join(["secret", "-", "person"])
# Of somebody whose identifier stands on a command line.
_TYPED = "".join(["typed", "-", "person"])
# Where a number is expected.
_VALUE = "".join(["told", "-", "in", "-", "confidence"])
_REPOSITORY = Path(__file__).parents[1]


@dataclass
class _Used:
    """Keys that were in force, and what commands said."""

    keys: list[str]
    said: list[bytes]


def look_everywhere() -> list[tuple[str, int, int]]:
    """Use everything under a key, and look for what must not be where."""
    home = config.state_dir()
    with _server(home) as password:
        with watched() as seen:
            used = _use(home)
        names = [_MARK.encode(), _TYPED.encode()]
        keys = [part for key in used.keys for part in _parts_of(key)]
        keys += [password.encode()] if password else []
        value = [_VALUE.encode()]
        # Whoever types a name shows it to the process list, and to nothing else.
        places = [
            ("process list", seen, [*keys, *value, _MARK.encode()]),
            ("files beside and of the server", files(home), [*keys, *names]),
            ("what commands said, but who was asked for", used.said, [*keys, *value]),
            ("files beside the server, of rejected values", _beside(home), value),
            ("the repository", _tracked(), [*keys, *names, *value]),
            ("query statistics", _statements(), [*keys, *names, *value]),
            ("rows of every table", _database(), [*keys, *names]),
            ("rows outside raw, of rejected values", _database(but="raw"), value),
        ]
        with warehouse.connect() as conn:
            version = conn.info.server_version // 10000
        return [
            count(f"{where} (PostgreSQL {version})", texts, needles)
            for where, texts, needles in places
        ]


def _parts_of(key: str) -> list[bytes]:
    """Spell a key out: as it is kept, and what is derived from it."""
    master = base64.b64decode(key)
    return [key.encode(), master, derive(master).pseudonym_key]


def count(
    where: str, texts: Iterable[bytes], needles: list[bytes]
) -> tuple[str, int, int]:
    """Count the texts that were looked through, and those that hold a needle."""
    # As they are, and as PostgreSQL shows bytes.
    spelt = [*needles, *(needle.hex().encode() for needle in needles)]
    looked, hits = 0, 0
    for text in texts:
        looked += 1
        hits += any(needle in text for needle in spelt)
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


def _use(home: Path) -> _Used:
    """Run the commands as people do.

    A key, roles, a cohort with a fault, a build, patients with and without a fault, a
    question, two people forgotten, another key, another model, and a backup.
    """
    cohort = home / "people.csv"
    people = generator.generate(PEOPLE, 11)
    names = [f"{number:05}-{_MARK}" for number in range(PEOPLE)]
    names[2] = _TYPED
    frame = pd.DataFrame({"external_id": names, **people.base}).astype(object)
    frame.loc[PEOPLE // 2, "annual_cost"] = _VALUE
    frame.to_csv(cohort, index=False)
    used = _Used([], [])

    def run(*arguments: str, said: str = "", code: int = 0) -> None:
        used.said.append(_run(arguments, said, code).encode())

    run("keys", "init")
    used.keys.append(_key(home))
    run("db", "init-roles")
    run("load", "cohort", str(cohort), "--org", "SYNTH", "--as-of", "2025-12-31")
    run("build")
    _run(("add", str(_person(home, f"NEW-{_MARK}", "12000")), "--json"))
    for option in ((), ("--json",)):
        bad = _person(home, f"BAD-{_MARK}", _VALUE)
        run("add", str(bad), *option, code=BadInput.exit_code)
    with warehouse.connect() as conn:
        row = conn.execute(
            "select patient_uuid::text from marts.patients"
            " inner join marts.organizations using (organization_id)"
            " where org_code = 'SYNTH' order by patient_id limit 1"
        ).fetchone()
    assert row
    _run(("reidentify", row[0], "--reason", "to see where it is left"))
    forget = ("forget", "--org", "SYNTH", "--reason", "asked to", "--external-id")
    run(*forget, "-", said=f"{names[1]}\n")
    run(*forget, _TYPED)
    run("keys", "rotate")
    used.keys.append(_key(home))
    run("train", "--seed", "2")
    run("build")
    run("backup", "--to", str(_made(home / "backups")))
    cohort.unlink()
    (home / "person.csv").unlink()
    return used


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _person(home: Path, external_id: str, annual_cost: str) -> Path:
    file = home / "person.csv"
    file.write_text(
        "org_code,external_id,source_system,index_date,age,gender,race,conditions,"
        "has_esrd,total_admissions,total_hospital_days,last_admission_date,"
        "total_outpatient_visits,annual_cost,inpatient_cost\n"
        f"SYNTH,{external_id},API,{date.today()},70,female,White,chf,false,1,2,"
        f"{date.today()},3,{annual_cost},5000\n"
    )
    return file


def _key(home: Path) -> str:
    return (home / "identity.key").read_text().strip()


def _run(arguments: Sequence[str], said: str = "", code: int = 0) -> str:
    command = [sys.executable, "-m", "python_scoring", *arguments]
    done = subprocess.run(
        command, cwd=_REPOSITORY, capture_output=True, text=True, input=said
    )
    if done.returncode != code:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


@contextmanager
def watched() -> Iterator[list[bytes]]:
    """Collect the command line of every process, twenty times a second."""
    seen: set[bytes] = set()
    stop = threading.Event()

    def look() -> None:
        for process in psutil.process_iter(["cmdline"]):
            seen.add(" ".join(process.info["cmdline"] or []).encode())

    def watch() -> None:
        while not stop.wait(0.05):
            look()

    thread = threading.Thread(target=watch)
    thread.start()
    texts: list[bytes] = []
    try:
        yield texts
    finally:
        stop.set()
        thread.join()
        look()
        texts += sorted(seen)


def files(home: Path) -> Iterator[bytes]:
    """Read what is there: dbt's target, logs, notes, backups, the server's own files.

    But the key files, which are where they belong; what is packed is unpacked too.
    """
    for folder, _, names in os.walk(home):
        for path in (Path(folder) / name for name in sorted(names)):
            is_key = path.parent == home and path.name.startswith("identity.key")
            if path.is_file() and not is_key:
                content = path.read_bytes()
                yield content
                yield from _unpacked(path, content)


def _unpacked(path: Path, content: bytes) -> Iterator[bytes]:
    if content.startswith(b"PGDMP"):
        command = [str(binaries.client("pg_restore")), "--file=-", str(path)]
        yield subprocess.run(command, capture_output=True, check=True).stdout
    elif content.startswith(b"\x1f\x8b"):
        yield gzip.decompress(content)


def _beside(home: Path) -> Iterator[bytes]:
    """Read what is beside the server: not its data, nor the backup of `raw`."""
    for name in ("target", "logs", "artifacts", "manifests", "published"):
        if (home / name).is_dir():
            yield from files(home / name)
    logs = (path for path in home.rglob("*.log") if path.is_file())
    yield from (path.read_bytes() for path in logs)


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


def _database(but: str = "") -> list[bytes]:
    """Read every row of every table as text, but those of one schema."""
    texts: list[bytes] = []
    with warehouse.connect() as conn:
        tables = conn.execute(
            "select oid::regclass::text from pg_class where relkind in ('r', 'm')"
            " and relnamespace::regnamespace::text !~ '^(pg_|information_schema)'"
            " and relnamespace::regnamespace::text <> %s",
            (but,),
        ).fetchall()
        for (table,) in tables:
            rows = conn.execute(f"select t::text from {table} as t".encode()).fetchall()
            texts += [row.encode() for (row,) in rows]
    return texts
