"""Frees space: variants that nobody uses lose their weights, the least recently used first."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from panope_backends.errors import NotFoundError, PreconditionError
from panope_registry.retention.disk_usage import DiskUsage
from panope_registry.retention.inventory import Inventory, InventoryBlob, InventoryVariant, read_inventory
from panope_registry.retention.removal import removal_transaction
from panope_registry.retention.types import EvictionResult, Quota, Recovery, RemovalKind
from panope_registry.store.store import Store
from panope_registry.tables.database import Database


@dataclass(frozen=True)
class SpaceToFree:
    """The bytes that an eviction has to free.

    Attributes:
        must: the least, without which what is needed does not fit; 0 when it fits.
        should: the goal, which is more, so that not every download evicts.
    """

    must: int
    should: int


def space_to_free(quota: Quota, usage: DiskUsage, needed_bytes: int) -> SpaceToFree:
    """Returns how much has to go so that `needed_bytes` more fit."""
    must = should = max(0, quota.free_floor_bytes + needed_bytes - usage.free_bytes)
    if quota.max_bytes is not None and usage.total_bytes + needed_bytes > quota.max_bytes:
        must = max(must, usage.total_bytes + needed_bytes - quota.max_bytes)
        should = max(should, usage.total_bytes + needed_bytes - int(quota.max_bytes * quota.low_water))
    return SpaceToFree(must, should)


def evict_for(
    database: Database,
    store: Store,
    goal_bytes: int,
    moment: datetime,
    *,
    keep: Collection[str] = (),
    dry_run: bool,
) -> EvictionResult:
    """Evicts until `goal_bytes` are free or nothing more may go; variants whose digests are in `keep` stay."""
    if goal_bytes <= 0:
        return EvictionResult((), (), 0)
    with removal_transaction(database, store, dry_run=dry_run) as transaction:
        inventory = read_inventory(transaction.connection, store.id, moment)
        eviction = _Eviction(inventory, transaction.held)
        for known in eviction.candidates():
            if eviction.freed_bytes >= goal_bytes:
                break
            if known.digest not in keep:
                eviction.evict(known)
        transaction.remove_blobs(RemovalKind.EVICTED, eviction.freed)
        transaction.remove_checkouts(eviction.evicted)
    return EvictionResult(eviction.evicted, transaction.removed, max(0, goal_bytes - eviction.freed_bytes))


def reclaimable_bytes(inventory: Inventory) -> int:
    """Counts the bytes that would go if as much space as possible were needed."""
    eviction = _Eviction(inventory, frozenset())
    for known in eviction.candidates():
        eviction.evict(known)
    return eviction.freed_bytes + sum(inventory.blobs[sha256].size_bytes for sha256 in inventory.unused)


def evict_named(
    database: Database, store: Store, digests: Collection[str], moment: datetime, *, dry_run: bool
) -> EvictionResult:
    """Evicts these variants, whether their files are anywhere else or not.

    Raises:
        NotFoundError: there is no such variant.
        PreconditionError: one is leased, pinned, loaded or in the hands of a job; nothing was evicted.
    """
    with removal_transaction(database, store, dry_run=dry_run) as transaction:
        inventory = read_inventory(transaction.connection, store.id, moment)
        eviction = _Eviction(inventory, transaction.held)
        for digest in digests:
            known = inventory.variants.get(digest)
            if known is None:
                raise NotFoundError("there is no such variant", reason="variant_not_found")
            if known.kept_by:
                raise PreconditionError(f"the variant is in use: {' and '.join(known.kept_by)}", reason="in_use")
            eviction.evict(known)
        transaction.remove_blobs(RemovalKind.EVICTED, eviction.freed)
        transaction.remove_checkouts(eviction.evicted)
    return EvictionResult(eviction.evicted, transaction.removed, 0)


class _Eviction:
    """Finds the blobs that go when variants go: those that no other variant needs.

    Attributes:
        freed: sha256 -> size.
    """

    def __init__(self, inventory: Inventory, held: frozenset[str]) -> None:
        self._inventory = inventory
        self._held = held
        self._users: dict[str, set[str]] = {}
        self.freed: dict[str, int] = {}
        for digest, known in inventory.variants.items():
            if inventory.needs(known):
                for sha256 in known.blobs:
                    self._users.setdefault(sha256, set()).add(digest)

    @property
    def freed_bytes(self) -> int:
        return sum(self.freed.values())

    @property
    def evicted(self) -> tuple[str, ...]:
        """The variants that lose files: their claim was taken away, or they shared files and had none."""
        known = self._inventory.variants
        return tuple(digest for digest in known if not known[digest].blobs.isdisjoint(self.freed))

    def candidates(self) -> list[InventoryVariant]:
        """Lists the variants that may go unasked, by how they would come back, then by last use."""
        ranked = []
        for known in self._inventory.variants.values():
            blobs = self._removable(known)
            if known.kept_by or not blobs:
                continue
            recovery = recovery_of(self._inventory, known, blobs)
            if recovery is not Recovery.NONE:
                ranked.append((_ORDER.index(recovery), last_use_of(blobs), known.digest, known))
        return [known for *_, known in sorted(ranked, key=lambda entry: entry[:3])]

    def evict(self, known: InventoryVariant) -> None:
        """Takes a variant's claim away, and the blobs that nobody claims then."""
        for blob in self._removable(known):
            users = self._users.setdefault(blob.sha256, set())
            users.discard(known.digest)
            if not users:
                self.freed[blob.sha256] = blob.size_bytes

    def _removable(self, known: InventoryVariant) -> list[InventoryBlob]:
        kept = self._held | self._inventory.kept_blobs
        return [blob for blob in self._inventory.here(known) if not blob.is_listed and blob.sha256 not in kept]


_ORDER = tuple(Recovery)


def recovery_of(inventory: Inventory, known: InventoryVariant, blobs: Iterable[InventoryBlob]) -> Recovery:
    """Returns how these blobs of a variant come back, which is whole only when each does."""
    hardest = max((blob.recovery for blob in blobs), key=_ORDER.index, default=Recovery.DOWNLOAD)
    return Recovery.BUILD if hardest is Recovery.NONE and inventory.can_be_made_again(known) else hardest


def last_use_of(blobs: Iterable[InventoryBlob]) -> datetime:
    """Returns when all of them were last used together; a blob that another variant shares may have been used since."""
    return min(blob.last_used_at for blob in blobs)
