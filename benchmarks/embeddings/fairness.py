"""Fairness: one text beside a call of thousands of long ones, and what that call pays for it.

    python -m benchmarks.embeddings.fairness [--rounds 3] [--texts 2048] [--words 200] [--out benchmarks/results]

Every round measures one text alone, the large call alone, and both together; ratios are taken within a round, so that a
machine whose speed drifts does not decide. The single texts are sent one after another with pauses, as by a person.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.support.load import GrpcSender
from benchmarks.support.report import machine
from benchmarks.support.served import Served
from benchmarks.support.texts import texts_of

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
HOME = Path(".cache/benchmark/home")
PAUSE_SECONDS = 0.05
ALONE = 60

console = Console(stderr=True)


@dataclass(frozen=True)
class Round:
    """One round; latencies are of single texts, rates of the large call."""

    p50_alone_ms: float
    p50_beside_ms: float
    p99_beside_ms: float
    most_beside_ms: float
    singles: int
    rate_alone: float
    rate_beside: float
    load: float

    @property
    def delay(self) -> float:
        """How many times slower a single text is beside the large call, in the median."""
        return self.p50_beside_ms / self.p50_alone_ms


async def latency(sender: GrpcSender, text: str) -> float:
    """Milliseconds of one call with one text."""
    started = time.perf_counter()
    await sender.send([text])
    elapsed = (time.perf_counter() - started) * 1000
    await asyncio.sleep(PAUSE_SECONDS)
    return elapsed


async def latencies(sender: GrpcSender, texts: Sequence[str], until: asyncio.Task[float]) -> AsyncIterator[float]:
    """Latencies of single texts, one after another, while a task runs."""
    for text in itertools.cycle(texts):
        if until.done():
            return
        yield await latency(sender, text)


async def timed(sender: GrpcSender, texts: Sequence[str]) -> float:
    """Texts in a second of one call with all texts."""
    started = time.perf_counter()
    await sender.send(texts)
    return len(texts) / (time.perf_counter() - started)


async def one_round(address: str, large: Sequence[str], singles: Sequence[str]) -> Round:
    """One text alone, the large call alone, both together; each caller has a connection of its own."""
    caller, bulk = GrpcSender(address, MODEL), GrpcSender(address, MODEL)
    alone = [await latency(caller, text) for text in singles[:ALONE]]
    rate_alone = await timed(bulk, large)
    call = asyncio.create_task(timed(bulk, large))
    await asyncio.sleep(PAUSE_SECONDS)
    beside = [each async for each in latencies(caller, singles, call)]
    rate_beside = await call
    await asyncio.gather(caller.close(), bulk.close())
    return Round(
        statistics.median(alone),
        statistics.median(beside),
        sorted(beside)[int(len(beside) * 0.99)],
        max(beside),
        len(beside),
        rate_alone,
        rate_beside,
        os.getloadavg()[0],
    )


def print_rounds(rounds: Sequence[Round]) -> None:
    """A line for each round, and the medians of the ratios."""
    table = Table("p50 alone ms", "p50 beside ms", "p99", "most", "singles", "delay", "texts/s alone", "beside", "load")
    for each in rounds:
        numbers = (each.p50_alone_ms, each.p50_beside_ms, each.p99_beside_ms, each.most_beside_ms)
        rates = (f"{each.rate_alone:.1f}", f"{each.rate_beside:.1f}", f"{each.load:.1f}")
        table.add_row(*(f"{ms:.1f}" for ms in numbers), str(each.singles), f"{each.delay:.2f}", *rates)
    Console(width=120).print(table)


async def measure(address: str, rounds: int, texts: int, words: int) -> list[Round]:
    """All rounds, after a short one that only warms up."""
    singles = texts_of(256, (words, words), seed=11)
    await one_round(address, texts_of(64, (words, words)), singles[:8])
    measured = []
    for number in range(rounds):
        console.print(f"round {number + 1} of {rounds}")
        measured.append(await one_round(address, texts_of(texts, (words, words)), singles))
    return measured


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--texts", type=int, default=2048, help="in the large call")
    parser.add_argument("--words", type=int, default=200, help="in each text")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the server")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    HOME.mkdir(parents=True, exist_ok=True)
    settings = [
        flag
        for value in ("log_requests=false", "limits.default_timeout_seconds=600", *options.set)
        for flag in ("--set", value)
    ]
    with Served(HOME, *settings) as server:
        facts = machine(server.model(MODEL))
        measured = asyncio.run(measure(server.grpc_address, options.rounds, options.texts, options.words))
    console.print(", ".join(f"{key} {value}" for key, value in facts.items()))
    print_rounds(measured)
    options.out.mkdir(parents=True, exist_ok=True)
    document = {**facts, "texts": options.texts, "words": options.words, "rounds": [asdict(each) for each in measured]}
    (options.out / "fairness.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
