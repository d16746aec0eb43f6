"""Starts the instances of a model: the best candidate that works."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import structlog

from panope_backends.errors import InternalError, PreconditionError
from panope_server.config import Workers
from panope_server.runtime.instances.worker.process import KilledInLoadError
from panope_server.runtime.models.groups.instance_group import GroupOwner, InstanceGroup
from panope_server.runtime.models.groups.placing import FindInstance, PlanMaker
from panope_server.runtime.placement.constraints import LoadConstraints
from panope_server.runtime.placement.plan import FailedPlan, LoadPlan

_log = structlog.get_logger("panope.models")

#: A worker that could not load the model has nothing to end.
STOP_SECONDS = 0.1


class GroupStarter:
    """Starts groups of instances for one model.

    Args:
        name: of the model.
        number: by which workers know it.
        make_plan: chooses and prepares; called again while a worker cannot load what it chose.
        find_instance: of an adapter that runs in a worker of its base.
        owner: of the groups.
        planned: told what is about to be started.

    Attributes:
        starting: the group that is on its way; None when none is.
    """

    def __init__(
        self,
        name: str,
        number: int,
        make_plan: PlanMaker,
        find_instance: FindInstance,
        workers: Workers,
        owner: GroupOwner,
        planned: Callable[[LoadPlan], None],
    ) -> None:
        self.starting: InstanceGroup | None = None
        self._name = name
        self._number = number
        self._find_instance = find_instance
        self._make_plan = make_plan
        self._workers = workers
        self._owner = owner
        self._planned = planned
        self._numbers = itertools.count(1)

    async def start(self, constraints: LoadConstraints) -> InstanceGroup:
        """Returns a group that serves and meets the constraints; of one that does not come to serve nothing is left.

        Raises:
            PanopeError: why there is none.
        """
        failed: list[FailedPlan] = []
        killed: set[tuple[str, ...]] = set()
        while True:
            plan = replace(await self._make_plan(constraints, failed), model_number=self._number)
            if plan.identity in [each.plan.identity for each in failed]:
                if plan.memory is not None:
                    plan.memory.release()
                raise failed[-1].error
            self._planned(plan)
            try:
                return await self._group(plan, self._workers.instances_of(constraints.instances))
            except (PreconditionError, InternalError) as error:
                if isinstance(error, KilledInLoadError) and plan.identity not in killed:
                    _log.warning("load_killed", model=self._name, backend=plan.backend, error=error.message)
                    killed.add(plan.identity)  # once says nothing of the backend: it is tried again
                    continue
                _log.warning("candidate_failed", model=self._name, backend=plan.backend, error=error.message)
                failed.append(FailedPlan(plan, error))

    async def _group(self, plan: LoadPlan, count: int) -> InstanceGroup:
        names = [f"{self._name}#{next(self._numbers)}" for _ in range(count)]
        self.starting = group = InstanceGroup(plan, names, self._workers, self._owner, self._find_instance)
        try:
            await group.ready()
        except BaseException:
            await group.stop(STOP_SECONDS)
            raise
        finally:
            self.starting = None
        return group
