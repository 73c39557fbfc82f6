"""How long readers wait for an answer: fifty connections, row-level security on."""

import argparse
import asyncio
import itertools
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from benchmarks import intake_latency, measure, run
from python_scoring import config, server, warehouse
from python_scoring.access import members
from python_scoring.warehouse import Connection

DOCUMENTS = Path(__file__).parents[1] / "docs" / "performance"
DEPARTMENT = "ENDOCRINOLOGY"
WINDOWS = ("30_day", "60_day", "90_day")
CONNECTIONS = 50
# 95 of a hundred answers within so many milliseconds, up to so many people.
TARGETS = {10_000: 10, 1_000_000: 50}
_PATIENTS = 500

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Asker:
    """A login, and what it asks about.

    Parameters
    ----------
    department
        Code of the only one whose people it sees; None where it sees all of them.
    about
        Code of the department that it asks about.
    patients
        Some whom it sees.
    """

    login: str
    organization: int
    department: str | None
    about: str
    patients: tuple[int, ...]

    def values(self, chance: random.Random) -> Values:
        """Choose what a question is about."""
        return {
            "organization": self.organization,
            "window": chance.choice(WINDOWS),
            "department": self.about,
            "patient": chance.choice(self.patients),
        }


@dataclass
class Asked:
    """What one size was measured at; milliseconds by login and question.

    Parameters
    ----------
    first
        Of each question the first on each connection, one connection at a time.
    client_share
        Of one core, what this process used while it asked.
    load
        Of the machine in the last minute, when done.
    """

    patients: int
    connections: int
    seconds: float
    machine: dict[str, Any] = field(default_factory=dict)
    waited: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    first: list[float] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)
    client_share: float = 0.0
    load: float = 0.0


def questions() -> dict[str, list[str]]:
    """Read the statements of each question, by its title, from where they are told."""
    text = (DOCUMENTS / "questions.sql").read_text()
    _, *parts = text.split("\n\n-- ")
    asked = {}
    for part in parts:
        title, _, statements = part.partition("\n")
        bound = re.sub(r"(?<!:):([a-z]+)", r"%(\1)s", statements)
        asked[title] = [one.strip() for one in bound.split(";") if one.strip()]
    return asked


@contextmanager
def askers(prefix: str = "asks") -> Iterator[list[Asker]]:
    """Make logins of the largest organization: of all of it, and of two departments.

    The second department is the smallest, whose people are hardest to find among the
    others.
    """
    with warehouse.connect(autocommit=True) as conn:
        warehouse.prepare(conn)
        organization, code = _first(
            conn,
            "select organization_id, org_code from marts.organizations"
            " order by patient_count desc limit 1",
        )
        (smallest,) = _first(
            conn,
            "select department_code from marts.patients"
            " inner join marts.departments using (department_id)"
            " where organization_id = %s group by 1 order by count(*), 1 limit 1",
            organization,
        )
        made: list[Asker] = []
        try:
            for department in (None, DEPARTMENT, smallest):
                name = f"{prefix}_{len(made)}"
                conn.execute(sql.SQL("create role {} login").format(_name(name)))
                made.append(
                    Asker(
                        name,
                        organization,
                        department,
                        department or DEPARTMENT,
                        _some_patients(conn, organization, department),
                    )
                )
                of = [department] if department else []
                members.grant(conn, name, code, role="clinician", departments=of)
            yield made
        finally:
            for asker in made:
                members.revoke(conn, asker.login)
                drop = sql.SQL("drop owned by {0}; drop role {0}")
                conn.execute(drop.format(_name(asker.login)))


def _name(login: str) -> sql.Identifier:
    return sql.Identifier(login)


def _first(conn: Connection, query: str, *values: Any) -> tuple[Any, ...]:
    row = conn.execute(query.encode(), values).fetchone()
    assert row is not None
    return row


def _some_patients(
    conn: Connection, organization: int, department: str | None
) -> tuple[int, ...]:
    rows = conn.execute(
        "select patient_id from marts.patients"
        " inner join marts.departments using (department_id)"
        " where organization_id = %s and (%s::text is null or department_code = %s)"
        " order by random() limit %s",
        (organization, department, department, _PATIENTS),
    )
    return tuple(patient for (patient,) in rows)


def target_of(asker: Asker) -> str:
    """Say where a login connects."""
    return make_conninfo(config.conninfo(), user=asker.login)


