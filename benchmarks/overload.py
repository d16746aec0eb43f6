"""Overload: what a model still answers at three times what it can, and what urgent and modest callers notice of it.

    python benchmarks/overload.py [--task embed|generate|all] [--seconds 10] [--rounds 3] [--out benchmarks/results]
                                  [--set workers.high_priority_instances=1]

Every round measures its own idle values and its own peak, so that a machine whose speed drifts does not decide:

    peak      calls in a closed loop, one caller: what the model answers in a second
    overload  calls at three times that rate in an open loop, each with a deadline, of normal priority
    urgent    a caller with high priority, one call after another: idle, beside as many calls for a model that does not
              exist, and during that overload
    modest    a caller of normal priority, one call after another: beside a neighbour with as many calls in flight as
              the model runs at a time, and beside the same neighbour with many times as many

What is compared is measured in slices that take turns. The program shares the machine's cores with the server, which
pays for refusing calls too: the urgent caller's time beside calls that never reach a model has both costs in it, and
its time in overload has the model's work besides. Calls that generate are streams, timed to their last token. The CPU
seconds of the program, the server and the workers are told apart: where a worker spends as much on an answered call in
overload as at the peak, what goodput lacks are cores that others had.

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
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path

import grpc
import psutil
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
#: Of each measurement that is compared with others.
SLICES = 4
#: After a load, for what it has begun to end.
PAUSE_SECONDS = 0.3
#: Made before anything is measured, and used in turns.
REQUESTS = 256
UNKNOWN_MODEL = "nobody/knows"

console = Console(stderr=True)

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


def embed_case(texts: int, words: int) -> Case:
    """Calls with several texts, and one with one text."""

    def ask(count: int, model: str = EMBED.name) -> Ask:
        requests = itertools.cycle(
            [
                embed_pb.EmbedRequest(model=model, texts=texts_of(count, (words, words), seed=seed))
                for seed in range(REQUESTS)
            ]
        )

        async def run(caller: Caller, seconds: float | None) -> None:
            await caller.embed.Embed(next(requests), timeout=seconds, metadata=caller.metadata)

        return run

    return Case("embed", EMBED.name, ask(texts), ask(1), ask(texts, UNKNOWN_MODEL), width=8, flood=64, timeout=2.0)


def generate_case(tokens: int) -> Case:
    """Streams of answers of a length."""
    options = generation_pb2.GenerationOptions(max_tokens=tokens, ignore_eos=True)
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


@dataclass(frozen=True)
class Cpu:
    """Cores that were used: CPU seconds in a second."""

    program: float
    server: float
    worker: float
    others: float

    @classmethod
    def seconds_of(cls, server: psutil.Process) -> Cpu:
        """CPU seconds until now."""
        found = dict.fromkeys(("program", "server", "worker", "others"), 0.0)
        for process in (psutil.Process(), server, *server.children(recursive=True)):
            times = process.cpu_times()
            is_worker = "panope_backends.worker" in process.cmdline()
            kind = "program" if process.pid == os.getpid() else "server" if process == server else "others"
            found["worker" if is_worker else kind] += times.user + times.system
        return cls(*found.values())

    def since(self, before: Cpu, seconds: float) -> Cpu:
        """Cores that were used from then to now."""
        then = astuple(before)
        return Cpu(*(round((now - was) / seconds, 3) for now, was in zip(astuple(self), then, strict=True)))


@dataclass(frozen=True)
class Round:
    """One round; times are milliseconds, rates calls in a second."""

    task: str
    peak: float
    goodput: float
    refused: int
    refused_p50: float
    refused_p95: float
    expired: int
    failed: int
    urgent_idle: float
    urgent_beside_refused: float
    urgent_overload: float
    urgent_calls: int
    modest_beside: float
    modest_flooded: float
    peak_cpu: Cpu
    overload_cpu: Cpu
    load: float

    @property
    def ratios(self) -> dict[str, tuple[float, bool]]:
        """What is aimed at, each with whether it was met."""
        goodput, idle = self.goodput / self.peak, self.urgent_overload / self.urgent_idle
        beside, flood = self.urgent_overload / self.urgent_beside_refused, self.modest_flooded / self.modest_beside
        worker = self.overload_cpu.worker / self.goodput / (self.peak_cpu.worker / self.peak)
        return {
            "a worker's CPU seconds for an answered call to those at the peak, <= 1.1": (worker, worker <= 1.1),
            f"goodput at {TIMES_CAPACITY}x to the peak, >= {GOODPUT_AIM}": (goodput, goodput >= GOODPUT_AIM),
            f"refused in ms, p95 <= {REFUSED_MS_AIM:g}": (self.refused_p95, self.refused_p95 <= REFUSED_MS_AIM),
            f"high priority p95 to idle, <= {URGENT_AIM}": (idle, idle <= URGENT_AIM),
            f"high priority p95 to that beside calls of no model, <= {URGENT_AIM}": (beside, beside <= URGENT_AIM),
            f"a flood moves another's p95 by <= {MODEST_AIM}": (flood, flood <= MODEST_AIM),
        }


Load = Callable[[asyncio.Event], Awaitable[Outcomes]]
"""Calls until told."""


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


async def timed_load(load: Load, seconds: float, server: psutil.Process) -> tuple[Outcomes, float, Cpu]:
    """What became of a load of some seconds, how many it took until the last was answered, and the cores it used."""
    until = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, until.set)
    before, began = Cpu.seconds_of(server), time.perf_counter()
    outcomes = await load(until)
    took = time.perf_counter() - began
    return outcomes, took, Cpu.seconds_of(server).since(before, took)


async def singles(caller: Caller, case: Case, seconds: float) -> list[float]:
    """Milliseconds of calls one after another, with pauses as long as a tenth of each."""
    outcomes = Outcomes()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        await caller.timed(case.single, outcomes)
        await asyncio.sleep(outcomes.answered[-1] / 10_000 if outcomes.answered else 0.01)
    return outcomes.answered


async def singles_during(caller: Caller, case: Case, seconds: float, load: Load | None) -> list[float]:
    """As `singles`, while there is a load that has filled what there is to fill."""
    if load is None:
        return await singles(caller, case, seconds)
    busy = asyncio.ensure_future(load(asyncio.Event()))
    await asyncio.sleep(case.timeout / 4)
    try:
        return await singles(caller, case, seconds)
    finally:
        busy.cancel()  # what it has asked for ends with it
        await asyncio.wait([busy])
        await asyncio.sleep(PAUSE_SECONDS)


async def in_turns(caller: Caller, case: Case, seconds: float, loads: Sequence[Load | None]) -> list[list[float]]:
    """For each load `singles_during` it, in slices that take turns."""
    found: list[list[float]] = [[] for _ in loads]
    for _ in range(SLICES):
        for values, load in zip(found, loads, strict=True):
            values += await singles_during(caller, case, seconds / SLICES, load)
    return found


def p95(values: Sequence[float]) -> float:
    """The value that a twentieth exceeds; infinite without values."""
    return sorted(values)[int(len(values) * 0.95)] if values else float("inf")


async def one_round(address: str, case: Case, seconds: float, server: psutil.Process) -> Round:
    """Everything once."""
    bulk, urgent, modest = (
        Caller(address, name, priority)
        for name, priority in (("10.0.0.1", "normal"), ("10.0.0.2", "high"), ("10.0.0.3", "normal"))
    )
    await singles(urgent, case, seconds / SLICES)  # engines and connections warm up
    full, peak_seconds, peak_cpu = await timed_load(
        lambda until: closed_loop(bulk, case.bulk, case.width, until), seconds, server
    )
    rate = TIMES_CAPACITY * len(full.answered) / peak_seconds

    def overload(until: asyncio.Event) -> Awaitable[Outcomes]:
        return open_loop(bulk, case.bulk, rate, case.timeout, until)

    def refused(until: asyncio.Event) -> Awaitable[Outcomes]:
        return open_loop(bulk, case.unknown, rate, case.timeout, until)

    def neighbour(width: int) -> Load:
        return lambda until: closed_loop(bulk, case.bulk, width, until)

    alone, overload_seconds, overload_cpu = await timed_load(overload, seconds, server)
    idle, beside_refused, overloaded = await in_turns(urgent, case, seconds, (None, refused, overload))
    beside, flooded = await in_turns(modest, case, seconds, (neighbour(case.width), neighbour(case.flood)))
    await asyncio.gather(*(caller.channel.close() for caller in (bulk, urgent, modest)))
    return Round(
        task=case.task,
        peak=len(full.answered) / peak_seconds,
        goodput=len(alone.answered) / overload_seconds,
        refused=len(alone.refused),
        refused_p50=statistics.median(alone.refused) if alone.refused else 0.0,
        refused_p95=p95(alone.refused or [0.0]),
        expired=len(alone.expired),
        failed=len(alone.failed),
        urgent_idle=p95(idle),
        urgent_beside_refused=p95(beside_refused),
        urgent_overload=p95(overloaded),
        urgent_calls=len(overloaded),
        modest_beside=p95(beside),
        modest_flooded=p95(flooded),
        peak_cpu=peak_cpu,
        overload_cpu=overload_cpu,
        load=os.getloadavg()[0],
    )


def print_rounds(rounds: Sequence[Round]) -> None:
    """A line for each round, and of each aim in how many it was met."""
    columns = ("task", "peak/s", "goodput/s", "refused", "p50 ms", "p95", "expired", "high idle p95", "beside refused")
    table = Table(*columns, "overload", "calls", "modest", "flood", "load")
    for each in rounds:
        urgent = (each.urgent_idle, each.urgent_beside_refused, each.urgent_overload)
        table.add_row(
            each.task,
            f"{each.peak:.1f}",
            f"{each.goodput:.1f}",
            str(each.refused),
            f"{each.refused_p50:.1f}",
            f"{each.refused_p95:.1f}",
            str(each.expired),
            *(f"{ms:.1f}" for ms in urgent),
            str(each.urgent_calls),
            f"{each.modest_beside:.1f}",
            f"{each.modest_flooded:.1f}",
            f"{each.load:.1f}",
        )
    printed = Console(width=150)
    printed.print(table)
    cores = Table("task", "phase", "program", "server", "worker", "others", title="cores used")
    for each in rounds:
        for phase, cpu in (("peak", each.peak_cpu), ("overload", each.overload_cpu)):
            cores.add_row(each.task, phase, *(f"{used:.2f}" for used in astuple(cpu)))
    printed.print(cores)
    for task in dict.fromkeys(each.task for each in rounds):
        mine = [each for each in rounds if each.task == task]
        for aim in mine[0].ratios:
            found = [each.ratios[aim] for each in mine]
            numbers = ", ".join(f"{number:.2f}" for number, _ in found)
            printed.print(f"{task}: {aim}: {numbers}; met in {sum(met for _, met in found)} of {len(mine)} rounds")


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
                process = psutil.Process(server.process.pid)
                rounds.append(asyncio.run(one_round(socket_of(home), case, options.seconds, process)))
    console.print(", ".join(f"{key} {value}" for key, value in facts.items()))
    print_rounds(rounds)
    options.out.mkdir(parents=True, exist_ok=True)
    document = {**facts, "rounds": [asdict(each) for each in rounds]}
    (options.out / "overload.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
