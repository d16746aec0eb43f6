"""Gives every call an end: the caller's deadline, or the default when it set none."""

from __future__ import annotations

import asyncio
import time

from panope_backends.errors import DeadlineError
from panope_server.pipeline.call import Call
from panope_server.pipeline.step import Next


class Deadline:
    """The step that stops a call when its time is up; stopping it cancels its work in the queue and in the worker."""

    def __init__(self, default_seconds: float) -> None:
        self._default_seconds = default_seconds

    async def __call__(self, call: Call, forward: Next) -> None:
        """Forwards the call and stops waiting at its deadline."""
        if call.deadline is None:
            call.deadline = call.started + self._default_seconds
        seconds = call.deadline - time.monotonic()
        if seconds <= 0:
            raise DeadlineError("the call's deadline had passed before it arrived")
        alarm = _Alarm()
        loop = asyncio.get_running_loop()
        timer = loop.call_at(loop.time() + seconds, alarm.ring)
        try:
            await forward(call)
        except asyncio.CancelledError:
            if alarm.is_the_only_reason():
                raise DeadlineError("the call's deadline passed before there was an answer") from None
            raise
        finally:
            timer.cancel()


class _Alarm:
    """Cancels the task that made it, as `asyncio.timeout` does at three times the cost: every call has one."""

    __slots__ = ("_before", "_has_rung", "_task")

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None, "a call runs in a task"
        self._task = task
        self._before = task.cancelling()
        self._has_rung = False

    def ring(self) -> None:
        """Cancels the task."""
        self._has_rung = True
        self._task.cancel()

    def is_the_only_reason(self) -> bool:
        """Whether nobody else has cancelled the task; then it goes on, with the error that is told instead."""
        return self._has_rung and self._task.uncancel() <= self._before
