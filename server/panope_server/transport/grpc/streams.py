"""Bidirectional streams: many requests at a time, answers in the order of the requests, errors inside the stream."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import structlog

from panope.v1.stream_error_pb2 import StreamError
from panope_backends.errors import InternalError, PanopeError
from panope_server.transport.errors import field_of, message_of, rpc_code_number

_log = structlog.get_logger("panope.transport")

MAX_IN_FLIGHT = 64
"""Requests of one stream that run at a time; past it the stream is not read, so the sender waits."""

Q = TypeVar("Q")
A = TypeVar("A")


async def in_order(requests: AsyncIterator[Q], answer: Callable[[Q], Awaitable[A]]) -> AsyncIterator[A]:
    """Answers each request and yields the answers in order; when the caller leaves, what runs is cancelled."""
    running: deque[asyncio.Task[A]] = deque()
    reading: asyncio.Task[Q] | None = None
    try:
        more = True
        while more or running:
            if more and reading is None and len(running) < MAX_IN_FLIGHT:
                reading = asyncio.ensure_future(anext(requests))
            waiting = [task for task in (reading, running[0] if running else None) if task is not None]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if reading is not None and reading.done():
                try:
                    running.append(asyncio.ensure_future(answer(reading.result())))
                except StopAsyncIteration:
                    more = False
                reading = None
            while running and running[0].done():
                yield running.popleft().result()
    finally:
        for task in (*running, *([reading] if reading is not None else [])):
            task.cancel()


def stream_error(error: Exception) -> StreamError:
    """An error as it is told inside a stream; an unexpected one is logged and told without its text."""
    if not isinstance(error, PanopeError):
        _log.error("unexpected_error", exc_info=error)
        error = InternalError("internal error; the server's log has it")
    code = rpc_code_number(error)
    return StreamError(code=code, message=message_of(error), reason=error.reason, field=field_of(error))
