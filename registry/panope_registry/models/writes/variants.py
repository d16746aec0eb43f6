"""Writes of variants."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from panope_backends.errors import PreconditionError
from panope_registry.models.presence import lacks_files
from panope_registry.models.writes.rows import insert_row
from panope_registry.store.manifest import Manifest
from panope_registry.tables.columns import now
from panope_registry.tables.model_tables import (
    blob_location,
    component,
    variant,
    variant_file,
)

BASE_MODEL = "base_model"
"""The component that names the model that an adapter changes."""


def record_variant(
    connection: Connection,
    manifest: Manifest,
    revision_id: int | None = None,
    derived_from_id: int | None = None,
    base: str = "",
) -> int:
    """Records a variant unless its digest is known; returns its id. `base` is the model that an adapter changes."""
    known = connection.execute(select(variant.c.id).where(variant.c.digest == manifest.digest)).scalar_one_or_none()
    if known is not None:
        return int(known)
    origin = manifest.origin
    variant_id = insert_row(
        connection,
        variant,
        {
            "digest": manifest.digest,
            "format": manifest.format,
            "precision": manifest.precision,
            "size_bytes": manifest.size_bytes,
            "parameter_count": manifest.parameter_count,
            "derived_from_id": derived_from_id,
            "task": origin.task if origin else None,
            "backend": origin.backend if origin else "",
            "engine_version": origin.engine_version if origin else "",
            "created_at": now(),
        },
    )
    components = {
        name: insert_row(connection, component, {"variant_id": variant_id, "name": name, "revision_id": revision_id})
        for name in sorted({file.component for file in manifest.files})
    }
    if base:
        connection.execute(insert(component).values(variant_id=variant_id, name=BASE_MODEL, repo_name=base))
    connection.execute(
        insert(variant_file),
        [
            {
                "variant_id": variant_id,
                "path": file.path,
                "component_id": components[file.component],
                "sha256": file.sha256,
            }
            for file in manifest.files
        ],
    )
    return variant_id


def delete_lost_variant(connection: Connection, digest: str) -> None:
    """Deletes a conversion whose files are gone, so that a new one can take its place.

    Raises:
        PreconditionError: some store has all its files.
    """
    for store in connection.execute(select(blob_location.c.store).distinct()).scalars().all():
        whole = select(variant.c.id).where(variant.c.digest == digest, ~lacks_files(store))
        if connection.execute(whole).first() is not None:
            raise PreconditionError(
                "another machine has made this conversion, and its bytes are others; share its store "
                "(`shared_store.url`)",
                reason="conversion_conflict",
            )
    connection.execute(delete(variant).where(variant.c.digest == digest))
