"""The calls that run, so that a server that stops knows when the last of them has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

from panope_backends.errors import ShuttingDownError

T = TypeVar("T")


def refusal() -> ShuttingDownError:
    """What the callers hear whose calls take longer than the server waits."""
    told = "the server is stopping, and this call took longer than it waits; try it again"
    return ShuttingDownError(told, retry_after_seconds=1.0)


class RunningCalls:
    """Counts calls from their handler's beginning, when the request is here as a whole, to its end: `with calls: …`.

    A call whose task is cancelled while gRPC sends for it ends without a status, and its caller waits for ever. So a
    call says when it only waits for its answer, or for more of it, and is cancelled at no other time.

    Attributes:
        count: of those that run now.
        are_refused: whether those that run were told to end, because the server does.
    """

    def __init__(self) -> None:
        self.count = 0
        self._begun = asyncio.Event()
        self._none = asyncio.Event()
        self._none.set()
        self._ending = asyncio.Event()
        self._waiting: set[asyncio.Task[object]] = set()
        self.are_refused = False

    def __enter__(self) -> None:
        """A call begins."""
        self.count += 1
        self._none.clear()
        self._begun.set()

    def __exit__(self, *_: object) -> None:
        """A call ends."""
        self.count -= 1
        if not self.count:
            self._none.set()

    def begin_wait(self, task: asyncio.Task[object]) -> None:
        """From here on a call sends nothing: `task`, which answers it, may be cancelled.

        Raises:
            ShuttingDownError: it was told to end while it sent.
        """
        if self.are_refused:
            raise refusal()
        self._waiting.add(task)

    def end_wait(self, task: asyncio.Task[object]) -> None:
        """There is something to send, or the call has ended."""
        self._waiting.discard(task)

    @property
    def streams_end(self) -> bool:
        """Whether streams that would go on for as long as their callers like have been told to end."""
        return self._ending.is_set()

    def end_streams(self) -> None:
        """Tells them to."""
        self._ending.set()

    def refuse_rest(self) -> None:
        """Has every call that runs end, so that its caller hears why, and not the end of a connection alone.

        Those that wait are cancelled; those that send end when they would wait for more.
        """
        self.are_refused = True
        for task in self._waiting:
            task.cancel()

    async def until_streams_end(self) -> None:
        """Returns when they are told to end."""
        await self._ending.wait()

    async def quiet(self, seconds: float) -> None:
        """Returns when no call has run for so long."""
        while True:
            await self._none.wait()
            self._begun.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._begun.wait()
            except TimeoutError:
                return

    async def requests_of(self, requests: AsyncIterator[T]) -> AsyncIterator[T]:
        """The requests of a stream, up to its end or to that of streams."""
        ending = asyncio.ensure_future(self._ending.wait())
        reading: asyncio.Future[T] | None = None
        try:
            while True:
                reading = asyncio.ensure_future(anext(requests))
                await asyncio.wait((reading, ending), return_when=asyncio.FIRST_COMPLETED)
                if not reading.done():
                    return
                try:
                    request = reading.result()
                except StopAsyncIteration:
                    return
                yield request
        finally:
            ending.cancel()
            if reading is not None:
                reading.cancel()
