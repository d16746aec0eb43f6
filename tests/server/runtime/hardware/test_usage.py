"""What devices do, read where the system or a driver tells it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from panope_backends.api import Device
from panope_server.runtime.hardware.memory import HOST
from panope_server.runtime.hardware.usage import linux_files, monitor
from panope_server.runtime.hardware.usage.device_usage import UNKNOWN, DeviceUsage
from panope_server.runtime.hardware.usage.linux_files import LinuxFilesReader
from panope_server.runtime.hardware.usage.monitor import DeviceMonitor
from panope_server.runtime.hardware.usage.nvidia import NvidiaReader
from panope_server.runtime.hardware.usage.processor import ProcessorReader

CPU = Device("cpu", "CPU")
EMULATOR = Device("qnn", "HTP", is_emulated=True)
CARD = Device("torch-cuda", "cuda:0", pci_address="0000:01:00.0")
OTHER = Device("torch-cuda", "cuda:1", pci_address="0000:02:00.0")
UNTOLD = Device("mps", "mps")


class Nvml:
    """NVIDIA's library with one whole card, and one that is in parts."""

    class NVMLError(Exception):
        pass

    def __init__(self, *, has_driver: bool = True) -> None:
        self._has_driver = has_driver

    def nvmlInit(self) -> None:  # noqa: N802 - its name
        if not self._has_driver:
            raise self.NVMLError

    def nvmlDeviceGetHandleByPciBusId(self, address: bytes) -> bytes:  # noqa: N802 - its name
        if address not in (b"0000:01:00.0", b"0000:02:00.0"):
            raise self.NVMLError
        return address

    def nvmlDeviceGetUtilizationRates(self, handle: bytes) -> Any:  # noqa: N802 - its name
        if handle == b"0000:02:00.0":
            raise self.NVMLError
        return SimpleNamespace(gpu=75)

    def nvmlDeviceGetMemoryInfo(self, handle: bytes) -> Any:  # noqa: N802 - its name
        return SimpleNamespace(used=3 << 30, total=24 << 30)


def test_nvidias_library_tells_of_cards_by_their_address() -> None:
    read = NvidiaReader(Nvml())
    assert read("0000:01:00.0") == DeviceUsage(0.75, 3 << 30, 24 << 30)
    assert read("0000:02:00.0") == DeviceUsage(None, 3 << 30, 24 << 30)
    assert read("0000:09:00.0") == UNKNOWN


def test_without_a_driver_nothing_is_known() -> None:
    assert NvidiaReader(Nvml(has_driver=False))("0000:01:00.0") == UNKNOWN


def test_amds_driver_tells_in_files(tmp_path: Path) -> None:
    folder = tmp_path / "0000:03:00.0"
    folder.mkdir()
    for name, text in (("gpu_busy_percent", "40"), ("mem_info_vram_used", "5"), ("mem_info_vram_total", "9")):
        (folder / name).write_text(f"{text}\n")
    assert LinuxFilesReader(tmp_path)("0000:03:00.0") == DeviceUsage(0.4, 5, 9)
    assert LinuxFilesReader(tmp_path)("0000:04:00.0") == UNKNOWN


def test_an_npu_is_as_busy_as_it_was_between_two_readings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "0000:00:0b.0"
    folder.mkdir()
    (folder / "npu_memory_utilization").write_text("7")
    read = LinuxFilesReader(tmp_path)
    told = []
    for now, busy in ((100.0, 5_000_000), (102.0, 6_500_000)):
        monkeypatch.setattr(linux_files.time, "monotonic", lambda now=now: now)
        (folder / "npu_busy_time_us").write_text(str(busy))
        told.append(read("0000:00:0b.0"))
    assert told == [DeviceUsage(None, 7), DeviceUsage(0.75, 7)]


def test_processors_tell_their_own() -> None:
    usage = ProcessorReader().read()
    assert usage.memory_used_bytes is not None
    assert usage.memory_total_bytes is not None
    assert 0 < usage.memory_used_bytes < usage.memory_total_bytes


def test_devices_of_several_backends_are_one_and_the_emulated_compute_on_the_processors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watching = DeviceMonitor(lambda: (CPU, EMULATOR, CARD, OTHER, UNTOLD), [NvidiaReader(Nvml())])
    asyncio.run(watching.look())
    assert set(watching.usages()) == {HOST, "0000:01:00.0", "0000:02:00.0"}
    assert watching.usage_of(CARD).utilization == 0.75
    assert watching.usage_of(replace(CARD, backend="another")) == watching.usage_of(CARD)
    assert watching.usage_of(EMULATOR) == watching.usage_of(CPU) != UNKNOWN
    assert watching.usage_of(UNTOLD) == UNKNOWN
    now = monitor.time.monotonic()
    monkeypatch.setattr(monitor.time, "monotonic", lambda: now + 31)
    assert watching.usage_of(CPU) == UNKNOWN, "a driver that hangs does not leave its last word for ever"
