"""The groups of instances that one model has: the one that serves, one that starts, and those that end their calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from panope_backends.errors import CapacityError
from panope_server.runtime.models.groups.group_starter import GroupStarter
from panope_server.runtime.models.groups.instance_group import InstanceGroup
from panope_server.runtime.placement.constraints import LoadConstraints
from panope_server.runtime.placement.plan import LoadPlan
from panope_server.runtime.status import InstanceView

_log = structlog.get_logger("panope.models")

#: What has been replaced ends its calls, however long they are; each of them has a limit of its own.
RETIRE_SECONDS = 3600.0


class ModelGroups:
    """Starts, replaces and ends groups.

    Attributes:
        current: the group that serves, or served last and has failed; None before the first, and after the end.
    """

    def __init__(self, starter: GroupStarter) -> None:
        self.current: InstanceGroup | None = None
        self._starter = starter
        self._retiring: dict[InstanceGroup, asyncio.Task[None]] = {}

    @property
    def is_retiring(self) -> bool:
        """Whether a group that was replaced still ends its calls."""
        return bool(self._retiring)

    @property
    def memory_bytes(self) -> int:
        """What is reserved for all of them."""
        return sum(group.memory_bytes for group in self._all())

    def is_replaced(self, plan: LoadPlan) -> bool:
        """Whether the group of a plan has been replaced."""
        return any(plan is group.plan for group in self._retiring)

    def views(self) -> tuple[InstanceView, ...]:
        """What people may see of the instances."""
        return tuple(view for group in self._all() for view in group.views())

    async def start(self, constraints: LoadConstraints) -> None:
        """Starts a group where none serves; raises as `GroupStarter.start`."""
        if self.current is not None:  # it has failed
            await self.current.stop(0.1)
            self.current = None
        self.current = await self._starter.start(constraints)

    async def replace(self, constraints: LoadConstraints, broken: Callable[[str], None], *, breaks_first: bool) -> None:
        """Puts a group in the place of the one that serves: the new before the old ends, where memory allows.

        Args:
            constraints: that the new one must meet.
            broken: told why nothing serves for a while, before the old one ends.
            breaks_first: whether the old one cannot serve any more.

        Raises:
            PanopeError: as `GroupStarter.start`; the old one goes on, unless it had to end first.
        """
        old = self.current
        try:
            self.current = None if breaks_first else await self._starter.start(constraints)
        except CapacityError as error:
            _log.warning("reload_without_room", error=error.message)
            self.current = None
        except BaseException:
            self.current = old
            raise
        if self.current is not None:
            if old is not None:
                self._retire(old)
            return
        broken("it serves other content by now" if breaks_first else "memory does not hold the old and the new at once")
        if old is not None:
            await self._retire(old)
        self.current = await self._starter.start(constraints)

    def leave(self) -> None:
        """All groups begin to end: others may count on their memory."""
        for group in self._all():
            group.leave()

    async def stop(self, timeout: float) -> None:  # noqa: ASYNC109 - passed on to the instances
        """Ends all groups after their work."""
        await asyncio.gather(*(group.stop(timeout) for group in self._all()))
        self.current = None

    def fail(self) -> None:
        """Nothing will serve: what still runs begins to end, and gives its memory back."""
        if self.current is not None:
            self.current.fail()

    def measure(self, learn: Callable[[InstanceGroup, int], None], of_guests: int) -> None:
        """Takes over what the group that serves takes of the machine's memory beside its guests, and tells it."""
        if self.current is not None and (size_bytes := self.current.measure(of_guests)):
            learn(self.current, size_bytes)

    def _retire(self, group: InstanceGroup) -> asyncio.Task[None]:
        task = asyncio.create_task(group.stop(RETIRE_SECONDS))
        self._retiring[group] = task
        task.add_done_callback(lambda _: self._retiring.pop(group))
        return task

    def _all(self) -> list[InstanceGroup]:
        groups = [self.current, self._starter.starting, *self._retiring]
        return list(dict.fromkeys(group for group in groups if group is not None))
