"""Makes sure that what is to come fits on the disk and in the store's quota; evicts for it where that is allowed.

take the space lock         one process looks at a time
add up                      what the store takes, what others have reserved, what is needed
refuse, or free space       a request is refused before anything is evicted
reserve
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from panope_backends.errors import CapacityError
from panope_registry.download.types import ExpectedBlob
from panope_registry.retention.reservations import Reservation, SpaceNeeds, reserved
from panope_registry.retention.retention import RetentionManager
from panope_registry.store.files import disk_errors
from panope_registry.store.sizes import size_text
from panope_registry.store.store import Store


class StoreSpace:
    """Space in one store, reserved for one caller after another. Safe for use by several threads and processes."""

    def __init__(self, retention: RetentionManager, store: Store) -> None:
        self._retention = retention
        self._store = store

    def reserve(self, wanted: Sequence[ExpectedBlob]) -> AbstractContextManager[Reservation]:
        """Reserves space, while the context lasts, for what has not arrived of these downloads.

        Raises:
            CapacityError: there is too little, and evicting all that may go would not free enough (`store_full`,
                `disk_full`); nothing was evicted.
        """
        return self._reserve(SpaceNeeds({file.key: file.size_bytes for file in wanted}), "the download", ())

    def reserve_bytes(
        self, size_bytes: int, *, what: str, keep: Collection[str] = ()
    ) -> AbstractContextManager[Reservation]:
        """Reserves space, while the context lasts, for so many bytes, less those that the reservation has released.

        Args:
            size_bytes: how much is to be copied into the store.
            what: the work that needs them, for the message, such as `the import`.
            keep: digests of variants that are not evicted for it.

        Raises:
            CapacityError: as `reserve`.
        """
        return self._reserve(SpaceNeeds(size_bytes=size_bytes), what, keep)

    @contextmanager
    def _reserve(self, needs: SpaceNeeds, what: str, keep: Collection[str]) -> Iterator[Reservation]:
        with self._store.space_lock(), disk_errors(what):
            needed = needs.missing_bytes(self._store)
            if needed:
                self._free(needed, (reserved(self._store) | needs).missing_bytes(self._store), what, keep)
            reservation = Reservation(self._store, needs)
        try:
            yield reservation
        finally:
            reservation.end()

    def _free(self, needed: int, with_others: int, what: str, keep: Collection[str]) -> None:
        planned = self._retention.evict(with_others, keep=keep, dry_run=True)
        if planned.short_bytes == 0 and planned.removed:
            planned = self._retention.evict(with_others, keep=keep)  # what was taken into use meanwhile stays
        if planned.short_bytes:
            raise self._refusal(needed, planned.short_bytes, what)

    def _refusal(self, needed: int, short: int, what: str) -> CapacityError:
        fits = size_text(max(0, needed - short))
        quota = self._retention.quota
        usage = self._retention.disk_usage()
        left_on_disk = usage.free_bytes - quota.free_floor_bytes
        if quota.max_bytes is not None and quota.max_bytes - usage.total_bytes < left_on_disk:
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
