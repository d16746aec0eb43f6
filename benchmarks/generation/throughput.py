"""Generation: OpenVINO's own loops, the core in this process, gRPC streams and REST's events, in one run, interleaved.

    python -m benchmarks.generation.throughput [--model llama-135m|smollm2] [--rounds 3] [--tokens 64] [--prompt 150]
                                              [--widths 1,8,32] [--set KEY=VALUE] [--out FOLDER]

Two loops stand for what OpenVINO gives: one that a careful person would write in an afternoon, which fills the step
model's batches and takes the likeliest tokens; and, where the package `openvino-genai` is installed, GenAI's continuous
batching over the same weights. Every round runs every case once, in an order of its own, and ratios are taken within a
round, so that a machine whose speed drifts does not decide. No prompt is used twice, so no case finds another's
computed already, but for the last ones, whose prompts share their beginning. CPU seconds stand beside tokens a second,
those of the load generator included.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import grpc.aio
import numpy as np
import psutil
from tokenizers import Tokenizer

from benchmarks.generation.genai import GenAi
from benchmarks.generation.models import ARCHITECTURE, SEEDED, BenchmarkModel, add_model
from benchmarks.generation.results import Clock, Measured, Results, console, print_rows
from benchmarks.support.commands import import_model
from benchmarks.support.report import machine
from benchmarks.support.served import Served
from panope.v1 import generate_service_pb2 as pb
from panope.v1 import generate_service_pb2_grpc as pb_grpc
from panope.v1.embed_service_pb2 import TokenSequence
from panope.v1.generation_pb2 import GenerationOptions, SamplingParams
from panope_backends.api import GenerationRequest, LoadOptions, ModelFacts, StepBatch, StepModel, StepSequence
from panope_backends.api import SamplingParams as Sampling
from panope_backends.engines.openvino.backend import OpenVinoBackend
from panope_backends.generation import Decoding, GenerationEngine, GenerationSettings
from panope_backends.generation.text.vocabulary import TokenVocabulary

STEP_TOKENS = 512
BLOCKS = 512
SHARED = 500
"""Tokens that the prompts of the last cases begin with."""
SHARING = 8
"""Prompts of the case that sends them at once."""

Prompt = tuple[int, ...]


class Prompts:
    """Prompts of random tokens, no two alike.

    Args:
        vocabulary: tokens of the model.
    """

    def __init__(self, vocabulary: int) -> None:
        self._vocabulary = vocabulary
        self._random = np.random.default_rng(time.time_ns())

    def new(self, count: int, length: int, shared: Prompt = ()) -> list[Prompt]:
        """So many of a length, behind what they share."""
        drawn = self._random.integers(1000, self._vocabulary, (count, length)).tolist()
        return [(*shared, *each) for each in drawn]

    def order(self, count: int) -> list[int]:
        """The first numbers in an order of their own."""
        order: list[int] = self._random.permutation(count).tolist()
        return order


def raw_loop(model: StepModel, given: Sequence[Prompt], new: int) -> Measured:
    """Prompts in chunks beside the next tokens of others, the likeliest token of each, no more."""
    size = model.cache.block_size
    free = iter(range(model.blocks))
    tokens = [list(prompt) for prompt in given]
    past = [0] * len(given)
    tables: list[list[int]] = [[] for _ in given]
    ends = [len(prompt) + new for prompt in given]
    clock, cpu = Clock(), time.process_time()
    while active := [number for number, end in enumerate(ends) if len(tokens[number]) < end]:
        parts, room = [], STEP_TOKENS
        for number in sorted(active, key=lambda each: len(tokens[each]) - past[each]):
            chunk = tokens[number][past[number] : past[number] + room]
            if not chunk:
                break
            room -= len(chunk)
            while len(tables[number]) * size < past[number] + len(chunk):
                tables[number].append(next(free))
            whole = past[number] + len(chunk) == len(tokens[number])
            parts.append((number, StepSequence(chunk, past[number], tables[number], [-1] if whole else [])))
            past[number] += len(chunk)
        logits = model.forward(StepBatch.of([part for _, part in parts]))
        drawn = logits.argmax(axis=1).tolist() if len(logits) else []
        sampled = [number for number, part in parts if part.sampled]
        for number, token in zip(sampled, drawn, strict=True):
            tokens[number].append(token)
            clock.token(number)
    return clock.measured(new * len(given), time.process_time() - cpu)


def core(engine: GenerationEngine, given: Sequence[Prompt], new: int) -> Measured:
    """The generation core over the same step model."""
    clock, cpu = Clock(), time.process_time()
    for number, prompt in enumerate(given):
        engine.submit(
            GenerationRequest(number, prompt, sampling=Sampling(temperature=0), max_tokens=new, ignore_eos=True)
        )
    left = len(given)
    while left:
        for delta in engine.deltas(10):
            if delta.token_ids:
                clock.token(delta.request_id)
            left -= delta.usage is not None
    return clock.measured(new * len(given), time.process_time() - cpu)


def genai(loop: GenAi, given: Sequence[Prompt], new: int) -> Measured:
    """GenAI's continuous batching."""
    clock, cpu = Clock(), time.process_time()
    for step in loop.answers(given, new):
        for number, tokens in step:
            for _ in tokens:
                clock.token(number)
    return clock.measured(new * len(given), time.process_time() - cpu)


