"""What the workers of one run share: the first build, which one of them makes."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from psycopg import sql

from python_scoring import config, server, warehouse
from python_scoring.embedded import identity

# Of the state folder, what a server makes for itself at its start; and what dbt read
# of the project, which holds for no other folder.
_NOT_SHARED = ("postgres", "run", "server.lock", "postgres.log", "target")

# No machine fails under a test, so that nothing has to be safe on the disk before the
# test goes on: half of the time of a copied database goes into that. Servers that are
# killed, and those of the tests of the server itself, keep what the product sets.
NOTHING_TO_LOSE = ("fsync", "full_page_writes", "synchronous_commit")


def start_server() -> None:
    """Start the server of the state folder in force, for data that may be lost.

    Said to this one server, by its own means: the product has no such switch.
    """
    server.start()
    with warehouse.connect(autocommit=True) as conn:
        for name in (*NOTHING_TO_LOSE, "autovacuum"):
            conn.execute(f"alter system set {name} = off".encode())
        conn.execute("select pg_reload_conf()")


def share(folder: Path, make: Callable[[], None]) -> None:
    """Let the state folder in force hold what `make` makes, with its server running.

    Parameters
    ----------
    folder
        Where it is kept for the other workers, who copy it: a stopped server's
        data, and what else is in the state folder.
    """
    with _lock(folder.with_suffix(".lock")):
        if not folder.is_dir():
            make()
            # A server that starts is asked for this one, which has got another name.
            _administer("create database {}", config.DATABASE)
            server.stop()
            _keep(folder)
        else:
            _take(folder)
    start_server()
    _administer("drop database {}", config.DATABASE)


def _administer(statement: str, name: str) -> None:
    with warehouse.connect(autocommit=True, dbname="postgres") as conn:
        conn.execute(sql.SQL(statement).format(sql.Identifier(name)))


def _keep(folder: Path) -> None:
    """Copy the state folder in force: whole, or not at all."""
    unfinished = folder.with_suffix(".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(
        config.state_dir(),
        unfinished / "state",
        ignore=lambda _, names: [n for n in names if n in _NOT_SHARED],
    )
    shutil.copytree(identity.current_data_dir(), unfinished / "postgres")
    unfinished.rename(folder)


def _take(folder: Path) -> None:
    shutil.copytree(folder / "state", config.state_dir(), dirs_exist_ok=True)
    who = identity.choose()
    shutil.copytree(folder / "postgres", who.data_dir)
    if who.uid is not None and who.gid is not None:
        for path in (who.data_dir, *who.data_dir.rglob("*")):
            os.chown(path, who.uid, who.gid, follow_symlinks=False)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Wait for whoever makes it; the lock goes with its process."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
