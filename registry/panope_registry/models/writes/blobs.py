"""Writes of blobs and of the stores that have them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, delete, insert, select, update

from panope_backends.errors import InvalidInputError
from panope_registry.models.revision import RevisionFile
from panope_registry.names import shown
from panope_registry.store.store import Blob
from panope_registry.tables.columns import now
from panope_registry.tables.model_tables import (
    blob,
    blob_location,
)


def record_blobs(connection: Connection, blobs: Iterable[Blob], store: str) -> None:
    """Records that a store holds these blobs and has just hashed them."""
    for sha256, stored in {stored.sha256: stored for stored in blobs}.items():
        if not connection.execute(select(blob.c.sha256).where(blob.c.sha256 == sha256)).first():
            connection.execute(insert(blob).values(sha256=sha256, size_bytes=stored.size_bytes, created_at=now()))
        if stored.content is not None:
            record_content(connection, sha256, stored.content)
        record_hashed(connection, {sha256: stored.fingerprint}, store)


def record_content(connection: Connection, sha256: str, content: bytes) -> None:
    """Records what a small file holds, so that every store of the database can have it."""
    connection.execute(update(blob).where(blob.c.sha256 == sha256, blob.c.content.is_(None)).values(content=content))


def record_hashed(connection: Connection, fingerprints: Mapping[str, str], store: str) -> None:
    """Records that blobs were hashed and are what their names say; sha256 -> fingerprint."""
    for sha256, fingerprint in fingerprints.items():
        _put_location(connection, sha256, store, state="present", fingerprint=fingerprint)


def record_damaged(connection: Connection, sha256: str, store: str) -> None:
    """Records that a blob is in quarantine."""
    _put_location(connection, sha256, store, state="quarantined", fingerprint="")


def record_missing(connection: Connection, sha256: str, store: str) -> None:
    """Records that a store has a blob no more; where a hub has it, it can be downloaded again."""
    connection.execute(delete(blob_location).filter_by(sha256=sha256, store=store))


def record_declared(connection: Connection, files: Iterable[RevisionFile]) -> None:
    """Records blobs that can be downloaded; they get a location when they are here.

    Raises:
        InvalidInputError: a source declares another size for bytes that are known.
    """
    declared = {file.sha256: file for file in files if file.sha256 is not None and file.blob is None}
    for sha256, file in declared.items():
        size = connection.execute(select(blob.c.size_bytes).where(blob.c.sha256 == sha256)).scalar_one_or_none()
        if size is None:
            connection.execute(insert(blob).values(sha256=sha256, size_bytes=file.size_bytes, created_at=now()))
        elif size != file.size_bytes:
            raise InvalidInputError(
                f"`{shown(file.path)}` is listed with {file.size_bytes} bytes, and its sha256 is that of {size} bytes",
                reason="broken_listing",
            )


def _put_location(connection: Connection, sha256: str, store: str, *, state: str, fingerprint: str) -> None:
    values = {"state": state, "fingerprint": fingerprint, "verified_at": now()}
    key = {"sha256": sha256, "store": store}
    changed = connection.execute(update(blob_location).filter_by(**key).values(values))
    if changed.rowcount == 0:
        connection.execute(insert(blob_location).values(key | values))
