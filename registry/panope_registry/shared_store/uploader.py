"""Uploads variants to the shared store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, select

from panope_backends.errors import NotFoundError, PreconditionError
from panope_registry.download.types import Progress, Stop
from panope_registry.models import writes
from panope_registry.models.presence import lacks_files
from panope_registry.shared_store.remote import RemoteStore
from panope_registry.store.files import OnBytes
from panope_registry.store.store import Store
from panope_registry.tables.database import Database
from panope_registry.tables.model_tables import blob, blob_location, variant, variant_file


@dataclass(frozen=True)
class UploadResult:
    """The result of an upload.

    Attributes:
        sha256s: of the files that had to be transferred.
        size_bytes: of these.
    """

    sha256s: tuple[str, ...]
    size_bytes: int


class Uploader:
    """The shared store as seen from one machine, whose own store is its cache.

    What the shared store has is recorded as a location of the blob, so that the local store's retention knows that a
    copy is left when it evicts one.
    """

    def __init__(self, database: Database, store: Store, remote: RemoteStore) -> None:
        self._database = database
        self._store = store
        self._remote = remote

    def unshared(self) -> list[str]:
        """Digests of the variants that are here and of which the shared store has not every file, oldest first."""
        with self._database.read() as connection:
            return find_unshared(connection, self._store.id, self._remote.id)

    def push(
        self,
        variant_digest: str,
        progress: Progress = lambda _done, _total: None,
        stop: Stop = lambda: None,
    ) -> UploadResult:
        """Uploads a variant's files to the shared store; what is there is not sent again.

        Args:
            variant_digest: of the variant.
            progress: called with the bytes that are there and the bytes in all, as they go.
            stop: asked often; what it raises ends the upload.

        Raises:
            NotFoundError: there is no such variant.
            PreconditionError: not all its files are here, or they went meanwhile (`not_downloaded`).
            DataLossError: a file here is damaged; it was not sent.
            AvailabilityError: the shared store does not answer; what was sent stays sent.
        """
        with self._database.read() as connection:
            files = _files_of(connection, variant_digest)
            local = _located(connection, files, self._store.id)
        if len(local) < len(files):
            raise PreconditionError("the model's files are not here: download it first", reason="not_downloaded")
        sent = []
        sent_bytes = 0
        total = sum(files.values())

        def read(size: int) -> None:
            nonlocal sent_bytes
            stop()
            sent_bytes += size
            progress(min(sent_bytes, total), total)  # a file that another machine uploads meanwhile counts twice

        for sha256 in sorted(files):
            stop()
            if self._put(sha256, read):
                sent.append(sha256)
            else:
                read(files[sha256])
        return UploadResult(tuple(sent), sum(files[sha256] for sha256 in sent))

    def _put(self, sha256: str, on_bytes: OnBytes) -> bool:
        """Uploads a file and records it at once; returns whether it had to be sent."""
        try:
            sent = self._remote.put(sha256, self._store.blob_path(sha256), on_bytes)
        except FileNotFoundError:
            raise PreconditionError("a file of the model went away", reason="not_downloaded") from None
        with self._database.change() as connection:
            if connection.execute(select(blob.c.sha256).where(blob.c.sha256 == sha256)).first() is not None:
                writes.record_hashed(connection, {sha256: ""}, self._remote.id)
        return sent


def find_unshared(connection: Connection, store: str, remote: str) -> list[str]:
    """Digests of the variants of which one store has every file and the other has not."""
    return list(
        connection.execute(
            select(variant.c.digest).where(~lacks_files(store), lacks_files(remote)).order_by(variant.c.id)
        ).scalars()
    )


def _files_of(connection: Connection, digest: str) -> dict[str, int]:
    """Returns sha256 -> size of a variant's files."""
    rows = connection.execute(
        select(blob.c.sha256, blob.c.size_bytes)
        .join(variant_file, variant_file.c.sha256 == blob.c.sha256)
        .join(variant, variant.c.id == variant_file.c.variant_id)
        .where(variant.c.digest == digest)
    ).all()
    if not rows:
        raise NotFoundError("there is no such variant", reason="variant_not_found")
    return {row.sha256: row.size_bytes for row in rows}


def _located(connection: Connection, sha256s: Iterable[str], store: str) -> set[str]:
    """Returns the sha256s that a store has."""
    return set(
        connection.execute(
            select(blob_location.c.sha256).where(
                blob_location.c.sha256.in_(list(sha256s)),
                blob_location.c.store == store,
                blob_location.c.state == "present",
            )
        ).scalars()
    )