async def ask(
    conn: psycopg.AsyncConnection[Any], statements: Sequence[str], values: Values
) -> list[list[tuple[Any, ...]]]:
    """Ask one question, and take every row of the answer."""
    answers = []
    for statement in statements:
        cursor = await conn.execute(statement.encode(), values)
        answers.append(await cursor.fetchall())
    return answers


async def ask_together(
    asked: Asked, who: Sequence[Asker], of: Mapping[str, list[str]], every: float = 1.0
) -> None:
    """Let each connection ask a question a second, none at the same moment.

    Parameters
    ----------
    asked
        Gets what was measured.
    of
        Statements by question.
    every
        Seconds from a question to the next one of a connection.
    """
    used = list(itertools.islice(itertools.cycle(who), asked.connections))
    open_ones = []
    try:
        for asker in used:
            conn = await psycopg.AsyncConnection.connect(
                target_of(asker), autocommit=True
            )
            open_ones.append(conn)
            chance = random.Random(len(open_ones))
            for statements in of.values():
                began = time.perf_counter()
                await ask(conn, statements, asker.values(chance))
                asked.first.append(1000 * (time.perf_counter() - began))
        began, used_before = time.perf_counter(), time.process_time()
        await asyncio.gather(
            *(
                _ask_on(asked, conn, asker, of, began + every * n / len(used), every)
                for n, (conn, asker) in enumerate(zip(open_ones, used, strict=True))
            )
        )
        took = time.perf_counter() - began
        asked.client_share = (time.process_time() - used_before) / took
    finally:
        for conn in open_ones:
            await conn.close()
    asked.load = round(os.getloadavg()[0], 2)


async def _ask_on(
    asked: Asked,
    conn: psycopg.AsyncConnection[Any],
    asker: Asker,
    of: Mapping[str, list[str]],
    due: float,
    every: float,
) -> None:
    chance = random.Random(int(due * 1e6))
    titles, until = list(of), due + asked.seconds
    waited = asked.waited.setdefault(asker.login, {})
    while due < until:
        late = time.perf_counter() > due
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        # Who still waits for the last answer has begun to wait for this one.
        began = due if late else time.perf_counter()
        title = chance.choice(titles)
        try:
            await ask(conn, of[title], asker.values(chance))
        except psycopg.Error as error:
            asked.errors[f"{title}: {error}"] = (
                asked.errors.get(f"{title}: {error}", 0) + 1
            )
        else:
            waited.setdefault(title, []).append(1000 * (time.perf_counter() - began))
        due += every


def measure_here(patients: int, seconds: float, plans: bool) -> Asked:
    """Ask the published warehouse in force.

    Parameters
    ----------
    plans
        Whether to write how PostgreSQL answers each question.
    """
    asked = Asked(patients, CONNECTIONS, seconds, measure.machine())
    of = questions()
    with askers() as who:
        asyncio.run(ask_together(asked, who, of))
        if plans:
            DOCUMENTS.mkdir(exist_ok=True)
            file = DOCUMENTS / f"plans_{patients}.md"
            file.write_text(explain(asked, who, of))
    names = {asker.login: asker.department or "the organization" for asker in who}
    asked.waited = {names[login]: waited for login, waited in asked.waited.items()}
    return asked


def explain(asked: Asked, who: Sequence[Asker], of: Mapping[str, list[str]]) -> str:
    """Write the plan of each statement, as each login has it."""
    lines = [
        f"# Plans among {asked.patients:,} patients",
        "",
        f"`explain (analyze, buffers)` of [the questions](questions.sql) with warm"
        f" caches: {_machine(asked.machine)}. Written by"
        " `python -m benchmarks.questions --plans`.",
    ]
    for asker in who:
        sees = asker.department or "the whole organization"
        lines += ["", f"## A clinician of {sees}"]
        values = asker.values(random.Random(1))
        with psycopg.connect(target_of(asker), autocommit=True) as conn:
            for title, statements in of.items():
                lines += ["", f"### {title[0].upper()}{title[1:]}"]
                for statement in statements:
                    lines += ["", "```", *plan_of(conn, statement, values), "```"]
    return "\n".join(lines) + "\n"


def plan_of(conn: Connection, statement: str, values: Values) -> list[str]:
    """Read how PostgreSQL answers, with what it reads in memory."""
    cursor = psycopg.ClientCursor(conn)
    query = f"explain (analyze, buffers) {statement}".encode()
    # The first reads what the second finds in memory.
    for _ in range(2):
        cursor.execute(query, values)
    # A build's number is another one the next time.
    return [re.sub(r"\bbuild_\d+\.", "", line) for (line,) in cursor.fetchall()]


