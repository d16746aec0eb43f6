"""How one model comes to serve, and what happens to it then: loaded, replaced, failed, tried again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine
from typing import Any

import structlog

from panope.worker.v1.worker_pb2 import Part
from panope_backends.api import TensorSpec
from panope_backends.errors import CapacityError, InternalError, PanopeError
from panope_server.config import Settings
from panope_server.observability.metrics import Metrics
from panope_server.runtime.instances.in_flight import Entry
from panope_server.runtime.instances.model_instance import MODEL_NUMBERS, ModelInstance
from panope_server.runtime.instances.pool import InstancePool
from panope_server.runtime.instances.worker.frames import specs_of
from panope_server.runtime.models.circuit_breaker import CircuitBreaker, copy_of
from panope_server.runtime.models.computation import Computation, computation_of
from panope_server.runtime.models.groups.group_starter import GroupStarter
from panope_server.runtime.models.groups.instance_group import InstanceGroup
from panope_server.runtime.models.groups.model_groups import ModelGroups
from panope_server.runtime.models.groups.placing import FindInstance, PlanMaker
from panope_server.runtime.models.keep_alive import KeepAlive
from panope_server.runtime.names import ResolvedName
from panope_server.runtime.placement.constraints import UNCONSTRAINED, LoadConstraints
from panope_server.runtime.placement.plan import LoadPlan
from panope_server.runtime.safe_callbacks import contained
from panope_server.runtime.status import BreakerState, BreakerView, ModelState
from panope_server.tasks.catalog import task_named

_log = structlog.get_logger("panope.models")

#: A load that found no room, and whose room nobody gives up by itself, is tried again by the server after this.
NO_ROOM_SECONDS = 30.0

OnState = Callable[["ModelLoading", ModelState], None]
"""Told after every change of a model's state."""


