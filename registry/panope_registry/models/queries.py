"""Queries for models and their variants.

The statements that run most are built once: building one costs as much as running it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from sqlalchemy import CTE, ColumnElement, Connection, Row, Select, and_, bindparam, literal, select

from panope_registry.inspect.file_kinds import SUPPORTING
from panope_registry.models.file_queries import find_sources
from panope_registry.models.memory_estimate import memory_bytes
from panope_registry.models.types import FileEntry, ModelEntry, ModelFilter, PinEntry, VariantEntry
from panope_registry.store.manifest import ManifestFile
from panope_registry.tables.model_tables import (
    blob,
    blob_location,
    component,
    model,
    model_variant,
    repo,
    revision,
    variant,
    variant_file,
)
from panope_registry.tables.retention_tables import pin

_LAST_CHARACTER = "\U0010ffff"

MODELS_AT_ONCE = 500
"""The models that one statement names; databases have limits."""

_PINNED = (
    pin.c.principal.label("pin_principal"),
    pin.c.reason.label("pin_reason"),
    pin.c.created_at.label("pin_created_at"),
)


_SERVED = and_(model_variant.c.model_id == model.c.id, model_variant.c.revision_id == model.c.revision_id)


@dataclass(frozen=True)
class StoreIds:
    """The ids of this machine's store and of the shared one; empty for none."""

    here: str
    shared: str = ""


@dataclass(frozen=True)
class StoredVariant:
    """A variant as the store needs it.

    Attributes:
        fingerprints: sha256 -> fingerprint when this store last hashed it; those it never hashed are missing.
        absent: the files that are not in this store, or damaged there.
    """

    id: int
    digest: str
    format: str
    precision: str
    parameter_count: int
    files: tuple[ManifestFile, ...]
    fingerprints: Mapping[str, str]
    absent: tuple[ManifestFile, ...]


@dataclass(frozen=True)
class VariantFacts:
    """What `panope_backends.api.ModelFacts` says of a variant."""

    name: str
    format: str
    task: str
    architecture: str
    config: Mapping[str, Any]


def find_models(
    connection: Connection, stores: StoreIds, *, only: ModelFilter, after: str, limit: int
) -> list[ModelEntry]:
    """Models as one store has them, ordered by name, those after `after`."""
    wanted = select(model.c.id).where(model.c.name > after, *_conditions(only)).order_by(model.c.name).limit(limit)
    ids = connection.execute(wanted).scalars().all()
    batches = (ids[start : start + MODELS_AT_ONCE] for start in range(0, len(ids), MODELS_AT_ONCE))
    return [entry for batch in batches for entry in _entries(connection, stores, batch)]


def find_model(connection: Connection, stores: StoreIds, name: str) -> ModelEntry | None:
    """Returns the model of that name, as one store has it."""
    found = connection.execute(select(model.c.id).where(model.c.name == name)).scalars().all()
    return next(iter(_entries(connection, stores, found)), None)


def find_hints(connection: Connection, name: str) -> tuple[str, ...]:
    """Returns what a user said that a model is for, the likeliest first; empty when nobody did."""
    hints = connection.execute(select(model.c.task_hints).where(model.c.name == name)).scalar_one_or_none()
    return tuple(hints or ())


def find_variant(connection: Connection, digest: str, store: str) -> StoredVariant | None:
    """Returns the variant of that digest, with what one store knows of its blobs."""
    found = connection.execute(select(variant).where(variant.c.digest == digest)).one_or_none()
    if found is None:
        return None
    here = and_(blob_location.c.sha256 == blob.c.sha256, blob_location.c.store == store)
    rows = connection.execute(
        select(
            component.c.name,
            variant_file.c.path,
            blob.c.sha256,
            blob.c.size_bytes,
            blob_location.c.state,
            blob_location.c.fingerprint,
        )
        .select_from(variant_file)
        .join(component, component.c.id == variant_file.c.component_id)
        .join(blob, blob.c.sha256 == variant_file.c.sha256)
        .outerjoin(blob_location, here)
        .where(variant_file.c.variant_id == found.id)
        .order_by(variant_file.c.path)
    ).all()
    files = tuple(ManifestFile(row.name, row.path, row.sha256, row.size_bytes) for row in rows)
    fingerprints = {row.sha256: row.fingerprint for row in rows if row.fingerprint}
    absent = tuple(file for file, row in zip(files, rows, strict=True) if row.state != "present")
    return StoredVariant(
        found.id, found.digest, found.format, found.precision, found.parameter_count, files, fingerprints, absent
    )


