"""The instances of one model that serve, and the requests that wait for them or are with them."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress

from panope.worker.v1.worker_pb2 import Part
from panope_backends.errors import AvailabilityError, DeadlineError
from panope_server.config import Limits
from panope_server.observability.metrics import Metrics
from panope_server.runtime.call_context import CallContext
from panope_server.runtime.instances.handover import Handover
from panope_server.runtime.instances.in_flight import Entry
from panope_server.runtime.instances.model_instance import ModelInstance
from panope_server.runtime.instances.model_metrics import ModelMeters
from panope_server.runtime.instances.part_stream import PartStream
from panope_server.runtime.instances.quarantine import Quarantine
from panope_server.runtime.instances.queue.estimate import work_before
from panope_server.runtime.instances.queue.request_queue import RequestQueue
from panope_server.runtime.instances.worker.frames import request_frame
from panope_server.runtime.placement.placement import Placement
from panope_server.runtime.safe_callbacks import contained
from panope_server.runtime.status import CLOSED, BreakerState, BreakerView, InstanceState
from panope_server.tasks.task import Request

#: Models that share a worker have entries of different ids.
_ENTRY_IDS = itertools.count(1)

#: How many times as long as expected a call may have to wait for others. Without it the queue is as long as the
#: deadline, calls come to run when theirs is about to pass, and many of those that were taken in are answered too late.
#: A call's own time has none: what an idle model answers in time is taken in beside calls of next to nothing.
LATE_MARGIN = 1.25


class InstancePool:
    """Runs requests on instances; knows nothing of how these come to be.

    Args:
        model: the key of what is served, for metrics and the log.
        limits: of the queue.
        full_items: that instances have at a time when they work as fast as they can.
        model_number: by which workers know what is served.

    Attributes:
        queue: what waits, and needs no slot of the model.
        slot_queue: what waits for slots; requests that need none pass it by.
        instances: that serve.
    """

    def __init__(self, model: str, limits: Limits, metrics: Metrics, full_items: int, model_number: int = 0) -> None:
        self.queue = RequestQueue(model, limits)
        self.slot_queue = RequestQueue(model, limits, noun="answers")
        self.instances: list[ModelInstance] = []
        self._model = model
        self._full_items = full_items
        self._model_number = model_number
        queues = self.queue, self.slot_queue
        self._handovers = {queue: Handover(model, queue, self.instances) for queue in queues}
        self._quarantine = Quarantine(model)
        self._last_answer = 0.0
        self._meters = ModelMeters(metrics, model)
        # Asked for when somebody looks, so that they are never out of date.
        self._meters.queued.set_function(lambda: self.queue.items + self.slot_queue.items)
        self._meters.running.set_function(lambda: sum(instance.in_flight_items for instance in self.instances))

    async def run(
        self,
        requests: Sequence[Request],
        context: CallContext,
        placement: Placement,
        put: Callable[[bytes], Awaitable[None]],
    ) -> None:
        """Runs the requests of one call; see `ModelRuntime.run`."""
        if refusal := self._refusal():
            raise refusal
        entries = self._entries(requests, context, placement)
        try:
            self._take_in(entries)
            for entry in entries:
                await _read(entry.parts, put)
        finally:
            for entry in entries:
                entry.parts.siblings = ()
            if abandoned := [entry for entry in entries if entry.leave()]:  # without an end, whatever the reason
                self._abandon(abandoned)

    def add(self, instance: ModelInstance) -> None:
        """Takes in an instance; `capacity_freed` hands requests to it."""
        self.instances.append(instance)

    def remove(self, instance: ModelInstance, suspects: Collection[bytes]) -> None:
        """Lets an instance go whose worker has died, perhaps of one of the suspects."""
        self._quarantine.died(suspects)
        self.instances.remove(instance)

    def capacity_freed(self) -> None:
        """An instance can take more requests."""
        for handover in self._handovers.values():
            handover.run()

    @property
    def is_responsive(self) -> bool:
        """Whether an instance that runs normal calls answers."""
        return any(instance.state is InstanceState.READY and instance.role.takes(0) for instance in self.instances)

    @property
    def is_serving(self) -> bool:
        """Whether there is an instance that runs normal calls, if only once it answers again."""
        return any(instance.role.takes(0) for instance in self.instances)

    @property
    def has_waiting(self) -> bool:
        """Whether a request waits whose caller is there."""
        return any(queue.head() is not None for queue in (self.queue, self.slot_queue))

    def drain_waiting(self) -> list[Entry]:
        """Lets every request go that waits."""
        return [*self.queue.drain(), *self.slot_queue.drain()]

    def answered(self, entry: Entry, last: Part) -> None:
        """Counts where the time of an answer went."""
        now = time.monotonic()
        queue, seconds = self._queue_of(entry), now - max(entry.dispatched, self._last_answer)
        for rate in (queue.rate, queue.full_rate) if self._is_full(queue) else (queue.rate,):
            rate.record(entry.work, seconds)
        self._last_answer = now
        self._quarantine.answered(entry)
        self._meters.observe(entry, last)
        if last.HasField("failure") and (refusal := self._refusal()):
            for waiting in self.drain_waiting():
                waiting.fail(refusal.renamed(str))

    @property
    def breaker(self) -> BreakerView:
        """Of the instance that is the nearest to taking requests; closed while there is none."""
        order = (BreakerState.CLOSED, BreakerState.HALF_OPEN, BreakerState.OPEN)
        views = [instance.breaker.view() for instance in self.instances]
        return min(views, key=lambda view: (order.index(view.state), view.retry_after_seconds), default=CLOSED)

    async def until_handed_over(self, timeout: float) -> None:  # noqa: ASYNC109 - a bound on waiting, not on a call
        """Waits until nothing waits any more; not at all while no instance serves, for nothing can be handed over."""
        if self.is_responsive:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self.queue.until_empty()
                    await self.slot_queue.until_empty()

    def _refusal(self) -> AvailabilityError | None:
        """What calls hear while every instance fails; None while one may be given requests."""
        breaker = self.breaker
        if breaker.state is not BreakerState.OPEN:
            return None
        return AvailabilityError(
            f"model `{self._model}` cannot serve: {breaker.reason}",
            reason="model_failing",
            retry_after_seconds=breaker.retry_after_seconds,
        )

    def _take_in(self, entries: Sequence[Entry]) -> None:
        """Hands the entries of one call over, or queues them."""
        queue = self._queue_of(entries[0])
        self._refuse_late(queue, entries)
        if len(entries) == 1 and self._handovers[queue].pass_by(entries[0]):
            return
        queue.put(*entries)
        self.capacity_freed()

    def _refuse_late(self, queue: RequestQueue, entries: Sequence[Entry]) -> None:
        """DeadlineError for a call that cannot be answered in time by a model that works as fast as it can."""
        deadline, rate = entries[0].deadline, queue.full_rate.per_second
        holders = [queue, *(instance.held for instance in self.instances)]
        if deadline is None or rate is None or not any(map(len, holders)):
            return  # a model that has nothing to do is soon at it, and one that never had enough may be faster
        own = sum(entry.work for entry in entries)
        before = work_before(holders, entries[0], own) - own
        left = deadline - time.monotonic()
        if (before * LATE_MARGIN + own) / rate > left:
            seconds = (before + own) / rate
            raise DeadlineError(
                f"model `{self._model}` would answer in about {seconds:.1f} seconds, which is too long for the call's "
                f"deadline in {max(0.0, left):.1f}",
                reason="deadline_unreachable",
            )

    def _is_full(self, queue: RequestQueue) -> bool:
        """Whether more waits than runs: here, or in the workers, whose windows hold many batches."""
        return bool(len(queue)) or sum([instance.held.items for instance in self.instances]) >= self._full_items

    def _queue_of(self, entry: Entry) -> RequestQueue:
        return self.slot_queue if entry.slots else self.queue

    def _entries(self, requests: Sequence[Request], context: CallContext, placement: Placement) -> list[Entry]:
        """What carries the requests; whatever a caller can make fail fails here, where nothing is held yet."""
        entries: list[Entry] = []
        for request in requests:
            entry_id = next(_ENTRY_IDS)
            flow_id = entries[0].id if entries else entry_id
            frame, head = request_frame(entry_id, request, context, flow_id, self._model_number)
            entry = Entry(
                entry_id,
                frame,
                request.items,
                request.size_bytes,
                placement,
                head_bytes=head,
                flow_id=flow_id,
                slots=request.slots,
                work=request.work,
                caller=context.caller,
                priority=context.priority,
                deadline=context.deadline,
            )
            self._quarantine.admit(entry)
            entries.append(entry)
        if len(entries) > 1:
            for entry in entries:
                entry.parts.siblings = [other.parts for other in entries]
        return entries

    @contained
    def _abandon(self, entries: Sequence[Entry]) -> None:
        """The entries' places are free: tells the workers, if they have them, and hands the places on."""
        try:
            for entry in entries:
                if entry.withdraw is not None:
                    entry.withdraw(entry)
        finally:
            self.capacity_freed()


async def _read(parts: PartStream, put: Callable[[bytes], Awaitable[None]]) -> None:
    """Puts each part as it comes; most answers are one, which comes with the end."""
    while True:
        while (data := parts.take()) is not None:
            await put(data)
        if parts.has_ended:
            return
        await parts.changed()
