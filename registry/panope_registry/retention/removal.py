"""The one way in which files leave the store.

    take the store's removal lock and the database's change lock
    decide, by what is true now
    forget the rows, and commit
    rename the files into the trash
    let go of the locks, and empty the trash

Rows go before files, so no row ever tells of a file that is gone. Killed between the two, the files are still in their
places without a row, and the next collection records them again or removes them; killed later, they are in the trash.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, delete, exists

from panope_registry.retention.disk_usage import size_of
from panope_registry.retention.types import Removal, RemovalKind
from panope_registry.store.store import Store
from panope_registry.tables.database import Database
from panope_registry.tables.model_tables import blob, blob_location, repo_file, variant_file
from panope_registry.tables.retention_tables import blob_use

_MAX_NAMES = 500
"""How many names one statement may hold."""


@dataclass
class RemovalTransaction:
    """A removal in the making: what its block adds is removed when the block ends.

    Attributes:
        connection: of the transaction that forgets.
        held: sha256s that writers are about to record.
        dry_run: whether nothing is to be forgotten and nothing removed.
        removals: what goes, and where it is.
    """

    store: Store
    connection: Connection
    held: frozenset[str]
    dry_run: bool
    removals: list[tuple[Removal, Path]] = field(default_factory=list)

    @property
    def removed(self) -> tuple[Removal, ...]:
        """The removals without their paths."""
        return tuple(removal for removal, _ in self.removals)

    def remove(self, kind: RemovalKind, name: str, path: Path, size_bytes: int) -> None:
        """Removes a file or folder."""
        self.removals.append((Removal(kind, name, size_bytes), path))

    def remove_blobs(self, kind: RemovalKind, sizes: Mapping[str, int]) -> None:
        """Removes blobs and forgets that they are here; sha256 -> size."""
        self.forget(sizes)
        for sha256, size_bytes in sizes.items():
            self.remove(kind, sha256, self.store.blob_path(sha256), size_bytes)

    def remove_checkouts(self, digests: Collection[str]) -> None:
        """Removes the checkouts of variants, where there are any."""
        for digest in digests:
            checkout = self.store.checkouts / digest
            if checkout.is_dir():
                self.remove(RemovalKind.CHECKOUT, digest, checkout, size_of(checkout))

    def forget(self, sha256s: Collection[str]) -> None:
        """Forgets that blobs are here."""
        if self.dry_run:
            return
        names = sorted(sha256s)
        for start in range(0, len(names), _MAX_NAMES):
            some = names[start : start + _MAX_NAMES]
            for table in (blob_location, blob_use):
                self.connection.execute(delete(table).where(table.c.store == self.store.id, table.c.sha256.in_(some)))

    def forget_unused(self) -> None:
        """Forgets blobs that no store has and nothing refers to."""
        if not self.dry_run:
            users = [
                exists().where(table.c.sha256 == blob.c.sha256) for table in (blob_location, repo_file, variant_file)
            ]
            self.connection.execute(delete(blob).where(*(~used for used in users)))


@contextmanager
def removal_transaction(database: Database, store: Store, *, dry_run: bool) -> Iterator[RemovalTransaction]:
    """Removes after the block what it has decided; nothing when it raises, or in a dry run."""
    if dry_run:
        with store.removal_lock() as held, database.read() as connection:
            yield RemovalTransaction(store, connection, held, dry_run=True)
        return
    with store.removal_lock() as held:
        with database.change() as connection:
            transaction = RemovalTransaction(store, connection, held, dry_run=False)
            yield transaction
        for _, path in transaction.removals:
            with suppress(FileNotFoundError):  # it was gone already
                store.move_to_trash(path)
    empty_trash(store)


def empty_trash(store: Store) -> None:
    """Removes what this process, or one that was killed, moved to the trash."""
    for path in store.trash.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)  # what stays is removed the next time
        else:
            path.unlink(missing_ok=True)