def find_conversion(
    connection: Connection,
    stores: StoreIds,
    source_digest: str,
    *,
    format: str,  # noqa: A002 - the schema's word
    precision: str,
    engine_version: str,
) -> VariantEntry | None:
    """Returns what a variant was converted into before."""
    source = select(variant.c.id).where(variant.c.digest == source_digest).scalar_subquery()
    row = connection.execute(
        select(variant, *_PINNED)
        .outerjoin(pin, pin.c.variant_id == variant.c.id)
        .where(
            variant.c.derived_from_id == source,
            variant.c.format == format,
            variant.c.precision == precision,
            variant.c.engine_version == engine_version,
        )
    ).one_or_none()
    if row is None:
        return None
    return _variant_entry(row, source_digest, _contents(connection, stores, [row.id])[row.id], {})


def find_facts(connection: Connection, digest: str) -> VariantFacts | None:
    """Returns the facts of a variant, under the first name, in order, that offers it; its source's for a conversion."""
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


def _conditions(only: ModelFilter) -> Iterator[ColumnElement[bool]]:
    if only.task:
        yield model.c.task == only.task
    if only.prefix:
        # LIKE would ignore case on SQLite and find no index.
        yield model.c.name >= only.prefix
        yield model.c.name < only.prefix + _LAST_CHARACTER
    if only.names is not None:
        yield model.c.name.in_(only.names)
    if only.not_names:
        yield model.c.name.not_in(only.not_names)
    if only.format:
        yield model.c.id.in_(_with_format(only.format))


def _with_format(format: str) -> Select[tuple[int]]:  # noqa: A002 - the schema's word
    """Returns the models that offer a variant of a format; starts at the variants, as most formats are rare."""
    line = select(variant.c.id, variant.c.derived_from_id).where(variant.c.format == format)
    made_of = line.cte("made_of", recursive=True)
    made_of = made_of.union(
        select(variant.c.id, variant.c.derived_from_id).join(made_of, variant.c.id == made_of.c.derived_from_id)
    )
    offers = model.join(model_variant, _SERVED).join(made_of, made_of.c.id == model_variant.c.variant_id)
    return select(model.c.id).select_from(offers)


def _entries(connection: Connection, stores: StoreIds, model_ids: Sequence[int]) -> list[ModelEntry]:
    """Reads entries by name; four queries for any number of models."""
    if not model_ids:
        return []
    models = connection.execute(_models_asked(), {"model_ids": model_ids}).all()
    configs = {row.id: row.config for row in models}
    variants = _variants_of(connection, stores, model_ids, configs)
    return [
        ModelEntry(
            row.name,
            row.task,
            row.architecture,
            row.created_at,
            row.reasons,
            tuple(sorted(variants.get(row.id, ()), key=lambda found: found.format != row.preferred_format)),
            row.config,
            row.source,
            row.commit,
            row.ref or "",
            row.preferred_format or "",
            row.preferred_precision or "",
            tuple(row.task_candidates or ()),
            tuple(row.quantization_targets or ()),
        )
        for row in models
    ]


@cache
def _models_asked() -> Select[Any]:
    return (
        select(model, revision.c.config, revision.c.commit, revision.c.ref, repo.c.source)
        .join(revision, revision.c.id == model.c.revision_id)
        .join(repo, repo.c.id == revision.c.repo_id)
        .where(model.c.id.in_(bindparam("model_ids", expanding=True)))
        .order_by(model.c.name)
    )


