"""One model at run time: its state, and how it is loaded, fails, is tried again and unloaded."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from functools import partial

import structlog

from panope.worker.v1.worker_pb2 import Part
from panope_backends.api import TensorSpec
from panope_backends.errors import AvailabilityError, InternalError, PanopeError, PreconditionError
from panope_registry.models.types import ModelEntry
from panope_server.config import Settings
from panope_server.observability.metrics import Metrics
from panope_server.runtime.call_context import CallContext
from panope_server.runtime.instances.frames import specs_of
from panope_server.runtime.instances.in_flight import Entry
from panope_server.runtime.instances.instance_supervisor import InstanceSupervisor
from panope_server.runtime.instances.model_instance import ModelInstance
from panope_server.runtime.instances.pool import InstancePool
from panope_server.runtime.models.circuit_breaker import CircuitBreaker, copy_of
from panope_server.runtime.models.computation import Computation, computation_of
from panope_server.runtime.models.placing import FindInstance, PlanMaker, find_none
from panope_server.runtime.names import ResolvedName
from panope_server.runtime.placement.constraints import UNCONSTRAINED, LoadConstraints
from panope_server.runtime.placement.placement import Placement
from panope_server.runtime.placement.plan import FailedPlan
from panope_server.runtime.safe_callbacks import contained
from panope_server.runtime.status import BreakerState, BreakerView, InstanceView, ModelState
from panope_server.tasks.catalog import task_named
from panope_server.tasks.task import Request

_log = structlog.get_logger("panope.models")

OnState = Callable[["ModelRuntime", ModelState], None]
"""Told after every change of a runtime's state."""

_NUMBERS = itertools.count(1)


