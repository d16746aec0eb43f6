"""The instances of one plan of a model, from their start to their end, and the memory that they have."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Protocol

from panope_backends.errors import PanopeError
from panope_server.config import Workers
from panope_server.runtime.hardware.memory import HOST
from panope_server.runtime.instances.instance_supervisor import InstanceSupervisor
from panope_server.runtime.instances.model_instance import Listener, ModelInstance
from panope_server.runtime.instances.role import roles_of
from panope_server.runtime.models.groups.placing import FindInstance
from panope_server.runtime.placement.plan import LoadPlan
from panope_server.runtime.status import InstanceView

#: Calls of high priority that an instance still has end in this time; the model's next load ends it at once.
FAILED_STOP_SECONDS = 5.0


class GroupOwner(Listener, Protocol):
    """What a group tells the model it belongs to."""

    def instance_ready(self, instance: ModelInstance) -> None:
        """An instance serves."""

    def group_gave_up(self, group: InstanceGroup, error: PanopeError) -> None:
        """No instance of a group that served runs normal calls any more, and none is on its way."""

    def host_gone(self) -> None:
        """The instances were in the workers of another model, which is not loaded any more."""


class InstanceGroup:
    """Instances that run the same plan. They begin to start when the group is made.

    Args:
        plan: what they run; the group gives its memory back when they have ended.
        names: of their places.
        owner: told what happens, from the event loop.
        find_instance: of an adapter that runs in a worker of its base, by the place among the adapter's own.
    """

    def __init__(
        self,
        plan: LoadPlan,
        names: Sequence[str],
        workers: Workers,
        owner: GroupOwner,
        find_instance: FindInstance,
    ) -> None:
        self.plan = plan
        self._owner = owner
        self._first_ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ending: asyncio.Task[None] | None = None
        self._most_bytes: dict[str, int] = {}  # by the place of the memory
        # What is told for each answer goes to the model at once.
        self.capacity_freed = owner.capacity_freed
        self.answered = owner.answered
        self.responsiveness_changed = owner.responsiveness_changed
        self.breaker_opened = owner.breaker_opened
        self.lost = owner.lost
        self._supervisors = [
            InstanceSupervisor(name, plan, workers, self, partial(find_instance, place), role, plan.devices_of(place))
            for place, (name, role) in enumerate(zip(names, roles_of(len(names), workers), strict=True))
        ]

    @property
    def count(self) -> int:
        """How many instances there are to be."""
        return len(self._supervisors)

    async def ready(self) -> None:
        """Returns when the first instance serves that runs normal calls.

        Raises:
            PanopeError: why none does.
        """
        await asyncio.shield(self._first_ready)
        if self.plan.memory is not None:
            self.plan.memory.loaded()

    @property
    def is_serving(self) -> bool:
        """Whether an instance serves that runs normal calls, or is on its way: another place may be tried meanwhile."""
        return any(place.takes(0) and not place.has_failed for place in self._supervisors)

    def views(self) -> list[InstanceView]:
        """What people may see of the instances."""
        views = (supervisor.view() for supervisor in self._supervisors)
        return [view for view in views if view is not None]

    @property
    def memory_bytes(self) -> int:
        """What is reserved for it, as estimated or measured."""
        return 0 if self.plan.memory is None else self.plan.memory.size_bytes

    def measure(self, of_guests: int) -> int:
        """Takes over what the instances take, of the machine's memory or of their devices' own.

        Args:
            of_guests: what is reserved for others in their processes.

        Returns:
            The most that all took; 0 while one has not told, and where nobody tells.
        """
        memory = self.plan.memory
        if memory is None or not memory.size_bytes:
            return 0
        views = [view for view in self.views() if view.pid]
        for part in memory.parts:
            told = [view.resident_bytes if part.place == HOST else view.memory_on(part.device) for view in views]
            sizes = [size for size in told if size is not None]
            if len(views) == self.count and sizes and all(sizes):
                of_part = of_guests // len(memory.parts)
                self._most_bytes[part.place] = max(self._most_bytes.get(part.place, 0), sum(sizes) - of_part)
                part.measured(self._most_bytes[part.place])
        is_whole = all(part.place in self._most_bytes for part in memory.parts)
        return sum(self._most_bytes.values()) if is_whole else 0

    def leave(self) -> None:
        """The group begins to end: others may count on its memory."""
        if self.plan.memory is not None:
            self.plan.memory.leaving()

    async def stop(self, timeout: float) -> None:  # noqa: ASYNC109 - passed on to the instances
        """Ends the instances after their work, and gives their memory back."""
        try:
            await asyncio.gather(*(supervisor.stop(timeout) for supervisor in self._supervisors))
        finally:
            self.release()

    def fail(self) -> None:
        """Begins to end what there still is: places that are tried again, and instances for high priority alone."""
        self._ending = asyncio.create_task(self.stop(FAILED_STOP_SECONDS))

    def release(self) -> None:
        """Gives the memory back: no process has it any more."""
        if self.plan.memory is not None:
            self.plan.memory.release()

    # What supervisors tell.

    def instance_ready(self, instance: ModelInstance) -> None:
        """An instance serves."""
        self._owner.instance_ready(instance)
        if instance.role.takes(0) and not self._first_ready.done():
            self._first_ready.set_result(None)

    def host_gone(self) -> None:
        """Of a group that has not served, whoever loads hears it by the error."""
        if self._first_ready.done():
            self._owner.host_gone()

    def gave_up(self, error: PanopeError) -> None:
        """Nothing while others serve; of a group that has not served, whoever loads hears it, who may know another."""
        if self.is_serving:
            return
        if self._first_ready.done():
            self._owner.group_gave_up(self, error)
            return
        self._first_ready.set_exception(error)
        self._first_ready.exception()  # told to whoever waits; nobody may be waiting any more
