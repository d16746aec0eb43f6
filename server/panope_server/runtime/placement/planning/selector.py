"""Selects how to run a model on this machine, by the settings, the measurements and the memory of now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from panope_backends.api import Device
from panope_backends.errors import AvailabilityError, Field, InvalidInputError, PanopeError
from panope_registry.registry import ModelEntry, Registry
from panope_registry.serving_records.profiles import Profile, Profiles
from panope_server.config import Settings
from panope_server.runtime.async_registry.threads import call_registry
from panope_server.runtime.hardware.hardware import Hardware
from panope_server.runtime.hardware.memory import HOST, place_of
from panope_server.runtime.hardware.usage.device_usage import DeviceUsage
from panope_server.runtime.placement.constraints import UNCONSTRAINED, LoadConstraints
from panope_server.runtime.placement.memory_budget import MemoryBudget
from panope_server.runtime.placement.memory_estimates import MemoryEstimates
from panope_server.runtime.placement.possible import refuse_impossible_default, refuse_impossible_load
from panope_server.runtime.placement.selection.machine import Machine
from panope_server.runtime.placement.selection.selection import Selection, select_candidates
from panope_server.tasks.catalog import task_named


class Selector:
    """Selects candidates.

    Args:
        settings: which backends and precisions are preferred or the only ones.
        registry: of the models.
        hardware: of this machine.
        profiles: what was measured.
        memory: what is free on each device.
        estimates: what models took before.
        usage_of: what a device does at this moment.
    """

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        hardware: Hardware,
        profiles: Profiles,
        memory: MemoryBudget,
        estimates: MemoryEstimates,
        usage_of: Callable[[Device], DeviceUsage],
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._hardware = hardware
        self._profiles = profiles
        self._memory = memory
        self._estimates = estimates
        self._usage_of = usage_of

    async def select(self, entry: ModelEntry, constraints: LoadConstraints = UNCONSTRAINED) -> Selection:
        """Returns every candidate to run a model, best first; errors as of `select_candidates`."""
        constraints = self.with_settings(constraints)
        if not constraints.tensor_parallel:
            number = self._settings.models.tensor_parallel_of(entry.name)
            constraints = replace(constraints, tensor_parallel=number)
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

    async def devices(self) -> Sequence[Device]:
        """Returns the devices of this machine, those that are not available too."""
        return (await self._hardware.probe()).devices

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

    def with_settings(self, constraints: LoadConstraints) -> LoadConstraints:
        """The constraints of a load, with those that the settings have for every one."""
        settings = self._settings
        return replace(
            constraints,
            backend=constraints.backend or settings.backend,
            precision=constraints.precision or settings.precision,
        )

    async def _measured(self, entry: ModelEntry) -> Sequence[Profile]:
        """What was measured of the model; nothing while the database is away, which stops no loading."""
        try:
            return await call_registry(self._profiles.of_variants, [each.digest for each in entry.variants])
        except AvailabilityError:
            return ()

    def _busy(self, device: Device) -> float:
        return self._usage_of(device).utilization or 0.0

    def _free_bytes(self, device: Device) -> int | None:
        """What a model can have beside the process that it runs in."""
        free = self._memory.free_bytes(device)
        if free is None or place_of(device) != HOST:
            return free
        return max(0, free - self._estimates.process_bytes(device.backend))

    def _extra_bytes(self, entry: ModelEntry, free_bytes: int | None) -> int:
        task = task_named(entry.task)
        return 0 if task is None else task.extra_bytes(entry.config, self._settings, free_bytes)
