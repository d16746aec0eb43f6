"""What is asked of a model in overload, by whom, and what becomes of it."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import grpc

from benchmarks.support.texts import texts_of
from panope.v1 import embed_service_pb2 as embed_pb
from panope.v1 import embed_service_pb2_grpc as embed_grpc
from panope.v1 import generate_service_pb2 as generate_pb
from panope.v1 import generate_service_pb2_grpc as generate_grpc
from panope.v1 import generation_pb2
from panope_server.cli.server.demo import CHAT, EMBED

#: Made before anything is measured, and used in turns.
REQUESTS = 256
UNKNOWN_MODEL = "nobody/knows"

Ask = Callable[["Caller", float | None], Awaitable[None]]


@dataclass
class Outcomes:
    """What became of calls.

    Attributes:
        answered: milliseconds of those that were.
        refused: of those that were told that there is no room, or not enough time.
        expired: of those whose deadline passed while they waited.
        failed: of any others.
    """

    answered: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    expired: list[float] = field(default_factory=list)
    failed: list[float] = field(default_factory=list)

    @property
    def calls(self) -> int:
        """All of them."""
        return len(self.answered) + len(self.refused) + len(self.expired) + len(self.failed)

    def count(self, error: grpc.aio.AioRpcError, ms: float, seconds: float | None) -> None:
        """Counts a call that was not answered."""
        match error.code():
            case grpc.StatusCode.RESOURCE_EXHAUSTED:
                self.refused.append(ms)
            case grpc.StatusCode.DEADLINE_EXCEEDED:
                (self.expired if seconds is not None and ms >= seconds * 900 else self.refused).append(ms)
            case _:
                self.failed.append(ms)


class Caller:
    """One caller: a connection and an address of its own."""

    def __init__(self, address: str, name: str, priority: str = "normal") -> None:
        self.channel = grpc.aio.insecure_channel(address)
        self.metadata = (("x-forwarded-for", name), ("x-panope-priority", priority))
        self.embed = embed_grpc.EmbedServiceStub(self.channel)
        self.generate = generate_grpc.GenerateServiceStub(self.channel)

    async def timed(self, ask: Ask, outcomes: Outcomes, seconds: float | None = None) -> None:
        """One call."""
        started = time.perf_counter()
        try:
            await ask(self, seconds)
        except grpc.aio.AioRpcError as error:
            outcomes.count(error, (time.perf_counter() - started) * 1000, seconds)
        else:
            outcomes.answered.append((time.perf_counter() - started) * 1000)


@dataclass(frozen=True)
class Case:
    """What is asked of a model.

    Attributes:
        bulk: a call of the many.
        single: a call of the one whose time counts.
        unknown: as `bulk`, for a model that does not exist.
        width: calls that fill the model.
        flood: calls of a neighbour that floods.
        timeout: seconds of a call of the many, in overload.
    """

    task: str
    model: str
    bulk: Ask
    single: Ask
    unknown: Ask
    width: int
    flood: int
    timeout: float


@dataclass(frozen=True)
class Sizes:
    """How much calls ask for.

    Attributes:
        texts: to embed in a call of the many.
        words: of each text.
        tokens: of an answer.
    """

    texts: int
    words: int
    tokens: int


def embed_case(sizes: Sizes) -> Case:
    """Calls with several texts, and one with one text."""

    def ask(count: int, model: str = EMBED.name) -> Ask:
        texts = (texts_of(count, (sizes.words, sizes.words), seed=seed) for seed in range(REQUESTS))
        requests = itertools.cycle([embed_pb.EmbedRequest(model=model, texts=each) for each in texts])

        async def run(caller: Caller, seconds: float | None) -> None:
            await caller.embed.Embed(next(requests), timeout=seconds, metadata=caller.metadata)

        return run

    bulk, unknown = ask(sizes.texts), ask(sizes.texts, UNKNOWN_MODEL)
    return Case("embed", EMBED.name, bulk, ask(1), unknown, width=8, flood=64, timeout=2.0)


def generate_case(sizes: Sizes) -> Case:
    """Streams of answers of a length."""
    options = generation_pb2.GenerationOptions(max_tokens=sizes.tokens, ignore_eos=True)
    options.sampling.temperature = 0

    def ask(model: str = CHAT.name) -> Ask:
        prompts = (texts_of(1, (12, 12), seed=seed) for seed in range(REQUESTS))
        requests = itertools.cycle(
            [
                generate_pb.StreamGenerateRequest(
                    request=generate_pb.GenerateRequest(model=model, prompts=each, options=options)
                )
                for each in prompts
            ]
        )

        async def run(caller: Caller, seconds: float | None) -> None:
            async for _ in caller.generate.StreamGenerate(next(requests), timeout=seconds, metadata=caller.metadata):
                pass

        return run

    return Case("generate", CHAT.name, ask(), ask(), ask(UNKNOWN_MODEL), width=32, flood=256, timeout=8.0)


CASES = {"embed": embed_case, "generate": generate_case}


async def closed_loop(caller: Caller, ask: Ask, width: int, until: asyncio.Event) -> Outcomes:
    """So many calls in flight until told."""
    outcomes = Outcomes()

    async def loop() -> None:
        while not until.is_set():
            await caller.timed(ask, outcomes)

    await asyncio.gather(*(loop() for _ in range(width)))
    return outcomes


async def open_loop(caller: Caller, ask: Ask, rate: float, seconds: float, until: asyncio.Event) -> Outcomes:
    """Calls at a rate until told, whatever becomes of them."""
    outcomes = Outcomes()
    calls: set[asyncio.Task[None]] = set()
    started = time.perf_counter()
    try:
        for number in itertools.count():
            await asyncio.sleep(max(0.0, started + number / rate - time.perf_counter()))
            if until.is_set():
                break
            calls.add(asyncio.create_task(caller.timed(ask, outcomes, seconds)))
        await asyncio.gather(*calls)
    finally:
        for call in calls:
            call.cancel()
    return outcomes


async def singles(caller: Caller, case: Case, seconds: float) -> list[float]:
    """Milliseconds of calls one after another, with pauses as long as a tenth of each."""
    outcomes = Outcomes()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        await caller.timed(case.single, outcomes)
        await asyncio.sleep(outcomes.answered[-1] / 10_000 if outcomes.answered else 0.01)
    return outcomes.answered
