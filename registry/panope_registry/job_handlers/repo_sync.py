"""The job `repo_sync`: looks at a model's repo and records what it holds; downloads no weights.

The base model that an adapter needs is registered with it, where the settings allow models of that vendor.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from panope_backends.errors import NotFoundError, PanopeError
from panope_backends.upstreams.description import Upstream
from panope_registry.events import EventSink, milliseconds_since, no_events
from panope_registry.ingest.adapters import BASE_REVISION, MISSING_BASE
from panope_registry.job_handlers.quantize_targets import enqueue_quantizations
from panope_registry.job_handlers.requests import SyncRequest, check_model, sync_request, upstream_of
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
        keep_alive_seconds: float | None,
        source: Source,
    ) -> ModelEntry:
        """Records a model as its source has it now."""

    def register_upstream(self, name: str, upstream: Upstream, *, keep_alive_seconds: float | None) -> ModelEntry:
        """Records a model that a server elsewhere runs."""

    def model(self, name: str) -> ModelEntry:
        """Returns one model; NotFoundError when there is none of that name."""


class RepoSync:
    """The handler of `repo_sync`.

    Args:
        registry: records what the repo holds.
        source: has the repo.
        emit: takes the event of a synced repo, and before it that of a new model.
        check_vendor: raises PermissionDeniedError for a model that may not be registered. A request was checked when it
            came; what an adapter's files name is not.
    """

    def __init__(
        self,
        registry: SyncRegistry,
        source: Source,
        emit: EventSink = no_events,
        check_vendor: Callable[[str], None] = lambda _model: None,
    ) -> None:
        self._registry = registry
        self._source = source
        self._emit = emit
        self._check_vendor = check_vendor

    def __call__(self, context: JobContext) -> Mapping[str, Any]:
        """Registers the model; the same again changes nothing."""
        request = sync_request(context.job.payload)
        context.progress("sync")
        base = ""
        try:
            entry = self._synced(context, request)
        except NotFoundError as error:
            base = error.details.get(MISSING_BASE, "")
            if not base:
                raise
            self._sync_base(context, base, error.details[BASE_REVISION] or "main")
            entry = self._synced(context, request)
        return {
            "model": entry.name,
            "registered_base": base,
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

    def _synced(self, context: JobContext, request: SyncRequest) -> ModelEntry:
        started = time.monotonic()
        is_new = self._is_new(request.model)
        entry = self._registered(request)
        facts = {"job_id": context.job.id, "model_repo_name": entry.name, "revision": entry.commit}
        if is_new:
            self._emit("repo_registered", facts | {"task": entry.task, "architecture": entry.architecture})
        self._emit("repo_synced", facts | {"duration_ms": milliseconds_since(started)})
        return entry

    def _sync_base(self, context: JobContext, base: str, revision: str) -> None:
        """Registers the model that an adapter needs, or says why that must be done by hand."""
        try:
            check_model(base, revision)
            self._check_vendor(base)
            self._synced(context, SyncRequest(base, revision))
        except PanopeError as error:
            raise type(error)(
                f"the adapter needs its base model `{base}`, which could not be registered: {error.message}",
                reason=error.reason,
                field="base_model",
                retry_after_seconds=error.retry_after_seconds,
            ) from error

    def _registered(self, request: SyncRequest) -> ModelEntry:
        if request.upstream:
            return self._registry.register_upstream(
                request.model, upstream_of(request), keep_alive_seconds=request.keep_alive_seconds
            )
        return self._registry.register(
            request.model,
            revision=request.revision,
            task_hints=request.task_hints,
            preferred_format=request.preferred_format,
            preferred_precision=request.preferred_precision,
            quantization_targets=request.quantization_targets,
            base_model=request.base_model,
            keep_alive_seconds=request.keep_alive_seconds,
            source=self._source,
        )

    def _is_new(self, name: str) -> bool:
        try:
            self._registry.model(name)
        except NotFoundError:
            return True
        return False
