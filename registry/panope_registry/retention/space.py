"""Sees to it that what is to come fits: on the disk, and within what the store may take; evicts for it where it may.

take the room's lock        one looks at a time, over all processes
add up                      what the store takes, what is reserved to others, what is needed
refuse, or make room        refused is before anything is evicted
promise
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from panope_backends.errors import CapacityError
from panope_registry.download.types import ExpectedBlob
from panope_registry.retention.reservations import Needs, Reservation, reserved
from panope_registry.retention.retention import RetentionManager
from panope_registry.store.files import disk_errors
from panope_registry.store.sizes import size_text
from panope_registry.store.store import Store


class StoreSpace:
    """Room in one store, reserved to one after another. Safe for use by several threads and processes."""

    def __init__(self, retention: RetentionManager, store: Store) -> None:
        self._retention = retention
        self._store = store

    def promise(self, wanted: Sequence[ExpectedBlob]) -> AbstractContextManager[Reservation]:
        """While it lasts, there is room for what has not arrived of these downloads.

        Raises:
            CapacityError: there is not, and evicting all that may go would not make it (`store_full`, `disk_full`);
                nothing was evicted.
        """
        return self._promise(Needs({file.key: file.size_bytes for file in wanted}), "the download", ())

    def reserve_bytes(
        self, size_bytes: int, *, what: str, keep: Collection[str] = ()
    ) -> AbstractContextManager[Reservation]:
        """While it lasts, there is room for so many bytes, less those of which the promise is told that they are here.

        Args:
            size_bytes: that are to be copied into the store.
            what: needs them, for the message, such as `the import`.
            keep: digests of variants that are not evicted for it.

        Raises:
            CapacityError: as `promise`.
        """
        return self._promise(Needs(size_bytes=size_bytes), what, keep)

    @contextmanager
    def _promise(self, needs: Needs, what: str, keep: Collection[str]) -> Iterator[Reservation]:
        with self._store.space_lock(), disk_errors(what):
            needed = needs.missing_bytes(self._store)
            if needed:
                self._make(needed, (reserved(self._store) | needs).missing_bytes(self._store), what, keep)
            promise = Reservation(self._store, needs)
        try:
            yield promise
        finally:
            promise.end()

    def _make(self, needed: int, with_others: int, what: str, keep: Collection[str]) -> None:
        planned = self._retention.evict(with_others, keep=keep, dry_run=True)
        if planned.short_bytes == 0 and planned.removed:
            planned = self._retention.evict(with_others, keep=keep)  # what was taken into use meanwhile stays
        if planned.short_bytes:
            raise self._refusal(needed, planned.short_bytes, what)

    def _refusal(self, needed: int, short: int, what: str) -> CapacityError:
        fits = size_text(max(0, needed - short))
        quota = self._retention.quota
        taken = self._retention.disk_usage()
        left_on_disk = taken.free_bytes - quota.free_floor_bytes
        if quota.max_bytes is not None and quota.max_bytes - taken.total_bytes < left_on_disk:
            return CapacityError(
                f"{what} needs {size_text(needed)}, and {fits} can be made free of the {size_text(quota.max_bytes)} "
                "that the store may take",
                reason="store_full",
            )
        return CapacityError(
            f"{what} needs {size_text(needed)}, and {fits} can be made free on the store's disk, of which "
            f"{size_text(quota.free_floor_bytes)} stay free",
            reason="disk_full",
        )
