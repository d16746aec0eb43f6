"""Who says where a model runs: in a worker of its own, or of its base."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from panope_server.runtime.instances.adapter_instance import HostGoneError
from panope_server.runtime.instances.instance import Instance
from panope_server.runtime.placement.constraints import LoadConstraints
from panope_server.runtime.placement.plan import FailedPlan, LoadPlan

PlanMaker: TypeAlias = Callable[[LoadConstraints, Sequence[FailedPlan]], Awaitable[LoadPlan]]
"""Selects a candidate that meets the constraints and makes it ready; what failed in this load is none."""

FindInstance: TypeAlias = Callable[[int, LoadPlan], Awaitable[Instance]]
"""The instance of its base that an adapter's plan is to be run in, for one of the adapter's own places."""


async def find_none(place: int, plan: LoadPlan) -> Instance:
    """Finds no instance, where no adapters are loaded."""
    del place
    raise HostGoneError(f"the base model `{plan.host}` is not loaded")
