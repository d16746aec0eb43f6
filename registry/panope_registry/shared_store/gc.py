"""The retention of the shared store: removes what nothing needs, and finds what is missing or cut short there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select

from panope_registry.retention.inventory import find_named, find_referenced
from panope_registry.shared_store.remote import RemoteBlob, RemoteStore
from panope_registry.tables.columns import now
from panope_registry.tables.database import Database
from panope_registry.tables.model_tables import blob, blob_location

GRACE = timedelta(days=1)
"""The time that what nothing needs stays: its uploader may be about to record what needs it."""


@dataclass(frozen=True)
class RemoteCollectionResult:
    """The result of a collection, or of its dry run.

    Attributes:
        removed: what nothing needed.
        missing: sha256s that were recorded as there and are not; whoever has them uploads them again.
    """

    removed: tuple[RemoteBlob, ...]
    missing: tuple[str, ...]

    @property
    def freed_bytes(self) -> int:
        """The size of all that was removed."""
        return sum(removed.size_bytes for removed in self.removed)


@dataclass(frozen=True)
class RemoteVerificationResult:
    """The result of comparing the shared store with what is recorded; no file is read.

    Attributes:
        checked: how many files were looked for.
        damaged: sha256s of those of another size, which were removed; whoever has them uploads them again.
        missing: sha256s of those that are not there; likewise.
    """

    checked: int
    checked_bytes: int
    damaged: tuple[str, ...]
    missing: tuple[str, ...]


class RemoteRetention:
    """Decides what stays in the shared store of all machines on one database: what any of them needs stays.

    Every method raises AvailabilityError when the store does not answer, and PermissionDeniedError when it refuses.
    """

    def __init__(
        self, database: Database, remote: RemoteStore, *, grace: timedelta = GRACE, clock: Callable[[], datetime] = now
    ) -> None:
        self._database = database
        self._remote = remote
        self._grace = grace
        self._clock = clock

    def collect(self, *, dry_run: bool = False) -> RemoteCollectionResult:
        """Removes what no variant, repo or open job of any machine needs, and forgets what is gone.

        Rows go before files, so that no row tells of a file that is gone; killed between the two, the files are found
        again the next time.

        Args:
            dry_run: tell what would be done, and do nothing.
        """
        began = self._clock()
        remote_blobs = {remote_blob.sha256: remote_blob for remote_blob in self._remote.list()}
        with self._database.read() if dry_run else self._database.change() as connection:
            needed = find_referenced(connection) | find_named(connection)
            unneeded = [
                remote_blob
                for remote_blob in remote_blobs.values()
                if remote_blob.sha256 not in needed and began - remote_blob.changed_at > self._grace
            ]
            missing = [sha256 for sha256 in self._recorded(connection, began) if sha256 not in remote_blobs]
            if not dry_run:
                self._forget(connection, [*missing, *(remote_blob.sha256 for remote_blob in unneeded)])
        if not dry_run:
            for remote_blob in unneeded:
                self._remote.delete(remote_blob.sha256)
        return RemoteCollectionResult(tuple(unneeded), tuple(missing))

    def verify(self) -> RemoteVerificationResult:
        """Compares what is recorded as there with what is there, by name and size."""
        began = self._clock()
        sizes = {remote_blob.sha256: remote_blob.size_bytes for remote_blob in self._remote.list()}
        with self._database.change() as connection:
            recorded = self._recorded(connection, began)
            missing = [sha256 for sha256 in recorded if sha256 not in sizes]
            damaged = [sha256 for sha256, size in recorded.items() if sizes.get(sha256, size) != size]
            self._forget(connection, [*missing, *damaged])
        for sha256 in damaged:
            self._remote.delete(sha256)
        return RemoteVerificationResult(len(recorded), sum(recorded.values()), tuple(damaged), tuple(missing))

    def _recorded(self, connection: Connection, before: datetime) -> Mapping[str, int]:
        """Returns sha256 -> size of what is recorded as there since before a moment."""
        rows = connection.execute(
            select(blob.c.sha256, blob.c.size_bytes)
            .join(blob_location, blob_location.c.sha256 == blob.c.sha256)
            .where(
                blob_location.c.store == self._remote.id,
                blob_location.c.state == "present",
                blob_location.c.verified_at < before,
            )
            .order_by(blob.c.sha256)
        )
        return {row.sha256: row.size_bytes for row in rows}

    def _forget(self, connection: Connection, sha256s: Collection[str]) -> None:
        for sha256 in sha256s:
            connection.execute(
                delete(blob_location).where(blob_location.c.store == self._remote.id, blob_location.c.sha256 == sha256)
            )
