"""What the processors do, and the machine's own memory."""

from __future__ import annotations

from panope_backends.host.memory import free_memory_bytes, memory_bytes
from panope_server.runtime.hardware.usage.device_usage import DeviceUsage
from panope_server.runtime.hardware.usage.processor_time import ProcessorTime


class ProcessorReader:
    """Reads how busy the processors were since the last reading, and the memory of the container that this is."""

    def __init__(self) -> None:
        self._last = ProcessorTime.now()

    def read(self) -> DeviceUsage:
        """What they do."""
        now, last = ProcessorTime.now(), self._last
        self._last = now
        most = memory_bytes()
        used = most - min(free_memory_bytes(), most)
        return DeviceUsage(now.taken_since(last) if now.wall_seconds > last.wall_seconds else None, used, most)
