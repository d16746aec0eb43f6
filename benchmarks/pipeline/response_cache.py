"""What a kept answer costs: inside the server, and for callers beside one that is computed.

    python -m benchmarks.pipeline.response_cache [--calls 300]

Inside is the step of the pipeline alone, from a call whose model is known to its answer. Outside is a server with the
demo's model, over gRPC and through Envoy, one call at a time; each text is asked for as kept and, with `cache-control:
no-cache`, as computed, in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import grpc
from rich.console import Console
from rich.table import Table

from benchmarks.support.served import Served
from benchmarks.support.texts import texts_of
from panope.v1 import embed_service_pb2 as pb
from panope.v1 import embed_service_pb2_grpc as pb_grpc
from panope_registry.models.types import ModelEntry
from panope_server.config import ResponseCacheSettings
from panope_server.observability.metrics import Metrics
from panope_server.pipeline.cache.kept import KeptAnswers
from panope_server.pipeline.cache.statistics import CacheCounts
from panope_server.pipeline.cache.step import Cache
from panope_server.pipeline.cache.stores.memory import MemoryStore
from panope_server.pipeline.call import Call
from panope_server.pipeline.step import Pipeline
from panope_server.runtime.models.computation import Computation
from panope_server.runtime.models.directory import ResolvedModel
from panope_server.runtime.names import ResolvedName
from panope_server.tasks.embed import EmbedInput, EmbedOutput
from panope_server.tasks.generate.types import (
    Conversation,
    GenerateDelta,
    GenerateInput,
    GenerateOutput,
    GenerateUsage,
    GenerationOptions,
    Sampling,
)
from panope_server.tasks.task import Input

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
HOME = Path(".cache/benchmark/response_cache/home")
DIMENSIONS = 384

console = Console()


class Computer:
    """Answers everything at once."""

    computation = Computation("a" * 64, "openvino", "fp32", "openvino", "cpu", "bf16")

    def facts_of(self, _: ResolvedModel) -> object:
        """Nothing is known."""
        return None

    def computation_of(self, _: ResolvedModel) -> Computation:
        """Always the same."""
        return self.computation

    async def answer(self, call: Call) -> None:
        """An answer of the usual size."""
        call.placement.variant_digest, call.placement.backend = self.computation.variant_digest, "openvino"
        if isinstance(call.input, EmbedInput):
            count = len(call.input.texts)
            await call.output.put(EmbedOutput(bytes(4 * DIMENSIONS * count), count, DIMENSIONS, [24] * count, []))
        else:
            delta = GenerateDelta(text="word " * 200, token_ids=list(range(200)), finish_reason="stop")
            await call.output.put(GenerateOutput([delta], usage=GenerateUsage(1000, 200)))


def inside(calls: int) -> Table:
    """Microseconds of the step for a hit."""
    settings = ResponseCacheSettings(enabled=True)
    store = MemoryStore(settings.size, settings.entry_size, settings.ttl_seconds)
    computer = Computer()
    step = Cache(settings, KeptAnswers(store, settings.ttl_seconds), computer, CacheCounts(Metrics()), "1")
    pipeline = Pipeline([step], computer.answer)
    entry = ModelEntry(MODEL, "embed", "", datetime.now(UTC), {}, (), {})
    model = ResolvedModel(ResolvedName(MODEL), entry)
    greedy = GenerationOptions(sampling=Sampling(temperature=0.0))
    cases: dict[str, Callable[[], Input]] = {
        "embed, 1 text": lambda: EmbedInput(texts_of(1, (22, 22))),
        "embed, 32 texts": lambda: EmbedInput(texts_of(32, (22, 22))),
        "embed, 512 texts": lambda: EmbedInput(texts_of(512, (22, 22))),
        "chat of 4 kB, answer of 200 tokens": lambda: GenerateInput(
            conversation=Conversation(b'[{"role":"user","content":"' + b"word " * 800 + b'"}]'), options=greedy
        ),
    }
    table = Table("a hit, inside the server", "median µs", "90th percentile µs")

    async def measure(task_input: Input) -> list[float]:
        times = []
        for number in range(calls + 1):
            call = Call(MODEL, task_input, "", "Benchmark/Inside", "r", resolved=model)
            started = time.perf_counter()
            await pipeline.run(call)
            if number:  # the first is no hit
                assert call.cache_status == "hit"
                times.append((time.perf_counter() - started) * 1e6)
        return times

    for name, make in cases.items():
        times = asyncio.run(measure(make()))
        table.add_row(name, f"{statistics.median(times):,.0f}", f"{statistics.quantiles(times, n=10)[-1]:,.0f}")
    return table


def rest_sender(server: Served) -> Callable[[str, str], Awaitable[str]]:
    """Sends a call through Envoy, on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port)

    async def send(text: str, control: str) -> str:
        body = json.dumps({"model": MODEL, "input": text, "encoding_format": "base64"})
        connection.request(
            "POST", "/v1/embeddings", body, {"content-type": "application/json", "cache-control": control}
        )
        answer = connection.getresponse()
        answer.read()
        return answer.headers["x-cache"]

    return send


def grpc_sender(channel: grpc.aio.Channel) -> Callable[[str, str], Awaitable[str]]:
    """Sends a call straight to the server."""
    stub = pb_grpc.EmbedServiceStub(channel)

    async def send(text: str, control: str) -> str:
        call = stub.Embed(pb.EmbedRequest(model=MODEL, texts=[text]), metadata=(("cache-control", control),))
        await call
        return str(dict(await call.initial_metadata())["x-cache"])

    return send


async def outside(server: Served, calls: int) -> Table:
    """Milliseconds of a call, as its caller sees it."""
    table = Table("a call of one text", "a hit, median ms", "computed, median ms")
    texts = texts_of(calls, (22, 22))
    async with grpc.aio.insecure_channel(server.grpc_address) as channel:
        for name, send in (("gRPC", grpc_sender(channel)), ("REST", rest_sender(server))):
            times: dict[str, list[float]] = {"hit": [], "miss": []}
            for text in texts:
                await send(text, "")
                for control in ("", "no-cache"):
                    started = time.perf_counter()
                    status = await send(text, control)
                    times[status].append((time.perf_counter() - started) * 1e3)
            table.add_row(name, *(f"{statistics.median(found):.2f}" for found in times.values()))
    return table


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=300)
    options = parser.parse_args()
    console.print(f"load {os.getloadavg()[0]:.1f}")
    console.print(inside(options.calls))
    HOME.mkdir(parents=True, exist_ok=True)
    with Served(HOME, "--set", "response_cache.enabled=true", "--set", "log_requests=false") as server:
        console.print(asyncio.run(outside(server, options.calls)))


if __name__ == "__main__":
    main()
