"""Hashes blobs again, to find damage before somebody needs them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, nulls_first, select, update

from panope_registry.care.entries import Verified
from panope_registry.database import Database
from panope_registry.records import blob, blob_location
from panope_registry.store import BlobError, Store, VerifyPolicy

Progress = Callable[[int, int], None]
"""Called with the bytes done and the bytes in all, after each blob."""


def verify(
    database: Database, store: Store, *, oldest: int | None, progress: Progress | None, clock: Callable[[], datetime]
) -> Verified:
    """Hashes the blobs that were not hashed for longest; all of them when `oldest` is None."""
    mine = (blob_location.c.store == store.id) & (blob_location.c.state == "present")
    with database.read() as connection:
        blobs = connection.execute(
            select(blob.c.sha256, blob.c.size_bytes)
            .join(blob_location, blob_location.c.sha256 == blob.c.sha256)
            .where(mine)
            .order_by(nulls_first(blob_location.c.verified_at), blob.c.sha256)
            .limit(oldest)
        ).all()
    total = sum(found.size_bytes for found in blobs)
    done = 0
    damaged: list[str] = []
    missing: list[str] = []
    for found in blobs:
        try:
            fingerprint = store.verify(found.sha256, found.size_bytes, "", VerifyPolicy.ALWAYS)
        except BlobError as error:
            if _record_lost(database, store, error, clock()):
                (missing if error.missing else damaged).append(found.sha256)
        else:
            _record_intact(database, store, found.sha256, fingerprint or "", clock())
        done += found.size_bytes
        if progress is not None:
            progress(done, total)
    return Verified(len(blobs), total, tuple(damaged), tuple(missing))


def _record_intact(database: Database, store: Store, sha256: str, fingerprint: str, moment: datetime) -> None:
    """A row that went meanwhile stays away: the blob was removed."""
    with database.write() as connection:
        connection.execute(
            update(blob_location).where(_location(store, sha256)).values(fingerprint=fingerprint, verified_at=moment)
        )


def _record_lost(database: Database, store: Store, lost: BlobError, moment: datetime) -> bool:
    """Whether it is still recorded as here and is not: it may have been removed, or have come again, meanwhile."""
    with store.removing(), database.change() as connection:
        if store.blob_path(lost.sha256).exists():
            return False
        here = _location(store, lost.sha256)
        if lost.missing:
            return bool(connection.execute(delete(blob_location).where(here)).rowcount)
        values = {"state": "quarantined", "fingerprint": "", "verified_at": moment}
        return bool(connection.execute(update(blob_location).where(here).values(values)).rowcount)


def _location(store: Store, sha256: str) -> ColumnElement[bool]:
    return and_(blob_location.c.sha256 == sha256, blob_location.c.store == store.id, blob_location.c.state == "present")
