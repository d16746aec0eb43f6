"""What one embedding call costs the server's process in CPU time, with a worker that answers at once.

    python -m benchmarks.pipeline.server_cost [--other CHECKOUT] [--turns 12] [--calls 200]

With another checkout of Panope, made ready by `make dev`, the servers of both are up together and take turns of a few
hundred calls, and the ratio is that of two turns side by side: what else the machine does falls on both.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
from contextlib import ExitStack
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.support.load import GrpcSender, RestSender, Send, run
from benchmarks.support.served import Served
from benchmarks.support.texts import texts_of

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
HOMES = Path(".cache/benchmark/cost")
HERE = Path(__file__).resolve().parent
CASES = [(kind, width) for kind in ("gRPC", "REST") for width in (1, 16, 64)]

console = Console()


def interpreter(python: str, folder: Path, worker: Path = HERE / "echo_worker.py") -> Path:
    """A program in place of the workers' interpreter that runs the worker of a benchmark, and all else as it is."""
    program = folder / "python"
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *panope_backends.worker*) exec {python} {worker} "$@";; esac\nexec {python} "$@"\n'
    )
    program.chmod(0o755)
    return program.resolve()


def start(stack: ExitStack, number: int, python: str) -> Served:
    """A server of a checkout with the worker of this benchmark; before that one with the model's own, to make it."""
    home = HOMES / str(number) / "home"
    home.mkdir(parents=True, exist_ok=True)
    with Served(home, python=python):
        pass
    worker = interpreter(python, home.parent)
    return stack.enter_context(Served(home, "--set", f"workers.python={worker}", python=python))


def senders(server: Served, kind: str, width: int) -> list[GrpcSender] | list[RestSender]:
    """What sends the calls: one channel, or as many connections as calls are in flight."""
    if kind == "gRPC":
        return [GrpcSender(server.grpc_address, MODEL)]
    return [RestSender("127.0.0.1", server.http_port, MODEL) for _ in range(width)]


async def turn(server: Served, sends: list[Send], width: int, calls: int) -> float:
    """Microseconds of CPU that each call of a turn took."""
    process = psutil.Process(server.process.pid)
    before = sum(process.cpu_times()[:2])
    await run(texts_of(calls, (22, 22)), 1, width, sends)
    return (sum(process.cpu_times()[:2]) - before) / calls * 1e6


async def case(servers: list[Served], kind: str, width: int, turns: int, calls: int) -> list[list[float]]:
    """The turns of one case, of each server."""
    clients = [senders(server, kind, width) for server in servers]
    found: list[list[float]] = [[] for _ in servers]
    for number in range(turns + 1):
        order = range(len(servers)) if number % 2 else reversed(range(len(servers)))
        for index in order:
            cost = await turn(servers[index], [each.send for each in clients[index]], width, calls)
            if number:  # the first turn only warms up
                found[index].append(cost)
    await asyncio.gather(*(each.close() for several in clients for each in several))
    return found


async def measure(servers: list[Served], turns: int, calls: int) -> None:
    """All cases, as a table."""
    table = Table("case", "µs of CPU a call", *(["the other", "ratio"] if len(servers) > 1 else []))
    for kind, width in CASES:
        found = await case(servers, kind, width, turns, calls)
        row = [f"{statistics.median(costs):,.0f}" for costs in found]
        if len(found) > 1:
            row.append(f"{statistics.median(ours / theirs for ours, theirs in zip(*found, strict=True)):.2f}")
        table.add_row(f"{kind}, {width} in flight", *row)
    console.print(table)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--other", type=Path, help="another checkout, to compare with")
    parser.add_argument("--turns", type=int, default=12)
    parser.add_argument("--calls", type=int, default=200, help="of one turn")
    options = parser.parse_args()
    pythons = [sys.executable]
    if options.other is not None:
        pythons.append(str(options.other.resolve() / ".venv/bin/python"))
    with ExitStack() as stack:
        servers = [start(stack, number, python) for number, python in enumerate(pythons)]
        asyncio.run(measure(servers, options.turns, options.calls))


if __name__ == "__main__":
    main()
