"""Queries for models with their variants.

The statements that run most are built once: building one costs as much as running it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from sqlalchemy import CTE, ColumnElement, Connection, Select, and_, bindparam, literal, select

from panope_registry.models.lineage import is_for, with_sources
from panope_registry.models.queries.variant_entries import PIN_COLUMNS, read_contents, variant_entry
from panope_registry.models.types import ModelEntry, ModelFilter, StoreIds, VariantEntry
from panope_registry.tables.model_tables import (
    component,
    model,
    model_variant,
    repo,
    revision,
    variant,
)
from panope_registry.tables.retention_tables import pin

_LAST_CHARACTER = "\U0010ffff"

MODELS_AT_ONCE = 500
"""The models that one statement names; databases have limits."""

_SERVED = and_(model_variant.c.model_id == model.c.id, model_variant.c.revision_id == model.c.revision_id)


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
    ids = connection.execute(select(model.c.id).where(model.c.name == name)).scalars().all()
    return next(iter(_entries(connection, stores, ids)), None)


def find_hints(connection: Connection, name: str) -> tuple[str, ...]:
    """Returns what a user said that a model is for, the likeliest first; empty when nobody did."""
    hints = connection.execute(select(model.c.task_hints).where(model.c.name == name)).scalar_one_or_none()
    return tuple(hints or ())


def find_base(connection: Connection, name: str) -> str:
    """Returns the base model of an adapter; empty for what is none, or is not known."""
    names = (
        select(component.c.repo_name)
        .join(model_variant, model_variant.c.variant_id == component.c.variant_id)
        .join(model, _SERVED)
        .where(model.c.name == name, component.c.repo_name.is_not(None))
        .limit(1)
    )
    return connection.execute(names).scalar_one_or_none() or ""


def find_adapters(connection: Connection, base: str) -> list[str]:
    """Returns the models that are adapters of a base model, by name."""
    names = (
        select(model.c.name)
        .join(model_variant, model_variant.c.model_id == model.c.id)
        .join(component, component.c.variant_id == model_variant.c.variant_id)
        .where(component.c.repo_name == base)
        .distinct()
        .order_by(model.c.name)
    )
    return list(connection.execute(names).scalars())


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
    line = with_sources(variant.c.format == format)
    offers = model.join(model_variant, _SERVED).join(line, line.c.id == model_variant.c.variant_id)
    return select(model.c.id).select_from(offers).where(is_for(line.c.task, model.c.task))


def _entries(connection: Connection, stores: StoreIds, model_ids: Sequence[int]) -> list[ModelEntry]:
    """Reads entries by name; four queries for any number of models."""
    if not model_ids:
        return []
    models = connection.execute(_models_statement(), {"model_ids": model_ids}).all()
    configs = {row.id: row.config for row in models}
    variants = _variants_of(connection, stores, model_ids, configs)
    return [
        ModelEntry(
            row.name,
            row.task,
            row.architecture,
            row.created_at,
            row.reasons,
            tuple(sorted(variants.get(row.id, ()), key=lambda entry: entry.format != row.preferred_format)),
            row.config,
            row.source,
            row.commit,
            row.ref or "",
            row.preferred_format or "",
            row.preferred_precision or "",
            tuple(row.task_candidates or ()),
            tuple(row.quantization_targets or ()),
            row.keep_alive_seconds,
        )
        for row in models
    ]


@cache
def _models_statement() -> Select[Any]:
    return (
        select(model, revision.c.config, revision.c.commit, revision.c.ref, repo.c.source)
        .join(revision, revision.c.id == model.c.revision_id)
        .join(repo, repo.c.id == revision.c.repo_id)
        .where(model.c.id.in_(bindparam("model_ids", expanding=True)))
        .order_by(model.c.name)
    )


def _offered() -> CTE:
    """Selects models with their variants: those of the served revision, and downwards what was converted from them.

    A conversion is one of the models of its task alone: other tasks run other graphs of the same weights.
    """
    offered = (
        select(model.c.id.label("model_id"), model.c.task, model_variant.c.variant_id, literal(0).label("depth"))
        .join(model_variant, _SERVED)
        .where(model.c.id.in_(bindparam("model_ids", expanding=True)))
        .cte("offered", recursive=True)
    )
    return offered.union_all(
        select(offered.c.model_id, offered.c.task, variant.c.id, offered.c.depth + 1).join(
            offered, and_(variant.c.derived_from_id == offered.c.variant_id, variant.c.task == offered.c.task)
        )
    )


@cache
def _variants_statement() -> Select[Any]:
    offered, source = _offered(), variant.alias("source")
    return (
        select(offered.c.model_id, variant, source.c.digest.label("source_digest"), *PIN_COLUMNS)
        .join(variant, variant.c.id == offered.c.variant_id)
        .outerjoin(source, source.c.id == variant.c.derived_from_id)
        .outerjoin(pin, pin.c.variant_id == variant.c.id)
        .order_by(offered.c.depth, variant.c.id)
    )


def _variants_of(
    connection: Connection, stores: StoreIds, model_ids: Sequence[int], configs: Mapping[int, Mapping[str, Any]]
) -> dict[int, list[VariantEntry]]:
    """Reads model id -> its variants."""
    rows = connection.execute(_variants_statement(), {"model_ids": model_ids}).all()
    contents = read_contents(connection, stores, list({row.id for row in rows}))
    variants: dict[int, list[VariantEntry]] = defaultdict(list)
    for row in rows:
        of_model = variants[row.model_id]
        entry = variant_entry(row, row.source_digest, contents[row.id], configs[row.model_id])
        of_model.append(replace(entry, order=len(of_model)))
    return variants
