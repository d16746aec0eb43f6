"""Asks the budget for the memory of what is about to be loaded, and waits for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from panope_backends.api import Device
from panope_backends.errors import PanopeError
from panope_server.runtime.placement.memory_budget import MemoryBudget
from panope_server.runtime.placement.memory_estimates import Estimate, MemoryEstimates
from panope_server.runtime.placement.plan import LoadPlan
from panope_server.runtime.placement.reservation import Reserved, SpreadReservation
from panope_server.runtime.placement.selection.candidate import Candidate


class MemoryRequests:
    """Reserves memory for loads.

    Args:
        memory: of which it is reserved.
        estimates: what models took before.
        on_wait: told the key whose load begins to wait for memory, and what to say of it.
    """

    def __init__(self, memory: MemoryBudget, estimates: MemoryEstimates, on_wait: Callable[[str, str], None]) -> None:
        self._memory = memory
        self._estimates = estimates
        self._on_wait = on_wait

    async def with_memory(self, plan: LoadPlan, candidate: Candidate) -> LoadPlan:
        """The plan with memory of its own; CapacityError when there is none."""
        has_cache = candidate.extra_bytes > 0
        estimate = self._estimates.of(plan, plan.instances, plan.need_bytes, has_cache=has_cache)
        memory = self._reserve(plan.model, candidate, estimate)
        return replace(plan, memory=await self._granted(plan.model, memory))

    async def beside(self, host: str, key: str, device: Device, size_bytes: int) -> Reserved:
        """Memory of what runs in a host's processes; CapacityError when there is none."""
        return await self._granted(key, self._memory.reserve(key, device, size_bytes, 0, host))

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