def server_cpu(server: Served) -> float:
    """CPU seconds of the server and of everything that it started."""
    root = psutil.Process(server.process.pid)
    return sum(sum(each.cpu_times()[:2]) for each in [root, *root.children(recursive=True)])


async def served(
    server: Served, given: Sequence[Prompt], new: int, stream: Callable[[Prompt, int], AsyncIterator[None]]
) -> Measured:
    """All prompts at once over a protocol."""
    cpu, clock = server_cpu(server) + time.process_time(), Clock()

    async def one(number: int, prompt: Prompt) -> None:
        async for _ in stream(prompt, new):
            clock.token(number)

    await asyncio.gather(*(one(number, prompt) for number, prompt in enumerate(given)))
    return clock.measured(new * len(given), server_cpu(server) + time.process_time() - cpu)


def grpc_stream(stub: pb_grpc.GenerateServiceAsyncStub, model: str) -> Callable[[Prompt, int], AsyncIterator[None]]:
    """GenerateService/StreamGenerate."""

    async def stream(prompt: Prompt, new: int) -> AsyncIterator[None]:
        options = GenerationOptions(sampling=SamplingParams(temperature=0), max_tokens=new, ignore_eos=True)
        ids = [TokenSequence(ids=prompt)]
        request = pb.GenerateRequest(model=model, prompt_token_ids=ids, options=options)
        async for response in stub.StreamGenerate(pb.StreamGenerateRequest(request=request)):
            if response.deltas:
                yield

    return stream


def rest_stream(port: int, model: str) -> Callable[[Prompt, int], AsyncIterator[None]]:
    """POST /v1/completions with `stream`, through Envoy, on a connection of its own."""

    async def stream(prompt: Prompt, new: int) -> AsyncIterator[None]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
        fields = {"model": model, "prompt": prompt, "max_tokens": new, "temperature": 0, "ignore_eos": True}
        body = json.dumps(fields | {"stream": True}).encode()
        head = f"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n"
        writer.write(f"{head}content-type: application/json\r\n\r\n".encode() + body)
        status = await reader.readline()
        if b" 200 " not in status:
            raise RuntimeError(status.decode())
        async for line in reader:
            if line.startswith(b"data: {"):
                yield
            elif line.startswith(b"data: [DONE]"):
                break
        writer.close()

    return stream


@dataclass
class Engines:
    """What runs in this process.

    Attributes:
        model: the raw loop's.
        engine: the core over a model of its own.
        without_cache: the core over the raw loop's model, without a prefix cache.
        genai: None where its package is not installed.
    """

    model: StepModel
    engine: GenerationEngine
    without_cache: GenerationEngine
    genai: GenAi | None


async def measure(arguments: argparse.Namespace, server: Served, engines: Engines) -> Results:
    """All rounds."""
    model: BenchmarkModel = arguments.model
    prompts = Prompts(model.config["vocab_size"])
    channel = grpc.aio.insecure_channel(server.grpc_address)
    over_grpc = grpc_stream(pb_grpc.GenerateServiceStub(channel), model.name)
    over_rest = rest_stream(server.http_port, model.name)
    new = arguments.tokens
    cases: dict[str, Callable[[list[Prompt]], Awaitable[Measured]]] = {
        "raw loop": lambda given: asyncio.to_thread(raw_loop, engines.model, given, new),
        "core": lambda given: asyncio.to_thread(core, engines.engine, given, new),
        "gRPC": lambda given: served(server, given, new, over_grpc),
        "REST": lambda given: served(server, given, new, over_rest),
    }
    if (loop := engines.genai) is not None:
        cases["GenAI"] = lambda given: asyncio.to_thread(genai, loop, given, new)
    results = Results(("raw loop", "GenAI"))
    for number in range(arguments.rounds + 1):  # the first warms up and does not count
        for width in arguments.widths:
            for index in prompts.order(len(cases)):  # what ran before a case may cost it something
                name, run = list(cases.items())[index]
                measured = await run(prompts.new(width, arguments.prompt))
                if number:
                    results.add(f"{name}, {width}", measured)
        for name, measured in await sharing(server, engines, over_grpc, prompts):
            if number:
                results.add(name, measured)
    await channel.close()
    return results


