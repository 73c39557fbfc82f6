"""PostgreSQL's own programs, run on the warehouse: pg_dump, pg_restore and psql."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from psycopg.conninfo import make_conninfo

from python_scoring import config
from python_scoring.backups import manifest
from python_scoring.backups.manifest import File
from python_scoring.embedded import binaries
from python_scoring.errors import RiskmartError
from python_scoring.identities import keys

_BLOCK_BYTES = 2**20

# Level 1 takes a quarter of the default's time for a sixth more space.
_DUMP = (
    *("--format=custom", "--compress=gzip:1", "--no-password"),
    # In milliseconds: rather an error than a backup that never ends.
    "--lock-wait-timeout=600000",
)
_PSQL = (
    *("--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1"),
    "--file=-",
)
# pg_restore says so among its first lines, to servers that do not know it too.
_UNKNOWN_BEFORE_17 = b"SET transaction_timeout = 0;\n"
_PREAMBLE_LINES = 40


def write(path: Path, snapshot: str, role: str | None = None) -> File:
    """Dump the warehouse in force as a transaction's exported snapshot sees it.

    Through us rather than to the file: when we are killed, pg_dump ends too.

    Parameters
    ----------
    role
        Whom pg_dump has to become to see everything; None for whoever we are.

    Raises
    ------
    RiskmartError
        With what pg_dump said.
    """
    command = [str(binaries.client("pg_dump")), *_DUMP, f"--snapshot={snapshot}"]
    command += [f"--role={role}"] if role else []
    with tempfile.TemporaryFile() as said, _run(command, said) as process:
        assert process.stdout
        written = manifest.copy(process.stdout, path)
        if process.wait() != 0:
            raise RiskmartError(f"the warehouse cannot be dumped: {_text(said)}")
    return written


def load(
    path: Path, database: str, *, server_version: int, owners: bool, first: str = ""
) -> None:
    """Run a dump's statements in a database: all of them, or none.

    Parameters
    ----------
    server_version
        Of the server loaded into, as `server_version_num`.
    owners
        Whether each object gets its owner back, or belongs to us.
    first
        Statements to run before, in the same transaction.

    Raises
    ------
    RiskmartError
        With what pg_restore or psql said; nothing is changed then.
    """
    options = [] if owners else ["--no-owner"]
    read = [str(binaries.client("pg_restore")), "--file=-", *options, str(path)]
    target = make_conninfo("", dbname=database)
    write = [str(binaries.client("psql")), *_PSQL, f"--dbname={target}"]
    with (
        tempfile.TemporaryFile() as read_said,
        tempfile.TemporaryFile() as write_said,
        _run(read, read_said) as reader,
        _run(
            write, write_said, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        ) as writer,
    ):
        # Where psql stops before the end, it says why.
        with suppress(BrokenPipeError):
            _feed(reader, writer, first, is_old=server_version < 170000)
        read_all, done = reader.poll(), writer.wait()
        if read_all not in (None, 0):
            raise RiskmartError(f"{path} cannot be read: {_text(read_said)}")
        if read_all is None or done != 0:
            raise RiskmartError(f"the backup cannot be restored: {_text(write_said)}")


def _feed(
    reader: subprocess.Popen[bytes],
    writer: subprocess.Popen[bytes],
    first: str,
    *,
    is_old: bool,
) -> None:
    """Hand the statements over, and commit only when the last one was read.

    psql takes the end of its input for a happy one, wherever it is.
    """
    assert reader.stdout
    assert writer.stdin
    with writer.stdin as statements:
        statements.write(
            f"begin;\nset client_min_messages = warning;\n{first}\n".encode()
        )
        for line in preamble(reader.stdout, is_old=is_old):
            statements.write(line)
        while block := reader.stdout.read(_BLOCK_BYTES):
            statements.write(block)
        if reader.wait() == 0:
            statements.write(b"commit;\n")


def preamble(script: IO[bytes], *, is_old: bool) -> Iterator[bytes]:
    """Yield a script's first lines, without what servers before 17 do not know."""
    for _ in range(_PREAMBLE_LINES):
        line = script.readline()
        if is_old and line == _UNKNOWN_BEFORE_17:
            return
        yield line


@contextmanager
def _run(
    command: list[str], said: IO[bytes], **streams: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Run one of PostgreSQL's programs on the warehouse, and not beyond the block."""
    environment = {
        **keys.without_key(os.environ),
        **config.libpq_environment(),
        **{"LC_ALL": "C", "PGAPPNAME": "riskmart", "PGCLIENTENCODING": "UTF8"},
    }
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, **streams}
    process = subprocess.Popen(command, env=environment, stderr=said, **options)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream:
                _close(stream)


def _close(stream: IO[bytes]) -> None:
    # What was left for a process that is gone.
    with suppress(BrokenPipeError):
        stream.close()


def _text(said: IO[bytes]) -> str:
    said.seek(0)
    return said.read().decode(errors="replace").strip() or "it was ended"
