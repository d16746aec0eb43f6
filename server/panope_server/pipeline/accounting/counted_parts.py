"""Counts the parts of a call's answer on their way: how many there were, when, and what they used."""

from __future__ import annotations

import time
from collections.abc import Awaitable

from panope_server.observability.metrics import Metrics
from panope_server.observability.series import Distribution
from panope_server.pipeline.call import AnswerUsage, Call
from panope_server.tasks.catalog import AnyTask, task_of
from panope_server.tasks.task import Output


class CountedParts:
    """A sink; what it finds used is the call's `usage`.

    Attributes:
        count: of the parts.
        first: when the first of them came, on `time.monotonic`'s clock.
        last: when the last of them came.
    """

    __slots__ = ("_call", "_interval", "_metrics", "_sink", "_task", "_usage", "count", "first", "last")

    def __init__(self, call: Call, metrics: Metrics) -> None:
        self._call = call
        self._metrics = metrics
        self._sink = call.output
        self._task: AnyTask | None = None
        self._interval: Distribution | None = None
        self._usage = call.usage = AnswerUsage()
        self.count = 0
        self.first = self.last = 0.0

    def put(self, part: Output) -> Awaitable[None]:
        """Counts the part and passes it on."""
        self.count += 1
        now = time.monotonic()
        if self._interval is not None:
            self._interval.observe(now - self.last)
        elif self.count > 1:
            self._interval = self._metrics.part_interval.labels(self._call.interface, self._call.model)
            self._interval.observe(now - self.last)
        else:
            self.first = now
        self.last = now
        task = self._task
        if task is None:  # only now: steps before the first part may find out what the input is
            task = self._task = task_of(self._call.input)
        usage = task.usage(part)
        self._usage.whole.add(usage)
        self._usage.so_far.add(task.usage_so_far(part, usage))
        task.observe(part, usage, self._metrics, self._call.model)
        return self._sink.put(part)
