"""Why OpenVINO does not see a graphics card or an NPU of Intel's, and what would help.

Linux shows the hardware, its driver in the kernel and who may open it; OpenVINO then needs a driver of its own kind.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from panope_backends.api import Device

_INTEL = "0x8086"

CanOpen = Callable[[Path], bool]


@dataclass(frozen=True)
class _Kind:
    """A kind of device, and where Linux shows it."""

    name: str
    title: str
    shown: str
    files: str
    driver: str


KINDS = (
    _Kind(
        "GPU",
        "graphics card",
        "sys/class/drm/renderD*",
        "dev/dri",
        "install Intel's compute runtime (Debian: intel-opencl-icd)",
    ),
    _Kind(
        "NPU",
        "NPU",
        "sys/class/accel/accel*",
        "dev/accel",
        "install Intel's NPU driver (its packages intel-level-zero-npu and intel-driver-compiler-npu)",
    ),
)


def can_open(file: Path) -> bool:
    """Whether this user may use a device file."""
    return os.access(file, os.R_OK | os.W_OK)


def missing_devices(
    backend: str, found: Sequence[str], root: Path = Path("/"), allowed: CanOpen = can_open
) -> Sequence[Device]:
    """A device for each kind that OpenVINO does not find, with the reason.

    Args:
        backend: the backend's name.
        found: the names of the devices that OpenVINO finds.
        root: of the file systems that are looked at.
        allowed: whether this user may use a device file.
    """
    kinds = {name.partition(".")[0] for name in found}
    return [
        Device(backend, kind.name, available=False, reason=reason, advice=advice)
        for kind in KINDS
        if kind.name not in kinds
        for reason, advice in [_why(kind, root, allowed)]
    ]


def pci_address(name: str, found: Sequence[str], root: Path = Path("/")) -> str:
    """The address of a device that OpenVINO finds; empty where it is not the only one of its kind."""
    shown = [entry for kind in KINDS if name.partition(".")[0] == kind.name for entry in _intel(kind, root)]
    alike = [each for each in found if each.partition(".")[0] == name.partition(".")[0]]
    return (shown[0] / "device").resolve().name if len(shown) == len(alike) == 1 else ""


def _why(kind: _Kind, root: Path, allowed: CanOpen) -> tuple[str, str]:
    if sys.platform != "linux":
        return f"OpenVINO finds no {kind.title} of Intel's", ""
    shown = _intel(kind, root)
    if not shown:
        return f"there is no {kind.title} of Intel's here, or its driver in the kernel is missing", ""
    files = [root / kind.files / entry.name for entry in shown]
    if not any(file.exists() for file in files):
        return f"there is one, and no file for it in /{kind.files}", "pass its file into the container"
    if not any(map(allowed, files)):
        return (
            f"there is one, and this user may not open its file in /{kind.files}",
            "add the user to the file's group, which most often is `render`",
        )
    return "there is one, and OpenVINO finds no driver to use it by", kind.driver


def _intel(kind: _Kind, root: Path) -> list[Path]:
    return [entry for entry in sorted(root.glob(kind.shown)) if _text(entry / "device/vendor") == _INTEL]


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
