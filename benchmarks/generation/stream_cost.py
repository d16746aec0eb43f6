"""What a token of a stream costs the server's process, and Envoy's, in CPU time, with a worker that makes tokens up.

    python -m benchmarks.generation.stream_cost [--other CHECKOUT] [--turns 12] [--streams 32] [--tokens 60]

With another checkout of Panope, made ready by `make dev`, the servers of both are up together and take turns, and the
ratio is that of two turns side by side: what else the machine does falls on both.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path

import grpc.aio
import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.generation.models import SEEDED
from benchmarks.generation.throughput import Prompt, grpc_stream, rest_stream
from benchmarks.pipeline.server_cost import interpreter
from benchmarks.support.commands import import_model
from benchmarks.support.served import Served
from panope.v1 import generate_service_pb2_grpc as pb_grpc

HOMES = Path(".cache/benchmark/stream_cost")
WORKER = Path(__file__).resolve().parent / "scripted_worker.py"
PROMPT: Prompt = (101, 1000, 1001, 1002, 1003, 1004, 1005, 102)

Stream = Callable[[Prompt, int], AsyncIterator[None]]

console = Console()


def start(stack: ExitStack, number: int, python: str) -> Served:
    """A server of a checkout with the worker of this benchmark."""
    home = HOMES / str(number) / "home"
    if not home.exists():
        home.mkdir(parents=True)
        import_model(home, SEEDED.name, SEEDED.source, python)
    worker = interpreter(python, home.parent, WORKER)
    flags = ("--set", f"workers.python={worker}", "--set", "generation.slots=64", "--load", SEEDED.name)
    return stack.enter_context(Served(home, *flags, demo=False, python=python))


def cpu_seconds(server: Served) -> tuple[float, float]:
    """Of the server's process, and of Envoy's."""
    process = psutil.Process(server.process.pid)
    envoys = [child for child in process.children() if "envoy" in child.name()]
    return sum(process.cpu_times()[:2]), sum(sum(child.cpu_times()[:2]) for child in envoys)


async def turn(server: Served, stream: Stream, streams: int, tokens: int) -> tuple[float, float]:
    """Microseconds of CPU that each token of a turn took: of the server, and of Envoy."""
    before = cpu_seconds(server)

    async def one() -> int:
        return len([None async for _ in stream(PROMPT, tokens)])

    counts = await asyncio.gather(*(one() for _ in range(streams)))
    if min(counts) < tokens:
        raise RuntimeError(f"a stream of {min(counts)} messages, where {tokens} were asked for")
    after = cpu_seconds(server)
    ours, envoys = ((end - begin) / (streams * tokens) * 1e6 for begin, end in zip(before, after, strict=True))
    return ours, envoys


async def case(
    servers: list[Served], streams_of: Callable[[Served], Stream], options: argparse.Namespace
) -> list[list[tuple[float, float]]]:
    """The turns of one case, of each server."""
    clients = [streams_of(server) for server in servers]
    found: list[list[tuple[float, float]]] = [[] for _ in servers]
    for number in range(options.turns + 1):
        order = range(len(servers)) if number % 2 else reversed(range(len(servers)))
        for index in order:
            cost = await turn(servers[index], clients[index], options.streams, options.tokens)
            if number:  # the first turn only warms up
                found[index].append(cost)
    return found


async def measure(servers: list[Served], options: argparse.Namespace) -> None:
    """All cases, as a table."""
    table = Table("case", "µs of CPU a token", "Envoy's", *(["the other", "ratio"] if len(servers) > 1 else []))
    channels = {server: grpc.aio.insecure_channel(server.grpc_address) for server in servers}

    def over_grpc(server: Served) -> Stream:
        return grpc_stream(pb_grpc.GenerateServiceStub(channels[server]), SEEDED.name)

    def over_rest(server: Served) -> Stream:
        return rest_stream(server.http_port, SEEDED.name)

    for name, streams_of in (("gRPC", over_grpc), ("REST", over_rest)):
        found = await case(servers, streams_of, options)
        ours = [cost for cost, _ in found[0]]
        row = [f"{statistics.median(ours):,.0f}", f"{statistics.median(envoys for _, envoys in found[0]):,.0f}"]
        if len(found) > 1:
            theirs = [cost for cost, _ in found[1]]
            ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
            low, middle, high = statistics.quantiles(ratios, n=4)
            row += [f"{statistics.median(theirs):,.0f}", f"{middle:.2f} ({low:.2f} to {high:.2f})"]
        table.add_row(f"{name}, {options.streams} streams", *row)
    for channel in channels.values():
        await channel.close()
    console.print(table)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--other", type=Path, help="another checkout, to compare with")
    parser.add_argument("--turns", type=int, default=12)
    parser.add_argument("--streams", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=60, help="of each stream of a turn")
    options = parser.parse_args()
    pythons = [sys.executable]
    if options.other is not None:
        pythons.append(str(options.other.resolve() / ".venv/bin/python"))
    with ExitStack() as stack:
        servers = [start(stack, number, python) for number, python in enumerate(pythons)]
        asyncio.run(measure(servers, options))


if __name__ == "__main__":
    main()
