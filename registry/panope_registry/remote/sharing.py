"""Brings variants into the shared store and from there to this machine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, select

from panope_backends.errors import NotFoundError, PreconditionError
from panope_registry import recording
from panope_registry.database import Database
from panope_registry.download import Downloader, OpenAt, Request, WantedBlob
from panope_registry.download.wanted import Progress, Stop
from panope_registry.records import blob, blob_location, variant, variant_file
from panope_registry.remote.remote import RemoteStore
from panope_registry.store import Store


@dataclass(frozen=True)
class Shared:
    """What moved.

    Attributes:
        sha256s: of the files that had to be transferred.
        size_bytes: of these.
    """

    sha256s: tuple[str, ...]
    size_bytes: int


class Sharing:
    """The shared store as seen from one machine, whose own store is its cache.

    What the shared store has is recorded as a location of the blob, so that care of the local store knows that a copy
    is left when it evicts one.
    """

    def __init__(self, database: Database, store: Store, remote: RemoteStore, downloader: Downloader) -> None:
        self._database = database
        self._store = store
        self._remote = remote
        self._downloader = downloader

    def push(self, variant_digest: str) -> Shared:
        """Brings a variant's files into the shared store; take a lease on it first. What is there is not sent again.

        Raises:
            NotFoundError: there is no such variant.
            PreconditionError: not all its files are here (`not_downloaded`).
            DataLossError: a file here is damaged; it was not sent.
            AvailabilityError: the shared store does not answer; what was sent stays sent.
        """
        with self._database.read() as connection:
            files = _files_of(connection, variant_digest)
            here = _located(connection, files, self._store.id)
        if len(here) < len(files):
            raise PreconditionError("the model's files are not here: download it first", reason="not_downloaded")
        sent = []
        for sha256 in sorted(files):
            try:
                if self._remote.put(sha256, self._store.blob_path(sha256)):
                    sent.append(sha256)
            except FileNotFoundError:
                raise PreconditionError("a file of the model went away", reason="not_downloaded") from None
        with self._database.change() as connection:
            still_known = connection.execute(select(blob.c.sha256).where(blob.c.sha256.in_(files))).scalars()
            recording.record_hashed(connection, dict.fromkeys(still_known, ""), self._remote.id)
        return Shared(tuple(sent), sum(files[sha256] for sha256 in sent))

    def fetch(
        self,
        variant_digest: str,
        progress: Progress = lambda _done, _total: None,
        stop: Stop = lambda: None,
    ) -> Shared:
        """Brings those of a variant's files that the shared store has and this machine has not; verified, resumed.

        Raises:
            NotFoundError: there is no such variant, or the shared store lost a file.
            DataLossError: what arrived was not the file, twice; nothing of it was kept.
            CapacityError: it does not fit.
            AvailabilityError: the shared store does not answer; what has arrived is kept.
            DownloadStopped: `stop` said so.
        """
        with self._database.read() as connection:
            files = _files_of(connection, variant_digest)
            absent = sorted(files.keys() - _located(connection, files, self._store.id))
            shared = _located(connection, absent, self._remote.id)
        requests = [
            Request(WantedBlob(sha256, None, files[sha256]), self._opener(sha256))
            for sha256 in absent
            if sha256 in shared
        ]
        with self._store.staging() as staging:
            blobs = self._downloader.fetch_many(requests, progress, stop, held_in=staging)
            with self._database.change() as connection:  # before the staging folder goes, which holds the blobs
                recording.record_blobs(connection, blobs, self._store.id)
        return Shared(tuple(blob.sha256 for blob in blobs), sum(blob.size_bytes for blob in blobs))

    def _opener(self, sha256: str) -> OpenAt:
        return lambda start: self._remote.open(sha256, start)


def _files_of(connection: Connection, digest: str) -> dict[str, int]:
    """sha256 -> size."""
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
    """Those that a store has."""
    return set(
        connection.execute(
            select(blob_location.c.sha256).where(
                blob_location.c.sha256.in_(list(sha256s)),
                blob_location.c.store == store,
                blob_location.c.state == "present",
            )
        ).scalars()
    )
