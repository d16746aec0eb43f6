"""Tells the server once a second that the worker lives, from a thread of its own."""

from __future__ import annotations

import operator
import os
import threading
from collections.abc import Callable, Sequence

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.api import PeerMemory
from panope_backends.host.resident import resident_bytes
from panope_backends.worker import log
from panope_backends.worker.connection import Outbox
from panope_backends.worker.progress import Busy

INTERVAL_SECONDS = 1.0

#: What the frame's field holds, seven weeks.
MAX_MILLISECONDS = (1 << 32) - 1
MAX_BYTES = 1 << 60


class Heartbeat:
    """Sends heartbeats until the process ends.

    A heartbeat proves that the process lives, not that it gets on: the server judges that by how long the batch that
    runs now has been running, and how long the request that is prepared now. While the server is slow to read,
    heartbeats are left out.

    Args:
        waiting: how many items wait for the device.
        running: the batch that runs now.
        preparing: the request that tokens are made for now.
        generation: what a model that generates does; None for others.
        device_memory: what the process holds of its device's own memory; None where there is none, or nobody tells.
        peer_memory: what the processes hold that run the other parts of the model.
    """

    def __init__(
        self,
        outbox: Outbox,
        waiting: Callable[[], int],
        running: Callable[[], Busy],
        preparing: Callable[[], Busy],
        generation: Callable[[], wire.GenerationStatistics | None],
        device_memory: Callable[[], int | None] = lambda: None,
        peer_memory: Callable[[], Sequence[PeerMemory]] = tuple,
    ) -> None:
        self._outbox = outbox
        self._waiting = waiting
        self._running = running
        self._preparing = preparing
        self._generation = generation
        self._device_memory = device_memory
        self._peer_memory = peer_memory
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def _run(self) -> None:
        never = threading.Event()
        while not never.wait(INTERVAL_SECONDS):
            if self._outbox.is_clear:
                self._outbox.send(wire.WorkerFrame(heartbeat=self.beat()))

    def beat(self) -> wire.Heartbeat:
        """What is told now."""
        running, preparing = self._running(), self._preparing()
        of_peers, of_device, of_peer_devices = self._memory()
        return wire.Heartbeat(
            resident_bytes=resident_bytes(os.getpid()) + of_peers,
            running_milliseconds=_milliseconds(running),
            waiting=self._waiting(),
            preparing_milliseconds=_milliseconds(preparing),
            busy_ids=[*preparing.ids, *running.ids],
            generation=self._generation(),
            device_memory_bytes=of_device,
            peer_device_memory_bytes=of_peer_devices,
        )

    def _memory(self) -> tuple[int, int, Sequence[int]]:
        """Of the machine, what the processes beside this one hold; of devices, what this one and what those do."""
        try:
            peers = self._peer_memory()
            return (
                _bytes(sum(peer.resident_bytes for peer in peers)),
                _bytes(self._device_memory() or 0),
                [_bytes(peer.device_bytes) for peer in peers],
            )
        except Exception as error:  # a backend's or a driver's, and the heart must go on
            log.error("device_memory_unknown", error)
            self._device_memory, self._peer_memory = lambda: None, tuple
            return 0, 0, ()


def _bytes(told: int) -> int:
    """What a backend says, if it is a size that a frame's field holds."""
    if not 0 <= operator.index(told) <= MAX_BYTES:
        raise ValueError("a size below 0, or of more than any machine has")
    return told


def _milliseconds(busy: Busy) -> int:
    return min(MAX_MILLISECONDS, round(busy.seconds * 1000))