def _offered() -> CTE:
    """Model and variant: those of the served revision, and downwards what was converted from them."""
    offered = (
        select(model.c.id.label("model_id"), model_variant.c.variant_id, literal(0).label("depth"))
        .join(model_variant, _SERVED)
        .where(model.c.id.in_(bindparam("model_ids", expanding=True)))
        .cte("offered", recursive=True)
    )
    return offered.union_all(
        select(offered.c.model_id, variant.c.id, offered.c.depth + 1).join(
            offered, variant.c.derived_from_id == offered.c.variant_id
        )
    )


@cache
def _variants_asked() -> Select[Any]:
    offered, source = _offered(), variant.alias("source")
    return (
        select(offered.c.model_id, variant, source.c.digest.label("source_digest"), *_PINNED)
        .join(variant, variant.c.id == offered.c.variant_id)
        .outerjoin(source, source.c.id == variant.c.derived_from_id)
        .outerjoin(pin, pin.c.variant_id == variant.c.id)
        .order_by(offered.c.depth, variant.c.id)
    )


def _variants_of(
    connection: Connection, stores: StoreIds, model_ids: Sequence[int], configs: Mapping[int, Mapping[str, Any]]
) -> dict[int, list[VariantEntry]]:
    """Model id -> its variants."""
    rows = connection.execute(_variants_asked(), {"model_ids": model_ids}).all()
    contents = _contents(connection, stores, list({row.id for row in rows}))
    variants: dict[int, list[VariantEntry]] = defaultdict(list)
    for row in rows:
        found = variants[row.model_id]
        entry = _variant_entry(row, row.source_digest, contents[row.id], configs[row.model_id])
        found.append(replace(entry, order=len(found)))
    return variants


@cache
def _files_asked() -> Select[Any]:
    location = and_(blob_location.c.sha256 == blob.c.sha256, blob_location.c.store == bindparam("store"))
    return (
        select(
            variant_file.c.variant_id,
            variant_file.c.path,
            variant_file.c.sha256,
            blob.c.size_bytes,
            component.c.name.label("part"),
            (blob_location.c.state == "present").label("is_local"),
        )
        .join(blob, blob.c.sha256 == variant_file.c.sha256)
        .join(component, component.c.id == variant_file.c.component_id)
        .outerjoin(blob_location, location)
        .where(variant_file.c.variant_id.in_(bindparam("variant_ids", expanding=True)))
        .order_by(variant_file.c.path)
    )


@cache
def _bases_asked() -> Select[Any]:
    return (
        select(component.c.variant_id, component.c.repo_name)
        .where(component.c.variant_id.in_(bindparam("variant_ids", expanding=True)), component.c.repo_name.is_not(None))
        .order_by(component.c.id)
    )


def _contents(connection: Connection, stores: StoreIds, variant_ids: Sequence[int]) -> dict[int, _Content]:
    """Variant id -> what it consists of, and what of that one store has."""
    contents: dict[int, _Content] = defaultdict(_Content)
    if not variant_ids:
        return contents
    rows = connection.execute(_files_asked(), {"variant_ids": variant_ids, "store": stores.here}).all()
    for variant_id, path, sha256, size, part, is_local in rows:
        content = contents[variant_id]
        content.files.append(FileEntry(path, sha256, size))
        content.weights_bytes += 0 if part in SUPPORTING else size
        if not is_local:
            content.missing[sha256] = size
    for variant_id, name in connection.execute(_bases_asked(), {"variant_ids": variant_ids}):
        contents[variant_id].base_models.append(name)
    missing = list({sha256 for content in contents.values() for sha256 in content.missing})
    sources = find_sources(connection, missing, stores.shared) if missing else set()
    for content in contents.values():
        content.is_obtainable = content.missing.keys() <= sources
    return contents


@dataclass
class _Content:
    """Of a variant; `missing` is sha256 -> size of what is not in the store."""

    files: list[FileEntry] = field(default_factory=list)
    missing: dict[str, int] = field(default_factory=dict)
    base_models: list[str] = field(default_factory=list)
    weights_bytes: int = 0
    is_obtainable: bool = True


def _variant_entry(
    row: Row[Any], source_digest: str | None, content: _Content, config: Mapping[str, Any]
) -> VariantEntry:
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