class ModelRuntime:
    """Serves one model, or one variant of it.

    Args:
        resolved: what it serves.
        make_plan: chooses and prepares; called for each load, and again while a worker cannot load what it chose.
        on_state: told after every change of `state`.
        find_instance: of an adapter that runs in a worker of its base; by default there is none.

    Attributes:
        pool: the instances that serve, and the requests that wait for them.
        computation: what computes its answers, or did before it was unloaded; None while nobody knows.
        state_changed: set when the state changes; each state has another.
        host: the key of the base model in whose workers it runs, or was loaded last; empty for workers of its own.
    """

    def __init__(
        self,
        resolved: ResolvedName,
        settings: Settings,
        metrics: Metrics,
        make_plan: PlanMaker,
        on_state: OnState,
        find_instance: FindInstance = find_none,
    ) -> None:
        self.resolved = resolved
        self.name = name = resolved.key
        self.state = ModelState.UNLOADED
        self.state_reason = ""
        self.host = ""
        self.facts: object = None
        self.computation: Computation | None = None
        self.inputs: tuple[TensorSpec, ...] = ()
        self.outputs: tuple[TensorSpec, ...] = ()
        self._settings = settings
        self._metrics = metrics
        self._make_plan = make_plan
        self._on_state = on_state
        self._find_instance = find_instance
        self._number = next(_NUMBERS)
        self.state_changed = asyncio.Event()
        self.pool = InstancePool(name, settings.limits, metrics, self._number)
        self._supervisors: list[InstanceSupervisor] = []
        self._loading: asyncio.Task[None] | None = None
        self._first_ready: asyncio.Future[None] | None = None
        self._constraints = self._asked = UNCONSTRAINED  # how it served last, and how it is being loaded
        self._breaker = CircuitBreaker(name)
        self._has_served = False
        self._task: str | None = None  # that it was planned for last
        self._retry: asyncio.TimerHandle | None = None
        self._numbers = itertools.count(1)

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
    def may_be_tried_again(self) -> bool:
        """Whether a load failed and its pause is over; one that has served is loaded again by itself."""
        return self.state is ModelState.FAILED and not self._has_served and not self._breaker.seconds_left

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
        self._admit()
        await self.pool.run(requests, context, placement, put)

    async def load(self, constraints: LoadConstraints = UNCONSTRAINED) -> None:
        """Loads the model and returns when it serves; when it fails later, it comes back as it was asked for here.

        Raises:
            PanopeError: why it cannot be loaded.
        """
        if self.state is ModelState.UNLOADING:
            raise AvailabilityError(f"model `{self.name}` is being unloaded", retry_after_seconds=1.0)
        if self.state is ModelState.SERVING or self._is_unresponsive:
            self._refuse_other(constraints)
            return
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
            await self.load(constraints)  # what failed is what somebody else had asked for
            return
        self._refuse_other(constraints)  # it was being loaded already, as somebody else had asked for

    async def unload(self) -> None:
        """Ends the instances after the accepted work and returns when they are gone."""
        if self.state in (ModelState.UNLOADED, ModelState.UNLOADING):
            return
        self._set(ModelState.UNLOADING, "")
        self._stop_retry()
        timeout = self._settings.workers.drain_timeout_seconds
        started = time.monotonic()
        if self._loading is not None and not self._loading.done():
            self._loading.cancel()
        await self.pool.until_handed_over(timeout)
        self._fail_waiting(AvailabilityError(f"model `{self.name}` was unloaded", retry_after_seconds=1.0))
        left = max(0.1, timeout - (time.monotonic() - started))
        await asyncio.gather(*(supervisor.stop(left) for supervisor in self._supervisors))
        self._supervisors.clear()
        self.pool.instances.clear()
        self._breaker.reset()
        self._has_served = False
        self._constraints = UNCONSTRAINED
        self._task = None
        self.host = ""
        self._set(ModelState.UNLOADED, "")

    def explain_loading(self, reason: str) -> None:
        """Says what the load that goes on waits for."""
        if self.state is ModelState.LOADING:
            self._set(ModelState.LOADING, reason)

    async def reload(self) -> None:
        """Ends the instances after the accepted work, and begins to load the model again as it was asked for."""
        constraints = self._constraints
        await self.unload()
        if self.state is ModelState.UNLOADED:
            self._ensure_loading(constraints)

    def is_outdated(self, entry: ModelEntry) -> bool:
        """Whether it was loaded, or failed to be, for another task or with other content than the model has by now.

        Content that is still to be downloaded gives no reason to end what serves.
        """
        digests = {variant.digest for variant in entry.variants}
        is_here = any(variant.is_local for variant in entry.variants) and not self.resolved.variant
        is_replaced = any(instance.plan.variant_digest not in digests for instance in self.pool.instances)
        is_of_other_task = self._task not in (None, entry.task)
        return (is_here and is_replaced) or (is_of_other_task and self.state in (ModelState.SERVING, ModelState.FAILED))

    def instance_views(self) -> tuple[InstanceView, ...]:
        """What people may see of the instances."""
        views = (supervisor.view() for supervisor in self._supervisors)
        return tuple(view for view in views if view is not None)

    # What supervisors and instances tell. Nothing that goes wrong here may end those that tell it.

    @contained
    def instance_ready(self, instance: ModelInstance) -> None:
        """An instance serves."""
        assert instance.ready is not None
        self.pool.add(instance)
        task = task_named(instance.plan.task)
        self.facts = None if task is None else task.facts_of(instance.ready)
        self.computation = computation_of(self.pool.instances, self.facts)
        self.inputs = specs_of(instance.ready.inputs)
        self.outputs = specs_of(instance.ready.outputs)
        self._breaker.reset()
        self._has_served = True
        self._set(ModelState.SERVING, "")
        if self._first_ready is not None and not self._first_ready.done():
            self._first_ready.set_result(None)
        self.pool.capacity_freed()

    @contained
    def lost(self, instance: ModelInstance, suspects: Collection[bytes]) -> None:
        """A worker is gone; if it served, its supervisor starts another."""
        if instance not in self.pool.instances:
            return
        was_unresponsive = self._is_unresponsive
        self.pool.remove(instance, suspects)
        if self.state is ModelState.SERVING or was_unresponsive:
            self._metrics.instance_restarts.labels(self.name, "crash").inc()
            if not self.pool.instances:
                self._set(ModelState.LOADING, "its worker ended and is being started again")

    @contained
    def responsiveness_changed(self, instance: ModelInstance) -> None:
        """An instance does not answer, or answers again; the model serves while one does."""
        if self.state is ModelState.SERVING and not self.pool.is_responsive:
            self._set(ModelState.LOADING, "its worker does not answer")
        elif self._is_unresponsive and self.pool.is_responsive:
            self._set(ModelState.SERVING, "")
        self.pool.capacity_freed()

    @contained
    def gave_up(self, error: PanopeError) -> None:
        """No further instance will be started in one place."""
        if self.pool.instances or self.state is ModelState.UNLOADING:
            return
        if self._first_ready is None:
            self._fail(error)
        elif not self._first_ready.done():  # whoever loads may know another candidate
            self._first_ready.set_exception(error)

    @contained
    def host_gone(self) -> None:
        """The base that it ran beside is gone: it is placed anew, unless whoever loads it sees to that."""
        if self._first_ready is None and self.state in (ModelState.LOADING, ModelState.SERVING):
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
    def _is_unresponsive(self) -> bool:
        """Whether it is loaded, and would serve if one of its workers answered."""
        return self.state is ModelState.LOADING and bool(self.pool.instances)

    def _admit(self) -> None:
        match self.state:
            case ModelState.SERVING | ModelState.LOADING:
                return
            case ModelState.UNLOADING:
                raise AvailabilityError(f"model `{self.name}` is being unloaded", retry_after_seconds=1.0)
            case ModelState.UNLOADED if not self._settings.lazy_load:
                raise PreconditionError(f"model `{self.name}` is not loaded", reason="model_not_loaded")
            case ModelState.FAILED:
                if refusal := self._breaker.refusal():
                    raise refusal
        self._ensure_loading(self._constraints)

    def _refuse_other(self, constraints: LoadConstraints) -> None:
        for instance in self.pool.instances:
            if not instance.satisfies(constraints):
                raise PreconditionError(
                    f"model `{self.name}` is loaded on `{instance.plan.backend}` in `{instance.precision}`; "
                    "unload it first",
                    reason="load_options_conflict",
                )

    def _ensure_loading(self, constraints: LoadConstraints) -> asyncio.Task[None]:
        if self._loading is None or self._loading.done():
            self._asked = constraints
            self._stop_retry()
            before = self.state, self.state_reason
            self._set(ModelState.LOADING, "")
            self._loading = asyncio.create_task(self._load(constraints, *before))
            # Whoever waits sees the error; when nobody does, the state and the log have it.
            self._loading.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._loading

    async def _load(self, constraints: LoadConstraints, before: ModelState, reason: str) -> None:
        started = time.monotonic()
        try:
            await self._start(constraints)
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
        self._constraints = constraints
        self._metrics.model_load_duration.labels(self.name).observe(time.monotonic() - started)

    def _go_on_as(self, before: ModelState, reason: str) -> None:
        """What one caller asked for and cannot have changes nothing for the others, whose calls may be waiting."""
        self._set(before, reason)
        if before is ModelState.FAILED:
            self._retry_later()
        asyncio.get_running_loop().call_soon(self._load_for_others)  # when this load has ended

    @contained
    def _load_for_others(self) -> None:
        was_restarting = self.state is ModelState.LOADING  # and what did it may have been stopped
        if was_restarting or (not self.pool.instances and self.pool.has_waiting):
            self._ensure_loading(self._constraints)

    async def _start(self, constraints: LoadConstraints) -> None:
        """Starts the best candidate that works: one whose worker cannot load the model gives place to the next."""
        failed: list[FailedPlan] = []
        while True:
            plan = replace(await self._make_plan(constraints, failed), model_number=self._number)
            self._task, self.host = plan.task, plan.host
            if self.state_reason:
                self.explain_loading("")  # what it waited for is over
            if plan.identity in [each.plan.identity for each in failed]:
                raise failed[-1].error
            await asyncio.gather(*(supervisor.stop(0.1) for supervisor in self._supervisors))
            self._first_ready = asyncio.get_running_loop().create_future()
            self._supervisors = [
                InstanceSupervisor(
                    f"{self.name}#{next(self._numbers)}",
                    plan,
                    self._settings.workers,
                    self,
                    partial(self._find_instance, place),
                )
                for place in range(self._settings.workers.instances)
            ]
            try:
                await self._first_ready
            except (PreconditionError, InternalError) as error:
                _log.warning("candidate_failed", model=self.name, backend=plan.backend, error=error.message)
                failed.append(FailedPlan(plan, error))
            else:
                return
            finally:
                self._first_ready = None

    def _fail(self, error: PanopeError) -> None:
        if self.state is ModelState.FAILED:
            return
        self._breaker.record_failure(error)
        _log.error("model_failed", model=self.name, reason=error.reason, error=error.message)
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
