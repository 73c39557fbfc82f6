"""Readers of every kind, looking on while builds come and go."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from copies import Copy
from psycopg import IsolationLevel
from psycopg.conninfo import make_conninfo

from benchmarks import publication
from benchmarks.publication_builds import clone_candidate, publish_clone
from benchmarks.publication_readers import SETUP, STYLES, TEARDOWN
from python_scoring import config, warehouse
from python_scoring.errors import BadInput
from python_scoring.publication import builds, publish, readers, swap
from python_scoring.publication.publish import Publication
from python_scoring.warehouse import Connection

TIERS = b"""
select array_agg(distinct build_id), sum(risk_tier) from marts.predictions
"""
COUNT = b"select max(build_id), count(*) from marts.predictions"


@pytest.fixture
def published(clone: Copy) -> Iterator[Copy]:
    """Build 1 published, and a reader, an analyst and the analyst's board."""
    clone.published()
    clone.execute(SETUP)
    with warehouse.connect(autocommit=True) as conn:
        publish.carry_grants(conn)
    yield clone
    clone.execute(TEARDOWN)


def connect_reader(**options: Any) -> Connection:
    return psycopg.connect(make_conninfo(config.conninfo(), user="reader"), **options)


@contextmanager
def publishing(build_id: int | None = None, **options: Any) -> Iterator[list[str]]:
    """Publish a copy in another thread; what it said, and joined at the end."""
    told: list[str] = []
    is_told = threading.Event()
    failed: list[Exception] = []

    def tell(message: str) -> None:
        told.append(message)
        is_told.set()

    def work() -> None:
        try:
            with warehouse.connect(autocommit=True) as conn:
                publish.publish(conn, clone_candidate(conn), tell=tell, **options)
        except Exception as error:
            failed.append(error)
        is_told.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert is_told.wait(timeout=600)
    try:
        yield told
    finally:
        thread.join(timeout=600)
    assert not failed


def publish_next(**options: Any) -> Publication:
    with warehouse.connect(autocommit=True) as conn:
        return publish.publish(conn, clone_candidate(conn), **options)


def test_readers_of_every_kind_see_one_build_and_never_an_error(
    published: Copy,
) -> None:
    phase = publication.watch("clones", publish_clone, 5)
    assert (phase.published, phase.went_back) == (5, 1)
    assert phase.is_identity_kept
    assert phase.faults == []
    assert [reader.style for reader in phase.readers] == list(STYLES)
    for reader in phase.readers:
        assert reader.errors == []
        assert (reader.mixed, reader.empty) == (0, 0), reader.style
        assert reader.seconds
    # They did look on: not the first build alone.
    assert len(set.union(*(reader.builds for reader in phase.readers))) > 2
    assert phase.row().endswith("| yes |")


