"""Earlier builds: kept by count, dropped without harm to anybody."""

import psycopg

from python_scoring.intake import plan
from python_scoring.publication import builds, relations
from python_scoring.publication.builds import BuildRecord
from python_scoring.warehouse import Connection, is_duckdb


def drop_old(conn: Connection, keep: int) -> list[str]:
    """Drop the tables of all but the newest `keep` retired builds.

    The one that is the way back from what is published stays, however many came since
    that were gone back from; with `keep` 0 none does. A build that somebody reads, or
    has built on, stays until the next time.

    Returns
    -------
    Which builds had to stay and why, in words.
    """
    stayed = []
    current = builds.published(conn)
    way_back = builds.before(conn, current) if current and keep else None
    for build in builds.retired(conn)[keep:]:
        if way_back and build.build_id == way_back.build_id:
            continue
        try:
            with conn.transaction():
                _drop(conn, build)
        except psycopg.errors.LockNotAvailable:
            stayed.append(f"build {build.build_id} stays: somebody reads its tables")
        except psycopg.errors.DependentObjectsStillExist as error:
            why = relations.who_depends(error)
            stayed.append(f"build {build.build_id} stays: {why}")
    return stayed


def _drop(conn: Connection, build: BuildRecord) -> None:
    if not is_duckdb(conn):
        conn.execute("set local lock_timeout = '200ms'")
    relations.drop_all(conn, build.schema)
    plan.forget(conn, build.build_id)
    builds.note(conn, build.build_id, status="dropped")
