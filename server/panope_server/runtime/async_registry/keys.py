"""API keys, as the server's event loop asks for them; and what keeps its copy of them true."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

import structlog

from panope_backends.errors import PanopeError
from panope_registry.access.key_types import StoredKey
from panope_registry.access.keys import ApiKeys
from panope_server.access.key_cache import REFRESH_SECONDS, USES_SECONDS, KeyCache
from panope_server.runtime.async_registry.threads import call_access
from panope_server.runtime.safe_callbacks import contained_turn

_log = structlog.get_logger("panope.access")


class AsyncKeys:
    """Keys without blocking: every question to the database runs in a thread."""

    def __init__(self, keys: ApiKeys) -> None:
        self._keys = keys

    async def change_token(self) -> int:
        """A number that every change of keys raises."""
        return await call_access(self._keys.change_token)

    async def find(self, key_ids: Collection[str]) -> tuple[int, Mapping[str, StoredKey]]:
        """The keys of some ids, and the change token of that moment."""
        return await call_access(self._keys.find, key_ids)

    async def live_ids(self, limit: int) -> Collection[str]:
        """The ids of keys that have not ended, of the newest first, so many at most."""
        return await call_access(self._keys.live_ids, limit)

    async def record_use(self, key_ids: Collection[str]) -> None:
        """Records that keys were used."""
        await call_access(self._keys.record_use, key_ids)


class KeyFollower:
    """Keeps a cache of keys true for as long as the server runs."""

    def __init__(self, cache: KeyCache) -> None:
        self._cache = cache
        self._tasks: list[asyncio.Task[None]] = []
        self._is_away = False

    async def start(self) -> None:
        """Begins to follow the registry; AvailabilityError when it does not answer now."""
        await self._cache.refresh()
        self._tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._record_uses())]

    async def stop(self) -> None:
        """Ends following, and records the last uses if the database answers at once."""
        for task in self._tasks:
            task.cancel()
        await self._record()

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            await contained_turn(self._refresh)

    async def _refresh(self) -> None:
        try:
            await self._cache.refresh()
        except PanopeError as error:
            if not self._is_away:
                _log.warning("keys_unreachable", reason=error.reason)
            self._is_away = True
            return
        self._is_away = False

    async def _record_uses(self) -> None:
        while True:
            await asyncio.sleep(USES_SECONDS)
            await contained_turn(self._record)

    async def _record(self) -> None:
        try:
            async with asyncio.timeout(2.0):
                await self._cache.record_uses()
        except (PanopeError, TimeoutError):  # when a key was last used is told to the minute, and may be told later
            _log.debug("key_uses_not_recorded")
