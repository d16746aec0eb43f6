"""The calls that run, so that a server that stops knows when the last of them has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

T = TypeVar("T")


class RunningCalls:
    """Counts calls from their handler's beginning, when the request is here as a whole, to its end: `with calls: …`.

    Attributes:
        count: of those that run now.
    """

    def __init__(self) -> None:
        self.count = 0
        self._begun = asyncio.Event()
        self._none = asyncio.Event()
        self._none.set()
        self._ending = asyncio.Event()

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

    @property
    def streams_end(self) -> bool:
        """Whether streams that would go on for as long as their callers like have been told to end."""
        return self._ending.is_set()

    def end_streams(self) -> None:
        """Tells them to."""
        self._ending.set()

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
