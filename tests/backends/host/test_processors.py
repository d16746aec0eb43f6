"""No more processors are counted than this process is bound to and its control groups allow."""

from __future__ import annotations

import os
from typing import Any

import pytest

from panope_backends.host.processors import (
    bound_processors,
    is_one_thread,
    openmp_threads,
    processor_quota,
    shared_threads,
    threads_to_use,
    usable_processors,
)

VERSION_1 = {"cpu/cpu.cfs_quota_us": 300_000, "cpu/cpu.cfs_period_us": 100_000, "cpuacct/cpuacct.usage": 5 * 10**9}
SERVICE = "system.slice/panope.service"


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 processors."""
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    bind(monkeypatch, 64)


def bind(monkeypatch: pytest.MonkeyPatch, processors: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(processors)))


@pytest.mark.parametrize(
    ("files", "membership", "usable"),
    [
        ({}, "0::/", 64),
        ({"cpu.max": "200000 100000"}, "0::/", 2),
        ({"cpu.max": "250000 100000"}, "0::/", 2),
        ({"cpu.max": "50000 100000"}, "0::/", 1),
        ({"cpu.max": "max 100000"}, "0::/", 64),
        ({"cpu.max": "9000000 100000"}, "0::/", 64),
        ({"cpu.max": "nonsense"}, "0::/", 64),
        (VERSION_1, "", 3),
        (VERSION_1 | {"cpu/cpu.cfs_quota_us": -1}, "", 64),
        (VERSION_1 | {"cpu/cpu.cfs_period_us": 0}, "", 64),
        ({f"{SERVICE}/cpu.max": "400000 100000"}, f"0::/{SERVICE}", 4),
        ({f"{SERVICE}/cpu.max": "max 100000", "system.slice/cpu.max": "500000 100000"}, f"0::/{SERVICE}", 5),
        ({f"cpu/{SERVICE}/cpu.cfs_quota_us": 6, f"cpu/{SERVICE}/cpu.cfs_period_us": 1}, f"4:cpu,cpuacct:/{SERVICE}", 6),
        (VERSION_1, "4:cpu,cpuacct:/docker/0123", 3),
        ({"cpu.max": "200000 100000"}, "0::/../../other", 2),
        ({"cpu.max": "200000 100000"}, "no such form", 2),
    ],
)
def test_quotas_of_the_groups_count(grouped: Any, files: dict[str, object], membership: str, usable: int) -> None:
    groups = grouped(files, membership)
    assert usable_processors(groups) == usable
    assert threads_to_use(0, groups) == (usable if usable < 64 else 0)
    assert is_one_thread(0, groups) is (usable == 1)


def test_names_of_groups_are_any_bytes(grouped: Any) -> None:
    name = os.fsdecode(b"caf\xe9")
    groups = grouped({f"{name}/cpu.max": "200000 100000"})
    groups.membership.write_bytes(b"0::/caf\xe9\n")
    assert usable_processors(groups) == 2


def test_what_a_process_is_bound_to_counts(grouped: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bind(monkeypatch, 3)
    assert usable_processors(grouped({})) == 3
    assert threads_to_use(0, grouped({})) == 3, "not every library heeds it"
    assert usable_processors(grouped({"cpu.max": "200000 100000"})) == 2
    assert usable_processors(grouped({"cpu.max": "800000 100000"})) == 3
    assert shared_threads(2) == 2
    bind(monkeypatch, 1)
    assert shared_threads(2) == 1
    assert is_one_thread(7), "they share one processor"


def test_systems_that_bind_nothing_have_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    assert len(bound_processors()) == 64
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert len(bound_processors()) == 1


def test_a_requested_number_goes_before_a_quota(grouped: Any) -> None:
    assert threads_to_use(7, grouped({"cpu.max": "200000 100000"})) == 7


def test_libraries_on_openmp_heed_its_own_variable(grouped: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = grouped({"cpu.max": "200000 100000"})
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert (openmp_threads(0, groups), openmp_threads(7, groups)) == (0, 7)
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert openmp_threads(0, groups) == 2


def test_a_quota_tells_what_its_group_has_used(grouped: Any) -> None:
    files = {"cpu.max": "150000 100000", "cpu.stat": "usage_usec 2500000\nuser_usec 1"}
    quota = processor_quota(grouped(files))
    assert quota is not None
    assert (quota.processors, quota.used_seconds) == (1.5, 2.5)
    older = processor_quota(grouped({**VERSION_1, "cpu.max": "max 100000"}))
    assert older is not None
    assert older.used_seconds == 5.0