def test_the_watch_would_see_a_swap_in_two_parts(
    published: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def swap_in_parts(conn: Connection, build: builds.BuildRecord, **_: Any) -> Any:
        conn.execute("select pg_sleep(0.3)")
        source = builds.published(conn)
        assert source is not None
        conn.execute(
            "create or replace view marts.patients with (security_invoker = true)"
            f" as select {build.build_id}::bigint as build_id, t.*"
            f" from {source.schema}.patients as t".encode()
        )
        conn.execute("select pg_sleep(0.6)")
        return swap.swap(conn, build)

    monkeypatch.setattr(publish, "swap", swap_in_parts)
    phase = publication.watch("in parts", publish_clone, 2)
    mixed = {reader.style for reader in phase.readers if reader.mixed}
    assert "board" in mixed
    assert phase.row().count("| 0 |") < publication.watch(
        "nothing", publication.wait_a_little, 1
    ).row().count("| 0 |")


def test_a_reader_sees_the_new_build_then_the_old_one_again(published: Copy) -> None:
    seen: list[tuple[Any, ...]] = []
    done = threading.Event()
    errors: list[psycopg.Error] = []

    def look_on() -> None:
        try:
            with connect_reader(autocommit=True) as conn:
                is_last = False
                while not is_last:
                    is_last = done.is_set()
                    row = conn.execute(TIERS).fetchone()
                    assert row is not None
                    if row not in seen[-1:]:
                        seen.append(row)
        except psycopg.Error as error:
            errors.append(error)

    thread = threading.Thread(target=look_on)
    thread.start()
    publish_next()
    with connect_reader(autocommit=True) as conn:
        assert conn.execute(TIERS).fetchone()[0] == [2]  # type: ignore[index]
    with warehouse.connect(autocommit=True) as conn:
        publish.go_back(conn)
    done.set()
    thread.join()
    assert errors == []
    assert [build for build, _ in seen][-2:] == [[2], [1]]
    assert [build for build, _ in seen] in ([[1], [2], [1]], [[2], [1]])
    tiers = dict((build[0], total) for build, total in seen)
    assert tiers[1] != tiers[2]


def test_a_transaction_has_one_build_to_its_end(published: Copy) -> None:
    with connect_reader() as reader:
        reader.isolation_level = IsolationLevel.REPEATABLE_READ
        before = reader.execute(TIERS).fetchone()
        with publishing() as told:
            assert "waiting for process" in told[0]
            assert reader.execute(TIERS).fetchone() == before
            rows = reader.execute("select * from bi.board").fetchall()
            assert {row[:3] for row in rows} == {(1, 1, 1)}
            reader.commit()
        assert reader.execute(COUNT).fetchone() == (2, 9_000)


def test_whoever_waits_for_a_name_that_we_hold_gets_it(published: Copy) -> None:
    # Ours is the first name when we wait for theirs, and they want it: a deadlock.
    with connect_reader() as reader:
        reader.execute("select count(*) from marts.roi_by_department")
        with publishing() as told:
            assert told
            for _ in range(3):
                for name in ("builds", "departments", "patients"):
                    reader.execute(f"select count(*) from marts.{name}".encode())
            reader.commit()
    assert published.value("select max(build_id) from marts.patients") == 2


# Snapshots from before the candidate's tables.


@pytest.mark.parametrize(
    "opening",
    [
        pytest.param(
            "begin isolation level repeatable read; select 1 from marts.builds;"
            "commit; begin isolation level repeatable read; select 1",
            id="repeatable read",
        ),
        pytest.param("begin isolation level serializable; select 1", id="serializable"),
        pytest.param(
            "begin; declare parts cursor for select generate_series(1, 9)", id="cursor"
        ),
    ],
)
def test_who_reads_as_of_before_the_tables_is_waited_for(
    published: Copy, opening: str
) -> None:
    with connect_reader(autocommit=True) as reader:
        reader.execute(opening.encode())
        with pytest.raises(BadInput, match=r"tables empty: process \d+ \(user reader"):
            publish_next(wait_seconds=0.2)
        assert reader.execute(COUNT).fetchone() == (1, 9_000)
        reader.execute("rollback")
        with warehouse.connect(autocommit=True) as conn:
            candidate = builds.candidate(conn)
            assert candidate is not None
            publish.publish(conn, candidate, wait_seconds=0.2)
        assert reader.execute(COUNT).fetchone() == (2, 9_000)


def test_sessions_without_a_snapshot_are_not_waited_for(published: Copy) -> None:
    with connect_reader(autocommit=True) as reader:
        reader.execute("begin; select 1")
        with connect_reader(autocommit=True) as begun:
            begun.execute("begin isolation level repeatable read")
            publish_next(wait_seconds=0)
            assert begun.execute(COUNT).fetchone() == (2, 9_000)
        assert reader.execute(COUNT).fetchone() == (2, 9_000)


def test_a_snapshot_taken_before_the_swap_sees_the_new_tables(published: Copy) -> None:
    with (
        warehouse.connect(autocommit=True) as conn,
        connect_reader(autocommit=True) as reader,
    ):
        candidate = clone_candidate(conn)
        reader.execute("begin isolation level repeatable read; select 1")
        publish.publish(conn, candidate, wait_seconds=0)
        assert reader.execute(COUNT).fetchone() == (2, 9_000)
        assert reader.execute("select count(*) > 0 from marts.builds").fetchone() == (
            True,
        )


def test_old_snapshots_are_found_by_whoever_sees_no_other_sessions(
    published: Copy,
) -> None:
    with (
        warehouse.connect(autocommit=True) as conn,
        connect_reader(autocommit=True) as reader,
    ):
        reader.execute("begin isolation level repeatable read; select 1")
        row = conn.execute("select clock_timestamp()").fetchone()
        assert row is not None
        conn.execute("set role analyst")
        [old] = readers.wait_for_old_snapshots(conn, row[0], lambda: True)
        assert "user reader" in old
        assert "unknown to us" in old
        # What began since is no older: it is not waited for.
        looks = iter([False, True])
        with connect_reader(autocommit=True) as later:

            def end_and_begin() -> bool:
                reader.execute("rollback")
                later.execute("begin isolation level repeatable read; select 1")
                return next(looks)

            assert readers.wait_for_old_snapshots(conn, row[0], end_and_begin) == []


def test_the_mart_of_builds_is_of_now_also_beside_a_way_back(published: Copy) -> None:
    publish_next()
    publish_next()

    def go_back_and_forth() -> None:
        with warehouse.connect(autocommit=True) as conn:
            for build_id in [2, 3] * 10:
                publish.go_back(conn, build_id)

    thread = threading.Thread(target=go_back_and_forth)
    thread.start()
    with warehouse.connect(autocommit=True) as conn:
        number = 0
        while thread.is_alive():
            number += 1
            builds.note(conn, 1, failures=f"note {number}")
            row = conn.execute(
                "select failures from marts.builds where build_id = 1"
            ).fetchone()
            assert row == (f"note {number}",)
    thread.join()
    assert number > 5
