"""Where things are: the project, its state, and the warehouse to talk to.

Nothing here opens a connection. A password is only ever handed on through
memory or the environment, never through a message or a command line.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

from python_scoring.errors import BadInput

PROJECT_DIR = Path(
    os.environ.get("RISKMART_PROJECT_DIR") or Path(__file__).resolve().parents[1]
).absolute()

DATABASE = "riskmart"
USER = "riskmart"
PORT = 5432

# A Unix socket's whole name has room for 103 bytes on macOS and 107 on Linux,
# and "/.s.PGSQL.5432" takes 14 of them.
_SOCKET_DIR_BYTES = 90

# What a warehouse can be kept in.
TARGETS = ("postgres", "duckdb")

_TEAM_VARIABLES = ("RISKMART_DSN", "PGHOST", "PGHOSTADDR", "PGSERVICE")


def state_dir() -> Path:
    """Folder of everything that is made and never committed."""
    home = os.environ.get("RISKMART_HOME")
    return Path(os.path.abspath(home)) if home else PROJECT_DIR / ".riskmart"


def artifact_dir() -> Path:
    """Folder of the fitted models."""
    return state_dir() / "artifacts"


def data_dir() -> Path:
    """Folder of the embedded server's data."""
    return state_dir() / "postgres"


def log_file() -> Path:
    """Log of the embedded server."""
    return state_dir() / "postgres.log"


def state_hash() -> str:
    """Twelve hexadecimal digits that stand for the state folder's path."""
    path = os.fsencode(state_dir())
    return hashlib.md5(path, usedforsecurity=False).hexdigest()[:12]


def socket_dir() -> Path:
    """Folder of the embedded server's socket, as its clients see it.

    The rule is written twice: `profiles.yml` has the same one in Jinja, so that
    plain dbt finds the server too. libpq reads a comma as a list of hosts.
    """
    inside = state_dir() / "run"
    name = os.fsencode(inside)
    if len(name) < _SOCKET_DIR_BYTES and b"," not in name:
        return inside
    return Path(f"/tmp/riskmart-{state_hash()}")


def is_duckdb() -> bool:
    """Whether the warehouse is one DuckDB file rather than a PostgreSQL server.

    Raises
    ------
    BadInput
        RISKMART_TARGET says neither.
    """
    target = os.environ.get("RISKMART_TARGET") or "postgres"
    if target not in TARGETS:
        raise BadInput(
            f"RISKMART_TARGET {target}: no such target; expected one of "
            f"{', '.join(TARGETS)}"
        )
    return target == "duckdb"


def duckdb_file() -> Path:
    """File of the warehouse where it is one DuckDB file."""
    named = os.environ.get("RISKMART_DUCKDB")
    return Path(os.path.abspath(named)) if named else state_dir() / "riskmart.duckdb"


def duckdb_settings() -> dict[str, str]:
    """DuckDB's settings: how much memory, and where what has no room in it goes.

    The rule is written twice: `profiles.yml` has the same one in Jinja.
    """
    return {
        "memory_limit": os.environ.get("RISKMART_DUCKDB_MEMORY") or "75%",
        "temp_directory": os.environ.get("RISKMART_DUCKDB_TEMP")
        or f"{duckdb_file()}.tmp",
        # Else whole tables are kept back to be written in the order of their rows.
        "preserve_insertion_order": "false",
        # A file of another kind would have DuckDB fetch what reads it.
        "autoinstall_known_extensions": "false",
    }


def is_team_server() -> bool:
    """Whether the environment names a PostgreSQL server of the team's own."""
    return any(os.environ.get(name) for name in _TEAM_VARIABLES)


def is_embedded() -> bool:
    """Whether the warehouse is the embedded server of this project."""
    return not is_duckdb() and not is_team_server()


def embedded_parameters() -> dict[str, str]:
    """Return libpq's parameters for the embedded server."""
    where = {"host": str(socket_dir()), "port": str(PORT)}
    return {**where, "user": USER, "dbname": DATABASE}


def connection_parameters() -> dict[str, str]:
    """Return libpq's parameters for the warehouse in force.

    The embedded server's are fixed. A team's come from RISKMART_DSN (a URL or
    `key=value` pairs); what it leaves out, libpq takes from the PG* variables.
    User and database default to `riskmart`, as in `profiles.yml`.

    Raises
    ------
    BadInput
        RISKMART_DSN cannot be read, or names no host.
    """
    if not is_team_server():
        return embedded_parameters()
    parameters = _read_dsn(os.environ.get("RISKMART_DSN", ""))
    if not os.environ.get("PGSERVICE"):
        _fill_team_defaults(parameters)
    return parameters


