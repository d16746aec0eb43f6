"""Threads on which slow rounds are made, so that the device's thread, and whoever waits for it, is never held up."""

from __future__ import annotations

import threading

from panope_backends.worker.batch.executor import Executor
from panope_backends.worker.batch.queue import DeviceQueue
from panope_backends.worker.progress import Busy, Stopwatch

THREADS = 2
"""Rounds that are made at a time."""


class RoundMakers:
    """Makes the rounds of requests that say they are slow to make, or their answers, in the order in which they came.

    Args:
        queue: that holds the requests.
        executor: that advances them.
    """

    def __init__(self, queue: DeviceQueue, executor: Executor) -> None:
        self._queue = queue
        self._executor = executor
        self._watches = [Stopwatch() for _ in range(THREADS)]

    def start(self) -> None:
        """Starts the threads."""
        for watch in self._watches:
            threading.Thread(target=self._run, args=(watch,), name="rounds", daemon=True).start()

    def ids(self) -> Busy:
        """The requests that are worked on. How long tells nothing of a hang: what takes long here is limited itself."""
        return Busy([frame_id for watch in self._watches for frame_id in watch.read().ids])

    def _run(self, watch: Stopwatch) -> None:
        while True:
            request = self._queue.rounds.get()
            if request.over:
                continue
            watch.start([request.frame_id])
            self._executor.finish(request)
            watch.stop()
