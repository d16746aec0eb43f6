"""What this process may use of its machine: processors, memory and instructions, a container's limits included.

Libraries count the machine's processors, so in a container with a quota of 2 on a machine of 64 they start 64 threads
and spend their quota waiting for each other.
"""

from __future__ import annotations

import math
import os
import platform
from functools import cache
from pathlib import Path

import psutil

_CGROUP = Path("/sys/fs/cgroup")
_CPUINFO = Path("/proc/cpuinfo")

#: How Linux names native bf16 arithmetic: x86's AVX-512 and AMX, Arm's extension.
_BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})


def threads_to_use(requested: int, cgroup: Path = _CGROUP) -> int:
    """The number of threads to ask of a library; 0 to leave it its own choice, which is right without a quota."""
    if requested > 0:
        return requested
    quota = _processor_quota(cgroup)
    return quota if quota < _visible_processors() else 0


def is_one_thread(requested: int, cgroup: Path = _CGROUP) -> bool:
    """Whether a library that is asked for so many threads, 0 for its own choice, computes with one."""
    return (threads_to_use(requested, cgroup) or _visible_processors()) == 1 or _visible_processors() == 1


def memory_bytes(cgroup: Path = _CGROUP) -> int:
    """The memory that this process and its like may use."""
    limits = [_number(cgroup / "memory.max"), _number(cgroup / "memory" / "memory.limit_in_bytes")]
    return min(psutil.virtual_memory().total, *(int(limit) for limit in limits if limit is not None), 1 << 62)


def processor_name(cpuinfo: Path = _CPUINFO) -> str:
    """The maker's name for the processor."""
    return _cpuinfo(cpuinfo).get("model name") or platform.processor() or platform.machine()


def has_native_bf16(cpuinfo: Path = _CPUINFO) -> bool:
    """Whether the processor multiplies bf16; without, libraries emulate it and run many times slower."""
    info = _cpuinfo(cpuinfo)
    flags = info.get("flags") or info.get("Features") or ""
    return not _BF16_FLAGS.isdisjoint(flags.split())


def _processor_quota(cgroup: Path) -> int:
    """Whole processors that the container's quota allows, at least 1; a very large number without a quota."""
    quota, period = _number(cgroup / "cpu" / "cpu.cfs_quota_us"), _number(cgroup / "cpu" / "cpu.cfs_period_us")
    first, _, second = _text(cgroup / "cpu.max").partition(" ")
    if first.isdigit() and second.isdigit():
        quota, period = float(first), float(second)
    if quota is None or period is None or quota <= 0 or period <= 0:
        return 1 << 20
    return max(1, math.floor(quota / period))


def _visible_processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _number(path: Path) -> float | None:
    text = _text(path)
    return float(text) if text.lstrip("-").isdigit() else None


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""  # not Linux, or no such limit


@cache
def _cpuinfo(path: Path) -> dict[str, str]:
    """The first processor's lines; empty where the system does not tell."""
    lines = (line.partition(":") for line in _text(path).partition("\n\n")[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}
