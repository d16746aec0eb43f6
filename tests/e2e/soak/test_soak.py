"""A server under everything at once: callers that give up, callers that send what they should not, workers that die."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
import numpy as np
import psutil
import pytest
from hostile_rest import HostileSender

from panope.v1 import embed_service_pb2 as pb
from panope.v1 import embed_service_pb2_grpc, infer_service_pb2_grpc, tensor_pb2
from panope.v1 import infer_service_pb2 as infer_pb

CALLERS = 64
CANCELLED = 0.30
HOSTILE = 0.05
#: Where there is Envoy, beside the hostile calls over gRPC; half of them are left in the middle.
HOSTILE_REST = 0.05
#: The deadline of calls that nobody gives up: longer than any restart on a slow machine.
CALL_SECONDS = 300
SOAK_SECONDS = 120
KILL_SECONDS = 8
#: A worker that served for seconds is no crash loop: nobody is refused for want of it, and another serves soon.
AWAY = "ends again and again"
MAX_AWAY_SECONDS = 10.0
#: The longest that a caller waits when it is told to come back.
MAX_WAIT_SECONDS = 1.0

INVALID, UNAVAILABLE = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNAVAILABLE
OVERLOADED = grpc.StatusCode.RESOURCE_EXHAUSTED


@dataclass
class Outcome:
    """What callers saw.

    Attributes:
        served_since: seconds from the start, when the worker that there is now began to serve.
        away_seconds: in which none served.
    """

    right: int = 0
    wrong: list[str] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    served_since: float = 0.0
    away_seconds: float = 0.0


def _tensor(name: str, shape: tuple[int, ...], ids: np.ndarray | None = None) -> tensor_pb2.Tensor:
    data = np.ones(shape, np.int64) if ids is None else ids
    return tensor_pb2.Tensor(name=name, data_type=tensor_pb2.DATA_TYPE_INT64, shape=shape, data=data.tobytes())


When = Callable[[Outcome, float], bool]
"""Whether it is time for something, by what callers have seen and how many seconds have passed."""


class Soak:
    """One run against one server."""

    def __init__(self, server: Any, texts: list[str], expected: np.ndarray, channel: grpc.aio.Channel) -> None:
        self._server = server
        self._texts = texts
        self._embed = embed_service_pb2_grpc.EmbedServiceStub(channel)
        self._infer = infer_service_pb2_grpc.InferServiceStub(channel)
        self._expected = expected
        self._random = random.Random(8)
        self._rest = HostileSender(server.http_port, server.model, self._random) if server.envoy else None
        self.outcome = Outcome()

    async def run(self, done: When, kill: When) -> None:
        """Lets every caller call until it is done, and kills the worker whenever that is due."""
        model = self._server.model
        quiet = [await self._embed.Embed(pb.EmbedRequest(model=model, texts=[text])) for text in self._texts]
        self._check([np.frombuffer(each.vectors, "<f4") for each in quiet], range(len(quiet)), "alone")
        self._started = time.monotonic()
        killer = asyncio.create_task(self._kill(kill))
        try:
            await asyncio.gather(*(self._caller(done) for _ in range(CALLERS)))
        finally:
            killer.cancel()

    def _is_time(self, when: When) -> bool:
        return when(self.outcome, time.monotonic() - self._started)

    async def _kill(self, due: When) -> None:
        while True:
            await asyncio.sleep(0.05)
            # One that is killed before it serves is a crash loop, which other tests are about.
            if not await asyncio.to_thread(self._server.is_ready):
                now = time.monotonic() - self._started
                self.outcome.away_seconds += now - self.outcome.served_since
                self.outcome.served_since = now
            elif self._is_time(due):
                self._kill_worker()

    def _kill_worker(self) -> None:
        self.outcome.served_since = time.monotonic() - self._started
        for worker in self._server.workers():
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.kill()
                self.outcome.kills += 1

    async def _caller(self, done: When) -> None:
        while not self._is_time(done):
            draw = self._random.random()
            if draw < HOSTILE:
                await self._be_hostile()
            elif draw < HOSTILE + CANCELLED:
                await self._give_up()
            elif self._rest is not None and draw < HOSTILE + CANCELLED + HOSTILE_REST:
                await self._be_hostile_by_rest(self._rest)
            else:
                await self._ask()

    async def _ask(self) -> None:
        chosen = self._random.sample(range(len(self._texts)), self._random.randint(1, 3))
        request = pb.EmbedRequest(model=self._server.model, texts=[self._texts[index] for index in chosen])
        try:
            answer = await self._embed.Embed(request, timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            self.outcome.codes[f"{error.code().name}: {error.details()}"] += 1
            if error.code() not in (UNAVAILABLE, OVERLOADED):
                self.outcome.wrong.append(f"a valid call: {error.code().name}: {error.details()}")
            waits = {key: value for key, value in error.trailing_metadata() or () if key == "retry-after-ms"}
            if not waits:
                self.outcome.wrong.append(f"no time to come back: {error.details()}")
            await asyncio.sleep(min(MAX_WAIT_SECONDS, int(waits.get("retry-after-ms", 1000)) / 1000))
            return
        vectors = np.frombuffer(answer.vectors, "<f4").reshape(answer.count, answer.dimensions)
        self._check(vectors, chosen, f"of {len(chosen)}")
        self.outcome.right += 1

    def _check(self, vectors: Sequence[np.ndarray] | np.ndarray, chosen: Sequence[int], where: str) -> None:
        for vector, index in zip(vectors, chosen, strict=True):
            if not (cosine := vector @ self._expected[index]) > 0.999:
                self.outcome.wrong.append(f"text {index} {where}: cosine {cosine:.4f}")

    async def _give_up(self) -> None:
        """Cancels, or lets a short deadline pass; an answer may be faster."""
        request = pb.EmbedRequest(model=self._server.model, texts=self._random.sample(self._texts, 8))
        seconds = self._random.uniform(0.0, 0.05)
        if self._random.random() < 0.5:
            call = self._embed.Embed(request, timeout=max(0.001, seconds))
        else:
            call = self._embed.Embed(request, timeout=CALL_SECONDS)
            asyncio.get_running_loop().call_later(seconds, call.cancel)
        self.outcome.codes[f"given up: {(await call.code()).name}"] += 1

    async def _be_hostile(self) -> None:
        """One call that must be refused as its caller's own fault, or for want of a worker."""
        name, call = self._random.choice(sorted(self._hostile().items()))
        code = await call().code()
        self.outcome.codes[f"hostile: {code.name}"] += 1
        if code not in (INVALID, UNAVAILABLE, OVERLOADED):
            self.outcome.wrong.append(f"{name}: {code.name}")

    async def _be_hostile_by_rest(self, sender: HostileSender) -> None:
        if self._random.random() < 0.5:
            await sender.leave()
            return
        name, status, right = await sender.send()
        self.outcome.codes[f"hostile: {status}"] += 1
        if status not in {*right, 429, 503}:
            self.outcome.wrong.append(f"REST: {name}: {status}")

    def _hostile(self) -> dict[str, Callable[[], Any]]:
        model = self._server.model
        far = infer_pb.InferRequest(model=model)
        far.value.struct_value.update({"texts": ["a"] * 512, "dimensions": float(1 << 32)})
        few_axes = [_tensor("input_ids", (1, 1, 1, 16)), _tensor("attention_mask", (1, 16))]
        apart = [_tensor("input_ids", (64, 16)), _tensor("attention_mask", (1, 16))]
        outside = [_tensor("input_ids", (1, 3), np.full((1, 3), 1 << 40)), _tensor("attention_mask", (1, 3))]
        infer, embed = self._infer.Infer, self._embed.Embed
        return {
            "dimensions past a frame's field": lambda: infer(far, timeout=CALL_SECONDS),
            "too many dimensions": lambda: embed(pb.EmbedRequest(model=model, texts=["a"] * 64, dimensions=4096)),
            "a prompt's name of 12 KB": lambda: embed(
                pb.EmbedRequest(model=model, texts=["a"], prompt_name="x" * 12_000)
            ),
            "a text that is too long": lambda: embed(pb.EmbedRequest(model=model, texts=["word " * 5000])),
            "an unknown token": lambda: embed(
                pb.EmbedRequest(model=model, token_sequences=[pb.TokenSequence(ids=[1 << 30])])
            ),
            "tensors of other axes": lambda: infer(infer_pb.InferRequest(model=model, inputs=few_axes)),
            "tensors that disagree": lambda: infer(infer_pb.InferRequest(model=model, inputs=apart)),
            "ids outside the table": lambda: infer(infer_pb.InferRequest(model=model, inputs=outside)),
        }