class ModelLoading:
    """The state of one model, or of one variant of it, and what changes it: loads, failures, deaths of workers.

    Args:
        resolved: what it serves.
        make_plan: chooses and prepares; called for each load, and again while a worker cannot load what it chose.
        on_state: told after every change of `state`.
        find_instance: of an adapter that runs in a worker of its base; by default there is none.
        keep_alive: for how long it stays loaded unused, as its record or the settings say; see `KeepAlive`.

    Attributes:
        state_changed: set when the state changes; each state has another.
        host: the key of the base model in whose workers it runs; empty for workers of its own.
        pool: the instances that serve, and the requests that wait for them.
        computation: what computes its answers, or did before it was unloaded; None while nobody knows.
        keep_alive: who uses it, and how long it stays when nobody does.
    """

    def __init__(
        self,
        resolved: ResolvedName,
        settings: Settings,
        metrics: Metrics,
        make_plan: PlanMaker,
        on_state: OnState,
        find_instance: FindInstance,
        keep_alive: Callable[[], float | None],
    ) -> None:
        self.resolved = resolved
        self.name = name = resolved.key
        self.state = ModelState.UNLOADED
        self.state_reason = ""
        self.state_changed = asyncio.Event()
        self.host = ""
        self.facts: object = None
        self.computation: Computation | None = None
        self.inputs: tuple[TensorSpec, ...] = ()
        self.outputs: tuple[TensorSpec, ...] = ()
        self.keep_alive = KeepAlive(keep_alive, self._expired)
        self._number = next(MODEL_NUMBERS)
        self.pool = InstancePool(name, settings.limits, metrics, 2 * settings.workers.max_batch_size, self._number)
        self._settings = settings
        self._metrics = metrics
        self._on_state = on_state
        self._groups = ModelGroups(
            GroupStarter(name, self._number, make_plan, find_instance, settings.workers, self, self._planned)
        )
        self._loading: asyncio.Task[None] | None = None
        self._constraints = self._asked = UNCONSTRAINED  # how it served last, and how it is being loaded
        self._is_loaded_for_a_call = False
        self._breaker = CircuitBreaker(name)
        self._reload_breaker = CircuitBreaker(name)  # of loads that would replace what serves
        self._has_served = False
        self._task: str | None = None  # that it was planned for last
        self._retry: asyncio.TimerHandle | None = None
        self._no_room_until = 0.0

    @property
    def wanted(self) -> bool:
        """Whether the model should serve now, so that the server is ready only when it does."""
        return self.state in (ModelState.LOADING, ModelState.SERVING, ModelState.FAILED)

    @property
    def breaker(self) -> BreakerView:
        """Why calls are refused at once, if they are: it could not be loaded, or all its instances fail."""
        own = self._breaker.view()
        return self.pool.breaker if own.state is BreakerState.CLOSED else own

    @property
    def found_no_room(self) -> bool:
        """Whether its last load was refused because others have the memory."""
        return self._no_room_until > 0

    @property
    def may_be_tried_again(self) -> bool:
        """Whether a load failed, or found no room, and its pause is over; what has served is loaded again by itself."""
        if self.state is ModelState.UNLOADED:
            return 0 < self._no_room_until <= time.monotonic()
        return self.state is ModelState.FAILED and not self._has_served and not self._breaker.seconds_left

    # What groups and instances tell. Nothing that goes wrong here may end those that tell it.

    @contained
    def instance_ready(self, instance: ModelInstance) -> None:
        """An instance serves; those of the plan before it take no more work."""
        assert instance.ready is not None
        if self._groups.is_replaced(instance.plan):
            return
        for other in [other for other in self.pool.instances if other.plan is not instance.plan]:
            self.pool.instances.remove(other)
        self.pool.add(instance)
        task = task_named(instance.plan.task)
        self.facts = None if task is None else task.facts_of(instance.ready)
        self.computation = computation_of(self.pool.instances, self.facts)
        self.inputs = specs_of(instance.ready.inputs)
        self.outputs = specs_of(instance.ready.outputs)
        if self.pool.is_responsive:
            self._breaker.reset()
            self._has_served = True
            self._set(ModelState.SERVING, "")
            self.keep_alive.loaded(for_a_call=self._is_loaded_for_a_call)
        self.pool.capacity_freed()

    @contained
    def lost(self, instance: ModelInstance, suspects: Collection[bytes]) -> None:
        """A worker is gone; if it served, its supervisor starts another."""
        if instance not in self.pool.instances:
            return
        self.pool.remove(instance, suspects)
        if self.state in (ModelState.SERVING, ModelState.LOADING):
            self._metrics.instance_restarts.labels(self.name, "crash").inc()
            if not self.pool.is_serving:
                self._set(ModelState.LOADING, "its worker ended and is being started again")

    @contained
    def breaker_opened(self, instance: ModelInstance) -> None:
        """An instance is given no requests for a while."""
        del instance
        self._metrics.circuit_breaker_openings.labels(self.name, "instance").inc()

    @contained
    def responsiveness_changed(self, instance: ModelInstance) -> None:
        """An instance does not answer, or answers again; the model serves while one does."""
        if self.state is ModelState.SERVING and not self.pool.is_responsive:
            self._set(ModelState.LOADING, "its worker does not answer")
        elif self._is_unresponsive and self.pool.is_responsive:
            self._set(ModelState.SERVING, "")
        self.pool.capacity_freed()

    @contained
    def group_gave_up(self, group: InstanceGroup, error: PanopeError) -> None:
        """Nothing runs normal calls any more; a load that is under way decides what becomes of it."""
        if not (self.pool.is_serving or self._is_loading) and group is self._groups.current and self.wanted:
            self._fail(error)

    @contained
    def host_gone(self) -> None:
        """The base that it ran beside is gone: it is placed anew, unless whoever loads it sees to that."""
        if not self._is_loading and self.state in (ModelState.LOADING, ModelState.SERVING):
            self._ensure_loading(self._constraints)

    @contained
    def capacity_freed(self) -> None:
        """An instance can take more requests."""
        self.pool.capacity_freed()

    @contained
    def answered(self, entry: Entry, last: Part) -> None:
        """Counts where the time of an answer went."""
        self.pool.answered(entry, last)

    # Inside.

    @property
    def _is_loading(self) -> bool:
        return self._loading is not None and not self._loading.done()

    @property
    def _is_unresponsive(self) -> bool:
        """Whether it is loaded, and would serve if one of its workers answered."""
        return self.state is ModelState.LOADING and self.pool.is_serving

    def _expired(self) -> bool:
        """Nobody has used it for its time; False when it cannot end now and should be asked again."""
        raise NotImplementedError

    def _ensure_loading(self, constraints: LoadConstraints) -> asyncio.Task[None]:
        if self._loading is None or self._loading.done():
            self._asked = constraints
            self._is_loaded_for_a_call = False
            self._stop_retry()
            before = self.state, self.state_reason
            self._set(ModelState.LOADING, "")
            self._begin_loading(self._load(constraints, *before))
        assert self._loading is not None
        return self._loading

    def _ensure_reloading(self, constraints: LoadConstraints, *, breaks_first: bool = False) -> asyncio.Task[None]:
        if self._loading is None or self._loading.done():
            self._asked = constraints
            self._begin_loading(self._reload(constraints, breaks_first=breaks_first))
        assert self._loading is not None
        return self._loading

    def _begin_loading(self, load: Coroutine[Any, Any, None]) -> None:
        self._loading = asyncio.create_task(load)
        # Whoever waits sees the error; when nobody does, the state and the log have it.
        self._loading.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def _load(self, constraints: LoadConstraints, before: ModelState, reason: str) -> None:
        started = time.monotonic()
        try:
            await self._groups.start(constraints)
        except CapacityError as error:
            self._find_no_room(error)
            raise
        except PanopeError as error:
            if constraints in (UNCONSTRAINED, self._constraints):
                self._fail(error)
            else:
                self._go_on_as(before, reason)
            raise
        except Exception as error:
            _log.error("load_failed", model=self.name, exc_info=error)
            self._fail(InternalError(f"model `{self.name}` could not be loaded"))
            raise
        self._has_loaded(constraints, started)

    async def _reload(self, constraints: LoadConstraints, *, breaks_first: bool) -> None:
        """Replaces what serves."""
        started = time.monotonic()
        _log.info("model_reloading", model=self.name)
        try:
            await self._groups.replace(constraints, self._broken, breaks_first=breaks_first)
        except PanopeError as error:
            self._reload_breaker.record_failure(error)
            _log.error("model_reload_failed", model=self.name, reason=error.reason, error=error.message)
            if not self.pool.is_serving:
                self._fail(error)
            elif constraints == self._constraints:
                self._set(self.state, f"what it was to be replaced by could not be loaded: {error.message}")
            raise
        except Exception as error:
            _log.error("load_failed", model=self.name, exc_info=error)
            self._reload_breaker.record_failure(InternalError(f"model `{self.name}` could not be loaded"))
            raise
        self._has_loaded(constraints, started)

    def _broken(self, reason: str) -> None:
        """Nothing serves until the new does; calls wait meanwhile."""
        self.pool.instances.clear()
        self._set(ModelState.LOADING, reason)

    def _has_loaded(self, constraints: LoadConstraints, started: float) -> None:
        self._constraints = constraints
        self._reload_breaker.reset()
        self._no_room_until = 0.0
        self._metrics.loaded_models.loaded(self.name, time.monotonic() - started)

    def _planned(self, plan: LoadPlan) -> None:
        self._task, self.host = plan.task, plan.host
        if self.state is ModelState.LOADING and self.state_reason:
            self._set(ModelState.LOADING, "")  # what it waited for is over

    def _find_no_room(self, error: CapacityError) -> None:
        """Others have the memory: that is no fault of the model, which is tried again when it is needed again."""
        self._no_room_until = time.monotonic() + (error.retry_after_seconds or NO_ROOM_SECONDS)
        self._fail_waiting(error)
        self._set(ModelState.UNLOADED, error.message)

    def _go_on_as(self, before: ModelState, reason: str) -> None:
        """What one caller asked for and cannot have changes nothing for the others, whose calls may be waiting."""
        self._set(before, reason)
        if before is ModelState.FAILED:
            self._retry_later()
        asyncio.get_running_loop().call_soon(self._load_for_others)  # when this load has ended

    @contained
    def _load_for_others(self) -> None:
        was_restarting = self.state is ModelState.LOADING  # and what did it may have been stopped
        if was_restarting or (not self.pool.is_serving and self.pool.has_waiting):
            self._ensure_loading(self._constraints)

    def _fail(self, error: PanopeError) -> None:
        if self.state is ModelState.FAILED:
            return
        self._breaker.record_failure(error)
        self._metrics.circuit_breaker_openings.labels(self.name, "model").inc()
        _log.error("model_failed", model=self.name, reason=error.reason, error=error.message)
        self._groups.fail()
        self._set(ModelState.FAILED, error.message)
        self._fail_waiting(self._breaker.refusal() or error)
        self._retry_later()

    def _retry_later(self) -> None:
        if self._has_served:
            # Not at a call alone: a server that is not ready for want of this model may get no calls.
            self._retry = asyncio.get_running_loop().call_later(self._breaker.seconds_left, self._try_again)

    def _stop_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    @contained
    def _try_again(self) -> None:
        if self.state is ModelState.FAILED:
            self._ensure_loading(self._constraints)

    def _fail_waiting(self, error: PanopeError) -> None:
        for entry in self.pool.drain_waiting():
            entry.fail(copy_of(error))

    def _set(self, state: ModelState, reason: str) -> None:
        self.state, self.state_reason = state, reason
        self.state_changed.set()
        self.state_changed = asyncio.Event()
        _log.info("model_state", model=self.name, state=state, reason=reason)
        contained(self._on_state)(self, state)