async def sharing(
    server: Served, engines: Engines, over_grpc: Callable[[Prompt, int], AsyncIterator[None]], prompts: Prompts
) -> list[tuple[str, Measured]]:
    """Prompts that begin alike: one after the other, and at once with the cache and without."""
    first, second, third = prompts.new(3, SHARED)
    measured = []
    for known in ("new", "known"):
        run = await served(server, prompts.new(1, 20, first), 8, over_grpc)
        measured.append((f"gRPC, {known} prefix of {SHARED}", run))
    at_once = {"with": (engines.engine, second), "without": (engines.without_cache, third)}
    for word, (engine, shared) in at_once.items():
        run = await asyncio.to_thread(core, engine, prompts.new(SHARING, 20, shared), 8)
        measured.append((f"core, {SHARING} at once that share {SHARED}, {word} the cache", run))
    return measured


def load_engines(of: BenchmarkModel, home: Path, info: dict[str, Any]) -> Engines:
    """The variant that the server runs, in this process: under the core, and alone; and GenAI's of the same weights."""
    instance = info["instances"][0]
    digest = instance["variant_digest"].removeprefix("sha256:")
    folder = next(path for path in (home / "store" / "checkouts").rglob(f"*{digest}*") if path.is_dir())
    facts = ModelFacts(of.name, "openvino", "generate", ARCHITECTURE, of.config)

    def load() -> StepModel:
        options = LoadOptions(precision=instance["precision"])
        model = OpenVinoBackend().load(facts, folder, instance["device"], options)
        assert isinstance(model, StepModel)
        model.allocate(BLOCKS)
        return model

    alone, under_core = load(), load()
    vocabulary = TokenVocabulary(Tokenizer.from_file(str(folder / "tokenizer.json")))
    decoding = Decoding(vocabulary, alone.vocab_size, ())
    settings = GenerationSettings(step_tokens=STEP_TOKENS)
    return Engines(
        alone,
        GenerationEngine(under_core, decoding, settings),
        GenerationEngine(alone, decoding, replace(settings, prefix_cache=False)),
        load_genai(of, instance["precision"]),
    )


def load_genai(of: BenchmarkModel, precision: str) -> GenAi | None:
    """GenAI's loop; None where it is not installed."""
    if find_spec("openvino_genai") is None:
        console.print("openvino-genai is not installed: its loop is left out")
        return None
    folder = of.folder / "genai"
    if not (folder / "generation_config.json").exists():
        # In a process of its own: the backend imports no more of OpenVINO than it needs.
        command = [sys.executable, "-m", "benchmarks.generation.genai", str(of.source), str(folder)]
        subprocess.run(command, check=True)
    return GenAi(folder, precision, STEP_TOKENS, BLOCKS)


def _file_of(model: BenchmarkModel) -> str:
    return "generation.json" if model is SEEDED else f"generation_{model.folder.name}.json"


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_model(parser)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--prompt", type=int, default=150)
    parser.add_argument("--widths", type=lambda text: tuple(map(int, text.split(","))), default=(1, 8, 32))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the server")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    model: BenchmarkModel = arguments.model
    home = model.folder / "home"
    if not home.exists():
        source = model.source
        home.mkdir()
        import_model(home, model.name, source)
    flags = [flag for value in arguments.set for flag in ("--set", value)]
    with Served(home, "--load", model.name, *flags, demo=False) as server:
        info = server.model(model.name)
        facts = machine(info) | {"settings": arguments.set}
        results = asyncio.run(measure(arguments, server, load_engines(model, home, info)))
    rows = list(results.rows())
    print_rows(rows)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / _file_of(model)).write_text(json.dumps({"facts": facts, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
