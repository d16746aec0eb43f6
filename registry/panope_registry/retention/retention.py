"""The retention of one store, as the server, the jobs and the command line use it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from panope_registry.names import MAX_REASON_LENGTH, checked_text
from panope_registry.retention import eviction, gc, leases, scrub
from panope_registry.retention.disk_usage import DiskUsage, measure
from panope_registry.retention.inventory import read_inventory
from panope_registry.retention.reservations import reserved
from panope_registry.retention.scrub import Progress, ScrubResult
from panope_registry.retention.types import (
    Ages,
    CollectionResult,
    EvictionResult,
    Lease,
    Quota,
    RemovalResult,
    Usage,
    VerificationResult,
)
from panope_registry.retention.usage import usage_of
from panope_registry.store.files import OnBytes
from panope_registry.store.store import Store
from panope_registry.tables.columns import now
from panope_registry.tables.database import Database

USE_RESOLUTION = timedelta(minutes=1)
"""The precision of the times at which variants were last used."""


class RetentionManager:
    """Decides what stays in one store and what may go. Safe for use by several threads and processes.

    Files that a leased, pinned or loaded variant needs, or one that an open job names, are never removed. Other
    machines have stores of their own; leases and pins hold in all of them.
    """

    def __init__(
        self,
        database: Database,
        store: Store,
        *,
        quota: Quota | None = None,
        ages: Ages | None = None,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._database = database
        self._store = store
        self.quota = quota or Quota()
        self._ages = ages or Ages()
        self._clock = clock
        self._uses = _Uses()

    def lease(self, variant_digest: str, owner: str, seconds: float) -> Lease:
        """Takes the right to use a variant's files for a while; to be taken before they are opened.

        Args:
            variant_digest: of a variant whose files are here.
            owner: that uses them, such as a server's id; several leases of one owner are several.
            seconds: for how long; renew it every third of that.

        Raises:
            NotFoundError: there is no such variant.
            PreconditionError: not all its files are here (`not_downloaded`).
        """
        moment = self._clock()
        until = moment + timedelta(seconds=seconds)
        with leases.retention_write(self._database) as connection:
            taken = leases.take_lease(connection, variant_digest, owner, moment, until, self._store.id)
        self.touch(variant_digest)
        return taken

    def renew(self, lease: Lease, seconds: float) -> Lease:
        """Moves a lease's end to `seconds` from now.

        Raises:
            PreconditionError: it is over (`lease_lost`): take a new one, and open the files anew.
        """
        with leases.retention_write(self._database) as connection:
            moment = self._clock()
            return leases.renew_lease(connection, lease, moment, moment + timedelta(seconds=seconds))

    def release(self, lease: Lease) -> None:
        """Gives a lease back; nothing happens when it is over."""
        with leases.retention_write(self._database) as connection:
            leases.end_lease(connection, lease)

    def pin(self, variant_digest: str, *, principal: str, reason: str = "") -> None:
        """Keeps a variant's files until it is unpinned; of one that is not here, from when they come.

        Raises:
            NotFoundError: there is no such variant.
            InvalidInputError: the reason is too long.
        """
        checked_text(principal, "principal")
        checked_text(reason, "reason", MAX_REASON_LENGTH)
        with self._database.change() as connection:
            leases.put_pin(connection, variant_digest, principal, reason, self._clock())

    def unpin(self, variant_digest: str) -> None:
        """Lets a pinned variant's files go again when space is needed; nothing happens when it is not pinned.

        Raises:
            NotFoundError: there is no such variant.
        """
        with self._database.change() as connection:
            leases.take_pin(connection, variant_digest)

    def touch(self, variant_digest: str) -> None:
        """Records that a variant is used now; cheap to call often, because it is written at most once a minute.

        Raises:
            NotFoundError: there is no such variant.
        """
        moment = self._clock()
        if self._uses.is_news(variant_digest, moment):
            with leases.retention_write(self._database) as connection:
                leases.record_use(connection, variant_digest, self._store.id, moment, USE_RESOLUTION)

    def usage(self) -> Usage:
        """Returns what the store takes on disk, and each variant's part in it."""
        on_disk = measure(self._store)
        with self._store.space_lock():
            needs = reserved(self._store)
        with self._database.read() as connection:
            inventory = read_inventory(connection, self._store.id, self._clock())
        return usage_of(on_disk, inventory, self.quota, needs.missing_bytes(self._store))

    def disk_usage(self) -> DiskUsage:
        """Measures the store's folder, whatever the database says."""
        return measure(self._store)

    def collect(self, *, dry_run: bool = False) -> CollectionResult:
        """Removes what nothing needs, records what is here without a record, forgets what is gone.

        Args:
            dry_run: tell what would be done, and do nothing.
        """
        return gc.collect(self._database, self._store, self._ages, self._clock(), dry_run=dry_run)

    def evict(
        self,
        needed_bytes: int = 0,
        *,
        variants: Collection[str] = (),
        keep: Collection[str] = (),
        dry_run: bool = False,
    ) -> EvictionResult:
        """Frees space for `needed_bytes` more within the quota.

        First goes what nothing needs; then variants that can be downloaded again, the least recently used first; then
        those of which another store has a copy; then those that were made here and can be made again. What was
        imported here and is nowhere else goes only when it is named. A variant loses its weights and stays
        registered; its small files stay as long as its repo.

        Args:
            needed_bytes: how much is to come.
            variants: digests of variants that are to go whether space is needed or not; others stay then.
            keep: digests of variants that stay.
            dry_run: tell what would be done, and do nothing.

        Raises:
            NotFoundError: a named variant does not exist.
            PreconditionError: a named variant is in use (`in_use`); nothing was evicted.
        """
        if variants:
            return eviction.evict_named(self._database, self._store, variants, self._clock(), dry_run=dry_run)
        taken = measure(self._store)
        space = eviction.space_to_free(self.quota, taken, needed_bytes)
        if space.should == 0:
            return EvictionResult((), (), 0)
        collected = self.collect(dry_run=dry_run)
        gone = collected.freed_bytes + taken.trash_bytes if dry_run else 0
        if not dry_run:
            space = eviction.space_to_free(self.quota, measure(self._store), needed_bytes)
        goal = space.should - gone
        evicted = eviction.evict_for(self._database, self._store, goal, self._clock(), keep=keep, dry_run=dry_run)
        short = max(0, space.must - gone - evicted.freed_bytes)
        return EvictionResult(evicted.variants, collected.removed + evicted.removed, short)

    def remove_model(self, name: str) -> RemovalResult:
        """Deletes a model, and the files that nothing else needs.

        Raises:
            NotFoundError: there is no such model.
            PreconditionError: it is loaded on any server, a variant that would go with it is leased, pinned or named
                by an open job (`in_use`), or an alias points to it (`has_aliases`); nothing was changed.
        """
        return gc.remove_model(self._database, self._store, name, self._clock())

    def verify(self, *, oldest: int | None = None, progress: Progress | None = None) -> VerificationResult:
        """Hashes files again; damaged ones are put into quarantine and count as not here.

        Args:
            oldest: how many, those first that were not hashed for longest; all when None.
            progress: called with the bytes done and the bytes in all, after each file.
        """
        return scrub.verify(self._database, self._store, oldest=oldest, progress=progress, clock=self._clock)

    def scrub(self, max_age: timedelta, on_bytes: OnBytes) -> ScrubResult | None:
        """Hashes the one blob again that was not hashed for longest; a damaged one is put into quarantine.

        Args:
            max_age: blobs that were hashed since are left alone.
            on_bytes: called with the bytes just read; it may wait, or end the scrub by raising.

        Returns:
            What was found; None when there is nothing to do.
        """
        before = self._clock() - max_age
        return scrub.check_next(self._database, self._store, before, on_bytes, self._clock)


class _Uses:
    """Remembers when this process last recorded a use, so that most uses ask nothing of the database."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[str, datetime] = {}

    def is_news(self, digest: str, moment: datetime) -> bool:
        with self._lock:
            last = self._last.get(digest)
            if last is not None and moment - last < USE_RESOLUTION:
                return False
            self._last[digest] = moment
            return True
