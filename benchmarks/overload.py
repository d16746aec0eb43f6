"""Overload: what a model still answers at three times what it can, and what urgent and modest callers notice of it.

    python benchmarks/overload.py [--task embed|generate|all] [--seconds 10] [--rounds 3] [--out benchmarks/results]

Every round measures its own idle values and its own peak, so that a machine whose speed drifts does not decide:

    peak      calls in a closed loop, one caller: what the model answers in a second
    overload  calls at three times that rate in an open loop, each with a deadline, of normal priority
    urgent    a caller with high priority, one call after another: idle, and during that overload
    modest    a caller of normal priority, one call after another: beside a neighbour with as many calls in flight as
              the model runs at a time, and beside the same neighbour with many times as many

Callers are told apart by addresses: the calls go to the server's Unix socket with the header that Envoy would write.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import grpc
from rich.console import Console
from rich.table import Table

from generation_models import import_model
from panope.v1 import embed_service_pb2 as embed_pb
from panope.v1 import embed_service_pb2_grpc as embed_grpc
from panope.v1 import generate_service_pb2 as generate_pb
from panope.v1 import generate_service_pb2_grpc as generate_grpc
from panope.v1 import generation_pb2
from panope_server.cli.server.demo import CHAT, EMBED
from report import machine
from served import Served
from texts import texts_of

HOMES = Path(".cache/benchmark/overload")
TIMES_CAPACITY = 3
GOODPUT_AIM, REFUSED_MS_AIM, URGENT_AIM, MODEST_AIM = 0.9, 10.0, 1.3, 1.2

console = Console(stderr=True)

Ask = Callable[["Caller", float | None], Awaitable[None]]


@dataclass
class Outcomes:
    """What became of calls: milliseconds of those answered and of those refused, by code."""

    answered: list[float] = field(default_factory=list)
    refused: dict[str, list[float]] = field(default_factory=dict)

    def refused_at_once(self) -> list[float]:
        """Of calls that were told that there is no room, or no time."""
        return [ms for code in ("RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED") for ms in self.refused.get(code, ())]


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
            outcomes.refused.setdefault(error.code().name, []).append((time.perf_counter() - started) * 1000)
        else:
            outcomes.answered.append((time.perf_counter() - started) * 1000)


@dataclass(frozen=True)
class Case:
    """What is asked of a model.

    Attributes:
        bulk: a call of the many.
        single: a call of the one whose time counts.
        width: calls that fill the model.
        flood: calls of a neighbour that floods.
        timeout: seconds of a call of the many, in overload.
    """

    task: str
    model: str
    bulk: Ask
    single: Ask
    width: int
    flood: int
    timeout: float


def embed_case(texts: int, words: int) -> Case:
    """Calls with several texts, and one with one text."""
    seeds = itertools.count(1)

    def ask(count: int) -> Ask:
        async def run(caller: Caller, seconds: float | None) -> None:
            request = embed_pb.EmbedRequest(model=EMBED.name, texts=texts_of(count, (words, words), seed=next(seeds)))
            await caller.embed.Embed(request, timeout=seconds, metadata=caller.metadata)

        return run

    return Case("embed", EMBED.name, ask(texts), ask(1), width=8, flood=64, timeout=2.0)


def generate_case(tokens: int) -> Case:
    """Calls for answers of a length."""
    seeds = itertools.count(1)

    async def run(caller: Caller, seconds: float | None) -> None:
        prompt = texts_of(1, (12, 12), seed=next(seeds))[0]
        options = generation_pb2.GenerationOptions(max_tokens=tokens, ignore_eos=True)
        options.sampling.temperature = 0
        request = generate_pb.GenerateRequest(model=CHAT.name, prompts=[prompt], options=options)
        await caller.generate.Generate(request, timeout=seconds, metadata=caller.metadata)

    return Case("generate", CHAT.name, run, run, width=32, flood=256, timeout=8.0)


@dataclass(frozen=True)
class Round:
    """One round; times are milliseconds, rates calls in a second."""

    task: str
    peak: float
    goodput: float
    refused: int
    refused_p50: float
    refused_p99: float
    urgent_idle: float
    urgent_p95: float
    modest_idle: float
    modest_p95: float
    modest_flooded_p95: float
    load: float

    @property
    def met(self) -> dict[str, bool]:
        """Each aim."""
        return {
            f"goodput at {TIMES_CAPACITY}x >= {GOODPUT_AIM:.0%} of the peak": self.goodput >= GOODPUT_AIM * self.peak,
            f"refused in <= {REFUSED_MS_AIM:g} ms (median)": self.refused_p50 <= REFUSED_MS_AIM,
            f"high priority p95 <= {URGENT_AIM} x idle": self.urgent_p95 <= URGENT_AIM * self.urgent_idle,
            f"a flood moves p95 <= {MODEST_AIM} x": self.modest_flooded_p95 <= MODEST_AIM * self.modest_p95,
        }


async def closed_loop(caller: Caller, ask: Ask, width: int, until: asyncio.Event) -> Outcomes:
    """So many calls in flight until told."""
    outcomes = Outcomes()

    async def loop() -> None:
        while not until.is_set():
            await caller.timed(ask, outcomes)

    await asyncio.gather(*(loop() for _ in range(width)))
    return outcomes


async def open_loop(caller: Caller, case: Case, rate: float, seconds: float) -> Outcomes:
    """Calls at a rate, whatever becomes of them."""
    outcomes = Outcomes()
    calls: set[asyncio.Task[None]] = set()
    started = time.perf_counter()
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, started + number / rate - time.perf_counter()))
        calls.add(asyncio.create_task(caller.timed(case.bulk, outcomes, case.timeout)))
    await asyncio.gather(*calls)
    return outcomes


async def during(work: Callable[[asyncio.Event], Awaitable[Any]], watched: Awaitable[Any], pause: float = 0.5) -> Any:
    """What is watched, while other work goes on."""
    until = asyncio.Event()
    busy = asyncio.ensure_future(work(until))
    await asyncio.sleep(pause)
    try:
        return await watched
    finally:
        until.set()
        await busy


async def singles(caller: Caller, case: Case, seconds: float) -> list[float]:
    """Milliseconds of calls one after another, with pauses as long as a tenth of each."""
    outcomes = Outcomes()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        await caller.timed(case.single, outcomes)
        await asyncio.sleep(outcomes.answered[-1] / 10_000 if outcomes.answered else 0.01)
    return outcomes.answered


def p95(values: Sequence[float]) -> float:
    """The value that a twentieth exceeds; infinite without values."""
    return sorted(values)[int(len(values) * 0.95)] if values else float("inf")


async def one_round(address: str, case: Case, seconds: float) -> Round:
    """Everything once."""
    bulk, urgent, modest = (
        Caller(address, name, priority)
        for name, priority in (("10.0.0.1", "normal"), ("10.0.0.2", "high"), ("10.0.0.3", "normal"))
    )
    idle = p95(await singles(urgent, case, seconds))
    modest_idle = p95(await singles(modest, case, seconds))
    started = time.perf_counter()
    until = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, until.set)
    full = await closed_loop(bulk, case.bulk, case.width, until)
    peak = len(full.answered) / (time.perf_counter() - started)

    async def overload(until: asyncio.Event) -> Outcomes:
        del until
        return await open_loop(bulk, case, TIMES_CAPACITY * peak, seconds)

    began = time.perf_counter()
    alone = await overload(asyncio.Event())
    goodput = len(alone.answered) / (time.perf_counter() - began)
    refusals = alone.refused_at_once()
    urgent_p95 = p95(await during(overload, singles(urgent, case, seconds * 0.8)))

    async def beside(width: int) -> float:
        def neighbour(until: asyncio.Event) -> Awaitable[Outcomes]:
            return closed_loop(bulk, case.bulk, width, until)

        return p95(await during(neighbour, singles(modest, case, seconds)))

    beside_width, beside_flood = await beside(case.width), await beside(case.flood)
    await asyncio.gather(*(caller.channel.close() for caller in (bulk, urgent, modest)))
    return Round(
        case.task,
        peak,
        goodput,
        len(refusals),
        statistics.median(refusals) if refusals else 0.0,
        sorted(refusals)[int(len(refusals) * 0.99)] if refusals else 0.0,
        idle,
        urgent_p95,
        modest_idle,
        beside_width,
        beside_flood,
        os.getloadavg()[0],
    )


def print_rounds(rounds: Sequence[Round]) -> None:
    """A line for each round, and of each aim in how many it was met."""
    columns = (
        "task",
        "peak/s",
        "goodput/s",
        "refused",
        "p50 ms",
        "p99",
        "urgent idle p95",
        "overload",
        "modest",
        "flood",
    )
    table = Table(*columns, "load")
    for each in rounds:
        numbers = (each.refused_p50, each.refused_p99, each.urgent_idle, each.urgent_p95)
        numbers += (each.modest_p95, each.modest_flooded_p95)
        table.add_row(
            each.task,
            f"{each.peak:.1f}",
            f"{each.goodput:.1f}",
            str(each.refused),
            *(f"{ms:.1f}" for ms in numbers),
            f"{each.load:.1f}",
        )
    printed = Console(width=140)
    printed.print(table)
    for task in dict.fromkeys(each.task for each in rounds):
        mine = [each for each in rounds if each.task == task]
        for aim in mine[0].met:
            printed.print(f"{task}: {aim}: met in {sum(each.met[aim] for each in mine)} of {len(mine)} rounds")


def started(home: Path, case: Case, flags: Sequence[str]) -> Served:
    """A server with the model of a case."""
    if case.model == EMBED.name:
        home.mkdir(parents=True, exist_ok=True)
        return Served(home, *flags)
    if not (home / "registry.sqlite3").exists():
        assert CHAT.path is not None
        home.mkdir(parents=True, exist_ok=True)
        import_model(home, CHAT.name, CHAT.path)
    return Served(home, "--load", CHAT.name, *flags, demo=False)


def socket_of(home: Path) -> str:
    """Where the server that runs on a home listens for Envoy, as gRPC writes it."""
    folder = Path((home / "server.lock").read_text().split()[-1])
    return f"unix:{folder / 'grpc.sock'}"


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=("embed", "generate", "all"), default="all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--texts", type=int, default=8, help="in a call of the many")
    parser.add_argument("--words", type=int, default=60, help="in each text")
    parser.add_argument("--tokens", type=int, default=32, help="of an answer")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the server")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    cases = {"embed": embed_case(options.texts, options.words), "generate": generate_case(options.tokens)}
    chosen = list(cases) if options.task == "all" else [options.task]
    flags = [flag for value in ("log_requests=false", *options.set) for flag in ("--set", value)]
    rounds: list[Round] = []
    for task in chosen:
        case, home = cases[task], HOMES / task
        with started(home, case, flags) as server:
            facts = machine(server.model(case.model))
            for number in range(options.rounds):
                console.print(f"{task}: round {number + 1} of {options.rounds}")
                rounds.append(asyncio.run(one_round(socket_of(home), case, options.seconds)))
    console.print(", ".join(f"{key} {value}" for key, value in facts.items()))
    print_rounds(rounds)
    options.out.mkdir(parents=True, exist_ok=True)
    document = {**facts, "rounds": [asdict(each) for each in rounds]}
    (options.out / "overload.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
