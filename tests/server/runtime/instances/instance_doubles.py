"""A model and its workers in a test's hand: real queue, real instances, no processes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from panope.worker.v1 import embed_pb2
from panope.worker.v1 import worker_pb2 as wire
from panope_backends.errors import PanopeError
from panope_backends.wire import frames
from panope_backends.worker.requests import failure_part
from panope_server.config import Limits, Settings, Workers
from panope_server.observability.metrics import Metrics
from panope_server.runtime.call_context import CallContext
from panope_server.runtime.instances.instance import Instance
from panope_server.runtime.instances.role import Role
from panope_server.runtime.instances.worker.socket import WorkerSocket
from panope_server.runtime.models.model import ModelRuntime
from panope_server.runtime.names import ResolvedName
from panope_server.runtime.placement.constraints import LoadConstraints
from panope_server.runtime.placement.placement import Placement
from panope_server.runtime.placement.plan import FailedPlan, LoadPlan
from panope_server.runtime.processes.process_supervisor import Exit
from panope_server.runtime.status import InstanceState, ModelState
from panope_server.tasks.catalog import requests_of, task_of
from panope_server.tasks.embed import EmbedInput
from panope_server.tasks.task import Input, Output

MODEL = "acme/echo"
PLAN = LoadPlan(
    model=MODEL,
    task="embed",
    variant_digest="sha256:00",
    format="safetensors",
    backend="echo",
    device="CPU",
    precision="fp32",
    weights_precision="fp32",
    folder=Path("model"),
    cache_folder=Path("cache"),
    reason="a test",
)


class FaultError(Exception):
    """Thrown where nothing is known to be able to fail."""


class FakeTransport:
    """The way to a worker: keeps the frames."""

    def __init__(self) -> None:
        self.sent: list[wire.ServerFrame] = []
        self._decoder = frames.FrameDecoder()

    def write(self, data: bytes) -> None:
        self.sent += [wire.ServerFrame.FromString(each) for each in self._decoder.feed(data)]

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass

    abort = close


@dataclass
class Worker:
    """The far end of an instance's socket, without a process."""

    instance: Instance
    socket: WorkerSocket
    transport: FakeTransport
    gone: bool = False
    answered: list[int] = field(default_factory=list)

    def waiting(self) -> list[int]:
        """The ids of the work that it was sent and that was not taken back."""
        cancelled = {frame.id for frame in self.transport.sent if frame.WhichOneof("body") == "cancel"}
        return [frame.id for frame in self.transport.sent if frame.id not in cancelled]

    def tell(self, frame: wire.WorkerFrame) -> None:
        """As asyncio does: what the reader raises ends the connection."""
        if self.gone:
            return
        try:
            self.socket.data_received(frames.encode_frame(frame))
        except FaultError:
            self.lose()

    def texts(self, frame_id: int) -> list[str]:
        """The texts of a request that it was sent."""
        (sent,) = [frame for frame in self.transport.sent if frame.id == frame_id and frame.HasField("request")]
        return list(embed_pb2.EmbedInput.FromString(sent.request.input).texts)

    def answer(self, frame_id: int) -> None:
        """Answers a request of texts: the vector of each is its number of characters."""
        self.answered.append(frame_id)
        lengths = [len(text) for text in self.texts(frame_id)]
        vectors = np.array(lengths, "<f4").tobytes()
        output = embed_pb2.EmbedOutput(vectors=vectors, dimensions=1, token_counts=lengths).SerializeToString()
        self.tell(wire.WorkerFrame(parts=[wire.Part(id=frame_id, output=output, last=True, timing=wire.Timing())]))

    def fail(self, frame_id: int, error: PanopeError) -> None:
        """Answers a request with an error."""
        self.tell(wire.WorkerFrame(parts=[failure_part(frame_id, error)]))

    def lose(self) -> None:
        self.gone = True
        with suppress(FaultError):
            self.socket.connection_lost(None)


NOBODY = CallContext("r")


async def run(runtime: ModelRuntime, task_input: Input, context: CallContext = NOBODY) -> Output:
    """The whole answer."""
    parts: list[Output] = []

    async def put(data: bytes) -> None:
        parts.append(task_of(task_input).decode(data))

    await runtime.run(requests_of(task_input), context, Placement(), put)
    return parts[0] if len(parts) == 1 else task_of(task_input).join(parts)


