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
from panope_backends.errors import PreconditionError
from panope_registry.events import EventSink, milliseconds_since, no_events
from panope_registry.inspect.precisions import bits_of
from panope_registry.job_handlers.conversion_plan import ConversionPlan, plan_conversion
from panope_registry.job_handlers.conversion_runner import ConversionRunner
from panope_registry.job_handlers.requests import BuildRequest, build_request
from panope_registry.job_handlers.scratch import Scratch
from panope_registry.jobs import JobContext
from panope_registry.jobs.kinds import QUANTIZE
from panope_registry.models.types import MissingFile, ModelEntry, VariantEntry

_LOOK_SECONDS = 0.2


class Keeps(Protocol):
    """What the job needs of the registry."""

    def model(self, name: str) -> ModelEntry:
        """One model."""

    def missing_files(self, variant_digest: str) -> Sequence[MissingFile]:
        """The files of a variant that are not here."""

    def facts(self, variant_digest: str) -> ModelFacts:
        """What a backend may know of a variant."""

    def materialize(self, variant_digest: str) -> Path:
        """The folder of a variant's verified files."""

    def find_conversion(
        self,
        source_digest: str,
        *,
        format: str,  # noqa: A002 - the schema's word
        precision: str,
        engine_version: str,
    ) -> VariantEntry | None:
        """What was made before."""

    def add_conversion(
        self,
        source_digest: str,
        folder: Path,
        *,
        format: str,  # noqa: A002 - the schema's word
        precision: str,
        backend: str,
        engine_version: str,
    ) -> VariantEntry:
        """Brings a result into the store."""


class Brings(Protocol):
    """What the job needs of downloads."""

    def bring(self, context: JobContext, files: Sequence[MissingFile]) -> None:
        """Downloads files."""


class Build:
    """The handler of both kinds.

    Args:
        registry: knows the model and takes the result.
        downloads: brings what is missing of the files.
        conversion_runner: runs converters.
        scratch: a folder for results until they are in the store.
        emit: told when a variant begins to be made, and when it is.
    """

    def __init__(
        self,
        registry: Keeps,
        downloads: Brings,
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
        there = _came_with_repo(entry, request)
        if there is not None:
            return _result(entry, there, made=False)
        way = plan_conversion(entry, request, self._conversion_runner.conversions())
        known = self._known(context, way)
        if known is not None:
            return _result(entry, known, made=False)
        context.check()
        self._downloads.bring(context, self._registry.missing_files(way.source.digest))
        return _result(entry, self._make(context, entry, way), made=True)

    def _known(self, context: JobContext, way: ConversionPlan) -> VariantEntry | None:
        """What was made before; from the shared store when another machine made it."""
        known = self._registry.find_conversion(way.source.digest, **_key(way))
        if known is None or not known.is_obtainable:
            return None
        if not known.is_local:
            self._downloads.bring(context, self._registry.missing_files(known.digest))
        return known

    def _make(self, context: JobContext, entry: ModelEntry, way: ConversionPlan) -> VariantEntry:
        facts = {
            "job_id": context.job.id,
            "model_repo_name": entry.name,
            "revision": entry.commit,
            "variant": f"{way.conversion.format} {way.conversion.precision}",
        }
        context.progress("verify")
        folder = self._registry.materialize(way.source.digest)
        model = self._registry.facts(way.source.digest)
        context.progress("wait")
        with self._alone(context), self._scratch.folder(context, _needed_bytes(way)) as out:
            self._emit_start(context, facts | {"source": way.source.digest, "backend": way.backend})
            started = time.monotonic()
            context.progress("convert")
            self._conversion_runner.convert(way.backend, way.conversion, model, folder, out, context.check)
            context.progress("store")
            context.check()
            made = self._registry.add_conversion(way.source.digest, out, backend=way.backend, **_key(way))
        more = {"hash": made.digest, "size_bytes": made.size_bytes, "duration_ms": milliseconds_since(started)}
        self._emit_finish(context, facts | more)
        return made

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
    def _alone(self, context: JobContext) -> Iterator[None]:
        while not self._converting.acquire(timeout=_LOOK_SECONDS):
            context.check()
        try:
            yield
        finally:
            self._converting.release()


def _check_revision(entry: ModelEntry, request: BuildRequest) -> None:
    if request.revision and request.revision not in (entry.ref or "main", entry.commit):
        raise PreconditionError(
            f"`{entry.name}` serves revision `{entry.ref or entry.commit}`; register the other one first",
            reason="other_revision",
            field="revision",
        )


def _came_with_repo(entry: ModelEntry, request: BuildRequest) -> VariantEntry | None:
    """The variant that was asked for, where nobody needs to make it."""
    wanted = (request.format, request.precision)
    came = (variant for variant in entry.variants if variant.derived_from is None)
    return next((variant for variant in came if (variant.format, variant.precision) == wanted), None)


def _needed_bytes(way: ConversionPlan) -> int:
    """About the most that the result may take: weights that get wider grow, and others may stay as they are."""
    before, after = bits_of(way.source.precision), bits_of(way.conversion.precision)
    return math.ceil(way.source.size_bytes * max(1.0, after / before if before else 1.0))


def _key(way: ConversionPlan) -> dict[str, str]:
    conversion = way.conversion
    return {
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
