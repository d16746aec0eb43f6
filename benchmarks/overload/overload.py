"""Overload: what a model still answers at three times what it can, and what urgent and modest callers notice of it.

    python -m benchmarks.overload.overload [--task embed|generate|all] [--seconds 10] [--rounds 3]
                                           [--out benchmarks/results] [--nice 5]
                                           [--set workers.high_priority_instances=1]

Every round measures its own idle values and its own peak, so that a machine whose speed drifts does not decide:

    peak      calls in a closed loop, one caller: what the model answers in a second
    overload  calls at three times that rate in an open loop, each with a deadline, of normal priority
    urgent    a caller with high priority, one call after another: idle, beside as many calls for a model that does not
              exist, and during that overload
    modest    a caller of normal priority, one call after another: beside a neighbour with as many calls in flight as
              the model runs at a time, and beside the same neighbour with many times as many

What is compared is measured in slices that take turns. The many calls are made by a process of their own
(`generator.py`), so that the urgent caller does not wait for them in its own program; it shares the machine's
cores with the server all the same, and gives way to it as far as `--nice` says. The rate that it kept is told. The
server pays for refusing calls too: the urgent caller's time beside calls that never reach a model has that cost in it,
and its time in overload has the model's work besides. Calls that generate are streams, timed to their last token. The
CPU seconds of the programs, the server and the workers are told apart: where a worker spends as much on an answered
call in overload as at the peak, what goodput lacks are cores that others had.

Callers are told apart by addresses: the calls go to the server's Unix socket with the header that Envoy would write.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, astuple
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.overload.calls import CASES, Case, Sizes
from benchmarks.overload.generator import Generator
from benchmarks.overload.rounds import Round, one_round
from benchmarks.support.commands import import_model
from benchmarks.support.report import machine
from benchmarks.support.served import Served
from panope_server.cli.server.demo import CHAT, EMBED

HOMES = Path(".cache/benchmark/overload")

console = Console(stderr=True)


def print_rounds(rounds: Sequence[Round]) -> None:
    """A line for each round, and of each aim in how many it was met."""
    columns = (
        "task",
        "peak/s",
        "goodput/s",
        "offered/s",
        "refused",
        "p50 ms",
        "p95",
        "expired",
        "high idle p95",
        "beside refused",
    )
    table = Table(*columns, "overload", "calls", "modest", "flood", "load")
    for each in rounds:
        urgent = (each.urgent_idle, each.urgent_beside_refused, each.urgent_overload)
        table.add_row(
            each.task,
            f"{each.peak:.1f}",
            f"{each.goodput:.1f}",
            f"{each.offered:.1f}",
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
    printed = Console(width=160)
    printed.print(table)
    cores = Table("task", "phase", "programs", "server", "worker", "others", title="cores used")
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


async def measure(home: Path, case: Case, options: argparse.Namespace, server: psutil.Process) -> list[Round]:
    """All rounds on one server."""
    address, rounds = socket_of(home), []
    async with Generator(address, case.task, sizes_of(options), options.nice) as generator:
        for number in range(options.rounds):
            console.print(f"{case.task}: round {number + 1} of {options.rounds}")
            rounds.append(await one_round(address, case, options.seconds, generator, server))
    return rounds


def sizes_of(options: argparse.Namespace) -> Sizes:
    """What the arguments say of calls."""
    return Sizes(options.texts, options.words, options.tokens)


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=(*CASES, "all"), default="all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--texts", type=int, default=8, help="in a call of the many")
    parser.add_argument("--words", type=int, default=60, help="in each text")
    parser.add_argument("--tokens", type=int, default=8, help="of an answer")
    parser.add_argument("--nice", type=int, default=5, help="of the program that makes the many calls")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the server")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    flags = [flag for value in ("log_requests=false", *options.set) for flag in ("--set", value)]
    rounds: list[Round] = []
    for task in CASES if options.task == "all" else [options.task]:
        case, home = CASES[task](sizes_of(options)), HOMES / task
        with started(home, case, flags) as server:
            facts = machine(server.model(case.model))
            rounds += asyncio.run(measure(home, case, options, psutil.Process(server.process.pid)))
    console.print(", ".join(f"{key} {value}" for key, value in facts.items()))
    print_rounds(rounds)
    options.out.mkdir(parents=True, exist_ok=True)
    document = {**facts, "rounds": [asdict(each) for each in rounds]}
    (options.out / "overload.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
