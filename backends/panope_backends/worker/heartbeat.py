"""Tells the server once a second that the worker lives, from a thread of its own."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.worker.connection import Outbox

INTERVAL_SECONDS = 1.0

_STATM = Path("/proc/self/statm")


class Heartbeat:
    """Sends heartbeats until the process ends.

    A heartbeat proves that the process lives, not that it gets on: the server judges that by how long the batch that
    runs now has been running. While the server is slow to read, heartbeats are left out.

    Args:
        state: items that wait, and the seconds that the batch that runs now has been running.
    """

    def __init__(self, outbox: Outbox, state: Callable[[], tuple[int, float]]) -> None:
        self._outbox = outbox
        self._state = state
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def _run(self) -> None:
        never = threading.Event()
        while not never.wait(INTERVAL_SECONDS):
            if self._outbox.is_clear:
                waiting, running_seconds = self._state()
                beat = wire.Heartbeat(
                    resident_bytes=resident_bytes(),
                    running_milliseconds=round(running_seconds * 1000),
                    waiting=waiting,
                )
                self._outbox.send(wire.WorkerFrame(heartbeat=beat))


def resident_bytes() -> int:
    """The memory that the process holds."""
    if _STATM.exists():
        return int(_STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    import psutil  # slow to import, and only needed where /proc is not

    return int(psutil.Process().memory_info().rss)
