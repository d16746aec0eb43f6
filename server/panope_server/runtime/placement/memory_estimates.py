"""What a model will take before it is loaded: what it took the last time, else what its files say and a process."""

from __future__ import annotations

from dataclasses import dataclass

from panope_server.runtime.placement.plan import LoadPlan

#: A worker without its model, while none of its backend was measured.
PROCESS_BYTES = 192 << 20


@dataclass(frozen=True)
class Estimate:
    """What all instances of a model will take.

    Attributes:
        size_bytes: in all.
        least_bytes: of it, what they may take however little is measured at first: a cache fills up later.
    """

    size_bytes: int
    least_bytes: int = 0


class MemoryEstimates:
    """Learns from what was measured: what processes take of the machine's memory, or of their device's own."""

    def __init__(self) -> None:
        self._of_plans: dict[tuple[tuple[str, ...], int], int] = {}
        self._of_processes: dict[str, int] = {}

    def process_bytes(self, backend: str) -> int:
        """Returns what a worker of a backend takes beside its model."""
        return self._of_processes.get(backend, PROCESS_BYTES)

    def of(self, plan: LoadPlan, instances: int, need_bytes: int, *, has_cache: bool) -> Estimate:
        """Returns what a plan will take.

        Args:
            plan: what is to be loaded.
            instances: of it.
            need_bytes: that its files say, for all instances; 0 for what takes nothing here.
            has_cache: whether that counts a cache, which fills up as it is used.
        """
        if not need_bytes:
            return Estimate(0)
        least = need_bytes if has_cache else 0
        known = self._of_plans.get((plan.identity, instances))
        if known is not None:
            return Estimate(max(known, least), least)
        return Estimate(need_bytes + instances * self.process_bytes(plan.backend), least)

    def learn(self, plan: LoadPlan, instances: int, size_bytes: int) -> None:
        """Takes over the most that all instances of a plan took."""
        self._of_plans[plan.identity, instances] = size_bytes
        process = max(0, size_bytes - plan.need_bytes) // instances
        self._of_processes[plan.backend] = max(process, self._of_processes.get(plan.backend, 0))
