"""What memory there is, and what one process may take of it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from panope_server.runtime.hardware.memory import SystemMemory
from panope_server.runtime.placement import memory as memory_module
from panope_server.runtime.placement.memory import ENGINE_BYTES, conversion_limit, worker_limit

GB = 10**9


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SystemMemory:
    """Of a machine with 64 GB, of which 30 are free, and no container."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=30 * GB))
    return SystemMemory(tmp_path)


@pytest.mark.parametrize(
    ("folder", "files"),
    [
        (".", {"memory.max": 8 * GB, "memory.current": 5 * GB, "memory.stat": f"anon 7\ninactive_file {GB}\n"}),
        (
            "memory",
            {
                "memory.limit_in_bytes": 8 * GB,
                "memory.usage_in_bytes": 5 * GB,
                "memory.stat": f"cache 7\ntotal_inactive_file {GB}\n",
            },
        ),
    ],
    ids=["version 2", "version 1"],
)
def test_a_container_has_what_its_limit_leaves(
    memory: SystemMemory, tmp_path: Path, folder: str, files: dict[str, object]
) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    for name, content in files.items():
        (tmp_path / folder / name).write_text(str(content))
    assert memory.free_bytes() == 4 * GB


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 GB, no container."""
    monkeypatch.setattr(memory_module, "machine_bytes", lambda _: 64 * GB)


@pytest.mark.usefixtures("machine")
def test_a_worker_may_allocate_what_its_model_needs_and_a_quarter_of_the_machine() -> None:
    assert worker_limit(GB, 0, on_host=True) == 4 * GB + ENGINE_BYTES + 16 * GB
    assert worker_limit(0, 0, on_host=True) == ENGINE_BYTES + 16 * GB


@pytest.mark.usefixtures("machine")
def test_no_program_may_allocate_more_than_nine_tenths_of_the_machine() -> None:
    most = 64 * GB * 9 // 10
    assert worker_limit(40 * GB, 0, on_host=True) == most
    assert worker_limit(GB, 100 * GB, on_host=True) == most
    assert worker_limit(GB, 0, on_host=False) == most, "what a driver allocates for a device is not known"
    assert conversion_limit(40 * GB) == most


@pytest.mark.usefixtures("machine")
def test_what_the_settings_allow_a_worker_is_what_it_may_allocate() -> None:
    assert worker_limit(GB, 3 * GB, on_host=True) == worker_limit(GB, 3 * GB, on_host=False) == 3 * GB
