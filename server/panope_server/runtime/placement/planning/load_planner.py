"""Turns a model's name into a plan that a worker can load: select, have it converted, lay the verified files out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from panope_backends.api import Device
from panope_backends.errors import CapacityError, DataLossError, PanopeError, ShuttingDownError
from panope_registry.registry import Registry
from panope_registry.serving_records.profiles import Profiles
from panope_server.config import Settings
from panope_server.runtime.async_registry.leases import ModelLeases
from panope_server.runtime.async_registry.threads import call_registry
from panope_server.runtime.hardware.hardware import Hardware
from panope_server.runtime.hardware.usage.device_usage import UNKNOWN, DeviceUsage
from panope_server.runtime.names import ResolvedName
from panope_server.runtime.placement.constraints import UNCONSTRAINED, LoadConstraints
from panope_server.runtime.placement.memory_budget import MemoryBudget
from panope_server.runtime.placement.memory_estimates import MemoryEstimates
from panope_server.runtime.placement.plan import FailedPlan, LoadPlan
from panope_server.runtime.placement.planning.adapter_planner import AdapterPlanner, FindHosts
from panope_server.runtime.placement.planning.held_files import HeldFiles
from panope_server.runtime.placement.planning.memory_requests import MemoryRequests
from panope_server.runtime.placement.planning.preparer import Preparer, RunBuild
from panope_server.runtime.placement.planning.selector import Selector

_log = structlog.get_logger("panope.models")


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

    Attributes:
        selector: of the ways to run a model.
        preparer: makes one of them ready to be loaded.
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
        estimates = estimates or MemoryEstimates()
        files = HeldFiles(registry, leases)
        self._registry = registry
        self._memory = memory
        self._requests = MemoryRequests(memory, estimates, on_wait)
        self._adapters = AdapterPlanner(registry, hardware, files, self._requests, find_hosts)
        self.selector = Selector(settings, registry, hardware, profiles, memory, estimates, usage_of)
        self.preparer = Preparer(settings, registry, hardware, files, run_build)

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
        constraints = replace(constraints, variant=resolved.variant or constraints.variant)
        beside = await self._adapters.plan(entry, resolved.key, self.selector.with_settings(constraints))
        if beside is not None and beside.identity not in tried:
            return beside
        if beside is not None and beside.memory is not None:
            beside.memory.release()
        try:
            selection = await self.selector.select(entry, constraints)
        except CapacityError as error:
            holders, retry = self._memory.holders(resolved.key)
            raise CapacityError(f"{error.message}{holders}", reason=error.reason, retry_after_seconds=retry) from None
        errors = [(each.plan.backend, each.error) for each in failed]
        for candidate, reason in zip(selection.candidates, selection.reasons, strict=True):
            told = "; ".join([reason, *(f"{backend} failed: {error.message}" for backend, error in errors)])
            try:
                plan = await self.preparer.prepare(entry, candidate, resolved.key, told)
                if plan.identity not in tried:
                    return await self._requests.with_memory(plan, candidate)
            except (DataLossError, ShuttingDownError):
                raise
            except PanopeError as error:
                _log.warning(
                    "candidate_failed", model=resolved.key, backend=candidate.device.backend, error=error.message
                )
                errors.append((candidate.device.backend, error))
        raise _none_works(errors)


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
