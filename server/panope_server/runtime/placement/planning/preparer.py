"""Makes a candidate ready to be loaded: has it converted, lays its verified files out and keeps them there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from panope_registry.inspect.grants import NETWORK, PICKLES, REMOTE_CODE
from panope_registry.job_handlers.conversion_plan import ConversionPlan, request_for
from panope_registry.job_handlers.requests import BuildRequest
from panope_registry.jobs import JobEntry
from panope_registry.models.variant_digest import find_variant
from panope_registry.registry import ModelEntry, Registry, VariantEntry
from panope_server.config import Settings
from panope_server.config.grants import grants_for
from panope_server.runtime.async_registry.threads import call_registry
from panope_server.runtime.hardware.hardware import Hardware
from panope_server.runtime.hardware.memory import HOST, place_of
from panope_server.runtime.placement.backend_settings import backend_settings
from panope_server.runtime.placement.memory import worker_limit
from panope_server.runtime.placement.plan import LoadPlan
from panope_server.runtime.placement.planning.held_files import HeldFiles
from panope_server.runtime.placement.selection.candidate import Candidate
from panope_server.tasks.catalog import task_named

_log = structlog.get_logger("panope.models")

RunBuild = Callable[[BuildRequest], Awaitable[JobEntry]]
"""Returns the job that makes a variant once it has succeeded; raises what it failed with."""


class Preparer:
    """Prepares candidates.

    Args:
        settings: of workers, and what models are granted.
        registry: of the models.
        hardware: of this machine.
        files: where the files of what is prepared are laid out.
        run_build: has a conversion done; None where candidates are selected and none is loaded.
    """

    def __init__(
        self, settings: Settings, registry: Registry, hardware: Hardware, files: HeldFiles, run_build: RunBuild | None
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._hardware = hardware
        self._files = files
        self._run_build = run_build
        self._grants = grants_for(settings)

    async def prepare(self, entry: ModelEntry, candidate: Candidate, key: str, reason: str) -> LoadPlan:
        """Makes one candidate ready to be loaded: has it converted, lays the verified files out.

        Args:
            entry: of the model.
            candidate: one of `select`.
            key: under which it will run, and its files are kept in the store.
            reason: why this one, for people.

        Raises:
            PanopeError: it cannot be.
        """
        self._tell_grants(entry, candidate.variant)
        variant = candidate.variant if candidate.conversion is None else await self._converted(entry, candidate)
        folder = await self._files.folder(key, variant.digest)
        cache = await asyncio.to_thread(self._cache_of, candidate.device.backend)
        return LoadPlan(
            model=key,
            task=entry.task,
            variant_digest=variant.digest,
            format=variant.format,
            backend=candidate.device.backend,
            device=candidate.device.name,
            devices=tuple(device.name for device in candidate.devices),
            precision=candidate.precision,
            weights_precision=variant.precision,
            folder=folder,
            cache_folder=cache,
            reason=reason,
            grants=self._grants.of(entry.name),
            task_settings=self._task_settings(entry.task, candidate.extra_bytes),
            backend_settings=await asyncio.to_thread(backend_settings, self._settings, variant.format, folder),
            memory_limit_bytes=worker_limit(
                candidate.need_bytes // candidate.instances,
                self._settings.workers.memory_bytes,
                on_host=place_of(candidate.device) == HOST,
            ),
            instances=candidate.instances,
            need_bytes=candidate.need_bytes,
            python=self._settings.python_of(candidate.device.backend),
            media_limits=self._settings.limits.media,
            tensor_parallel=candidate.tensor_parallel,
        )

    def _cache_of(self, backend: str) -> Path | None:
        cache = self._settings.home_path / "cache" / backend.replace(":", "-")
        try:
            cache.mkdir(0o700, parents=True, exist_ok=True)
        except OSError as error:  # backends do without
            _log.warning("cache_folder_not_made", folder=str(cache), error=str(error))
            return None
        return cache

    def _task_settings(self, name: str, extra_bytes: int) -> bytes:
        task = task_named(name)
        return b"" if task is None else task.settings_of(self._settings, extra_bytes)

    def _tell_grants(self, entry: ModelEntry, variant: VariantEntry) -> None:
        """The admins' record of what a model does by their leave."""
        code = any(file.path.endswith(".py") for file in variant.files) and variant.derived_from is None
        used = {PICKLES: variant.format == "pytorch", REMOTE_CODE: code, NETWORK: code}
        for grant in self._grants.of(entry.name):
            if used[grant]:
                _log.info("grant_used", model=entry.name, setting=f"grants.{grant}", variant=variant.digest)

    async def _converted(self, entry: ModelEntry, candidate: Candidate) -> VariantEntry:
        """Returns what the candidate's conversion makes; a build job makes it, unless it is here already."""
        conversion, source = candidate.conversion, candidate.variant
        assert conversion is not None
        identity = (conversion.format, conversion.precision, conversion.engine_version)
        for variant in entry.variants:
            made = (variant.format, variant.precision, variant.engine_version)
            if variant.derived_from == source.digest and variant.is_local and made == identity:
                return variant
        assert self._run_build is not None, "whoever only selects converts nothing"
        plan = ConversionPlan(source, candidate.device.backend, conversion)
        request = request_for(entry, plan, (await self._hardware.probe()).conversions)
        job = await self._run_build(request)
        return find_variant(await call_registry(self._registry.model, entry.name), job.result["variant"])
