"""What NVIDIA's GPUs do, by their management library, which needs no CUDA."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from panope_server.runtime.hardware.usage.device_usage import UNKNOWN, DeviceUsage


class NvidiaReader:
    """Asks the driver; knows nothing where the package `nvidia-ml-py` or the driver is missing.

    Args:
        library: what speaks to the driver; None for that package.
    """

    def __init__(self, library: Any = None) -> None:
        self._library = library
        self._is_started: bool | None = None

    def __call__(self, pci_address: str) -> DeviceUsage:
        """What the GPU at an address does."""
        if not self._start():
            return UNKNOWN
        library = self._library
        try:
            handle = library.nvmlDeviceGetHandleByPciBusId(pci_address.encode())
        except library.NVMLError:
            return UNKNOWN
        utilization = used = total = None
        with suppress(library.NVMLError):  # a part of a GPU (MIG) has no figure of its own
            utilization = library.nvmlDeviceGetUtilizationRates(handle).gpu / 100
        with suppress(library.NVMLError):
            memory = library.nvmlDeviceGetMemoryInfo(handle)
            used, total = int(memory.used), int(memory.total)
        return DeviceUsage(utilization, used, total)

    def _start(self) -> bool:
        if self._is_started is None:
            self._is_started = self._try_to_start()
        return self._is_started

    def _try_to_start(self) -> bool:
        if self._library is None:
            try:
                import pynvml
            except ImportError:
                return False
            self._library = pynvml
        try:
            self._library.nvmlInit()
        except self._library.NVMLError:
            return False
        return True
