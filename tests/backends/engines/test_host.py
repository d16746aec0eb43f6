"""A container's limits are heeded."""

import os
from pathlib import Path

import pytest

from panope_backends.engines import host


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("-", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture(autouse=True)
def many_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_visible_processors", lambda: 64)


@pytest.mark.parametrize(
    ("limit", "threads"), [("200000 100000", 2), ("50000 100000", 1), ("max 100000", 0), ("9000000 100000", 0), ("", 0)]
)
def test_a_quota_below_the_machine_limits_threads(tmp_path: Path, limit: str, threads: int) -> None:
    (tmp_path / "cpu.max").write_text(limit)
    assert host.threads_to_use(0, tmp_path) == threads


def test_the_older_files_of_a_quota_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("300000")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000")
    assert host.threads_to_use(0, tmp_path) == 3
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1")
    assert host.threads_to_use(0, tmp_path) == 0


def test_a_wish_goes_before_a_quota(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("200000 100000")
    assert host.threads_to_use(7, tmp_path) == 7


def test_memory_is_the_least_of_machine_and_container(tmp_path: Path) -> None:
    whole = host.memory_bytes(tmp_path)
    assert whole > 1 << 28
    (tmp_path / "memory.max").write_text("max")
    assert host.memory_bytes(tmp_path) == whole
    (tmp_path / "memory.max").write_text("1000000")
    assert host.memory_bytes(tmp_path) == 1_000_000


@pytest.mark.parametrize(
    ("text", "native"),
    [
        ("flags\t\t: fpu avx512f avx512_bf16\n", True),
        ("flags\t\t: fpu amx_bf16 amx_tile\n", True),
        ("Features\t: fp asimd bf16\n", True),
        ("flags\t\t: fpu avx512f avx512vl\n", False),
        ("", False),
    ],
)
def test_native_bf16_is_told_from_the_processors_flags(tmp_path: Path, text: str, native: bool) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor : 0\nmodel name : Maker's best\n{text}\nprocessor : 1\nflags : amx_bf16\n")
    assert host.has_native_bf16(cpuinfo) is native
    assert host.processor_name(cpuinfo) == "Maker's best"


def test_without_those_files_there_is_still_a_name(tmp_path: Path) -> None:
    assert host.processor_name(tmp_path / "none")
    assert not host.has_native_bf16(tmp_path / "none")
    assert os.cpu_count()
