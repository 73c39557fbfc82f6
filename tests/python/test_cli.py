"""The command line: words, exit codes, and a team's own server."""

import os
import shutil
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from urllib.parse import quote

import golden
import pytest
from conftest import Done, Run
from copies import REPOSITORY, Copy, call

from python_scoring import config

PASSWORD = "hunter2-s3cret"
COMMANDS = (
    *("build", "load", "load cms", "load cohort", "load remove"),
    *(
        "synth",
        "train",
        "score",
        "evaluate",
        "replay",
        "card",
        "publish",
        "diff",
        "backup",
        "restore",
    ),
    *("audit", "audit verify", "audit show", "audit archive", "audit import-log"),
    *("status", "sql", "psql", "dbt", "test", "db", "db start", "db stop", "db dsn"),
    "target",
)


@pytest.mark.parametrize("command", [c for c in COMMANDS if c != "dbt"])
def test_every_command_has_help(riskmart: Run, command: str) -> None:
    done = riskmart(*command.split(), "--help")
    assert done.code == 0
    assert "Usage: riskmart " in done.out


def test_help_lists_every_command(riskmart: Run) -> None:
    done = riskmart("--help")
    assert done.code == 0
    for command in COMMANDS:
        assert f" {command.split()[0]} " in done.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("no-such-command",),
        ("build", "--no-such-option"),
        ("sql",),
        ("load", "cms", "folder", "--org", "CMS500"),
        ("load", "cms", "folder", "--org", "CMS500", "--as-of", "31.12.2008"),
        ("load", "cohort", "x.csv", "--org", "SYNTH", "--as-of", "2025-02-30"),
        ("synth", "--patients", "many"),
        ("train", "--seed", "1.5"),
    ],
)
def test_bad_options_exit_2(riskmart: Run, arguments: tuple[str, ...]) -> None:
    done = riskmart(*arguments)
    assert done.code == 2
    assert "Usage" in done.err or "Error" in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("load", "cohort", "f.csv", "--org", "SYNTH"), "--as-of YYYY-MM-DD"),
        (
            ("load", "cohort", "f.csv", "--org", "X", "--as-of", "2025-12-31"),
            "BASELINE, CMS500, SYNTH",
        ),
        (
            ("load", "cohort", "f.csv", "--org", "SYNTH", "--as-of", "2025-12-31"),
            "f.csv",
        ),
        (
            ("load", "cms", "nowhere", "--org", "CMS500", "--as-of", "2008-12-31"),
            "nowhere: no such folder",
        ),
        (("synth", "--training", "--baseline"), "--training and --baseline"),
        (("synth", "--to", "/no/such/folder"), "/no/such/folder: not a folder"),
        (("synth", "--patients", "0"), "patients"),
        (("synth", "--patients", "-5"), "patients"),
        (("synth", "--seed", "-1", "--patients", "10"), "seed"),
        (("train", "--seed", "-1"), "seed"),
        (("sql", "select 1/0"), "division by zero"),
        (("sql", "select * from marts.nothing"), 'relation "marts.nothing" does not'),
        (("sql", "selec 1"), "syntax error"),
        (("sql", ""), "expected an SQL statement"),
        (("sql", "/* a remark */"), "expected an SQL statement"),
    ],
)
def test_bad_input_is_told_in_words(
    base: Copy,
    riskmart: Run,
    arguments: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = riskmart(*arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err.replace("\n", " ")


def test_sql_prints_a_table_or_csv(base: Copy, riskmart: Run) -> None:
    query = "select 1 as a, 'x,\"y' as b, null as c, 0.5::float8 as d"
    table = riskmart("sql", query)
    assert table.code == 0
    assert 'x,"y' in table.out
    csv = riskmart("sql", "--csv", query)
    assert csv.out == 'a,b,c,d\n1,"x,""y",,0.5\n'


def test_sql_prints_markup_as_it_is(base: Copy, riskmart: Run) -> None:
    done = riskmart("sql", "select '[red]x[/red]' as \"[b]\", '[/x]' as y")
    assert done.code == 0
    assert "[red]x[/red]" in done.out
    assert "[/x]" in done.out
    assert "[b]" in done.out


def test_sql_without_rows(clone: Copy, riskmart: Run) -> None:
    done = riskmart("sql", "create table public.a as select 1 as b")
    assert (done.code, done.out) == (0, "SELECT 1\n")
    assert clone.value("select b from public.a") == 1
    assert riskmart("sql", "--csv", "select b from public.a where false").out == "b\n"


def test_template_is_a_cohort_that_loads(
    clone: Copy, riskmart: Run, tmp_path: Path
) -> None:
    done = riskmart("load", "cohort", "--template")
    assert done.code == 0
    path = tmp_path / "example.csv"
    path.write_text("\n".join(done.out.rstrip().splitlines()[-2:]) + "\n")
    arguments = ("load", "cohort", str(path), "--org", "SYNTH", "--as-of", "2025-12-31")
    loaded = riskmart(*arguments)
    assert loaded.code == 0
    assert "Loaded 1 people" in loaded.out
    again = riskmart(*arguments)
    assert again.code == 0
    assert "already loaded" in again.out


def test_a_bad_file_is_told_with_line_and_column(
    clone: Copy, riskmart: Run, tmp_path: Path
) -> None:
    text = (golden.FOLDER / "golden.csv").read_text()
    path = tmp_path / "golden.csv"
    path.write_text(text.replace("g02,65,", "g02,200,"))
    load = ("load", "cohort", str(path), "--org", "SYNTH", "--as-of", "2025-12-31")
    refused = riskmart(*load)
    assert refused.code == 2
    for part in ("golden.csv", "line 3", "age", "200", "0 to 120"):
        assert part in refused.err
    assert clone.value("select count(*) from raw.loads where purpose = 'cohort'") == 0
    taken = riskmart(*load, "--max-reject-share", "0.1")
    assert taken.code == 0
    assert "Loaded 15 people" in taken.out
    assert "1 rows rejected" in taken.out


def test_a_removed_load_gives_way_to_the_one_before(clone: Copy, riskmart: Run) -> None:
    cohort = str(golden.FOLDER / "golden.csv")
    future = f"{date.today().year + 1}-12-31"
    load = ("load", "cohort", cohort, "--org", "SYNTH", "--as-of")
    assert "warning" not in riskmart(*load, "2025-06-30").out
    mistaken = riskmart(*load, future)
    assert f"warning --as-of {future} is still to come" in mistaken.out
    current = (
        "select string_agg(distinct as_of_date::text, ' ') from marts.organizations"
        " where org_code = 'SYNTH'"
    )
    assert riskmart("build").code == 0
    assert clone.value(current) == future
    scores = clone.value("select count(*) from raw.predictions")
    load_id = clone.value("select max(load_id) from raw.loads")
    assert f"riskmart load remove {load_id}`" in mistaken.out
    removed = riskmart("load", "remove", str(load_id))
    assert removed.code == 0
    for part in (
        f"Removed load {load_id}: 16 people of SYNTH as of {future}",
        "raw.cohort_patients: 16 rows",
    ):
        assert part in removed.out
    again = riskmart("load", "remove", str(load_id))
    assert (again.code, again.out) == (2, "")
    assert f"load {load_id}: no such load" in again.err
    assert "(SYNTH as of 2025-06-30, cohort)" in again.err
    assert riskmart("build").code == 0
    assert clone.value(current) == "2025-06-30"
    people = "select count(*) from marts.patients as p inner join marts.organizations"
    people += " as o on p.organization_id = o.organization_id where org_code = 'SYNTH'"
    assert clone.value(people) == 16
    assert clone.value("select count(*) from raw.predictions") >= scores


def test_beneficiaries_are_counted_before_the_dead_are_left_out(
    clone: Copy, riskmart: Run
) -> None:
    folder = str(golden.FOLDER.parent / "cms")
    done = riskmart("load", "cms", folder, "--org", "CMS500", "--as-of", "2008-11-30")
    assert done.code == 0
    assert "Loaded 6 beneficiaries for CMS500 as of 2008-11-30" in done.out
    assert "died on or before that day stay out of the marts" in done.out
    assert "warning the beneficiary summary covers the whole of 2008" in done.out


def test_status_of_a_running_warehouse(base: Copy, riskmart: Run) -> None:
    done = riskmart("status")
    assert done.code == 0
    for part in ("Loads", "Models", "Scoring runs", "training", "readmission-"):
        assert part in done.out


def test_status_of_a_stopped_warehouse_says_how_to_start_it(
    own_home: Path, riskmart: Run
) -> None:
    done = riskmart("status")
    assert done.code == 1
    assert "riskmart db start" in done.out.replace("\n", " ")
    assert not (own_home / "postgres").exists()


def test_dsn_reaches_the_embedded_server(base: Copy, riskmart: Run) -> None:
    done = riskmart("db", "dsn")
    assert done.code == 0
    assert f"host={base.socket_dir}" in done.out
    assert "password" not in done.out


@pytest.fixture
def team(clone: Copy, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a team that has a server, and a model trained elsewhere."""
    home = tmp_path / "team-home"
    shutil.copytree(clone.home / "artifacts", home / "artifacts")
    host = quote(str(clone.socket_dir), safe="")
    yield {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PYTHONPATH": str(REPOSITORY),
        "RISKMART_HOME": str(home),
        "RISKMART_PROJECT_DIR": str(clone.project),
        "RISKMART_DSN": (
            f"postgresql://{config.USER}:{PASSWORD}@{host}/{config.DATABASE}"
        ),
    }
    # A team's server is used, never made.
    assert not (home / "postgres").exists()
    written = [path for path in home.rglob("*") if path.is_file()]
    assert not [path for path in written if PASSWORD.encode() in path.read_bytes()]


def _call(environment: dict[str, str], cwd: Path, *arguments: str) -> Done:
    command = [sys.executable, "-P", "-m", "python_scoring", *arguments]
    done = call(command, environment, cwd)
    assert PASSWORD not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


def test_build_on_a_teams_server(
    team: dict[str, str], clone: Copy, tmp_path: Path
) -> None:
    clone.execute("drop schema candidate cascade")
    done = _call(team, tmp_path, "build")
    assert done.code == 0, done.err
    for part in (
        *("patients by risk tier", "projected return", "departments", "30_day"),
        *("Critical", "Endocrinology", "0 of 3,000 patients scored", "total"),
        *("marts and tests", f"user {config.USER}", "riskmart psql"),
    ):
        assert part in done.out
    shown = "select build_id, count(*) from marts.predictions group by 1"
    assert clone.rows(shown) == [(2, 9_000)]
    assert clone.value("select count(*) from build_2.predictions") == 9_000
    assert clone.rows("select build_id, status from raw.builds order by 1") == [
        (1, "abandoned"),
        (2, "published"),
    ]
    logs = clone.project / "logs"
    assert not [p for p in logs.rglob("*") if PASSWORD.encode() in p.read_bytes()]


def test_a_teams_server_is_not_ours_to_stop(
    team: dict[str, str], tmp_path: Path, clone: Copy
) -> None:
    stopped = _call(team, tmp_path, "db", "stop")
    assert stopped.code == 2
    assert "not ours to stop" in stopped.err
    dsn = _call(team, tmp_path, "db", "dsn")
    assert dsn.code == 0
    assert f"dbname={config.DATABASE}" in dsn.out
    clone.published()
    shown = _call(team, tmp_path, "psql", "-Atc", "select count(*) from marts.patients")
    assert (shown.code, shown.out) == (0, "3000\n")


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgresql://riskmart:{PASSWORD}@127.0.0.1:1/riskmart",
        f"postgresql://riskmart:{PASSWORD}@[half/riskmart",
        f"host=/nowhere password={PASSWORD} nonsense",
        f"password={PASSWORD}",
        f"host=/nowhere password={PASSWORD}",
    ],
)
def test_password_of_an_unreachable_server_is_not_told(
    dsn: str, riskmart: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RISKMART_DSN", dsn)
    for arguments in (("status",), ("build",), ("sql", "select 1"), ("db", "stop")):
        done = riskmart(*arguments)
        assert done.code == 2
        assert PASSWORD not in done.out + done.err
