"""The jobs `build_engine` and `quantize`: make another variant of a model, in a process of its own.

What was made before, of the same files by the same version of the same tools, is found again and not made twice. What
is missing of the files is downloaded first.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from panope_backends.api import ModelFacts
from panope_backends.errors import PanopeError, PreconditionError
from panope_registry.events import EventSink, milliseconds_since, no_events
from panope_registry.inspect.precisions import bits_of
from panope_registry.job_handlers.conversion_plan import ConversionPlan, plan_conversion, published_variant
from panope_registry.job_handlers.conversion_runner import ConversionRunner
from panope_registry.job_handlers.requests import BuildRequest, build_request
from panope_registry.job_handlers.scratch import Scratch
from panope_registry.jobs import JobContext
from panope_registry.jobs.kinds import QUANTIZE
from panope_registry.models.types import MissingFile, ModelEntry, VariantEntry

_POLL_SECONDS = 0.2


class BuildRegistry(Protocol):
    """What the job needs of the registry."""

    def model(self, name: str) -> ModelEntry:
        """Returns one model."""

    def missing_files(self, variant_digest: str) -> Sequence[MissingFile]:
        """Returns the files of a variant that are not here."""

    def facts(self, entry: ModelEntry, variant: VariantEntry) -> ModelFacts:
        """Returns what a backend may know of a model's variant."""

    def materialize(self, variant_digest: str) -> Path:
        """Returns the folder of a variant's verified files."""

    def find_conversion(
        self,
        source_digest: str,
        *,
        task: str,
        format: str,  # noqa: A002 - the schema's word
        precision: str,
        engine_version: str,
    ) -> VariantEntry | None:
        """Returns what was made before."""

    def add_conversion(
        self,
        source_digest: str,
        folder: Path,
        *,
        task: str,
        format: str,  # noqa: A002 - the schema's word
        precision: str,
        backend: str,
        engine_version: str,
    ) -> VariantEntry:
        """Brings a result into the store."""


class FileDownloads(Protocol):
    """What the job needs of the downloads."""

    def download(self, context: JobContext, files: Sequence[MissingFile]) -> None:
        """Downloads files."""


class Build:
    """The handler of `build_engine` and `quantize`.

    Args:
        registry: knows the model and takes the result.
        downloads: downloads what is missing of the files.
        conversion_runner: runs converters.
        scratch: a folder for results until they are in the store.
        emit: takes the events of a variant that begins to be made, and that is made.
    """

    def __init__(
        self,
        registry: BuildRegistry,
        downloads: FileDownloads,
        conversion_runner: ConversionRunner,
        scratch: Path,
        emit: EventSink = no_events,
    ) -> None:
        self._registry = registry
        self._downloads = downloads
        self._conversion_runner = conversion_runner
        self._scratch = Scratch(scratch)
        self._emit = emit
        # One at a time: each takes several times the memory of its model.
        self._converting = threading.Lock()

    def __call__(self, context: JobContext) -> Mapping[str, Any]:
        """Makes the variant, unless it is made already."""
        request = build_request(context.job.payload)
        context.progress("plan")
        entry = self._registry.model(request.model)
        _check_revision(entry, request)
        published = published_variant(entry, request)
        if published is not None:
            return _result(entry, published, made=False)
        plan = plan_conversion(entry, request, self._conversion_runner.conversions())
        known = self._known(context, entry, plan)
        if known is not None:
            return _result(entry, known, made=False)
        context.check()
        self._downloads.download(context, self._registry.missing_files(plan.source.digest))
        return _result(entry, self._make(context, entry, plan), made=True)

    def _known(self, context: JobContext, entry: ModelEntry, plan: ConversionPlan) -> VariantEntry | None:
        """Returns what was made before; from the shared store when another machine made it."""
        known = self._registry.find_conversion(plan.source.digest, **_key(entry, plan))
        if known is None or not known.is_obtainable:
            return None
        if not known.is_local:
            try:
                self._downloads.download(context, self._registry.missing_files(known.digest))
            except PanopeError as error:
                facts = {"job_id": context.job.id, "variant": known.digest}
                self._emit("build_not_downloaded", facts | {"error_type": error.reason, "error_message": error.message})
                return None  # it is made again
        return known

    def _make(self, context: JobContext, entry: ModelEntry, plan: ConversionPlan) -> VariantEntry:
        facts = {
            "job_id": context.job.id,
            "model_repo_name": entry.name,
            "revision": entry.commit,
            "variant": f"{plan.conversion.format} {plan.conversion.precision}",
        }
        context.progress("verify")
        folder = self._registry.materialize(plan.source.digest)
        model = self._registry.facts(entry, plan.source)
        context.progress("wait")
        with self._conversion_slot(context), self._scratch.folder(context, _needed_bytes(plan)) as out:
            known = self._registry.find_conversion(plan.source.digest, **_key(entry, plan))
            if known is not None and known.is_local:
                return known  # another job made it while this one waited
            self._emit_start(context, facts | {"source": plan.source.digest, "backend": plan.backend})
            started = time.monotonic()
            context.progress("convert")
            self._conversion_runner.convert(plan.backend, plan.conversion, model, folder, out, context.check)
            context.progress("store")
            context.check()
            variant = self._registry.add_conversion(plan.source.digest, out, backend=plan.backend, **_key(entry, plan))
        facts |= {"hash": variant.digest, "size_bytes": variant.size_bytes, "duration_ms": milliseconds_since(started)}
        self._emit_finish(context, facts)
        return variant

    def _emit_start(self, context: JobContext, facts: Mapping[str, object]) -> None:
        if context.job.kind == QUANTIZE:
            self._emit("quantize_start", facts)
        else:
            self._emit("build_engine_start", facts)

    def _emit_finish(self, context: JobContext, facts: Mapping[str, object]) -> None:
        if context.job.kind == QUANTIZE:
            self._emit("quantize_finish", facts)
        else:
            self._emit("build_engine_finish", facts)

    @contextmanager
    def _conversion_slot(self, context: JobContext) -> Iterator[None]:
        while not self._converting.acquire(timeout=_POLL_SECONDS):
            context.check()
        try:
            yield
        finally:
            self._converting.release()


def _check_revision(entry: ModelEntry, request: BuildRequest) -> None:
    if request.revision and request.revision not in (entry.ref or "main", entry.commit):
        raise PreconditionError(
            f"`{entry.name}` serves revision `{entry.ref or entry.commit}`; register the other one first",
            reason="revision_mismatch",
            field="revision",
        )


def _needed_bytes(plan: ConversionPlan) -> int:
    """Estimates the most that the result may take: weights that get wider grow, and others may stay as they are."""
    before, after = bits_of(plan.source.precision), bits_of(plan.conversion.precision)
    return math.ceil(plan.source.size_bytes * max(1.0, after / before if before else 1.0))


def _key(entry: ModelEntry, plan: ConversionPlan) -> dict[str, str]:
    conversion = plan.conversion
    return {
        "task": entry.task,
        "format": conversion.format,
        "precision": conversion.precision,
        "engine_version": conversion.engine_version,
    }


def _result(entry: ModelEntry, variant: VariantEntry, *, made: bool) -> dict[str, Any]:
    return {
        "model": entry.name,
        "variant": variant.digest,
        "format": variant.format,
        "precision": variant.precision,
        "size_bytes": variant.size_bytes,
        "made": made,
    }
