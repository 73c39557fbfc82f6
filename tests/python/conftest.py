"""Shared fixtures: one embedded server a session, in a folder of its own."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from python_scoring import config, server, warehouse
from python_scoring.embedded import identity
from python_scoring.warehouse import Connection


def _is_ours(name: str) -> bool:
    return name.startswith("PG") or name in ("RISKMART_DSN", "RISKMART_SOCKET_DIR")


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state folder for the session: no test sees anybody's real warehouse."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in filter(_is_ours, list(os.environ)):
            patch.delenv(name)
        patch.setenv("RISKMART_HOME", str(folder))
        yield folder
        forget_server()


@pytest.fixture(scope="session")
def database_server(home: Path) -> None:
    """The embedded server of the session, running; `home` stops it."""
    server.start()


@pytest.fixture
def conn(database_server: None) -> Iterator[Connection]:
    """A connection, with the raw tables there and empty."""
    with warehouse.connect() as connection:
        connection.execute("drop schema if exists raw cascade")
        warehouse.prepare(connection)
        connection.commit()
        yield connection
        connection.rollback()


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state folder for one test, whose server is stopped afterwards."""
    folder = tmp_path / "home"
    monkeypatch.setenv("RISKMART_HOME", str(folder))
    yield folder
    monkeypatch.setenv("RISKMART_HOME", str(folder))
    forget_server()


def forget_server() -> None:
    """Stop the server of the state folder in force, and remove what is outside."""
    server.stop()
    outside = identity.FALLBACK_ROOT / config.state_hash()
    if outside.is_dir():
        shutil.rmtree(outside)
    socket_dir = config.socket_dir()
    if socket_dir.is_symlink():
        socket_dir.unlink()
    elif socket_dir.is_dir() and socket_dir.parent == Path("/tmp"):
        shutil.rmtree(socket_dir)
