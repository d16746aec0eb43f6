"""Gives every call an end: the caller's deadline, or a time without progress where it set none.

A part of the answer is progress, as far as its reader takes it. So a stream may go on for hours, and ends soon when
nothing comes, or nobody reads.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable

from panope_backends.errors import DeadlineError
from panope_server.config import Limits
from panope_server.pipeline.call import Call, Sink
from panope_server.pipeline.deadline.alarms import Alarms
from panope_server.pipeline.step import Next
from panope_server.tasks.catalog import task_of
from panope_server.tasks.task import Output


class Deadline:
    """The step that stops a call when its time is up; stopping it cancels its work in the queue and in the worker."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._alarms = Alarms()

    async def __call__(self, call: Call, forward: Next) -> None:
        """Forwards the call and stops waiting at its deadline."""
        output = call.output
        clock = _Clock(call, self._limits)
        if call.deadline is None:
            call.output = clock
        elif call.deadline <= time.monotonic():
            raise DeadlineError("the call's deadline had passed before it arrived")
        alarm = self._alarms.set(clock.missing_seconds)
        try:
            await forward(call)
        except asyncio.CancelledError:
            if alarm.is_the_only_reason():
                raise clock.error() from None
            raise
        finally:
            alarm.stop()
            call.output = output


class _Clock:
    """When a call ends; a sink too, where the parts of its answer put that off.

    A part costs one look at the time: nothing is set anew until the end has come.
    """

    __slots__ = ("_call", "_limits", "_progress", "_sink")

    def __init__(self, call: Call, limits: Limits) -> None:
        self._call = call
        self._limits = limits
        self._sink: Sink = call.output
        self._progress = call.started

    def put(self, part: Output) -> Awaitable[None]:
        """Takes the time and passes the part on."""
        self._progress = time.monotonic()
        return self._sink.put(part)

    def missing_seconds(self) -> float:
        """The time until the call ends as it stands; what its input is may have been found out meanwhile."""
        deadline = self._call.deadline
        if deadline is None:
            deadline = self._progress + getattr(self._limits, self._setting())
        return deadline - time.monotonic()

    def error(self) -> DeadlineError:
        """What a call hears whose time is up."""
        if self._call.deadline is not None:
            return DeadlineError("the call's deadline passed before there was an answer")
        setting = self._setting()
        return DeadlineError(
            f"nothing more of the answer came for {getattr(self._limits, setting):g} seconds, the limit of calls "
            f"without a deadline (`limits.{setting}`)"
        )

    def _setting(self) -> str:
        return task_of(self._call.input).timeout_setting()
