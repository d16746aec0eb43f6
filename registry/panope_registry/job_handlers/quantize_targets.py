"""Enqueues the quantizations that a user asked for, as soon as their sources are here."""

from __future__ import annotations

from panope_registry.job_handlers.requests import BuildRequest, enqueue_build
from panope_registry.jobs import Jobs
from panope_registry.models.quantization import TARGETS, is_source
from panope_registry.models.types import ModelEntry


def enqueue_quantizations(jobs: Jobs, entry: ModelEntry, requested_by: str, *, store: str | None) -> list[int]:
    """Enqueues a job for each target that is not made and can be; returns their ids."""
    return [
        enqueue_build(jobs, BuildRequest(entry.name, TARGETS[target].format, target), requested_by, store=store).id
        for target in entry.quantization_targets
        if not _is_made(entry, target) and _has_source(entry, target)
    ]


def _is_made(entry: ModelEntry, target: str) -> bool:
    wanted = (TARGETS[target].format, target)
    return any((variant.format, variant.precision) == wanted and variant.is_local for variant in entry.variants)


def _has_source(entry: ModelEntry, target: str) -> bool:
    return any(
        variant.is_local and variant.derived_from is None and is_source(target, variant.format, variant.precision)
        for variant in entry.variants
    )
