"""Turns a model's name into a plan that a worker can load: select, convert once, lay the verified files out."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import structlog

from panope_backends.api import ModelFacts
from panope_backends.errors import AvailabilityError, DataLossError, PanopeError, PreconditionError
from panope_registry.inspect.grants import PICKLES, REMOTE_CODE
from panope_registry.operations.profiles import Profile, Profiles
from panope_registry.registry import ModelEntry, Registry, VariantEntry
from panope_server.config import Settings
from panope_server.config.grants import grants_for
from panope_server.runtime.names import ResolvedName
from panope_server.runtime.placement.constraints import UNCONSTRAINED, LoadConstraints
from panope_server.runtime.placement.hardware import Hardware
from panope_server.runtime.placement.memory import DeviceMemory, conversion_limit, worker_limit
from panope_server.runtime.placement.plan import FailedPlan, LoadPlan
from panope_server.runtime.placement.ranking import Candidate
from panope_server.runtime.placement.selection import Machine, Selection, select_candidates
from panope_server.runtime.processes.programs import run_program
from panope_server.runtime.registry_calls.leases import ModelLeases
from panope_server.runtime.registry_calls.threads import call_registry, call_store

_log = structlog.get_logger("panope.models")

DownloadVariant = Callable[[ModelEntry, VariantEntry], Awaitable[None]]

CONVERT = "panope_backends.programs.convert"
CONVERT_TIMEOUT_SECONDS = 1800.0


class LoadPlanner:
    """Makes plans.

    Args:
        profiles: what was measured.
        memory: what is free on each device; what is about to be loaded is taken from it.
        leases: taken on the files of what is about to be loaded; None when nothing will be, as for `panope doctor`.
        download_variant: downloads a variant that another machine made; None where that cannot be.
    """

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        hardware: Hardware,
        profiles: Profiles,
        memory: DeviceMemory,
        leases: ModelLeases | None = None,
        download_variant: DownloadVariant | None = None,
    ) -> None:
        self._leases = leases
        self._download_variant = download_variant
        self._profiles = profiles
        self._memory = memory
        self._grants = grants_for(settings)
        self._settings = settings
        self._registry = registry
        self._hardware = hardware
        # One conversion at a time: each takes the memory of a whole model, and two of the same would waste one.
        self._converting = asyncio.Lock()

    async def plan(
        self, resolved: ResolvedName, constraints: LoadConstraints = UNCONSTRAINED, failed: Sequence[FailedPlan] = ()
    ) -> LoadPlan:
        """Plans the best candidate that works; one whose conversion or load fails gives place to the next.

        Args:
            resolved: the name of what is to run.
            constraints: of whoever loads it; the variant of the resolved name comes before theirs.
            failed: what was planned for this load, and could not be loaded.

        Raises:
            PanopeError: there is none; where several were tried, it tells why each is none.
        """
        entry = await call_registry(self._registry.model, resolved.model)
        selection = await self.select(entry, replace(constraints, variant=resolved.variant or constraints.variant))
        tried = {each.plan.identity for each in failed}
        errors = [(each.plan.backend, each.error) for each in failed]
        for candidate, reason in zip(selection.candidates, selection.reasons, strict=True):
            self._memory.take(resolved.key, candidate.device, candidate.need_bytes)
            told = "; ".join([reason, *(f"{backend} failed: {error.message}" for backend, error in errors)])
            try:
                plan = await self.plan_candidate(entry, candidate, resolved.key, told)
            except DataLossError:
                raise
            except PanopeError as error:
                _log.warning("way_failed", model=resolved.key, backend=candidate.device.backend, error=error.message)
                errors.append((candidate.device.backend, error))
            else:
                if plan.identity not in tried:
                    return plan
        raise _none_works(errors)

    async def select(self, entry: ModelEntry, constraints: LoadConstraints = UNCONSTRAINED) -> Selection:
        """Returns every candidate to run a model, best first; errors as of `select_candidates`."""
        settings = self._settings
        constraints = replace(
            constraints,
            backend=constraints.backend or settings.backend,
            precision=constraints.precision or settings.precision,
        )
        machine = Machine(await self._hardware.probe(), self._hardware.supports, self._memory.free_bytes)
        profiles = await self._measured(entry)
        return await select_candidates(
            entry, partial(self._facts, entry), machine, constraints, profiles, settings.workers.instances
        )

    async def variant_to_download(self, entry: ModelEntry, constraints: LoadConstraints) -> str:
        """The digest of the one variant to download, where nothing is here; empty leaves it to what pulls prefer.

        Of what another server has made and shares, the best to run here comes instead of what it was made of.
        """
        shared = [variant for variant in entry.variants if variant.derived_from is not None and variant.is_obtainable]
        if constraints.variant or not shared or any(variant.is_local for variant in entry.variants):
            return constraints.variant
        obtainable = tuple(variant for variant in entry.variants if variant.is_obtainable)
        try:
            best = (await self.select(replace(entry, variants=obtainable), constraints)).candidates[0]
        except PanopeError:  # loading tells it
            return ""
        return best.variant.digest if best.conversion is None and best.variant in shared else ""

    async def _measured(self, entry: ModelEntry) -> Sequence[Profile]:
        """What was measured of the model; nothing while the database is away, which stops no loading."""
        try:
            return await call_registry(self._profiles.of_variants, [each.digest for each in entry.variants])
        except AvailabilityError:
            return ()

    async def plan_candidate(self, entry: ModelEntry, candidate: Candidate, key: str, reason: str) -> LoadPlan:
        """Makes one candidate ready to be loaded: converts once, lays the verified files out.

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
        folder = await self._held_folder(key, variant.digest)
        cache = self._settings.home_path / "cache" / candidate.device.backend.replace(":", "-")
        await asyncio.to_thread(cache.mkdir, 0o700, True, True)
        return LoadPlan(
            model=key,
            task=entry.task,
            variant_digest=variant.digest,
            format=variant.format,
            backend=candidate.device.backend,
            device=candidate.device.name,
            precision=candidate.precision,
            weights_precision=variant.precision,
            folder=folder,
            cache_folder=cache,
            reason=reason,
            grants=self._grants.of(entry.name),
            memory_limit_bytes=worker_limit(
                candidate.need_bytes // self._settings.workers.instances,
                self._settings.workers.memory_bytes,
                on_host=DeviceMemory.is_host(candidate.device),
            ),
        )

    def _facts(self, entry: ModelEntry, variant: VariantEntry) -> ModelFacts:
        grants = self._grants.of(entry.name)
        return ModelFacts(entry.name, variant.format, entry.task, entry.architecture, entry.config, grants)

    def _tell_grants(self, entry: ModelEntry, variant: VariantEntry) -> None:
        """The admins' record of what a model does by their leave."""
        code = any(file.path.endswith(".py") for file in variant.files)
        used = {PICKLES: variant.format == "pytorch", REMOTE_CODE: code and variant.derived_from is None}
        for grant in self._grants.of(entry.name):
            if used[grant]:
                _log.info("grant_used", model=entry.name, setting=f"grants.{grant}", variant=variant.digest)

    async def _held_folder(self, key: str, digest: str) -> Path:
        """The variant's verified files, with a lease on them so that they stay."""
        if self._leases is not None:
            try:
                await self._leases.hold(key, digest)
            except PreconditionError:
                # A file is not here: laying out says which, and whether it can be had again.
                await call_store(self._registry.materialize, digest)
                await self._leases.hold(key, digest)
        return await call_store(self._registry.materialize, digest)

    async def _converted(self, entry: ModelEntry, candidate: Candidate) -> VariantEntry:
        made = candidate.conversion
        assert made is not None
        async with self._converting:
            identity = {"format": made.format, "precision": made.precision, "engine_version": made.engine_version}
            known = await call_registry(lambda: self._registry.find_conversion(candidate.variant.digest, **identity))
            if known is not None and not known.is_local:
                known = await self._brought(entry, known)
            return known or await self._convert(entry, candidate, identity)

    async def _brought(self, entry: ModelEntry, made: VariantEntry) -> VariantEntry | None:
        """What another machine has made, once it is here; None when it cannot be had and is to be made again."""
        if self._download_variant is None or not made.is_obtainable:
            return None
        try:
            await self._download_variant(entry, made)
        except PanopeError as error:
            _log.warning("conversion_not_brought", model=entry.name, variant=made.digest, error=error.message)
            return None
        return made

    async def _convert(self, entry: ModelEntry, candidate: Candidate, identity: dict[str, str]) -> VariantEntry:
        _log.info("convert_start", model=entry.name, backend=candidate.device.backend, format=identity["format"])
        source = await call_store(self._registry.materialize, candidate.variant.digest)
        scratch = self._settings.home_path / "scratch"
        await asyncio.to_thread(scratch.mkdir, 0o700, True, True)
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            document = {
                "backend": candidate.device.backend,
                "format": identity["format"],
                "precision": identity["precision"],
                "model": _document(self._facts(entry, candidate.variant)),
                "folder": str(source),
                "out": folder,
            }
            await run_program(
                CONVERT,
                document=document,
                timeout_seconds=CONVERT_TIMEOUT_SECONDS,
                python=self._settings.workers.python,
                memory_bytes=conversion_limit(candidate.variant.size_bytes),
            )
            variant = await call_store(
                lambda: self._registry.add_conversion(
                    candidate.variant.digest, Path(folder), backend=candidate.device.backend, **identity
                )
            )
        _log.info("convert_finish", model=entry.name, variant=variant.digest, size_bytes=variant.size_bytes)
        return variant


def _none_works(errors: Sequence[tuple[str, PanopeError]]) -> PanopeError:
    """Returns what candidates that all failed share, or the best one's error with those of the others."""
    _, first = errors[0]
    messages = dict.fromkeys(error.message for _, error in errors)
    if len(messages) == 1:
        return first
    message = "; ".join(f"{backend}: {error.message}" for backend, error in errors)
    return type(first)(f"no way to run the model works: {message}", reason=first.reason, field=first.field)


def _document(facts: ModelFacts) -> dict[str, object]:
    return asdict(facts) | {"config": dict(facts.config)}
