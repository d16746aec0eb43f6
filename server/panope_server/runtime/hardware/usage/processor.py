"""What the processors do, and the machine's own memory."""

from __future__ import annotations

import psutil

from panope_server.runtime.hardware.memory import SystemMemory, host_bytes
from panope_server.runtime.hardware.usage.device_usage import DeviceUsage


class ProcessorReader:
    """Reads how busy the processors were since the last reading, and the memory of the container that this is."""

    def __init__(self, memory: SystemMemory | None = None) -> None:
        self._memory = memory or SystemMemory()
        self._last = psutil.cpu_times()

    def read(self) -> DeviceUsage:
        """What they do."""
        now, last = psutil.cpu_times(), self._last
        total, idle = sum(now) - sum(last), _idle(now) - _idle(last)
        self._last = now
        most = host_bytes()
        used = most - min(self._memory.free_bytes(), most)
        return DeviceUsage(min(1.0, max(0.0, 1 - idle / total)) if total > 0 else None, used, most)


def _idle(times: object) -> float:
    return float(getattr(times, "idle", 0.0)) + float(getattr(times, "iowait", 0.0))
