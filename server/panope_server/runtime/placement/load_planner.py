"""Turns a model's name into a plan that a worker can load: select, have it converted, lay the verified files out."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath

import structlog

from panope_backends.api import Device
from panope_backends.errors import (
    AvailabilityError,
    CapacityError,
    DataLossError,
    Field,
    InvalidInputError,
    PanopeError,
    PreconditionError,
    ShuttingDownError,
)
from panope_backends.lora import FOLDER
from panope_registry.inspect.grants import NETWORK, PICKLES, REMOTE_CODE
from panope_registry.job_handlers.conversion_plan import ConversionPlan, request_for
from panope_registry.job_handlers.requests import BuildRequest
from panope_registry.jobs import JobEntry
from panope_registry.models.types import FileEntry
from panope_registry.models.variant_digest import find_variant
from panope_registry.registry import ModelEntry, Registry, VariantEntry
from panope_registry.serving_records.profiles import Profile, Profiles
from panope_server.config import Settings
from panope_server.config.grants import grants_for
from panope_server.runtime.async_registry.leases import ModelLeases
from panope_server.runtime.async_registry.threads import call_registry, call_store
from panope_server.runtime.hardware.hardware import Hardware
from panope_server.runtime.hardware.memory import HOST, place_of
from panope_server.runtime.hardware.usage.device_usage import UNKNOWN, DeviceUsage
from panope_server.runtime.names import ResolvedName
from panope_server.runtime.placement.backend_settings import backend_settings
from panope_server.runtime.placement.constraints import UNCONSTRAINED, LoadConstraints
from panope_server.runtime.placement.memory import worker_limit
from panope_server.runtime.placement.memory_budget import MemoryBudget
from panope_server.runtime.placement.memory_estimates import Estimate, MemoryEstimates
from panope_server.runtime.placement.plan import FailedPlan, Host, LoadPlan
from panope_server.runtime.placement.possible import refuse_impossible_default, refuse_impossible_load
from panope_server.runtime.placement.ranking import Candidate
from panope_server.runtime.placement.reservation import Reserved, SpreadReservation
from panope_server.runtime.placement.selection import Machine, Selection, select_candidates
from panope_server.tasks.catalog import task_named

_log = structlog.get_logger("panope.models")

#: An adapter of 16 bits is kept in 32.
_COPIES_OF_ADAPTER = 2

FindHosts = Callable[[str, Sequence[str]], Sequence[Host]]

RunBuild = Callable[[BuildRequest], Awaitable[JobEntry]]
"""Returns the job that makes a variant once it has succeeded; raises what it failed with."""


class LoadPlanner:
    """Makes plans.

    Args:
        profiles: what was measured.
        memory: what is free on each device; what is about to be loaded is reserved of it.
        leases: taken on the files of what is about to be loaded; None when nothing will be, as for `panope doctor`.
        run_build: has a conversion done; None where candidates are selected and none is loaded.
        estimates: what models took before.
        on_wait: told the key whose load begins to wait for memory, and what to say of it.
        find_hosts: what takes adapters of a model, of those of its variants whose digests are given.
        usage_of: what a device does at this moment.
    """

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        hardware: Hardware,
        profiles: Profiles,
        memory: MemoryBudget,
        leases: ModelLeases | None = None,
        run_build: RunBuild | None = None,
        estimates: MemoryEstimates | None = None,
        on_wait: Callable[[str, str], None] = lambda _key, _reason: None,
        *,
        find_hosts: FindHosts = lambda _base, _digests: (),
        usage_of: Callable[[Device], DeviceUsage] = lambda _: UNKNOWN,
    ) -> None:
        self._usage_of = usage_of
        self._estimates = estimates or MemoryEstimates()
        self._on_wait = on_wait
        self._find_hosts = find_hosts
        self._leases = leases
        self._run_build = run_build
        self._profiles = profiles
        self._memory = memory
        self._grants = grants_for(settings)
        self._settings = settings
        self._registry = registry
        self._hardware = hardware

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
        tried = {each.plan.identity for each in failed}
        beside = await self._plan_beside(entry, resolved, constraints)
        if beside is not None and beside.identity not in tried:
            return beside
        if beside is not None and beside.memory is not None:
            beside.memory.release()
        constraints = replace(constraints, variant=resolved.variant or constraints.variant)
        try:
            selection = await self.select(entry, constraints)
        except CapacityError as error:
            holders, retry = self._memory.holders(resolved.key)
            raise CapacityError(f"{error.message}{holders}", reason=error.reason, retry_after_seconds=retry) from None
        errors = [(each.plan.backend, each.error) for each in failed]
        for candidate, reason in zip(selection.candidates, selection.reasons, strict=True):
            told = "; ".join([reason, *(f"{backend} failed: {error.message}" for backend, error in errors)])
            try:
                plan = await self.plan_candidate(entry, candidate, resolved.key, told)
                if plan.identity not in tried:
                    return await self._reserved(plan, candidate)
            except (DataLossError, ShuttingDownError):
                raise
            except PanopeError as error:
                _log.warning(
                    "candidate_failed", model=resolved.key, backend=candidate.device.backend, error=error.message
                )
                errors.append((candidate.device.backend, error))
        raise _none_works(errors)

    async def select(self, entry: ModelEntry, constraints: LoadConstraints = UNCONSTRAINED) -> Selection:
        """Returns every candidate to run a model, best first; errors as of `select_candidates`."""
        constraints = self._with_settings(constraints)
        if not constraints.preferred_backends:
            wanted = self._settings.models.preferred_backends_of(entry.name)
            constraints = replace(constraints, preferred_backends=wanted)
        machine = Machine(
            await self._hardware.probe(),
            self._hardware.supports,
            self._free_bytes,
            self._memory.limit_bytes,
            self._busy,
        )
        profiles = await self._measured(entry)
        return await select_candidates(
            entry,
            partial(self._registry.facts, entry),
            machine,
            constraints,
            profiles,
            self._settings.workers.instances_of(constraints.instances),
            partial(self._extra_bytes, entry),
        )

    async def refuse_impossible(self, entry: ModelEntry, constraints: LoadConstraints) -> None:
        """Refuses constraints that cannot be met here; PreconditionError as of `refuse_impossible_load`."""
        if constraints.backend and constraints.preferred_backends:
            raise InvalidInputError.at(
                "preferred_backends", "{field} has no effect beside {backend}", backend=Field("backend")
            )
        if constraints.backend or constraints.precision or constraints.preferred_backends:
            refuse_impossible_load((await self._hardware.probe()).devices, entry, constraints)

    async def refuse_impossible_settings(self) -> None:
        """Refuses settings that no load could meet; PreconditionError as of `refuse_impossible_default`."""
        settings = self._settings
        preferred = settings.models.named_backends
        if settings.backend or settings.precision or preferred:
            devices = (await self._hardware.probe()).devices
            refuse_impossible_default(devices, settings.backend, settings.precision, preferred)

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
        )

    async def _plan_beside(
        self, entry: ModelEntry, resolved: ResolvedName, constraints: LoadConstraints
    ) -> LoadPlan | None:
        """The plan of an adapter whose base serves here and takes it beside its weights; None for any other model."""
        constraints = self._with_settings(replace(constraints, variant=resolved.variant or constraints.variant))
        for variant in entry.variants:
            if not (variant.base_models and variant.is_local and variant.digest.startswith(constraints.variant)):
                continue
            base = await call_registry(self._registry.model, variant.base_models[0])
            same = [each.digest for each in base.variants if _weights_of(each) == _weights_of(variant)]
            for host in self._find_hosts(base.name, same):
                if constraints.backend in ("", host.plan.backend) and constraints.precision in ("", host.precision):
                    return await self._plan_in(entry, variant, resolved.key, host)
        return None

    async def _plan_in(self, entry: ModelEntry, variant: VariantEntry, key: str, host: Host) -> LoadPlan:
        devices = (await self._hardware.probe()).devices
        place = host.plan.backend, host.plan.device
        device = next((each for each in devices if (each.backend, each.name) == place), None)
        # Each of the base's workers may get it.
        copies = _COPIES_OF_ADAPTER * host.plan.instances
        need = copies * sum(file.size_bytes for file in variant.files if _is_of_adapter(file))
        folder = await self._held_folder(key, variant.digest)
        memory = (
            None if device is None else await self._granted(key, self._memory.reserve(key, device, need, 0, host.key))
        )
        return replace(
            host.plan,
            model=key,
            task=entry.task,
            variant_digest=variant.digest,
            folder=folder,
            precision=host.precision,
            reason=f"it runs in the worker of its base model `{host.key}`, whose weights it shares",
            host=host.key,
            host_variant=host.plan.variant_digest,
            need_bytes=need,
            memory=memory,
        )

    def _with_settings(self, constraints: LoadConstraints) -> LoadConstraints:
        """The constraints of a load, with those that the settings have for every one."""
        settings = self._settings
        return replace(
            constraints,
            backend=constraints.backend or settings.backend,
            precision=constraints.precision or settings.precision,
        )

    async def _reserved(self, plan: LoadPlan, candidate: Candidate) -> LoadPlan:
        """The plan with memory of its own; CapacityError when there is none."""
        has_cache = candidate.extra_bytes > 0
        estimate = self._estimates.of(plan, plan.instances, plan.need_bytes, has_cache=has_cache)
        memory = self._reserve(plan.model, candidate, estimate)
        return replace(plan, memory=await self._granted(plan.model, memory))

    def _reserve(self, key: str, candidate: Candidate, estimate: Estimate) -> Reserved:
        """Reserves what each device's instances take of it; nothing where one has too little."""
        parts = []
        counts = Counter(candidate.devices or [candidate.device])
        for device, count in counts.items():
            size, least = (each * count // counts.total() for each in (estimate.size_bytes, estimate.least_bytes))
            try:
                parts.append(self._memory.reserve(key, device, size, least))
            except PanopeError:
                for part in parts:
                    part.release()
                raise
        return parts[0] if len(parts) == 1 else SpreadReservation(parts)

    async def _granted(self, key: str, memory: Reserved) -> Reserved:
        if not memory.is_granted:
            self._on_wait(key, "waits for the memory of models that are being unloaded")
        try:
            await memory.granted()
        except BaseException:
            memory.release()
            raise
        return memory

    def _busy(self, device: Device) -> float:
        return self._usage_of(device).utilization or 0.0

    def _free_bytes(self, device: Device) -> int | None:
        """What a model can have beside the process that it runs in."""
        free = self._memory.free_bytes(device)
        if free is None or place_of(device) != HOST:
            return free
        return max(0, free - self._estimates.process_bytes(device.backend))

    def _task_settings(self, name: str, extra_bytes: int) -> bytes:
        task = task_named(name)
        return b"" if task is None else task.settings_of(self._settings, extra_bytes)

    def _extra_bytes(self, entry: ModelEntry, free_bytes: int | None) -> int:
        task = task_named(entry.task)
        return 0 if task is None else task.extra_bytes(entry.config, self._settings, free_bytes)

    def _tell_grants(self, entry: ModelEntry, variant: VariantEntry) -> None:
        """The admins' record of what a model does by their leave."""
        code = any(file.path.endswith(".py") for file in variant.files) and variant.derived_from is None
        used = {PICKLES: variant.format == "pytorch", REMOTE_CODE: code, NETWORK: code}
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


def _weights_of(variant: VariantEntry) -> set[tuple[str, str]]:
    """What tells whether two variants have the same weights, an adapter's own left out."""
    weights = (file for file in variant.files if file.path.endswith(".safetensors") and not _is_of_adapter(file))
    return {(file.path, file.sha256) for file in weights}


def _is_of_adapter(file: FileEntry) -> bool:
    return PurePosixPath(file.path).parent.name == FOLDER


def _none_works(errors: Sequence[tuple[str, PanopeError]]) -> PanopeError:
    """Returns what candidates that all failed share, or the best one's error with those of the others."""
    _, first = errors[0]
    messages = dict.fromkeys(error.message for _, error in errors)
    if len(messages) == 1:
        return first
    message = "; ".join(f"{backend}: {error.message}" for backend, error in errors)
    return type(first)(
        f"no way to run the model works: {message}",
        reason=first.reason,
        field=first.field,
        retry_after_seconds=first.retry_after_seconds,
    )
