"""Which warehouse is meant, and that dbt's profile means the same one."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from dbt.config.renderer import ProfileRenderer
from dbt.exceptions import EnvVarMissingError
from dbt_common.context import set_invocation_context

from python_scoring import config
from python_scoring.errors import BadInput

PROFILES = (config.PROJECT_DIR / "profiles.yml").read_text()
PASSWORD = "s3cret-of-mine"


def profile() -> dict[str, Any]:
    """The connection that plain dbt would use."""
    target = yaml.safe_load(PROFILES)["riskmart"]["outputs"]["postgres"]
    set_invocation_context(os.environ)
    rendered: dict[str, Any] = ProfileRenderer({}).render_data(target)
    return rendered


def connection(given: dict[str, Any]) -> tuple[str, str, str, str]:
    return given["host"], str(given["port"]), given["user"], given["dbname"]


@pytest.mark.parametrize(
    "home",
    [
        "/short",
        "/with space",
        "/a,comma",
        "/größe",
        "/" + "x" * 84,
        "/" + "x" * 85,
        "/" + "ö" * 42 + "x",
        "/" + "ö" * 43,
        "/" + "x" * 300,
    ],
)
def test_plain_dbt_finds_the_embedded_server(
    home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RISKMART_HOME", home)
    # These are of another server, unless one is named.
    monkeypatch.setenv("PGPORT", "6000")
    monkeypatch.setenv("PGUSER", "anna")
    monkeypatch.setenv("PGDATABASE", "other")
    expected = (str(config.socket_dir()), "5432", "riskmart", "riskmart")
    assert connection(profile()) == expected
    assert connection(config.embedded_parameters()) == expected
    assert len(os.fsencode(f"{config.socket_dir()}/.s.PGSQL.5432")) <= 103


def test_plain_dbt_finds_it_from_the_repository_root(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("RISKMART_HOME")
    monkeypatch.setattr(config, "PROJECT_DIR", Path("/srv/riskmart"))
    monkeypatch.setenv("PWD", "/srv/riskmart")
    assert str(config.socket_dir()) == "/srv/riskmart/.riskmart/run"
    assert profile()["host"] == "/srv/riskmart/.riskmart/run"


def test_our_own_dbt_is_led_to_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = str(config.socket_dir())
    for name, value in config.dbt_environment().items():
        monkeypatch.setenv(name, value)
    assert not config.is_team_server()
    monkeypatch.setenv("RISKMART_HOME", "/somewhere/else")
    assert profile()["host"] == expected


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgresql://anna:{PASSWORD}@db.example:5433/mart?sslmode=require",
        f"host=db.example port=5433 user=anna dbname=mart password={PASSWORD} "
        "sslmode=require",
    ],
)
def test_a_dsn_reaches_psycopg_libpq_and_dbt_alike(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RISKMART_DSN", dsn)
    expected = ("db.example", "5433", "anna", "mart")
    parameters = config.connection_parameters()
    assert connection(parameters) == expected
    assert parameters["password"] == PASSWORD
    assert config.describe() == "database mart at db.example:5433, user anna"
    for name, value in config.dbt_environment().items():
        monkeypatch.setenv(name, value)
    given = profile()
    assert connection(given) == expected
    assert (given["password"], given["sslmode"]) == (PASSWORD, "require")
    assert config.libpq_environment()["PGPASSWORD"] == PASSWORD


@pytest.mark.parametrize("name", ["PGHOST", "PGHOSTADDR"])
def test_pg_variables_name_a_team_server(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "192.0.2.1")
    monkeypatch.setenv("PGPORT", "6000")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    assert config.is_team_server()
    given = profile()
    assert connection(given) == ("192.0.2.1", "6000", "riskmart", "riskmart")
    assert (given["password"], given["sslmode"]) == (PASSWORD, "verify-full")
    ours = config.connection_parameters()
    assert (ours["user"], ours["dbname"]) == ("riskmart", "riskmart")
    assert config.describe() == "database riskmart at 192.0.2.1:6000, user riskmart"


def test_what_a_dsn_leaves_out_comes_from_pg_variables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RISKMART_DSN", "host=db.example")
    monkeypatch.setenv("PGUSER", "anna")
    monkeypatch.setenv("PGDATABASE", "mart")
    monkeypatch.setenv("PGPORT", "6000")
    for name, value in config.dbt_environment().items():
        monkeypatch.setenv(name, value)
    assert connection(profile()) == ("db.example", "6000", "anna", "mart")
    assert config.describe() == "database mart at db.example:6000, user anna"


def test_a_service_is_written_out_for_dbt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "services"
    file.write_text("[mart]\nhost=db.example\nport=5433\nuser=anna\ndbname=mart\n")
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    monkeypatch.setenv("PGSERVICE", "mart")
    for name, value in config.dbt_environment().items():
        monkeypatch.setenv(name, value)
    assert connection(profile()) == ("db.example", "5433", "anna", "mart")


@pytest.mark.parametrize("name", ["RISKMART_DSN", "PGSERVICE"])
def test_plain_dbt_does_not_mistake_a_team_for_the_embedded_server(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "postgresql://anna@db.example/mart")
    missing = r"not provided: 'PGHOST, or \./riskmart dbt"
    with pytest.raises(EnvVarMissingError, match=missing):
        profile()


@pytest.mark.parametrize(
    ("dsn", "message"),
    [
        (f"anna {PASSWORD}", "RISKMART_DSN cannot be read"),
        ("host=db.example service=mart", "names a service"),
        ("dbname=mart", "names no host"),
        ("postgresql:///mart", "names no host"),
    ],
)
def test_a_dsn_that_is_no_good_is_said_in_words(
    dsn: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RISKMART_DSN", dsn)
    for reader in (config.conninfo, config.dbt_environment, config.describe):
        with pytest.raises(BadInput, match=message) as caught:
            reader()
        assert PASSWORD not in str(caught.value)


def test_the_profile_itself_holds_no_password() -> None:
    assert profile()["password"] == ""
