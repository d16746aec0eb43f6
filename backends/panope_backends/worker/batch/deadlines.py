"""The deadlines of requests that wait: which of them have passed, without a look at all the others."""

from __future__ import annotations

import time
from heapq import heapify, heappop, heappush

from panope_backends.worker.requests import Request

#: Requests that ended before their deadlines are forgotten when they are this many times those that did not.
_MAX_ENDED_PART = 2
_FEW = 64


class Deadlines:
    """Of the requests of one queue, which says when they are over."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Request]] = []  # by deadline; the number of the frame tells equal ones apart

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, request: Request, waiting: int) -> None:
        """Watches a request, if it has a deadline.

        Args:
            request: that waits from now on.
            waiting: how many wait.
        """
        if not request.deadline:
            return
        if len(self._heap) > _FEW + _MAX_ENDED_PART * waiting:
            self._heap = [entry for entry in self._heap if not entry[2].over]
            heapify(self._heap)
        heappush(self._heap, (request.deadline, request.frame_id, request))

    def pop_late(self) -> list[Request]:
        """The requests whose deadlines have passed, each once; those that are over are none."""
        late = []
        now = time.monotonic_ns()
        while self._heap and self._heap[0][0] <= now:
            request = heappop(self._heap)[2]
            if not request.over:
                late.append(request)
        return late
