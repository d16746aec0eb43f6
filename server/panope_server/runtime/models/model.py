"""One model at run time: what may be asked of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from panope_backends.errors import AvailabilityError, PanopeError, PreconditionError
from panope_registry.models.types import ModelEntry
from panope_server.config import Settings
from panope_server.observability.metrics import Metrics
from panope_server.runtime.call_context import CallContext
from panope_server.runtime.models.groups.instance_group import InstanceGroup
from panope_server.runtime.models.groups.placing import FindInstance, PlanMaker, find_none
from panope_server.runtime.models.loading.model_loading import ModelLoading, OnState
from panope_server.runtime.names import ResolvedName
from panope_server.runtime.placement.constraints import UNCONSTRAINED, LoadConstraints
from panope_server.runtime.placement.placement import Placement
from panope_server.runtime.status import ActivityView, InstanceView, ModelState
from panope_server.tasks.task import Request

#: Why a model is unloaded unasked, by the word of the metric.
EVICTIONS = {
    "memory": "its memory is needed",
    "max_loaded_models": "another model takes its place",
    "keep_alive": "it was not used for its time",
}


class ModelRuntime(ModelLoading):
    """Serves one model, or one variant of it: runs calls, is loaded, replaced, unloaded and evicted.

    Args:
        guests_of: the adapters that run in its workers; they end with it.
    """

    def __init__(
        self,
        resolved: ResolvedName,
        settings: Settings,
        metrics: Metrics,
        make_plan: PlanMaker,
        on_state: OnState,
        find_instance: FindInstance = find_none,
        keep_alive: Callable[[], float | None] = lambda: None,
        guests_of: Callable[[ModelRuntime], Sequence[ModelRuntime]] = lambda _: (),
    ) -> None:
        super().__init__(resolved, settings, metrics, make_plan, on_state, find_instance, keep_alive)
        self._guests_of = guests_of
        self._unloading: asyncio.Task[None] | None = None
        self._is_wanted_no_more = False  # by a person, and not for want of room

    @property
    def may_be_evicted(self) -> bool:
        """Whether it serves, answers nobody now, and is not to be kept."""
        is_idle = self.state is ModelState.SERVING and not self.keep_alive.calls and not self.keep_alive.is_pinned
        if not is_idle or self._is_loading or self._groups.is_retiring:
            return False
        return not any(guest.holds_host for guest in self._guests_of(self))

    @property
    def holds_host(self) -> bool:
        """Whether it needs the worker of its base: it loads there, or serves and is not to go."""
        return self.state is ModelState.LOADING or (self.state is ModelState.SERVING and not self.may_be_evicted)

    @property
    def guests(self) -> Sequence[str]:
        """The keys of the adapters that run in its workers, and end with it."""
        return [guest.name for guest in self._guests_of(self)]

    @property
    def is_pinned(self) -> bool:
        """Whether it is to be kept for ever."""
        return self.keep_alive.is_pinned

    @property
    def last_used(self) -> float:
        """When it was used last, on `time.monotonic`'s clock."""
        return self.keep_alive.last_used

    @property
    def occupation(self) -> str:
        """Why it cannot go now, for people."""
        if self.state is not ModelState.SERVING:
            return self.state
        if self.keep_alive.calls:
            return "answering calls"
        return "kept for ever" if self.is_pinned else ""

    async def run(
        self,
        requests: Sequence[Request],
        context: CallContext,
        placement: Placement,
        put: Callable[[bytes], Awaitable[None]],
    ) -> None:
        """Runs the requests of one call on instances, loading the model first when that is allowed.

        Args:
            requests: what to run; they are accepted together, and the first that fails ends the others.
            context: of the call.
            placement: is told which instance has it.
            put: takes the parts of the answers in the order of the requests; while it waits, the worker is asked to.

        Raises:
            PanopeError: why there is no answer, or no more of it.
        """
        is_loaded = self.state is ModelState.SERVING
        self._admit()
        self._metrics.loaded_models.called(self.name, is_loaded=is_loaded)
        self.keep_alive.begin_call()
        try:
            await self.pool.run(requests, context, placement, put)
        finally:
            self.keep_alive.end_call(context.keep_alive)

    async def load(self, constraints: LoadConstraints = UNCONSTRAINED, keep_alive: float | None = None) -> None:
        """Loads the model and returns when it serves; when it fails later, it comes back as it was asked for here.

        What serves already in another way is replaced: the new serves before the old ends, where memory allows.

        Args:
            constraints: how it must run.
            keep_alive: how long it stays loaded unused, from now on; None for as long as before.

        Raises:
            PanopeError: why it cannot be loaded.
        """
        await self._load_as(constraints)
        self.keep_alive.ask(keep_alive)

    async def _load_as(self, constraints: LoadConstraints) -> None:
        while self.state is ModelState.UNLOADING:  # nobody joins a load that is being given up
            if self._is_wanted_no_more or self._unloading is None:
                raise AvailabilityError(f"model `{self.name}` is being unloaded", retry_after_seconds=1.0)
            await asyncio.shield(self._unloading)
        is_loaded = self.state is ModelState.SERVING or self._is_unresponsive
        if is_loaded and not self._is_loading:
            if self._satisfies(constraints):
                return
            loading = self._ensure_reloading(constraints)
        else:
            loading = self._ensure_loading(constraints)
        asked = self._asked
        try:
            await asyncio.shield(loading)
        except asyncio.CancelledError:
            if loading.cancelled():  # by unload, not by the caller going away
                raise AvailabilityError(f"model `{self.name}` was unloaded while it loaded") from None
            raise
        except PanopeError:
            if asked == constraints:
                raise
            await self._load_as(constraints)  # what failed is what somebody else had asked for
            return
        self._refuse_other(constraints)  # it was being loaded already, as somebody else had asked for

    async def unload(self) -> None:
        """Ends the instances after the accepted work and returns when they are gone."""
        if self.state is ModelState.UNLOADED:
            self._reset_constraints()
            return
        self._is_wanted_no_more = True
        if self.state is not ModelState.UNLOADING:
            self._begin_unloading("")
        assert self._unloading is not None
        await asyncio.shield(self._unloading)

    def evict(self, reason: str) -> None:
        """Begins to end what nobody uses now. A call that comes meanwhile waits, and loads the model again.

        Args:
            reason: `memory` or `max_loaded_models`, that another needs, or `keep_alive`.
        """
        for guest in self._guests_of(self):
            if guest.may_be_evicted:
                guest.evict(reason)
        self._metrics.loaded_models.evicted(self.name, reason)
        for instance in list(self.pool.instances):
            self.pool.instances.remove(instance)  # what comes from now on waits for the next one
        self._begin_unloading(EVICTIONS[reason])

    def measure(self, learn: Callable[[InstanceGroup, int], None]) -> None:
        """Takes over what the instances take of the machine's memory, and tells it."""
        if self.state is ModelState.SERVING and not self._is_loading:
            # Their memory is reserved by themselves.
            self._groups.measure(learn, sum(guest.memory_bytes for guest in self._guests_of(self)))

    @property
    def memory_bytes(self) -> int:
        """The memory that is reserved for it, as estimated or measured."""
        return self._groups.memory_bytes

    def explain_loading(self, reason: str) -> None:
        """Says what the load that goes on waits for."""
        if self.state is ModelState.LOADING or self._is_loading:
            self._set(self.state, reason)

    async def reload(self, task: str) -> None:
        """Begins to load the model again as it was asked for.

        What serves goes on until the new does, where memory allows, and if it has the task that the model has now.
        """
        if self.state is ModelState.SERVING:
            self._ensure_reloading(self._constraints, breaks_first=self._task != task)
            return
        constraints, asked = self._constraints, self.keep_alive.asked
        await self.unload()
        if self.state is ModelState.UNLOADED:
            self.keep_alive.asked = asked
            self._ensure_loading(constraints)

    def is_outdated(self, entry: ModelEntry) -> bool:
        """Whether it was loaded, or failed to be, for another task or with other content than the model has by now.

        Content that is still to be downloaded gives no reason to end what serves.
        """
        if self._is_loading or self._reload_breaker.seconds_left:
            return False
        digests = {variant.digest for variant in entry.variants}
        is_here = any(variant.is_local for variant in entry.variants) and not self.resolved.variant
        is_replaced = any(instance.plan.variant_digest not in digests for instance in self.pool.instances)
        is_of_other_task = self._task not in (None, entry.task)
        return (is_here and is_replaced) or (is_of_other_task and self.state in (ModelState.SERVING, ModelState.FAILED))

    def activity(self) -> ActivityView:
        """What it does now, and how long it stays."""
        queues = self.pool.queue, self.pool.slot_queue
        rates = [rate for queue in queues if (rate := queue.rate.per_second) is not None]
        return ActivityView(
            active_calls=self.keep_alive.calls,
            queued_items=sum(queue.items for queue in queues),
            in_flight_items=sum(instance.in_flight_items for instance in self.pool.instances),
            work_per_second=sum(rates),
            memory_bytes=self.memory_bytes,
            keep_alive_seconds=self.keep_alive.seconds,
            unload_at=self.keep_alive.ends_at,
        )

    def instance_views(self) -> tuple[InstanceView, ...]:
        """What people may see of the instances."""
        return self._groups.views()

    def _admit(self) -> None:
        match self.state:
            case ModelState.SERVING | ModelState.LOADING:
                return
            case ModelState.UNLOADING if self._is_wanted_no_more or not self._settings.lazy_load:
                raise AvailabilityError(f"model `{self.name}` is being unloaded", retry_after_seconds=1.0)
            case ModelState.UNLOADING:
                return  # it made room, and is loaded again once it is gone
            case ModelState.UNLOADED if not self._settings.lazy_load:
                raise PreconditionError(f"model `{self.name}` is not loaded", reason="model_not_loaded")
            case ModelState.FAILED:
                if refusal := self._breaker.refusal():
                    raise refusal
        self._ensure_loading(self._constraints)
        self._is_loaded_for_a_call = True

    def _satisfies(self, constraints: LoadConstraints) -> bool:
        group = self._groups.current
        count = 0 if group is None else group.count
        has_instances = not constraints.instances or count == self._settings.workers.instances_of(constraints.instances)
        return has_instances and all(instance.satisfies(constraints) for instance in self.pool.instances)

    def _refuse_other(self, constraints: LoadConstraints) -> None:
        if not self._satisfies(constraints):
            (instance, *_) = self.pool.instances
            raise PreconditionError(
                f"model `{self.name}` was being loaded on `{instance.plan.backend}` in `{instance.precision}`, as "
                "another caller asked; ask again",
                reason="load_options_conflict",
            )

    def _expired(self) -> bool:
        """Nobody has used it for its time; False when it cannot end now and should be asked again."""
        if self.may_be_evicted:
            self.evict("keep_alive")
            return True
        # It is being replaced, its worker starts again, or an adapter there is in use: all of that ends.
        return self.is_pinned or self.state not in (ModelState.LOADING, ModelState.SERVING)

    def _begin_unloading(self, reason: str) -> None:
        self.keep_alive.stop()
        self._stop_retry()
        self._set(ModelState.UNLOADING, reason)
        self._unloading = asyncio.create_task(self._unload())
        self._groups.leave()

    async def _unload(self) -> None:
        timeout = self._settings.workers.drain_timeout_seconds
        started = time.monotonic()
        if self._loading is not None and not self._loading.done():
            self._loading.cancel()
            await asyncio.wait([self._loading])
        await self.pool.until_handed_over(timeout)
        if self._is_wanted_no_more:
            self._fail_waiting(AvailabilityError(f"model `{self.name}` was unloaded", retry_after_seconds=1.0))
        await self._groups.stop(max(0.1, timeout - (time.monotonic() - started)))
        self.pool.instances.clear()
        self._metrics.loaded_models.unloaded(self.name, time.monotonic() - started)
        self._breaker.reset()
        self._has_served = False
        self._task, self.host = None, ""
        if self._is_wanted_no_more:
            self._fail_waiting(AvailabilityError(f"model `{self.name}` was unloaded", retry_after_seconds=1.0))
            self._reset_constraints()
        self._set(ModelState.UNLOADED, "")
        if self.pool.has_waiting:
            self._ensure_loading(self._constraints)

    def _reset_constraints(self) -> None:
        """Forgets how a person asked for it, who has ended it: the next load begins anew."""
        self._is_wanted_no_more = False
        self._constraints = UNCONSTRAINED
        self.keep_alive.asked = None
