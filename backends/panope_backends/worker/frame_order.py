"""Which of the frames that have come is handled next: requests of a higher class pass those of a lower one.

Making tokens of what came before would else stand in front of an urgent request, however soon it has the device.
"""

from __future__ import annotations

from collections import deque

from panope.worker.v1 import worker_pb2 as wire

CLASSES = (1, 0, -1)

MOST_PASSING = 16
"""Requests that pass one of a lower class; then that one has its turn, as it has in the queue of batches."""


def class_of(frame: wire.ServerFrame) -> int:
    """Of its priority: 1 for high, 0 for normal, -1 for low."""
    return (frame.priority > 0) - (frame.priority < 0)


class FrameOrder:
    """Frames that wait; for one thread.

    No request passes a frame of another kind, such as one that loads the adapter it is for. Cancellations come first,
    and what they cancel is not handled at all.
    """

    def __init__(self) -> None:
        self._cancels: deque[wire.ServerFrame] = deque()
        self._requests: dict[int, deque[wire.ServerFrame]] = {each: deque() for each in CLASSES}
        self._passed = dict.fromkeys(CLASSES, 0)
        self._later: deque[wire.ServerFrame] = deque()  # from the first frame of another kind on
        self._waiting: set[int] = set()  # the ids of the requests
        self._cancelled: set[int] = set()

    def __bool__(self) -> bool:
        return bool(self._cancels or self._later or any(self._requests.values()))

    def add(self, frame: wire.ServerFrame) -> None:
        """Adds a frame that has come."""
        kind = frame.WhichOneof("body")
        if kind == "cancel":
            if frame.id in self._waiting:
                self._cancelled.add(frame.id)
            else:
                self._cancels.append(frame)
            return
        if kind == "request":
            self._waiting.add(frame.id)
        if kind == "request" and not self._later:
            self._requests[class_of(frame)].append(frame)
        else:
            self._later.append(frame)

    def take(self) -> wire.ServerFrame | None:
        """Removes the next; None where none waits, as when what waited was cancelled."""
        if self._cancels:
            return self._cancels.popleft()
        while frame := self._next():
            if frame.WhichOneof("body") != "request":
                return frame
            self._waiting.discard(frame.id)
            if frame.id not in self._cancelled:
                return frame
            self._cancelled.discard(frame.id)
        return None

    def _next(self) -> wire.ServerFrame | None:
        waiting = [each for each in CLASSES if self._requests[each]]
        if waiting:
            chosen = next((each for each in reversed(waiting) if self._passed[each] >= MOST_PASSING), waiting[0])
            self._passed[chosen] = 0
            for lower in waiting:
                self._passed[lower] += lower < chosen
            return self._requests[chosen].popleft()
        if not self._later:
            return None
        first = self._later.popleft()
        while self._later and self._later[0].WhichOneof("body") == "request":
            frame = self._later.popleft()
            self._requests[class_of(frame)].append(frame)
        return first
