"""Tables written anew: a changed or deleted row stays in its file until then."""

from collections.abc import Iterable

import psycopg
from psycopg import sql

from python_scoring.warehouse import Connection

_WAIT = "10s"


def rewrite(conn: Connection, tables: Iterable[str]) -> list[str]:
    """Write tables anew, without what is not in them any more.

    Parameters
    ----------
    conn
        In autocommit mode, in no transaction.

    Returns
    -------
    Which ones could not be, in words: somebody reads them.
    """
    stayed = []
    with conn.transaction():
        conn.execute(f"set lock_timeout = '{_WAIT}'".encode())
    for table in tables:
        statement = sql.SQL("vacuum (full, analyze) {}")
        try:
            conn.execute(statement.format(sql.Identifier(*table.split("."))))
        except psycopg.errors.UndefinedTable:
            continue
        except psycopg.errors.LockNotAvailable:
            stayed.append(
                f"{table} was not rewritten, since somebody reads it: its file holds "
                "old rows until `vacuum full`"
            )
    conn.execute(b"reset lock_timeout")
    return stayed
