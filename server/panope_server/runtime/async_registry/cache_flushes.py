"""Flushes of the response cache reach all servers of a database, each of which asks once a second."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from panope_backends.errors import PanopeError
from panope_server.runtime.async_registry.threads import call_registry
from panope_server.runtime.safe_callbacks import contained_turn

_log = structlog.get_logger("panope.cache")

ASK_SECONDS = 1.0


class FlushCounter(Protocol):
    """The registry's number that each flush raises."""

    def count(self) -> int:
        """The number now; blocks."""

    def record(self) -> int:
        """Raises the number; what it is then. Blocks."""


class SharedFlushes:
    """Forgets what this server keeps when any server is told to, and tells the others what it is told.

    Args:
        counter: of flushes.
        forget: forgets what this server keeps, and what the shared store has; how many there were.
    """

    def __init__(self, counter: FlushCounter, forget: Callable[[], Awaitable[int]]) -> None:
        self._counter = counter
        self._forget = forget
        self._seen: int | None = None
        self._following: asyncio.Task[None] | None = None
        self._is_away = False

    async def start(self) -> None:
        """Begins to follow; what was flushed before this server had anything is none of its business.

        Raises:
            AvailabilityError: the database does not answer.
        """
        self._seen = await call_registry(self._counter.count)
        self._following = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Ends following."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait([self._following])

    async def flush(self) -> int:
        """Forgets every answer here, and has the other servers do so within about two seconds.

        Returns:
            How many this server's memory held.

        Raises:
            AvailabilityError: the shared store still has some, or the others could not be told.
        """
        try:
            count = await self._forget()
        finally:  # a store that does not answer is emptied by whoever reaches it
            number = await call_registry(self._counter.record)
        if self._seen is not None and number == self._seen + 1:
            self._seen = number
        return count

    async def look(self) -> None:
        """Forgets what is kept if any server was told to since this was asked last."""
        number = await call_registry(self._counter.count)
        if number == self._seen:
            return
        # Also in the shared store: this server may have put there what was asked before, after the other emptied it.
        await self._forget()
        self._seen = number
        _log.info("response_cache_flushed", by="another server")

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(ASK_SECONDS)
            await contained_turn(self._look_or_say)

    async def _look_or_say(self) -> None:
        try:
            await self.look()
        except PanopeError as error:
            if not self._is_away:
                _log.warning("response_cache_flushes_unknown", reason=error.reason)
            self._is_away = True
        else:
            self._is_away = False
