"""Threads on which requests become jobs, so that the thread that reads frames is never at one for long.

Tokens of a long prompt take seconds, and so may a chat template or a grammar; meanwhile cancellations must be read, and
other requests be prepared.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.worker.frame_order import FrameOrder
from panope_backends.worker.progress import Busy, Stopwatch

#: Requests that are prepared at a time. Making tokens holds no interpreter lock.
THREADS = 4


class Preparers:
    """Prepares frames, several at a time and urgent ones first. Used by the thread that reads them.

    Args:
        prepare: makes of a frame what is called next, unless the frame was cancelled meanwhile; never raises.
        drain: called once `drain` was and no frame is in preparation.
    """

    def __init__(
        self,
        prepare: Callable[[wire.ServerFrame], Callable[[], None]],
        drain: Callable[[], None],
        threads: int = THREADS,
    ) -> None:
        self._prepare = prepare
        self._drain = drain
        self._frames = FrameOrder()
        self._lock = threading.Condition()
        self._pending: dict[int, bool] = {}  # by the frame's id, whether it was cancelled
        self._is_draining = False
        self._watches = [Stopwatch() for _ in range(threads)]
        for watch in self._watches:
            threading.Thread(target=self._run, args=(watch,), name="prepare", daemon=True).start()

    def put(self, frame: wire.ServerFrame) -> None:
        """Adds a frame."""
        with self._lock:
            self._pending[frame.id] = False
            self._frames.add(frame)
            self._lock.notify()

    def cancel(self, frame_id: int) -> bool:
        """Drops what is made of a frame; False when the frame is not in preparation."""
        with self._lock:
            if frame_id not in self._pending:
                return False
            self._pending[frame_id] = True
            return True

    def drain(self) -> None:
        """Drains what is behind, after the frames that came before."""
        with self._lock:
            self._is_draining = True
            if not self._pending:
                self._drain()

    def read(self) -> Busy:
        """What is prepared now; of several, for how long the one that takes longest."""
        busy = [watch.read() for watch in self._watches]
        return Busy([frame_id for each in busy for frame_id in each.ids], max(each.seconds for each in busy))

    def _run(self, watch: Stopwatch) -> None:
        while True:
            with self._lock:
                while (frame := self._frames.take()) is None:
                    self._lock.wait()
                is_wanted = not self._pending[frame.id]
            watch.start([frame.id])
            finish = self._prepare(frame) if is_wanted else None
            watch.stop()
            with self._lock:  # a cancellation comes before or after, never between
                if not self._pending.pop(frame.id) and finish is not None:
                    finish()
                if self._is_draining and not self._pending:
                    self._drain()
