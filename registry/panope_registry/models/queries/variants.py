"""Queries for single variants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, and_, select

from panope_registry.models.queries.variant_entries import PIN_COLUMNS, read_contents, variant_entry
from panope_registry.models.types import StoreIds, VariantEntry
from panope_registry.store.manifest import ManifestFile
from panope_registry.tables.model_tables import (
    blob,
    blob_location,
    component,
    variant,
    variant_file,
)
from panope_registry.tables.retention_tables import pin


@dataclass(frozen=True)
class StoredVariant:
    """A variant as the store needs it.

    Attributes:
        fingerprints: sha256 -> fingerprint when this store last hashed it; those it never hashed are missing.
        absent: the files that are not in this store, or damaged there.
        contents: sha256 -> what small files hold that no source has.
    """

    id: int
    digest: str
    format: str
    precision: str
    parameter_count: int
    files: tuple[ManifestFile, ...]
    fingerprints: Mapping[str, str]
    absent: tuple[ManifestFile, ...]
    contents: Mapping[str, bytes] = field(default_factory=dict)


def find_variant(connection: Connection, digest: str, store: str) -> StoredVariant | None:
    """Returns the variant of that digest, with what one store knows of its blobs."""
    stored = connection.execute(select(variant).where(variant.c.digest == digest)).one_or_none()
    if stored is None:
        return None
    here = and_(blob_location.c.sha256 == blob.c.sha256, blob_location.c.store == store)
    rows = connection.execute(
        select(
            component.c.name,
            variant_file.c.path,
            blob.c.sha256,
            blob.c.size_bytes,
            blob.c.content,
            blob_location.c.state,
            blob_location.c.fingerprint,
        )
        .select_from(variant_file)
        .join(component, component.c.id == variant_file.c.component_id)
        .join(blob, blob.c.sha256 == variant_file.c.sha256)
        .outerjoin(blob_location, here)
        .where(variant_file.c.variant_id == stored.id)
        .order_by(variant_file.c.path)
    ).all()
    files = tuple(ManifestFile(row.name, row.path, row.sha256, row.size_bytes) for row in rows)
    fingerprints = {row.sha256: row.fingerprint for row in rows if row.fingerprint}
    absent = tuple(file for file, row in zip(files, rows, strict=True) if row.state != "present")
    contents = {row.sha256: row.content for row in rows if row.content is not None}
    return StoredVariant(
        stored.id,
        stored.digest,
        stored.format,
        stored.precision,
        stored.parameter_count,
        files,
        fingerprints,
        absent,
        contents,
    )


def find_conversion(
    connection: Connection,
    stores: StoreIds,
    source_digest: str,
    *,
    task: str,
    format: str,  # noqa: A002 - the schema's word
    precision: str,
    engine_version: str,
) -> VariantEntry | None:
    """Returns what a variant was converted into for a task before."""
    source = select(variant.c.id).where(variant.c.digest == source_digest).scalar_subquery()
    row = connection.execute(
        select(variant, *PIN_COLUMNS)
        .outerjoin(pin, pin.c.variant_id == variant.c.id)
        .where(
            variant.c.derived_from_id == source,
            variant.c.task == task,
            variant.c.format == format,
            variant.c.precision == precision,
            variant.c.engine_version == engine_version,
        )
    ).one_or_none()
    if row is None:
        return None
    return variant_entry(row, source_digest, read_contents(connection, stores, [row.id])[row.id], {})
