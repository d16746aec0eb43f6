"""Looks at devices every few seconds, off the event loop, and knows what they did last."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from panope_backends.api import Device
from panope_server.runtime.hardware.memory import HOST
from panope_server.runtime.hardware.usage.device_usage import UNKNOWN, DeviceUsage, Reader
from panope_server.runtime.hardware.usage.linux_files import LinuxFilesReader
from panope_server.runtime.hardware.usage.nvidia import NvidiaReader
from panope_server.runtime.hardware.usage.processor import ProcessorReader
from panope_server.runtime.safe_callbacks import contained_turn

PERIOD_SECONDS = 5.0

#: A driver that hangs takes the thread that asks it; what it said before is not told for ever.
STALE_SECONDS = 30.0


class DeviceMonitor:
    """Reads what devices do.

    Args:
        devices: those that are known so far.
        readers: of devices with a PCI address, asked in turn until one knows the device.
        period_seconds: between two readings.
    """

    def __init__(
        self,
        devices: Callable[[], Sequence[Device]],
        readers: Sequence[Reader] | None = None,
        period_seconds: float = PERIOD_SECONDS,
    ) -> None:
        self._devices = devices
        self._readers = (NvidiaReader(), LinuxFilesReader()) if readers is None else readers
        self._processor = ProcessorReader()
        self._period_seconds = period_seconds
        self._last: Mapping[str, DeviceUsage] = {}
        self._read_at = float("-inf")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to look."""
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Ends looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def usage_of(self, device: Device) -> DeviceUsage:
        """What a device did last; `UNKNOWN` where nobody tells."""
        return self._current().get(_place(device), UNKNOWN)

    def usages(self) -> Mapping[str, DeviceUsage]:
        """What is known, by PCI address, and of the machine's processors as `host`."""
        return {place: usage for place, usage in self._current().items() if usage.is_known}

    def _current(self) -> Mapping[str, DeviceUsage]:
        return self._last if time.monotonic() - self._read_at < STALE_SECONDS else {}

    async def _follow(self) -> None:
        while True:
            await contained_turn(self.look)
            await asyncio.sleep(self._period_seconds)

    async def look(self) -> None:
        """Reads all devices once."""
        addresses = {device.pci_address for device in self._devices() if device.pci_address}
        self._last = await asyncio.to_thread(self._read, addresses)
        self._read_at = time.monotonic()

    def _read(self, addresses: set[str]) -> Mapping[str, DeviceUsage]:
        return {HOST: self._processor.read()} | {address: self._read_one(address) for address in sorted(addresses)}

    def _read_one(self, address: str) -> DeviceUsage:
        read = (reader(address) for reader in self._readers)
        return next((usage for usage in read if usage.is_known), UNKNOWN)


def _place(device: Device) -> str:
    """Where it computes; a GPU that has its memory from the machine is no processor of it."""
    is_processor = device.is_emulated or device.name.partition(".")[0] == "CPU"
    return HOST if is_processor else device.pci_address
