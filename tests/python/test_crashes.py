"""`kill -9` of commands and of the server: nothing acknowledged is lost."""

import random
from collections.abc import Iterator
from dataclasses import replace

import once
import pytest
from conftest import forget_server
from copies import Copy

from benchmarks import publication_kills as kills
from benchmarks import publication_proof as proof
from benchmarks import publication_targets as commands
from benchmarks.publication_builds import faults, publish_clone
from python_scoring import backup, config, restore, server, warehouse

BUILD_SECONDS = 8.0

SWAPS = [
    ("publish", "command", "waiting for names"),
    ("publish", "command", "right after commit"),
    ("publish", "postmaster", "right after commit"),
    ("rollback", "backend", "waiting for names"),
    ("rollback", "postmaster", "any moment"),
]
WRITES = [
    ("load", "command"),
    ("load", "backend"),
    ("score", "command"),
    ("score", "postmaster"),
    ("build", "command"),
]


@pytest.fixture(scope="module")
def warehouse_to_kill(
    built: Copy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, commands.Target]]:
    """The build on a server of its own, published twice; what writes to it."""
    folder = tmp_path_factory.mktemp("crashes")
    copy = built.clone(config.DATABASE)
    try:
        with copy.published().in_force():
            saved = backup.make(folder)
    finally:
        copy.drop()
    with (
        replace(copy, home=folder / "home").in_force(),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("RISKMART_PROJECT_DIR", str(copy.project))
        server.start()
        try:
            restore.restore(saved.folder)
            with warehouse.connect(autocommit=True) as conn:
                # Killed in earnest: unlike the servers of other tests it keeps what
                # was committed.
                for name in once.NOTHING_TO_LOSE:
                    assert conn.execute(f"show {name}".encode()).fetchone() == ("on",)
                publish_clone(conn)
            targets = {target.name: target for target in commands.targets(folder)}
            for name in ("load", "score"):
                targets[name].run()
            targets["build"].seconds = BUILD_SECONDS
            yield targets
        finally:
            forget_server()


@pytest.mark.parametrize(
    ("name", "victim", "aim"),
    [*((*write, "any moment") for write in WRITES), *SWAPS],
    ids=lambda value: value,
)
def test_nothing_acknowledged_is_lost(
    warehouse_to_kill: dict[str, commands.Target], name: str, victim: str, aim: str
) -> None:
    random.seed()
    kill = kills.kill_once(warehouse_to_kill[name], victim, aim)
    assert kill.faults == [], kill


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        ("delete from raw.loads", "lost of loads 1"),
        ("delete from raw.patient_registry where patient_id = 7", "lost of registry 0"),
        ("update raw.predictions set score = score / 2", "lost of predictions 1"),
        ("delete from raw.prediction_batches", "predictions of no batch 1"),
        ("delete from raw.predictions where window_days = 30", "batch 1"),
        ("delete from build_1.predictions", "predictions is empty"),
        (
            "delete from build_1.predictions where prediction_window = '30_day'",
            "projections without their prediction",
        ),
        (
            "update build_1.org_tier_summary set patient_count = patient_count + 1",
            "tier counts differ from the predictions",
        ),
        (
            "update build_1.roi_aggregations set total_net_benefit = 0",
            "totals differ from the projections",
        ),
        (
            "create or replace view marts.patients with (security_invoker = true) as"
            " select 7::bigint as build_id, t.* from build_1.patients as t",
            "names show builds {1, 7}",
        ),
    ],
)
def test_the_proof_sees_what_is_not_there(clone: Copy, damage: str, what: str) -> None:
    clone.published()
    with warehouse.connect(autocommit=True) as conn:
        before = proof.digest(conn)
        assert [*proof.lost(before, before), *proof.half_written(conn)] == []
        assert faults(conn) == []
        conn.execute("set session_replication_role = replica")
        conn.execute(damage.encode())
        after = proof.digest(conn)
        found = [*proof.lost(before, after), *proof.half_written(conn), *faults(conn)]
    assert any(what in fault for fault in found), found
