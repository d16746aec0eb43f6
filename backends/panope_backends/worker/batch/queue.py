"""The requests between the thread that reads them and the thread that runs them."""

from __future__ import annotations

import threading
import time
from queue import SimpleQueue

from panope_backends.errors import InternalError
from panope_backends.worker.batch.batching import Batcher, Waiting
from panope_backends.worker.batch.deadlines import Deadlines
from panope_backends.worker.progress import Busy, Stopwatch
from panope_backends.worker.requests import ArrayRequest, BatchedRequest, DeviceRequest, Item, Request, Slot


class DeviceQueue:
    """Waiting requests, formed into batches when the device asks for one. Safe to use from several threads."""

    def __init__(self, batcher: Batcher[Item]) -> None:
        self._batcher = batcher
        self._changed = threading.Condition()
        self._requests: dict[int, Request] = {}
        self._waiting: dict[Request, list[Waiting[Item]]] = {}  # the items of each, some of which were taken
        self._deadlines = Deadlines()
        self._draining = False
        self._running = Stopwatch()
        self._stepping: DeviceRequest | None = None
        self.rounds: SimpleQueue[BatchedRequest] = SimpleQueue()
        """Requests whose next rounds are slow to make, for threads that make them."""

    def refuse_other(self, request: Request) -> None:
        """InternalError for a request of another kind."""
        if not isinstance(request, BatchedRequest | DeviceRequest):
            raise InternalError("the task made a job that its model does not run")

    def put(self, request: Request) -> None:
        """Adds a request of either kind."""
        if isinstance(request, BatchedRequest):
            self.put_items(request)
        elif isinstance(request, DeviceRequest):
            self.put_device(request)

    def put_items(self, request: BatchedRequest) -> None:
        """Adds every item of a request; one whose rounds are slow to make has none yet."""
        with self._changed:
            self._take_in(request)
            self._wait(request)
        if not request.missing:
            self.rounds.put(request)

    def put_next_items(self, request: BatchedRequest) -> None:
        """Adds the items of a request's next round, behind what waits; those of one that is over are dropped."""
        with self._changed:
            if not request.over:
                self._wait(request)

    def put_device(self, request: DeviceRequest) -> None:
        """Adds a request that runs by itself."""
        with self._changed:
            self._take_in(request)
            self._queue_step(request)

    def put_next_step(self, request: DeviceRequest) -> bool:
        """Adds the next step of a request whose last has run, behind what waits; False when it is over.

        A request that the server has paused is added when the server lets it go on.
        """
        with self._changed:
            self._stepping = None
            if request.over:
                return False
            if not request.paused:
                self._queue_step(request)
            return True

    def pause(self, frame_id: int, *, paused: bool) -> None:
        """Holds a request's next step back, or lets it go on; requests of one part have none."""
        with self._changed:
            request = self._requests.get(frame_id)
            if not isinstance(request, DeviceRequest) or request.paused == paused:
                return
            request.paused = paused
            # A step that runs now is followed by the next when it ends.
            if not paused and not request.is_queued and request is not self._stepping:
                self._queue_step(request)

    def take(self) -> list[Slot] | DeviceRequest | None:
        """Waits for what runs next: a batch of items or one request's step; None when the queue is drained."""
        with self._changed:
            self._running.stop()
            self._stepping = None
            while True:
                # Nothing is told of them: the server has told their callers.
                for late in self._deadlines.pop_late():
                    self._end(late)
                seconds = self._batcher.seconds_until_due(time.perf_counter())
                if seconds == 0 or (seconds is not None and self._draining):
                    return self._begin(self._batcher.take())
                if seconds is None and self._draining and not self._requests:
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

    def _take_in(self, request: Request) -> None:
        self._requests[request.frame_id] = request
        self._deadlines.add(request, len(self._requests))

    def _wait(self, request: BatchedRequest) -> None:
        alone = isinstance(request, ArrayRequest) and request.alone
        now = time.perf_counter()
        self._waiting[request] = [
            self._batcher.add_alone(slot, now, request.flow)
            if alone
            else self._batcher.add(slot, slot.tokens, now, request.flow, request.shape(slot.index))
            for slot in (Slot(request, index) for index in range(request.missing))
        ]
        self._changed.notify()

    def _queue_step(self, request: DeviceRequest) -> None:
        request.is_queued = True
        self._waiting[request] = [self._batcher.add_alone(request, time.perf_counter(), request.flow)]
        self._changed.notify()

    def _begin(self, batch: list[Item]) -> list[Slot] | DeviceRequest:
        self._running.start(list(dict.fromkeys(_request(item).frame_id for item in batch)))
        first = batch[0]
        if isinstance(first, DeviceRequest):
            first.is_queued, self._stepping = False, first
            return first
        return [item for item in batch if isinstance(item, Slot)]

    def _end(self, request: Request) -> None:
        request.over = True
        request.close()
        del self._requests[request.frame_id]
        self._batcher.remove(self._waiting.pop(request, ()))
        if isinstance(request, DeviceRequest):
            request.job.close()
        if self._draining:
            self._changed.notify()


def _request(item: Item) -> Request:
    return item.request if isinstance(item, Slot) else item
