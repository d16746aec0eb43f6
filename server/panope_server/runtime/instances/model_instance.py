"""What serves one model: a worker process of its own, or a place in the worker of the model that it adapts."""

from __future__ import annotations

import asyncio
import itertools
from abc import ABC, abstractmethod
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Protocol

import structlog

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.errors import AvailabilityError, InternalError
from panope_server.config import Workers
from panope_server.runtime.instances.in_flight import Entries, Entry, Tenant
from panope_server.runtime.instances.instance_breaker import InstanceBreaker
from panope_server.runtime.instances.role import Role
from panope_server.runtime.instances.worker.frames import error_of
from panope_server.runtime.placement.constraints import LoadConstraints
from panope_server.runtime.placement.plan import LoadPlan
from panope_server.runtime.processes.process_supervisor import Exit, LivenessProbe
from panope_server.runtime.status import InstanceState, InstanceView

_log = structlog.get_logger("panope.instances")

MODEL_NUMBERS = itertools.count(1)
"""By which workers tell apart what they run: one for each model of this server, and for each place of an adapter."""


class Listener(Tenant, Protocol):
    """What an instance tells the model it belongs to."""

    def responsiveness_changed(self, instance: ModelInstance) -> None:
        """The instance does not answer, or answers again, as its state says."""

    def breaker_opened(self, instance: ModelInstance) -> None:
        """The instance is given no requests for a while, because most of them failed."""

    def lost(self, instance: ModelInstance, suspects: Collection[bytes]) -> None:
        """The worker's socket has ended; the calls that it held have failed.

        Args:
            instance: that was in the worker.
            suspects: the fingerprints of the requests that it may have died of.
        """


class ModelInstance(ABC):
    """One place that runs one plan.

    Args:
        name: unique in this server.
        listener: told about capacity and answers, from the event loop.

    Attributes:
        device: that it runs on.
        ready: what was loaded; None before.
        closed: set when it is gone.
        breaker: keeps requests of its model away while most of them fail.
    """

    def __init__(self, name: str, plan: LoadPlan, workers: Workers, listener: Listener) -> None:
        self.name = name
        self.plan = plan
        self.device = plan.device
        self.listener = listener
        self.state = InstanceState.STARTING
        self.ready: wire.Ready | None = None
        self.started_at = datetime.now(UTC)
        self.ready_at: datetime | None = None
        self.resident_bytes = 0
        self.device_memory: tuple[tuple[str, int], ...] = ()
        self.end_reason = ""
        self.closed = asyncio.Event()
        self.breaker = InstanceBreaker(workers)

    @property
    def role(self) -> Role:
        """Which calls it runs."""
        return Role.ANY

    @property
    @abstractmethod
    def pid(self) -> int:
        """The process id; 0 before the start and after the end."""

    @property
    def precision(self) -> str:
        """What it computes in; what the plan says, perhaps nothing, until the worker has told."""
        return self.ready.precision if self.ready is not None else self.plan.precision

    def satisfies(self, constraints: LoadConstraints) -> bool:
        """Whether it runs within the constraints."""
        plan = self.plan
        return (
            constraints.backend in ("", plan.backend)
            and constraints.precision in ("", self.precision, plan.weights_precision)
            and plan.variant_digest.startswith(constraints.variant)
            and constraints.tensor_parallel in (0, plan.tensor_parallel)
        )

    @property
    @abstractmethod
    def in_flight_items(self) -> int:
        """The items of the calls of its model that it has."""

    @property
    @abstractmethod
    def held(self) -> Entries:
        """All calls that its worker has, also those of other models in it."""

    @abstractmethod
    def fits(self, entry: Entry) -> bool:
        """Whether work may be handed over: the window has room for it, and its flow has not had its share."""

    @abstractmethod
    def has_room(self, entry: Entry) -> bool:
        """Whether the window has room; what exceeds the window, or must be alone, goes to an empty worker."""

    @abstractmethod
    def leaves_reserve(self, entry: Entry) -> bool:
        """Whether work leaves the places free that are kept for other callers and for high priority."""

    @abstractmethod
    def submit(self, entry: Entry) -> None:
        """Hands a request over; `entry.parts` gets the answer."""

    @abstractmethod
    async def start(self) -> None:
        """Starts and returns when the model answers.

        Raises:
            PanopeError: why the model could not be loaded.
        """

    @abstractmethod
    async def drain(self, timeout: float) -> None:  # noqa: ASYNC109 - two phases share it: ask, then end
        """Ends after the work at hand, or without it when that takes longer than `timeout` seconds."""

    @abstractmethod
    def kill(self, reason: str) -> None:
        """Ends at once."""

    @abstractmethod
    async def wait(self) -> Exit:
        """Waits until it is gone and all that was written was read."""

    @abstractmethod
    def liveness(self) -> LivenessProbe:
        """Whether it gets on."""

    @abstractmethod
    def end_silent(self, failed_checks: int) -> None:
        """Ends it because it has said nothing in so many checks."""

    @abstractmethod
    def output_tail(self, lines: int) -> list[str]:
        """The last lines that its worker wrote."""

    def view(self, restart_count: int) -> InstanceView:
        """What people may see of it."""
        return InstanceView(
            id=self.name,
            variant_digest=self.plan.variant_digest,
            format=self.plan.format,
            weights_precision=self.plan.weights_precision,
            backend=self.plan.backend,
            device=self.device,
            precision=self.precision,
            state=self.state,
            pid=self.pid,
            resident_bytes=self.resident_bytes,
            device_memory=self.device_memory,
            restart_count=restart_count,
            selection_reason=self.plan.reason,
            ready_at=self.ready_at,
            started_at=self.started_at,
            breaker=self.breaker.view(),
            in_flight_items=self.in_flight_items,
            role=self.role,
        )

    def count_end(self, entry: Entry, last: wire.Part) -> None:
        """Counts the end of a request of its model."""
        failure = error_of(last.failure) if last.HasField("failure") else None
        if self.breaker.record(entry.caller, has_failed=isinstance(failure, InternalError | AvailabilityError)):
            seconds = round(self.breaker.seconds_left, 3)
            _log.error("breaker_opened", instance=self.name, model=self.plan.model, duration_seconds=seconds)
            self.listener.breaker_opened(self)