@dataclass
class Bench:
    """A model whose workers are in the test's hand."""

    runtime: ModelRuntime
    metrics: Metrics
    workers: list[Worker] = field(default_factory=list)
    calls: list[asyncio.Task[Any]] = field(default_factory=list)

    def start_worker(self, role: Role = Role.ANY) -> None:
        instance = Instance(f"{MODEL}#{len(self.workers)}", PLAN, self.runtime._settings.workers, self.runtime, role)
        transport: Any = FakeTransport()
        socket = instance._socket
        socket._transport = transport
        instance._process._transport = transport
        instance.ready, instance.state = wire.Ready(), InstanceState.READY
        self.workers.append(Worker(instance, socket, transport))
        self.runtime.instance_ready(instance)

    def call(self, task_input: EmbedInput, context: CallContext = NOBODY) -> None:
        self.calls.append(asyncio.create_task(run(self.runtime, task_input, context)))

    async def settle(self) -> None:
        """Lets everything happen that can happen without another step."""
        for _ in range(6):
            await asyncio.sleep(0)

    def held(self) -> dict[str, float]:
        """Everything that is counted of what calls hold."""
        queue = self.runtime.pool.queue
        gauges = {
            name: self.metrics.registry.get_sample_value(name, {"model": MODEL}) or 0.0
            for name in ("panope_queued_items", "panope_in_flight_items")
        }
        instances = {
            f"{worker.instance.name} {what}": float(value)
            for worker in self.workers
            for what, value in (("texts", worker.instance.in_flight_items), ("bytes", worker.instance._in_flight.bytes))
        }
        return {"texts": queue.items, "bytes": queue.bytes, "entries": len(queue), **gauges, **instances}

    async def close(self) -> None:
        for task in self.calls:
            task.cancel()
        await asyncio.gather(*self.calls, return_exceptions=True)
        await self.settle()


def bench(*, window: int = 4, breaker_min_requests: int = 20, **limits: Any) -> Bench:
    """A model that serves, so far without workers; each will hold so many texts at a time."""

    async def never(_: LoadConstraints, _failed: Sequence[FailedPlan]) -> LoadPlan:
        raise AssertionError("nothing is loaded here")

    metrics = Metrics()
    workers = Workers(max_in_flight_items=window, breaker_min_requests=breaker_min_requests)
    given = Settings(limits=Limits(**limits), workers=workers)
    runtime = ModelRuntime(ResolvedName(MODEL), given, metrics, never, lambda *_: None)
    runtime.state = ModelState.SERVING
    return Bench(runtime, metrics)


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self._now = 0.0
        self._sleeps: asyncio.Queue[float] = asyncio.Queue()
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._now + seconds, woken))
        self._sleeps.put_nowait(seconds)
        await woken

    async def next_sleep(self) -> float:
        """For how long the next sleeper wants to sleep."""
        return await asyncio.wait_for(self._sleeps.get(), 20)

    def advance(self, seconds: float) -> None:
        """Lets time pass and wakes who has slept enough."""
        self._now += seconds
        for until, woken in self._sleepers:
            if until <= self._now and not woken.done():
                woken.set_result(None)


class Starts:
    """What becomes of the instances that are started.

    Attributes:
        failures: of the next starts, by name.
        hold: whether a start comes to no end.
    """

    def __init__(self) -> None:
        self.failures: dict[str, list[Exception]] = {}
        self.hold = False
        self.count = 0
        self.killed: list[str] = []
        self.running: list[FakeInstance] = []

    async def until_begun(self, count: int) -> None:
        """Waits until so many were begun."""
        async with asyncio.timeout(20):
            while self.count < count:  # noqa: ASYNC110 - what is waited for has no event of its own
                await asyncio.sleep(0)

    async def until_ready(self, count: int) -> list[FakeInstance]:
        """Those that run, once they are so many, by name."""
        async with asyncio.timeout(20):
            while len(self.running) < count:  # noqa: ASYNC110 - what is waited for has no event of its own
                await asyncio.sleep(0)
        return sorted(self.running, key=lambda instance: instance.name)

    async def settle(self) -> None:
        """Lets everything happen that can happen without another step."""
        for _ in range(20):
            await asyncio.sleep(0)


class FakeInstance(Instance):
    """An instance without a process, which serves until the test ends it."""

    def __init__(self, starts: Starts, *given: Any) -> None:
        super().__init__(*given)
        self._starts = starts

    async def start(self) -> None:
        self._starts.count += 1
        try:
            if self._starts.hold:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.kill("loading was stopped")
            raise
        if failures := self._starts.failures.get(self.name):
            self.closed.set()
            raise failures.pop(0)
        self.state = InstanceState.READY
        self._starts.running.append(self)

    def kill(self, reason: str) -> None:
        self._starts.killed.append(self.name)
        self.closed.set()

    def end(self) -> None:
        """As a process that dies."""
        self._starts.running.remove(self)
        self.state = InstanceState.BACKING_OFF
        self.closed.set()

    async def drain(self, timeout: float) -> None:  # noqa: ASYNC109 - as of an instance
        self.closed.set()

    async def wait(self) -> Exit:
        await self.closed.wait()
        return Exit(1, "exit code 1")
