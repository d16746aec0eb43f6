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
        try:
            async with asyncio.timeout(seconds):
                await forward(call)
        except TimeoutError:
            raise DeadlineError("the call's deadline passed before there was an answer") from None
