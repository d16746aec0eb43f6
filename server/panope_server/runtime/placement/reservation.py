"""Memory that one load has, or waits for, and what the budget asks of those who have some."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol, TypeAlias

from panope_backends.errors import CapacityError


class Tenant(Protocol):
    """What holds memory: a model that is loaded."""

    @property
    def may_be_evicted(self) -> bool:
        """Whether it serves, answers nobody now, and is not to be kept."""

    @property
    def is_pinned(self) -> bool:
        """Whether it is to be kept, so that waiting for it is of no use."""

    @property
    def last_used(self) -> float:
        """When it was used last, on `time.monotonic`'s clock."""

    @property
    def occupation(self) -> str:
        """Why it cannot go now, for people; empty for no reason."""

    @property
    def guests(self) -> Sequence[str]:
        """The keys of what runs in its processes, and so ends with it."""

    def evict(self, reason: str) -> None:
        """Begins to end, at once and without waiting; its reservation is released when its memory is free."""


class Budget(Protocol):
    """Where memory is reserved."""

    def settle(self) -> None:
        """Something has changed."""

    def release(self, reservation: Reservation) -> None:
        """Takes memory back; nothing happens when it was given back already."""


class Reservation:
    """Memory that one load has, or waits for. Whoever has it releases it, once or more often.

    Attributes:
        model: the key of what is loaded.
        place: where the memory is.
        device: the device there that the load is for, by its backend's name.
        size_bytes: as estimated, then as measured.
        least_bytes: of it, whatever is measured, such as a cache that fills up later.
        host: the key of the model in whose process it is; empty for a process of its own.
        is_leaving: whether what has it has begun to end.
        is_loading: whether the system does not see yet what it takes.
    """

    def __init__(
        self,
        budget: Budget,
        model: str,
        place: str,
        size_bytes: int,
        least_bytes: int,
        host: str = "",
        device: str = "",
    ) -> None:
        self._budget = budget
        self.model = model
        self.place = place
        self.device = device
        self.size_bytes = size_bytes
        self.least_bytes = least_bytes
        self.host = host
        self.is_leaving = False
        self.is_loading = True
        self.is_granted = False
        self.refusal: CapacityError | None = None
        self._decided = asyncio.Event()

    @property
    def parts(self) -> Sequence[Reservation]:
        """Itself, as the only one."""
        return (self,)

    async def granted(self) -> None:
        """Returns when the memory is free; CapacityError when it is not to be had any more."""
        await self._decided.wait()
        if self.refusal is not None:
            raise self.refusal

    def loaded(self) -> None:
        """The model has loaded: the system sees what it takes."""
        self.is_loading = False

    def leaving(self) -> None:
        """What has it begins to end."""
        self.is_leaving = True
        self._budget.settle()

    def measured(self, size_bytes: int) -> None:
        """Takes over what the model takes in fact; another model may have to end for it."""
        size_bytes = max(size_bytes, self.least_bytes)
        if size_bytes != self.size_bytes:
            self.size_bytes = size_bytes
            self._budget.settle()

    def release(self) -> None:
        """Gives the memory back."""
        self._budget.release(self)

    def decide(self, refusal: CapacityError | None = None) -> None:
        """Tells whoever waits."""
        self.is_granted = refusal is None
        self.refusal = refusal
        self._decided.set()


class SpreadReservation:
    """Memory on several devices, of a load whose instances are spread over them.

    Args:
        parts: one for each device, at least two.
    """

    def __init__(self, parts: Sequence[Reservation]) -> None:
        self.parts = tuple(parts)

    @property
    def size_bytes(self) -> int:
        """On all devices together."""
        return sum(part.size_bytes for part in self.parts)

    @property
    def is_granted(self) -> bool:
        """Whether it has its memory on every device."""
        return all(part.is_granted for part in self.parts)

    async def granted(self) -> None:
        """Returns when the memory is free everywhere; CapacityError when it is not to be had any more somewhere."""
        for part in self.parts:
            await part.granted()

    def loaded(self) -> None:
        """The model has loaded."""
        for part in self.parts:
            part.loaded()

    def leaving(self) -> None:
        """What has it begins to end."""
        for part in self.parts:
            part.leaving()

    def release(self) -> None:
        """Gives the memory back."""
        for part in self.parts:
            part.release()


Reserved: TypeAlias = Reservation | SpreadReservation
"""Memory that one load has, or waits for."""
