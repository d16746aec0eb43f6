"""Two stores as one: what the near one has not is looked for in the far one, and is near from then on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from panope_server.pipeline.cache.stores.store import Store


class TieredStore:
    """A Store of two.

    Args:
        near: quick, and this process's own.
        far: shared with others.
    """

    def __init__(self, near: Store, far: Store) -> None:
        self._near = near
        self._far = far
        self._clearings = 0

    async def get(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        """The values of keys."""
        values = list(await self._near.get(keys))
        missing = [index for index, value in enumerate(values) if value is None]
        if not missing:
            return values
        clearings = self._clearings
        found = await self._far.get([keys[index] for index in missing])
        fetched = {}
        for index, value in zip(missing, found, strict=True):
            if value is not None:
                values[index] = fetched[keys[index]] = value
        if fetched and clearings == self._clearings:
            await self._near.put(fetched)
        return values

    async def put(self, values: Mapping[bytes, bytes]) -> None:
        """Keeps values in both."""
        await self._near.put(values)
        await self._far.put(values)

    async def clear(self) -> int:
        """Clears both."""
        self._clearings += 1
        try:
            await self._far.clear()
        finally:
            count = await self._near.clear()
        return count

    async def close(self) -> None:
        """Closes both."""
        await self._near.close()
        await self._far.close()
