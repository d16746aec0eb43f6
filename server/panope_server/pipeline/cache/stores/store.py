"""What the cache asks of a place where answers are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class Store(Protocol):
    """Keeps values by keys of 32 bytes, each for a time; it may lose any at any moment, and never changes one."""

    async def get(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        """The values of keys, in their order; None for what is not kept."""

    async def put(self, values: Mapping[bytes, bytes]) -> None:
        """Keeps values, in place of those of the same keys; one that is too large is not kept."""

    async def clear(self) -> int:
        """Forgets every value, also those on their way; how many it had in this process.

        Raises:
            AvailabilityError: it may still have some.
        """

    async def close(self) -> None:
        """Gives back what it holds."""
