"""Generation: the step model alone, the core in this process, gRPC streams and REST's events, in one run, interleaved.

    python benchmarks/generation.py [--rounds 3] [--tokens 64] [--prompt 150] [--out benchmarks/results]

The first case is what a careful person would write in an afternoon: a loop that fills the step model's batches and
takes the likeliest tokens. Every round runs every case once and ratios are taken within a round, so that a machine
whose speed drifts does not decide. No prompt is used twice, so no case finds another's computed already, but for the
last one, whose prompts share their beginning. CPU seconds stand beside tokens a second, those of the load generator
included.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import statistics
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio
import numpy as np
import psutil
from rich.console import Console
from rich.table import Table
from tokenizers import Tokenizer

from generation_models import MODEL, VOCABULARY, import_model, write_model
from panope.v1 import generate_service_pb2 as pb
from panope.v1 import generate_service_pb2_grpc as pb_grpc
from panope.v1.embed_service_pb2 import TokenSequence
from panope.v1.generation_pb2 import GenerationOptions, SamplingParams
from panope_backends.api import GenerationRequest, LoadOptions, ModelFacts, StepBatch, StepModel, StepSequence
from panope_backends.api import SamplingParams as Sampling
from panope_backends.engines.openvino.backend import OpenVinoBackend
from panope_backends.generation import Decoding, GenerationEngine, GenerationSettings
from panope_backends.generation.text.vocabulary import TokenVocabulary
from report import machine
from served import Served

HOME = Path(".cache/benchmark/generation/home")
CONCURRENCY = (1, 8, 32)
STEP_TOKENS = 512
BLOCKS = 512
SHARED = 500
"""Tokens that the prompts of the last case begin with."""

console = Console(stderr=True)
Prompt = tuple[int, ...]


@dataclass
class Measured:
    """One case of one round.

    Attributes:
        first: seconds to the first token of each sequence.
        between: seconds between its tokens.
    """

    tokens_per_second: float
    cpu_seconds: float
    first: list[float]
    between: list[float]


@dataclass
class Clock:
    """When the tokens of sequences came."""

    started: float = field(default_factory=time.perf_counter)
    times: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))

    def token(self, sequence: int) -> None:
        """Notes a token, or a piece of an answer."""
        self.times[sequence].append(time.perf_counter())

    def measured(self, tokens: int, cpu_seconds: float) -> Measured:
        """What came of it; `tokens` in all."""
        first = [times[0] - self.started for times in self.times.values()]
        between = [b - a for times in self.times.values() for a, b in itertools.pairwise(times)]
        return Measured(tokens / (time.perf_counter() - self.started), cpu_seconds, first, between)


def prompts(count: int, length: int, random: np.random.Generator, shared: Prompt = ()) -> list[Prompt]:
    """Prompts of random tokens, no two alike."""
    return [(*shared, *random.integers(1000, VOCABULARY, length).tolist()) for _ in range(count)]


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


def grpc_stream(stub: pb_grpc.GenerateServiceStub) -> Callable[[Prompt, int], AsyncIterator[None]]:
    """GenerateService/StreamGenerate."""

    async def stream(prompt: Prompt, new: int) -> AsyncIterator[None]:
        options = GenerationOptions(sampling=SamplingParams(temperature=0), max_tokens=new, ignore_eos=True)
        ids = [TokenSequence(ids=prompt)]
        request = pb.GenerateRequest(model=MODEL, prompt_token_ids=ids, options=options)
        async for response in stub.StreamGenerate(pb.StreamGenerateRequest(request=request)):
            if response.deltas:
                yield

    return stream


def rest_stream(port: int) -> Callable[[Prompt, int], AsyncIterator[None]]:
    """POST /v1/completions with `stream`, through Envoy, on a connection of its own."""

    async def stream(prompt: Prompt, new: int) -> AsyncIterator[None]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
        fields = {"model": MODEL, "prompt": prompt, "max_tokens": new, "temperature": 0, "ignore_eos": True}
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


async def measure(arguments: argparse.Namespace, server: Served, engine: GenerationEngine, model: StepModel) -> Results:
    """All rounds."""
    random = np.random.default_rng(time.time_ns())
    channel = grpc.aio.insecure_channel(server.grpc_address)
    over_grpc = grpc_stream(pb_grpc.GenerateServiceStub(channel))
    over_rest = rest_stream(server.http_port)
    results = Results()
    for number in range(arguments.rounds + 1):  # the first warms up and does not count
        for width in CONCURRENCY:
            new = arguments.tokens

            def fresh(width: int = width) -> list[Prompt]:
                return prompts(width, arguments.prompt, random)

            cases: dict[str, Callable[[], Awaitable[Measured]]] = {
                "raw loop": lambda fresh=fresh, new=new: asyncio.to_thread(raw_loop, model, fresh(), new),
                "core": lambda fresh=fresh, new=new: asyncio.to_thread(core, engine, fresh(), new),
                "gRPC": lambda fresh=fresh, new=new: served(server, fresh(), new, over_grpc),
                "REST": lambda fresh=fresh, new=new: served(server, fresh(), new, over_rest),
            }
            for name, run in cases.items():
                measured = await run()
                if number:
                    results.add(f"{name}, {width}", measured)
        shared = prompts(1, SHARED, random)[0]
        for name in ("gRPC, new prefix of 500", "gRPC, known prefix of 500"):
            measured = await served(server, prompts(1, 20, random, shared), 8, over_grpc)
            if number:
                results.add(name, measured)
    await channel.close()
    return results


@dataclass
class Results:
    """All rounds of all cases."""

    rounds: dict[str, list[Measured]] = field(default_factory=lambda: defaultdict(list))

    def add(self, case: str, measured: Measured) -> None:
        """Adds a round."""
        self.rounds[case].append(measured)
        console.print(f"{case}: {measured.tokens_per_second:.1f} tokens/s, {measured.cpu_seconds:.1f} CPU s")

    def rows(self) -> Iterator[dict[str, Any]]:
        """Medians, and ratios to the raw loop of the same round."""
        for case, rounds in self.rounds.items():
            raw = self.rounds.get(f"raw loop, {case.rpartition(', ')[2]}")
            speeds = [each.tokens_per_second for each in rounds]
            ratio = None
            if raw:
                ratio = statistics.median(
                    ours / theirs.tokens_per_second for ours, theirs in zip(speeds, raw, strict=True)
                )
            yield {
                "case": case,
                "tokens_per_second": statistics.median(speeds),
                "to_raw": ratio,
                "cpu_seconds": statistics.median(each.cpu_seconds for each in rounds),
                "first_token_ms": statistics.median(1000 * first for each in rounds for first in each.first),
                **_percentiles([1000 * seconds for each in rounds for seconds in each.between]),
            }


def _percentiles(milliseconds: Sequence[float]) -> dict[str, float]:
    if not milliseconds:
        return {}
    p50, p99 = np.percentile(milliseconds, [50, 99]).tolist()
    return {"between_p50_ms": p50, "between_p99_ms": p99}


def load_engine(info: dict[str, Any]) -> tuple[GenerationEngine, StepModel]:
    """The variant that the server runs, in this process: under the core, and alone."""
    instance = info["instances"][0]
    digest = instance["variant_digest"].removeprefix("sha256:")
    folder = next(path for path in (HOME / "store" / "views").rglob(f"*{digest}*") if path.is_dir())
    facts = ModelFacts(
        MODEL, "openvino", "generate", "LlamaForCausalLM", json.loads((folder / "config.json").read_text())
    )

    def load() -> StepModel:
        options = LoadOptions(precision=instance["precision"])
        model = OpenVinoBackend().load(facts, folder, instance["device"], options)
        assert isinstance(model, StepModel)
        model.allocate(BLOCKS)
        return model

    core_model = load()
    vocabulary = TokenVocabulary(Tokenizer.from_file(str(folder / "tokenizer.json")))
    decoding = Decoding(vocabulary, core_model.vocab_size, (102,))
    return GenerationEngine(core_model, decoding, GenerationSettings(step_tokens=STEP_TOKENS)), load()


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    """A table."""
    table = Table(box=None, header_style="bold")
    for column in ("case", "tokens/s", "to raw", "CPU s", "first ms", "between p50", "p99"):
        table.add_column(column, justify="left" if column == "case" else "right")
    for row in rows:
        numbers = [row["tokens_per_second"], row["to_raw"], row["cpu_seconds"], row["first_token_ms"]]
        numbers += [row.get("between_p50_ms"), row.get("between_p99_ms")]
        table.add_row(row["case"], *("" if each is None else f"{each:,.2f}" for each in numbers))
    Console(width=120).print(table)


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--prompt", type=int, default=150)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    if not HOME.exists():
        write_model(HOME.parent / "model")
        HOME.mkdir(parents=True)
        import_model(HOME, MODEL, HOME.parent / "model")
    with Served(HOME, "--load", MODEL, demo=False) as server:
        info = server.model(MODEL)
        facts = machine(info)
        engine, model = load_engine(info)
        results = asyncio.run(measure(arguments, server, engine, model))
    rows = list(results.rows())
    print_rows(rows)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "generation.json").write_text(json.dumps({"facts": facts, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