def conninfo() -> str:
    """Return the connection string in force. Never print it: it may hold a password."""
    steady = {"connect_timeout": "10", "client_encoding": "utf8"}
    return make_conninfo(
        "", **{**steady, "application_name": "riskmart", **connection_parameters()}
    )


def describe() -> str:
    """Where the warehouse is, in words that are safe to print.

    Examples
    --------
    `embedded server, socket in /home/a/riskmart/.riskmart/run`
    """
    if is_duckdb():
        return f"DuckDB file {duckdb_file()}"
    if not is_team_server():
        return f"embedded server, socket in {socket_dir()}"
    if os.environ.get("PGSERVICE"):
        return f"service {os.environ['PGSERVICE']}"
    given = connection_parameters()
    host = given.get("host") or given.get("hostaddr") or ""
    host = host or os.environ.get("PGHOST") or os.environ.get("PGHOSTADDR", "")
    port = given.get("port") or os.environ.get("PGPORT") or str(PORT)
    return f"database {given['dbname']} at {host}:{port}, user {given['user']}"


def libpq_environment() -> dict[str, str]:
    """PG* variables that lead psql, or anything on libpq, to the warehouse."""
    variables = _environment_names()
    return {
        variables[keyword]: value
        for keyword, value in connection_parameters().items()
        if keyword in variables
    }


def dbt_environment() -> dict[str, str]:
    """Variables that lead dbt, with our `profiles.yml`, to the warehouse.

    For the embedded server that is the socket's folder alone: a PGHOST in our
    own environment would make us take it for a team's server.

    Raises
    ------
    BadInput
        The server is named in a way that dbt cannot follow.
    """
    if is_duckdb():
        return {"RISKMART_DUCKDB": str(duckdb_file())}
    if not is_team_server():
        return {"RISKMART_SOCKET_DIR": str(socket_dir())}
    if os.environ.get("PGSERVICE"):
        return _service_environment()
    return libpq_environment()


def _read_dsn(dsn: str) -> dict[str, str]:
    try:
        options = pq.Conninfo.parse(dsn.encode())
    except psycopg.OperationalError:
        # libpq quotes the part it stumbled over, which may be the password.
        raise BadInput(
            "RISKMART_DSN cannot be read; expected a URL, "
            "postgresql://user@host:5432/database, or key=value pairs, "
            "host=... port=... user=... dbname=..."
        ) from None
    given = {o.keyword.decode(): o.val.decode() for o in options if o.val is not None}
    if "service" in given:
        raise BadInput(
            "RISKMART_DSN names a service; set PGSERVICE instead, or write out "
            "host, port, user and dbname"
        )
    return given


def _fill_team_defaults(parameters: dict[str, str]) -> None:
    environment: Mapping[str, str] = os.environ
    named = [parameters.get("host"), parameters.get("hostaddr")]
    if not any([*named, environment.get("PGHOST"), environment.get("PGHOSTADDR")]):
        raise BadInput(
            "RISKMART_DSN names no host; expected one, or the folder of a socket"
        )
    parameters.setdefault("user", environment.get("PGUSER") or USER)
    parameters.setdefault("dbname", environment.get("PGDATABASE") or DATABASE)


def _environment_names() -> dict[str, str]:
    return {
        option.keyword.decode(): option.envvar.decode()
        for option in pq.Conninfo.get_defaults()
        if option.envvar
    }


def _service_environment() -> dict[str, str]:
    """Write a service out, since dbt's profile needs a host to name."""
    options = [o for o in pq.Conninfo.get_defaults() if o.val and o.envvar]
    found = {o.keyword.decode(): o for o in options}
    if not {"host", "hostaddr"} & set(found):
        raise BadInput(
            f"service {os.environ['PGSERVICE']} names no host; dbt needs one"
        )
    wanted = set(found) - {"service", "servicefile"}
    environment: dict[str, str] = {}
    for keyword in wanted:
        option = found[keyword]
        if option.envvar and option.val:
            environment[option.envvar.decode()] = option.val.decode()
    return environment
