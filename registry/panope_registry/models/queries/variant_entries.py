"""Variants as one store has them, read from rows of the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, bindparam, or_, select

from panope_registry.inspect.file_kinds import SUPPORTING
from panope_registry.models.memory_estimate import memory_bytes
from panope_registry.models.queries.files import find_sources
from panope_registry.models.types import FileEntry, PinEntry, StoreIds, VariantEntry
from panope_registry.tables.model_tables import (
    blob,
    blob_location,
    component,
    variant_file,
)
from panope_registry.tables.retention_tables import pin

PIN_COLUMNS = (
    pin.c.principal.label("pin_principal"),
    pin.c.reason.label("pin_reason"),
    pin.c.created_at.label("pin_created_at"),
)


@dataclass
class VariantContent:
    """The content of a variant; `missing` is sha256 -> size of what is not in the store."""

    files: list[FileEntry] = field(default_factory=list)
    missing: dict[str, int] = field(default_factory=dict)
    base_models: list[str] = field(default_factory=list)
    weights_bytes: int = 0
    is_obtainable: bool = True


def read_contents(connection: Connection, stores: StoreIds, variant_ids: Sequence[int]) -> dict[int, VariantContent]:
    """Reads variant id -> what it consists of, and what of that one store has."""
    contents: dict[int, VariantContent] = defaultdict(VariantContent)
    if not variant_ids:
        return contents
    rows = connection.execute(_files_statement(), {"variant_ids": variant_ids, "store": stores.here}).all()
    for variant_id, path, sha256, size, part, is_local in rows:
        content = contents[variant_id]
        content.files.append(FileEntry(path, sha256, size))
        content.weights_bytes += 0 if part in SUPPORTING else size
        if not is_local:
            content.missing[sha256] = size
    for variant_id, name in connection.execute(_base_models_statement(), {"variant_ids": variant_ids}):
        contents[variant_id].base_models.append(name)
    missing = list({sha256 for content in contents.values() for sha256 in content.missing})
    sources = find_sources(connection, missing, stores.shared) if missing else set()
    for content in contents.values():
        content.is_obtainable = content.missing.keys() <= sources
    return contents


def variant_entry(
    row: Row[Any], source_digest: str | None, content: VariantContent, config: Mapping[str, Any]
) -> VariantEntry:
    """Makes an entry of a row with the columns of `variant` and `PIN_COLUMNS`."""
    return VariantEntry(
        digest=row.digest,
        format=row.format,
        precision=row.precision,
        size_bytes=row.size_bytes,
        parameter_count=row.parameter_count,
        derived_from=source_digest,
        engine_version=row.engine_version,
        files=tuple(content.files),
        is_local=not content.missing,
        missing_bytes=sum(content.missing.values()),
        is_obtainable=content.is_obtainable,
        memory_bytes=memory_bytes(content.weights_bytes, config),
        base_models=tuple(content.base_models),
        pin=None if row.pin_principal is None else PinEntry(row.pin_principal, row.pin_reason, row.pin_created_at),
    )


@cache
def _files_statement() -> Select[Any]:
    location = and_(blob_location.c.sha256 == blob.c.sha256, blob_location.c.store == bindparam("store"))
    return (
        select(
            variant_file.c.variant_id,
            variant_file.c.path,
            variant_file.c.sha256,
            blob.c.size_bytes,
            component.c.name.label("part"),
            # What the database holds is as good as here.
            or_(blob_location.c.state == "present", blob.c.content.is_not(None)).label("is_local"),
        )
        .join(blob, blob.c.sha256 == variant_file.c.sha256)
        .join(component, component.c.id == variant_file.c.component_id)
        .outerjoin(blob_location, location)
        .where(variant_file.c.variant_id.in_(bindparam("variant_ids", expanding=True)))
        .order_by(variant_file.c.path)
    )


@cache
def _base_models_statement() -> Select[Any]:
    return (
        select(component.c.variant_id, component.c.repo_name)
        .where(component.c.variant_id.in_(bindparam("variant_ids", expanding=True)), component.c.repo_name.is_not(None))
        .order_by(component.c.id)
    )
