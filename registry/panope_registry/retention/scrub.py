"""Hashes blobs again, to find damage before somebody needs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, delete, nulls_first, or_, select, update

from panope_registry.retention.types import VerificationResult
from panope_registry.store.files import OnBytes
from panope_registry.store.store import BlobError, Store, VerifyPolicy
from panope_registry.tables.database import Database
from panope_registry.tables.model_tables import blob, blob_location

Progress = Callable[[int, int], None]
"""Called with the bytes done and the bytes in all, after each blob."""


@dataclass(frozen=True)
class ScrubResult:
    """A blob that was hashed again; both False for one that is intact."""

    sha256: str
    size_bytes: int
    is_damaged: bool = False
    is_missing: bool = False


def verify(
    database: Database, store: Store, *, oldest: int | None, progress: Progress | None, clock: Callable[[], datetime]
) -> VerificationResult:
    """Hashes the blobs that were not hashed for longest; all of them when `oldest` is None."""
    with database.read() as connection:
        blobs = connection.execute(_longest_unchecked(store).limit(oldest)).all()
    total = sum(row.size_bytes for row in blobs)
    results: list[ScrubResult] = []
    done = 0
    for row in blobs:
        results.append(_check(database, store, row.sha256, row.size_bytes, clock, None))
        done += row.size_bytes
        if progress is not None:
            progress(done, total)
    return VerificationResult(
        len(blobs),
        total,
        tuple(result.sha256 for result in results if result.is_damaged),
        tuple(result.sha256 for result in results if result.is_missing),
    )


def check_next(
    database: Database, store: Store, before: datetime, on_bytes: OnBytes, clock: Callable[[], datetime]
) -> ScrubResult | None:
    """Hashes the blob that was not hashed for longest; None when all were since `before`."""
    with database.read() as connection:
        due = or_(blob_location.c.verified_at.is_(None), blob_location.c.verified_at < before)
        row = connection.execute(_longest_unchecked(store).where(due).limit(1)).one_or_none()
    return None if row is None else _check(database, store, row.sha256, row.size_bytes, clock, on_bytes)


def _longest_unchecked(store: Store) -> Select[tuple[str, int]]:
    return (
        select(blob.c.sha256, blob.c.size_bytes)
        .join(blob_location, blob_location.c.sha256 == blob.c.sha256)
        .where(blob_location.c.store == store.id, blob_location.c.state == "present")
        .order_by(nulls_first(blob_location.c.verified_at), blob.c.sha256)
    )


def _check(
    database: Database,
    store: Store,
    sha256: str,
    size_bytes: int,
    clock: Callable[[], datetime],
    on_bytes: OnBytes | None,
) -> ScrubResult:
    try:
        fingerprint = store.verify(sha256, size_bytes, "", VerifyPolicy.ALWAYS, on_bytes)
    except BlobError as error:
        is_news = _record_lost(database, store, error, clock())
        return ScrubResult(sha256, size_bytes, is_news and not error.missing, is_news and error.missing)
    _record_intact(database, store, sha256, fingerprint or "", clock())
    return ScrubResult(sha256, size_bytes)


def _record_intact(database: Database, store: Store, sha256: str, fingerprint: str, moment: datetime) -> None:
    """Records the new fingerprint; a row that went meanwhile stays away, because the blob was removed."""
    with database.write() as connection:
        connection.execute(
            update(blob_location).where(_location(store, sha256)).values(fingerprint=fingerprint, verified_at=moment)
        )


def _record_lost(database: Database, store: Store, lost: BlobError, moment: datetime) -> bool:
    """Records the loss; False when the blob was removed or has come again meanwhile."""
    with store.removal_lock(), database.change() as connection:
        if store.blob_path(lost.sha256).exists():
            return False
        here = _location(store, lost.sha256)
        if lost.missing:
            return bool(connection.execute(delete(blob_location).where(here)).rowcount)
        values = {"state": "quarantined", "fingerprint": "", "verified_at": moment}
        return bool(connection.execute(update(blob_location).where(here).values(values)).rowcount)


def _location(store: Store, sha256: str) -> ColumnElement[bool]:
    return and_(blob_location.c.sha256 == sha256, blob_location.c.store == store.id, blob_location.c.state == "present")
