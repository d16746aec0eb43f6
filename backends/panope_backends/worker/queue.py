"""The requests between the thread that reads them and the thread that runs them."""

from __future__ import annotations

import threading
import time

from panope_backends.worker.batch.batching import Batcher
from panope_backends.worker.progress import Busy, Stopwatch
from panope_backends.worker.requests import Item, Request, SequenceRequest, Slot, TensorRequest


class DeviceQueue:
    """Waiting requests, formed into batches when the device asks for one. Safe to use from several threads."""

    def __init__(self, batcher: Batcher[Item]) -> None:
        self._batcher = batcher
        self._changed = threading.Condition()
        self._requests: dict[int, Request] = {}
        self._draining = False
        self._running = Stopwatch()

    def put_sequences(self, request: SequenceRequest) -> None:
        """Adds every sequence of a request."""
        with self._changed:
            self._requests[request.frame_id] = request
            now = time.perf_counter()
            for index, sequence in enumerate(request.job.sequences):
                self._batcher.add(Slot(request, index), len(sequence.ids), now)
            self._changed.notify()

    def put_tensors(self, request: TensorRequest) -> None:
        """Adds a request that runs alone."""
        with self._changed:
            self._requests[request.frame_id] = request
            self._batcher.add_alone(request, time.perf_counter())
            self._changed.notify()

    def take(self) -> list[Slot] | TensorRequest | None:
        """Waits for what runs next: a batch of sequences or one tensor request; None when the queue is drained."""
        with self._changed:
            self._running.stop()
            while True:
                seconds = self._batcher.seconds_until_due(time.perf_counter())
                if seconds == 0 or (seconds is not None and self._draining):
                    batch = self._batcher.take()
                    self._running.start(list(dict.fromkeys(_request(item).frame_id for item in batch)))
                    return _unpack(batch)
                if seconds is None and self._draining:
                    return None
                self._changed.wait(seconds)

    def cancel(self, frame_id: int) -> None:
        """Drops a request; one that is over or unknown is left alone."""
        with self._changed:
            request = self._requests.get(frame_id)
            if request is not None:
                self._end(request)

    def end(self, request: Request) -> bool:
        """Marks a request as over and drops what of it still waits; False when it was over already."""
        with self._changed:
            if request.over:
                return False
            self._end(request)
            return True

    def drain(self) -> None:
        """Lets `take` end when nothing waits any more."""
        with self._changed:
            self._draining = True
            self._changed.notify()

    @property
    def is_draining(self) -> bool:
        """Whether no more requests are taken."""
        return self._draining

    def waiting(self) -> int:
        """How many items wait."""
        with self._changed:
            return len(self._batcher)

    def running(self) -> Busy:
        """The batch that runs now."""
        return self._running.read()

    def _end(self, request: Request) -> None:
        request.over = True
        del self._requests[request.frame_id]
        if not isinstance(request, SequenceRequest) or request.missing:
            self._batcher.remove(lambda item: _request(item) is request)


def _request(item: Item) -> Request:
    return item.request if isinstance(item, Slot) else item


def _unpack(batch: list[Item]) -> list[Slot] | TensorRequest:
    first = batch[0]
    return first if isinstance(first, TensorRequest) else [item for item in batch if isinstance(item, Slot)]
