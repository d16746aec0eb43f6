"""Memory is what the machine has, and what this process's control groups leave of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from panope_backends.host.memory import free_memory_bytes, memory_bytes

GB = 10**9
VERSION_2 = {"memory.max": 8 * GB, "memory.current": 5 * GB, "memory.stat": f"anon 7\ninactive_file {GB}"}
VERSION_1 = {
    "memory.limit_in_bytes": 8 * GB,
    "memory.usage_in_bytes": 5 * GB,
    "memory.stat": f"cache 7\ntotal_inactive_file {GB}",
}


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 GB, of which 30 are free."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=64 * GB, available=30 * GB))


@pytest.mark.parametrize(
    ("folder", "files", "membership"),
    [
        ("", VERSION_2, "0::/"),
        ("system.slice/panope.service/", VERSION_2, "0::/system.slice/panope.service"),
        ("system.slice/", VERSION_2, "0::/system.slice/panope.service"),
        ("memory/", VERSION_1, ""),
        ("memory/job/", VERSION_1, "4:memory:/job"),
        ("memory/", VERSION_1, "4:memory:/docker/0123"),
    ],
)
def test_a_group_has_what_its_limit_leaves(
    grouped: Any, folder: str, files: dict[str, object], membership: str
) -> None:
    groups = grouped({f"{folder}{name}": content for name, content in files.items()}, membership)
    assert memory_bytes(groups) == 8 * GB
    assert free_memory_bytes(groups) == 4 * GB


def test_without_a_limit_the_machine_has_it_all(grouped: Any) -> None:
    groups = grouped({"memory.max": "max", "memory.current": 5 * GB})
    assert (memory_bytes(groups), free_memory_bytes(groups)) == (64 * GB, 30 * GB)


def test_a_group_past_its_limit_has_nothing_left(grouped: Any) -> None:
    assert free_memory_bytes(grouped({"memory.max": GB, "memory.current": 2 * GB})) == 0
