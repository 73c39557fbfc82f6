"""The embedded server's settings, on small machines and large ones."""

from pathlib import Path

import pytest

from python_scoring.embedded import settings
from python_scoring.embedded.settings import Machine

GIB = 1024**3


def machine(memory: int, shared: int = 32 * GIB, disk: int = 100 * GIB) -> Machine:
    return Machine(memory, cores=4, free_disk=disk, free_shared_memory=shared)


def megabytes(value: str) -> int:
    assert value.endswith("MB")
    return int(value[:-2])


@pytest.mark.parametrize("memory", [GIB // 2, GIB, 4 * GIB, 24 * GIB, 1024 * GIB])
def test_buffers_fit_into_the_memory(memory: int) -> None:
    chosen = settings.choose(machine(memory), Path("/run"))
    shared = megabytes(chosen["shared_buffers"])
    assert shared <= memory // 4 // 1024**2
    assert shared <= 2048
    # A few sorts at once, and one index.
    busy = 8 * megabytes(chosen["work_mem"]) + megabytes(chosen["maintenance_work_mem"])
    assert shared + busy <= memory * 0.6 / 1024**2


def test_durability_is_left_alone() -> None:
    chosen = settings.choose(machine(24 * GIB), Path("/run"))
    assert not {"fsync", "synchronous_commit", "full_page_writes"} & set(chosen)


@pytest.mark.parametrize(("shared", "expected"), [(64 * 1024**2, True), (GIB, False)])
def test_little_shared_memory_is_not_relied_on(
    shared: int, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    chosen = settings.choose(machine(24 * GIB, shared=shared), Path("/run"))
    assert (chosen.get("dynamic_shared_memory_type") == "mmap") is expected


def test_a_container_is_measured_by_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(settings, "_CGROUP_LIMIT", limit)
    limit.write_text("max\n")
    whole = settings.measure(tmp_path).memory
    limit.write_text(f"{GIB // 2}\n")
    assert settings.measure(tmp_path).memory == GIB // 2 < whole


def test_quotes_are_doubled() -> None:
    rendered = settings.render({"a": "it's", "b": "back\\slash"})
    assert "a = 'it''s'\n" in rendered
    assert "b = 'back\\\\slash'\n" in rendered
