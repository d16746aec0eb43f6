"""What of a machine decides on the backends' answers, in one digest: they are asked again when it changes."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from panope_backends.host.memory import memory_bytes
from panope_server.runtime.processes.environment import PASSED

#: Raised when the probe answers in another form.
ANSWERS = 6

#: Programs of others that converters look for.
PROGRAMS = ("llama-quantize",)

#: What a machine has of memory differs a little from start to start; a container's limit by more.
MEMORY_STEP = 1 << 28

#: Where drivers show what they drive, and their versions.
_DRIVERS = ("dev/nvidia*", "dev/kfd", "dev/dri/render*", "dev/accel/accel*", "dev/fastrpc-*", "dev/dxg")
_VERSIONS = ("proc/driver/nvidia/version", "sys/module/nvidia/version", "sys/module/amdgpu/version")


def machine_key(more: Sequence[str], root: Path = Path("/")) -> str:
    """Changes whenever the answers could.

    Args:
        more: what else they depend on.
        root: of the file systems that are looked at.
    """
    packages = sorted(name for folder in sys.path for name in _installed(Path(folder)))
    hiding = sorted(f"{name}={os.environ[name]}" for name in PASSED if name in os.environ and name.isupper())
    programs = [f"{name}={shutil.which(name)}" for name in PROGRAMS]
    machine = [str(ANSWERS), platform.node(), platform.machine(), _processor(root), str(os.cpu_count())]
    memory = f"{memory_bytes() // MEMORY_STEP}"
    parts = [*packages, *hiding, *programs, *machine, memory, *_drivers(root), *more]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _drivers(root: Path) -> Iterator[str]:
    """The device files with whether this user may open them, and the versions of drivers."""
    for pattern in _DRIVERS:
        for file in sorted(root.glob(pattern)):
            yield f"{file} {os.access(file, os.R_OK | os.W_OK)}"
    for name in _VERSIONS:
        yield _text(root / name)


def _installed(folder: Path) -> list[str]:
    """Names and versions of the packages in a folder; opening each one's metadata would take 150 ms."""
    try:
        return [path.name for path in folder.iterdir() if path.suffix == ".dist-info"]
    except OSError:
        return []


def _processor(root: Path) -> str:
    """The processor's features where the system tells them, else its name."""
    lines = _text(root / "proc/cpuinfo").splitlines()
    told = {line for line in lines if line.startswith(("model name", "flags"))}
    return "".join(sorted(told)) or platform.processor()


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
