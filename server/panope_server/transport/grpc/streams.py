"""Bidirectional streams: many requests at a time, answers in the order of the requests, errors inside the stream."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Generic, Protocol, TypeVar

import structlog

from panope.v1.stream_error_pb2 import StreamError
from panope_backends.errors import InternalError, PanopeError
from panope_server.config import Limits
from panope_server.tasks.validation import MAX_NAME_CHARACTERS, check_length
from panope_server.transport.errors import field_of, message_of, rpc_code_number
from panope_server.transport.interceptors.lengths import check_lengths

_log = structlog.get_logger("panope.transport")

MAX_IN_FLIGHT = 64
"""Requests of one stream that run at a time, or whose answers were not taken."""

Q = TypeVar("Q")
B_co = TypeVar("B_co", covariant=True)
E = TypeVar("E", bound="Envelope[Any]")
A = TypeVar("A")

SizeOf = Callable[[Q], tuple[int, int]]
"""The items and bytes of a request."""


class Window(Generic[Q]):
    """How much of one stream runs at a time; past it the stream is not read, so the sender waits.

    Many small requests run together. Of large ones the next is read while those before are less than one call may be,
    so that a stream never fills the queue of its model by itself.

    Args:
        limits: of one call.
        size_of: tells a request's size.
    """

    def __init__(self, limits: Limits, size_of: SizeOf[Q]) -> None:
        self._limits = limits
        self._size_of = size_of
        self._sizes: deque[tuple[int, int]] = deque()
        self._items = self._bytes = 0

    @property
    def has_room(self) -> bool:
        """Whether another request may be read."""
        fits = self._items < self._limits.max_items and self._bytes < self._limits.max_message_bytes
        return fits and len(self._sizes) < MAX_IN_FLIGHT

    def add(self, request: Q) -> None:
        """Counts a request that begins to run."""
        items, size_bytes = self._size_of(request)
        self._sizes.append((items, size_bytes))
        self._items, self._bytes = self._items + items, self._bytes + size_bytes

    def remove_first(self) -> None:
        """Lets the first of them go, whose answer was taken."""
        items, size_bytes = self._sizes.popleft()
        self._items, self._bytes = self._items - items, self._bytes - size_bytes


async def in_order(
    requests: AsyncIterator[Q], answer: Callable[[Q], Awaitable[A]], window: Window[Q]
) -> AsyncIterator[A]:
    """Answers each request and yields the answers in order; when the caller leaves, what runs is cancelled."""
    running: deque[asyncio.Task[A]] = deque()
    reading: asyncio.Task[Q] | None = None
    try:
        more = True
        while more or running:
            if more and reading is None and window.has_room:
                reading = asyncio.ensure_future(anext(requests))
            waiting = [task for task in (reading, running[0] if running else None) if task is not None]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if reading is not None and reading.done():
                try:
                    request = reading.result()
                    window.add(request)
                    running.append(asyncio.ensure_future(answer(request)))
                except StopAsyncIteration:
                    more = False
                reading = None
            while running and running[0].done():
                yield running[0].result()
                running.popleft()
                window.remove_first()
    finally:
        for task in (*running, *([reading] if reading is not None else [])):
            task.cancel()


class Envelope(Protocol[B_co]):
    """A request of a stream: what a unary call would carry, and an id that names it."""

    @property
    def id(self) -> str:
        """Given back with the answer."""

    @property
    def request(self) -> B_co:
        """What to run; a message of the public protocol."""


async def answer_each(
    requests: AsyncIterator[E], run: Callable[[Any], Awaitable[Any]], response: Callable[..., A], window: Window[E]
) -> AsyncIterator[A]:
    """Answers each request of a stream under its id; an error is told inside the stream, which goes on.

    Args:
        requests: of the stream, up to its end.
        run: answers one request.
        response: makes a message of `id`, and of `response` or `error`.
        window: of the stream.
    """

    async def answer(envelope: E) -> A:
        try:
            check_length(envelope.id, "id")
            check_lengths(envelope.request)
            return response(id=envelope.id, response=await run(envelope.request))
        except Exception as error:
            return response(id=envelope.id[:MAX_NAME_CHARACTERS], error=stream_error(error))

    async for each in in_order(requests, answer, window):
        yield each


def stream_error(error: Exception) -> StreamError:
    """An error as it is told inside a stream; an unexpected one is logged and told without its text."""
    if not isinstance(error, PanopeError):
        _log.error("unexpected_error", exc_info=error)
        error = InternalError("internal error; the server's log has it")
    code = rpc_code_number(error)
    return StreamError(code=code, message=message_of(error), reason=error.reason, field=field_of(error))
