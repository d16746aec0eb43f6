"""The job `repo_sync`: looks at a model's repo and records what it holds; downloads no weights."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from panope_backends.errors import NotFoundError
from panope_backends.upstreams.description import Upstream
from panope_registry.events import EventSink, milliseconds_since, no_events
from panope_registry.job_handlers.quantize_targets import enqueue_quantizations
from panope_registry.job_handlers.requests import SyncRequest, sync_request, upstream_of
from panope_registry.jobs import JobContext
from panope_registry.models.types import ModelEntry
from panope_registry.sources.source import Source


class SyncRegistry(Protocol):
    """What the job needs of the registry."""

    @property
    def store_id(self) -> str:
        """The id of the store that this registry writes to."""

    def register(
        self,
        name: str,
        *,
        revision: str,
        task_hints: Sequence[str],
        preferred_format: str,
        preferred_precision: str,
        quantization_targets: Sequence[str],
        base_model: str,
        source: Source,
    ) -> ModelEntry:
        """Records a model as its source has it now."""

    def register_upstream(self, name: str, upstream: Upstream) -> ModelEntry:
        """Records a model that a server elsewhere runs."""

    def model(self, name: str) -> ModelEntry:
        """Returns one model; NotFoundError when there is none of that name."""


class RepoSync:
    """The handler of `repo_sync`.

    Args:
        registry: records what the repo holds.
        source: has the repo.
        emit: takes the event of a synced repo, and before it that of a new model.
    """

    def __init__(self, registry: SyncRegistry, source: Source, emit: EventSink = no_events) -> None:
        self._registry = registry
        self._source = source
        self._emit = emit

    def __call__(self, context: JobContext) -> Mapping[str, Any]:
        """Registers the model; the same again changes nothing."""
        request = sync_request(context.job.payload)
        context.progress("sync")
        started = time.monotonic()
        is_new = self._is_new(request.model)
        entry = self._registered(request)
        facts = {"job_id": context.job.id, "model_repo_name": entry.name, "revision": entry.commit}
        if is_new:
            self._emit("repo_registered", facts | {"task": entry.task, "architecture": entry.architecture})
        self._emit("repo_synced", facts | {"duration_ms": milliseconds_since(started)})
        return {
            "model": entry.name,
            "task": entry.task,
            "task_candidates": list(entry.task_candidates),
            "architecture": entry.architecture,
            "commit": entry.commit,
            "quantize_jobs": enqueue_quantizations(
                context.jobs, entry, context.job.requested_by, store=self._registry.store_id
            ),
            "variants": [
                {"digest": variant.digest, "format": variant.format, "precision": variant.precision}
                for variant in entry.variants
            ],
        }

    def _registered(self, request: SyncRequest) -> ModelEntry:
        if request.upstream:
            return self._registry.register_upstream(request.model, upstream_of(request))
        return self._registry.register(
            request.model,
            revision=request.revision,
            task_hints=request.task_hints,
            preferred_format=request.preferred_format,
            preferred_precision=request.preferred_precision,
            quantization_targets=request.quantization_targets,
            base_model=request.base_model,
            source=self._source,
        )

    def _is_new(self, name: str) -> bool:
        try:
            self._registry.model(name)
        except NotFoundError:
            return True
        return False