def _machine(machine: Mapping[str, Any]) -> str:
    return (
        f"PostgreSQL {machine['postgresql']}, {machine['cores']} cores,"
        f" {machine['memory_gib']} GiB, {machine['system']}, {machine['date']}"
    )


def markdown(sizes: Sequence[Mapping[str, Any]]) -> str:
    """Write the table of the documentation."""
    lines = [
        "| patients | question | sees | asked | p50, ms | p95, ms | longest, ms"
        " | target | met |",
        "| ---: | --- | --- | ---: | ---: | ---: | ---: | --- | --- |",
    ]
    notes = []
    for size in sizes:
        target = next((ms for n, ms in TARGETS.items() if size["patients"] <= n), None)
        for title in questions():
            for sees, waited in _by_reader(size["waited"], title):
                lines.append(_row(size["patients"], title, sees, waited, target))
        errors = size["errors"]
        notes.append(
            f"{size['patients']:,} patients: {size['connections']} connections, a"
            f" question a second each, {size['seconds']:g} s; {sum(errors.values())}"
            f" errors; the first of each question on a connection took"
            f" {max(size['first']):.0f} ms at most; this client used"
            f" {100 * size['client_share']:.0f} % of a core; load"
            f" {size['machine']['load_before']} before and {size['load']} after."
            f" {_machine(size['machine'])}."
        )
        notes += [f"- {count} of {error}" for error, count in errors.items()]
    return "\n".join([*lines, "", *notes])


def _by_reader(
    waited: Mapping[str, Mapping[str, list[float]]], title: str
) -> Iterator[tuple[str, list[float]]]:
    """Give what each reader of a question waited."""
    for sees, of in waited.items():
        yield sees, of.get(title, [])


def _row(
    patients: int, title: str, sees: str, waited: list[float], target: int | None
) -> str:
    cells = [f"{patients:,}", title, sees, str(len(waited))]
    if not waited:
        return f"| {' | '.join([*cells, '', '', '', '', 'not asked'])} |"
    half, most = (float(np.percentile(waited, share)) for share in (50, 95))
    cells += [f"{half:.1f}", f"{most:.1f}", f"{max(waited):.1f}"]
    aim = "" if target is None else f"p95 < {target} ms"
    met = "" if target is None else "yes" if most < target else "NO"
    return f"| {' | '.join([*cells, aim, met])} |"


def measure_apart(patients: int, options: argparse.Namespace) -> dict[str, Any]:
    """Measure one size in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "result.json"
        command = [sys.executable, "-m", "benchmarks.questions", "--one", str(file)]
        command += ["--patients", str(patients), "--seconds", str(options.seconds)]
        for name in ("home", "folder"):
            if getattr(options, name):
                command += [f"--{name}", str(getattr(options, name))]
        command += ["--plans"] if options.plans else []
        subprocess.run(command, cwd=config.PROJECT_DIR, stdout=sys.stderr, check=True)
        return cast(dict[str, Any], json.loads(file.read_text()))


def _measure_one(patients: int, options: argparse.Namespace) -> Asked:
    if options.home:
        os.environ.pop("RISKMART_DSN", None)
        os.environ["RISKMART_HOME"] = str(options.home.resolve())
        was_running = server.is_running()
        server.ensure_running()
        try:
            return measure_here(patients, options.seconds, options.plans)
        finally:
            if not was_running:
                server.stop()
    with run.fresh_home(options.folder) as home:
        intake_latency.publish(patients, home)
        return measure_here(patients, options.seconds, options.plans)


def main() -> None:
    """Measure the sizes given, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, nargs="+", default=[3_000, 1_000_000])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--home", type=Path, help="state folder with so many published")
    parser.add_argument("--folder", type=Path, help="where there is room; else /tmp")
    parser.add_argument("--plans", action="store_true", help="write plans to docs")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.home and len(options.patients) > 1:
        parser.error("--home: expected one number of --patients, those published there")
    if options.one:
        one = _measure_one(options.patients[0], options)
        options.one.write_text(json.dumps(asdict(one)))
        return
    print(markdown([measure_apart(size, options) for size in options.patients]))


if __name__ == "__main__":
    main()
