"""What AMD's GPUs and Intel's NPUs do, as their drivers tell it in files of Linux."""

from __future__ import annotations

import time
from pathlib import Path

from panope_server.runtime.hardware.usage.device_usage import DeviceUsage


class LinuxFilesReader:
    """Reads the files of a device.

    Args:
        devices: the folder with a folder for each PCI address.
    """

    def __init__(self, devices: Path = Path("/sys/bus/pci/devices")) -> None:
        self._devices = devices
        self._busy: dict[str, tuple[float, int]] = {}

    def __call__(self, pci_address: str) -> DeviceUsage:
        """What the device at an address does."""
        folder = self._devices / pci_address
        percent = _number(folder / "gpu_busy_percent")
        return DeviceUsage(
            utilization=percent / 100 if percent is not None else self._npu(pci_address),
            memory_used_bytes=_first(folder, "mem_info_vram_used", "npu_memory_utilization"),
            memory_total_bytes=_number(folder / "mem_info_vram_total"),
        )

    def _npu(self, pci_address: str) -> float | None:
        """The part of the time since the last reading in which it was busy; the driver counts microseconds."""
        busy = _number(self._devices / pci_address / "npu_busy_time_us")
        if busy is None:
            return None
        now, last = time.monotonic(), self._busy.get(pci_address)
        self._busy[pci_address] = now, busy
        if last is None or now <= last[0]:
            return None
        return min(1.0, max(0.0, (busy - last[1]) / 1e6 / (now - last[0])))


def _first(folder: Path, *names: str) -> int | None:
    return next((number for name in names if (number := _number(folder / name)) is not None), None)


def _number(file: Path) -> int | None:
    try:
        text = file.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None
