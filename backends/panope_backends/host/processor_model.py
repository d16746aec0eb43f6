"""Which processor the machine has, and what it computes with."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

from panope_backends.host.control_groups import read_text

_CPUINFO = Path("/proc/cpuinfo")

#: How Linux names native bf16 arithmetic: x86's AVX-512 and AMX, Arm's extension.
_BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})


def processor_name(cpuinfo: Path = _CPUINFO) -> str:
    """The maker's name for the processor."""
    return _cpuinfo(cpuinfo).get("model name") or platform.processor() or platform.machine()


def has_native_bf16(cpuinfo: Path = _CPUINFO) -> bool:
    """Whether the processor multiplies bf16; without, libraries emulate it and run many times slower."""
    info = _cpuinfo(cpuinfo)
    flags = info.get("flags") or info.get("Features") or ""
    return not _BF16_FLAGS.isdisjoint(flags.split())


@cache
def _cpuinfo(path: Path) -> dict[str, str]:
    """The first processor's lines; empty where the system does not tell."""
    lines = (line.partition(":") for line in read_text(path).partition("\n\n")[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}
