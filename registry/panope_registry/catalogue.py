"""Questions to the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CTE, Connection, Row, Select, and_, literal, select

from panope_registry.entries import FileEntry, ModelEntry, VariantEntry
from panope_registry.manifest import ManifestFile
from panope_registry.records import (
    blob,
    blob_location,
    component,
    model,
    model_variant,
    revision,
    variant,
    variant_file,
)


@dataclass(frozen=True)
class StoredVariant:
    """A variant as the store needs it.

    Attributes:
        fingerprints: sha256 -> fingerprint when this store last hashed it; those it never hashed are missing.
    """

    id: int
    digest: str
    format: str
    precision: str
    parameter_count: int
    files: tuple[ManifestFile, ...]
    fingerprints: Mapping[str, str]


@dataclass(frozen=True)
class VariantFacts:
    """What `panope_backends.api.ModelFacts` says of a variant."""

    name: str
    format: str
    task: str
    architecture: str
    config: Mapping[str, Any]


def find_models(connection: Connection, *, task: str, after: str, limit: int) -> list[ModelEntry]:
    """Models ordered by name, those after `after`; of every task when `task` is empty."""
    wanted = select(model.c.id).where(model.c.name > after).order_by(model.c.name).limit(limit)
    return _entries(connection, wanted.where(model.c.task == task) if task else wanted)


def find_model(connection: Connection, name: str) -> ModelEntry | None:
    """The model of that name."""
    return next(iter(_entries(connection, select(model.c.id).where(model.c.name == name))), None)


def find_variant(connection: Connection, digest: str, store: str) -> StoredVariant | None:
    """The variant of that digest, with what one store knows of its blobs."""
    found = connection.execute(select(variant).where(variant.c.digest == digest)).one_or_none()
    if found is None:
        return None
    here = and_(blob_location.c.sha256 == blob.c.sha256, blob_location.c.store == store)
    rows = connection.execute(
        select(component.c.name, variant_file.c.path, blob.c.sha256, blob.c.size_bytes, blob_location.c.fingerprint)
        .select_from(variant_file)
        .join(component, component.c.id == variant_file.c.component_id)
        .join(blob, blob.c.sha256 == variant_file.c.sha256)
        .outerjoin(blob_location, here)
        .where(variant_file.c.variant_id == found.id)
        .order_by(variant_file.c.path)
    ).all()
    files = tuple(ManifestFile(row.name, row.path, row.sha256, row.size_bytes) for row in rows)
    fingerprints = {row.sha256: row.fingerprint for row in rows if row.fingerprint}
    return StoredVariant(
        found.id, found.digest, found.format, found.precision, found.parameter_count, files, fingerprints
    )


def find_conversion(
    connection: Connection,
    source_digest: str,
    *,
    format: str,  # noqa: A002 - the schema's word
    precision: str,
    engine_version: str,
) -> VariantEntry | None:
    """What a variant was converted into before."""
    source = select(variant.c.id).where(variant.c.digest == source_digest).scalar_subquery()
    row = connection.execute(
        select(variant).where(
            variant.c.derived_from_id == source,
            variant.c.format == format,
            variant.c.precision == precision,
            variant.c.engine_version == engine_version,
        )
    ).one_or_none()
    return None if row is None else _variant_entry(row, source_digest, _files(connection, [row.id])[row.id])


def find_facts(connection: Connection, digest: str) -> VariantFacts | None:
    """The facts of a variant, under the first name, in order, that offers it; its source's for a conversion."""
    # Upwards: from a conversion to what it was made of.
    line = select(variant.c.id, variant.c.derived_from_id).where(variant.c.digest == digest).cte(recursive=True)
    line = line.union_all(
        select(variant.c.id, variant.c.derived_from_id).join(line, variant.c.id == line.c.derived_from_id)
    )
    own_format = select(variant.c.format).where(variant.c.digest == digest).scalar_subquery()
    row = connection.execute(
        select(model.c.name, own_format.label("format"), model.c.task, model.c.architecture, revision.c.config)
        .select_from(line)
        .join(model_variant, model_variant.c.variant_id == line.c.id)
        .join(model, model.c.id == model_variant.c.model_id)
        .join(revision, revision.c.id == model_variant.c.revision_id)
        .order_by(model.c.name, revision.c.id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else VariantFacts(row.name, row.format, row.task, row.architecture, row.config)


def _entries(connection: Connection, wanted: Select[tuple[int]]) -> list[ModelEntry]:
    """Three queries for any number of models."""
    ids = wanted.subquery()
    models = connection.execute(
        select(model, revision.c.config)
        .join(revision, revision.c.id == model.c.revision_id)
        .where(model.c.id.in_(select(ids.c.id)))
        .order_by(model.c.name)
    ).all()
    variants = _variants_of(connection, _offered(select(ids.c.id)))
    return [
        ModelEntry(
            row.name,
            row.task,
            row.architecture,
            row.created_at,
            row.reasons,
            tuple(variants.get(row.id, ())),
            row.config,
        )
        for row in models
    ]


def _offered(model_ids: Select[tuple[int]]) -> CTE:
    """Model and variant: those of the served revision, and downwards what was converted from them."""
    offered = (
        select(model.c.id.label("model_id"), model_variant.c.variant_id, literal(0).label("depth"))
        .join(
            model_variant,
            and_(model_variant.c.model_id == model.c.id, model_variant.c.revision_id == model.c.revision_id),
        )
        .where(model.c.id.in_(model_ids))
        .cte("offered", recursive=True)
    )
    return offered.union_all(
        select(offered.c.model_id, variant.c.id, offered.c.depth + 1).join(
            offered, variant.c.derived_from_id == offered.c.variant_id
        )
    )


def _variants_of(connection: Connection, offered: CTE) -> dict[int, list[VariantEntry]]:
    """Model id -> its variants."""
    source = variant.alias("source")
    rows = connection.execute(
        select(offered.c.model_id, variant, source.c.digest.label("source_digest"))
        .join(variant, variant.c.id == offered.c.variant_id)
        .outerjoin(source, source.c.id == variant.c.derived_from_id)
        .order_by(offered.c.depth, variant.c.id)
    ).all()
    files = _files(connection, select(offered.c.variant_id))
    variants: dict[int, list[VariantEntry]] = defaultdict(list)
    for row in rows:
        variants[row.model_id].append(_variant_entry(row, row.source_digest, files[row.id]))
    return variants


def _files(connection: Connection, variant_ids: Sequence[int] | Select[tuple[int]]) -> dict[int, list[FileEntry]]:
    """Variant id -> its files."""
    files: dict[int, list[FileEntry]] = defaultdict(list)
    rows = connection.execute(
        select(variant_file.c.variant_id, variant_file.c.path, variant_file.c.sha256, blob.c.size_bytes)
        .join(blob, blob.c.sha256 == variant_file.c.sha256)
        .where(variant_file.c.variant_id.in_(variant_ids))
        .order_by(variant_file.c.path)
    )
    for row in rows:
        files[row.variant_id].append(FileEntry(row.path, row.sha256, row.size_bytes))
    return files


def _variant_entry(row: Row[Any], source_digest: str | None, files: Sequence[FileEntry]) -> VariantEntry:
    return VariantEntry(
        digest=row.digest,
        format=row.format,
        precision=row.precision,
        size_bytes=row.size_bytes,
        parameter_count=row.parameter_count,
        derived_from=source_digest,
        engine_version=row.engine_version,
        files=tuple(files),
    )