@pytest.fixture
def soak(servers: Any, golden_texts: list[str], golden_vectors: np.ndarray) -> Callable[..., Awaitable[Outcome]]:
    """Runs one against a server of its own and looks whether anything is left of it."""

    async def run(done: When, kill: When, *, envoy: bool) -> Outcome:
        # Tests have one thread a process, because several run at a time; a soak has the machine.
        server = servers.start(envoy=envoy, **({"OMP_NUM_THREADS": str(os.cpu_count())} if envoy else {}))
        async with grpc.aio.insecure_channel(server.grpc_address) as channel:
            made = Soak(server, golden_texts[:60], golden_vectors[:60], channel)
            await made.run(done, kill)
            await asyncio.to_thread(server.wait_ready, 60)
            await asyncio.to_thread(server.wait, lambda: held(server) == 0, 10, "an end of what calls held")
            await made._ask()
        assert server.process.poll() is None
        return made.outcome

    return run


def held(server: Any) -> float:
    """Texts that the server counts as waiting or running."""
    lines = server.admin("/metrics").body.decode().splitlines()
    counted = ("panope_in_flight_items{", "panope_queued_items{")
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(counted))


@pytest.mark.timeout(300)
async def test_answers_are_right_and_nothing_stays_held_while_a_worker_dies_and_callers_misbehave(soak) -> None:
    outcome = await soak(
        lambda seen, _: seen.kills == 1 and seen.right >= 200,
        lambda seen, _: seen.kills == 0 and seen.right >= 100,
        envoy=False,
    )
    assert not outcome.wrong, outcome


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_soak_of_two_minutes_with_a_worker_killed_every_eight_seconds(soak) -> None:
    outcome = await soak(
        lambda _, seconds: seconds > SOAK_SECONDS,
        lambda seen, seconds: seconds > seen.served_since + KILL_SECONDS,
        envoy=True,
    )
    logging.getLogger(__name__).warning("soak: %s", outcome)
    assert not outcome.wrong, outcome
    assert outcome.kills >= 4, outcome
    assert outcome.right >= 1_000, outcome
    assert AWAY not in str(outcome.codes), outcome
    assert outcome.away_seconds / outcome.kills < MAX_AWAY_SECONDS, outcome
