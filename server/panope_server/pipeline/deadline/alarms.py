"""Cancels tasks whose time is up: all alarms of an event loop share one timer.

Every call has an alarm and hardly one rings, so that setting and stopping them is what has to be cheap.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import time
from collections.abc import Callable
from itertools import count

#: So many alarms that were stopped may lie in the heap before it is looked whether they are more than half of it.
MOST_STOPPED = 100


class Alarm:
    """Cancels the task that set it, which stops it at its end.

    Args:
        alarms: that it is of.
        missing_seconds: until it rings; asked again then, as it may be later.
    """

    __slots__ = ("_alarms", "_before", "_has_rung", "_missing_seconds", "_task")

    def __init__(self, alarms: Alarms, missing_seconds: Callable[[], float]) -> None:
        task = asyncio.current_task()
        assert task is not None, "a call runs in a task"
        self._alarms = alarms
        self._task: asyncio.Task[object] | None = task
        self._before = task.cancelling()
        self._has_rung = False
        self._missing_seconds: Callable[[], float] | None = missing_seconds

    @property
    def is_stopped(self) -> bool:
        """Whether it rings no more."""
        return self._task is None

    def is_the_only_reason(self) -> bool:
        """Whether nobody else has cancelled the task; then it goes on, with the error that is told instead."""
        return self._has_rung and self._task is not None and self._task.uncancel() <= self._before

    def ring(self) -> float:
        """Cancels the task, unless it has time left by now; how much, in seconds."""
        assert self._task is not None, "it is not stopped"
        assert self._missing_seconds is not None, "it is not stopped"
        missing = self._missing_seconds()
        if missing <= 0:
            self._has_rung = True
            self._task.cancel()
        return missing

    def stop(self) -> None:
        """Lets it ring no more, and its task go while it still lies in the heap."""
        self._task = self._missing_seconds = None
        if not self._has_rung:
            self._alarms.count_stopped()


class Alarms:
    """The alarms of one event loop."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Alarm]] = []  # by when they ring, on `time.monotonic`'s clock
        self._number = count()  # so that no two entries are equal
        self._stopped = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf

    def set(self, missing_seconds: Callable[[], float]) -> Alarm:
        """Sets one for the task that runs; as for `Alarm`."""
        alarm = Alarm(self, missing_seconds)
        when = self._put(alarm, missing_seconds())
        if when < self._timer_at:
            self._set_timer(when)
        return alarm

    def count_stopped(self) -> None:
        """Says that one in the heap was stopped; from time to time they are taken out."""
        self._stopped += 1
        if self._stopped > MOST_STOPPED and 2 * self._stopped > len(self._heap):
            self._heap[:] = [entry for entry in self._heap if not entry[2].is_stopped]
            heapq.heapify(self._heap)
            self._stopped = 0

    def ring(self) -> None:
        """Rings those whose time has come; the timer does it, which is set for the next then."""
        heap, moment = self._heap, time.monotonic()
        try:
            while heap and (heap[0][0] <= moment or heap[0][2].is_stopped):
                alarm = heapq.heappop(heap)[2]
                if alarm.is_stopped:
                    self._stopped -= 1
                elif (missing := alarm.ring()) > 0:
                    self._put(alarm, missing)
        finally:
            self._timer_at = math.inf
            if heap:
                self._set_timer(heap[0][0])

    def __len__(self) -> int:
        """How many are kept, those included that were stopped and not taken out yet."""
        return len(self._heap)

    def _put(self, alarm: Alarm, seconds: float) -> float:
        when = time.monotonic() + seconds
        heapq.heappush(self._heap, (when, next(self._number), alarm))
        return when

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = when
        self._timer = asyncio.get_running_loop().call_later(max(0.0, when - time.monotonic()), self.ring)
