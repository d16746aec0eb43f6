"""What batching gains for short texts: those of one call, and those of many callers.

    python -m benchmarks.embeddings.batching [--rounds 5] [--seconds 4] [--words 6] [--out benchmarks/results]

    one by one   a caller that sends its next text when it has the answer before
    together     a caller that sends 32 texts in a call
    unbatched    32 callers, of a server with `workers.max_batch_size = 1`
    batched      32 callers, of one that may
    engine       the engine alone in this process: texts in batches of 1 and of 32, which bounds what a server can gain

Every round measures each of them, in turns, and ratios are taken within a round: of texts in a second, and in one of
the processor (of the server's processes, without the callers), which others on the same machine move less.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.embeddings.raw import RawEngine
from benchmarks.support.load import GrpcSender
from benchmarks.support.report import machine
from benchmarks.support.served import Served
from benchmarks.support.texts import texts_of
from benchmarks.support.turns import cpu_seconds

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
HOMES = Path(".cache/benchmark/batching")
MANY = 32
AIM = 5.0
CASES = ("one by one", "together", "unbatched", "batched", "engine, 1", "engine, 32")
GAINS = {
    "32 texts in a call to one": ("together", "one by one"),
    "32 callers to one": ("batched", "one by one"),
    "32 callers, batched to unbatched": ("batched", "unbatched"),
    "the engine alone, 32 to 1": ("engine, 32", "engine, 1"),
}

console = Console(stderr=True)


@dataclass(frozen=True)
class Measured:
    """Texts in a second, and in a second of the processor."""

    per_second: float
    per_cpu_second: float


async def rate(server: Served, callers: int, size: int, texts: Sequence[str], seconds: float) -> Measured:
    """Of so many callers, each with so many texts in a call."""
    sender = GrpcSender(server.grpc_address, MODEL)
    given = itertools.cycle(texts)
    process = psutil.Process(server.process.pid)
    before = cpu_seconds(process)
    began = time.perf_counter()
    count = 0

    async def caller() -> None:
        nonlocal count
        while time.perf_counter() < began + seconds:
            await sender.send(list(itertools.islice(given, size)))
            count += size

    await asyncio.gather(*(caller() for _ in range(callers)))
    took, used = time.perf_counter() - began, cpu_seconds(process) - before
    await sender.close()
    return Measured(count / took, count / used)


def engine_rate(engine: RawEngine, size: int, texts: Sequence[str], seconds: float) -> Measured:
    """Of the engine alone, so many texts at a time."""
    given = itertools.cycle(texts)
    before, began, count = time.process_time(), time.perf_counter(), 0
    while time.perf_counter() < began + seconds:
        assert np.isfinite(engine.embed(list(itertools.islice(given, size)))).all()
        count += size
    return Measured(count / (time.perf_counter() - began), count / (time.process_time() - before))


def one_round(
    batched: Served, unbatched: Served, engine: RawEngine, texts: Sequence[str], seconds: float
) -> dict[str, Measured]:
    """Everything once, by the case."""
    found = (
        asyncio.run(rate(batched, 1, 1, texts, seconds)),
        asyncio.run(rate(batched, 1, MANY, texts, seconds)),
        asyncio.run(rate(unbatched, MANY, 1, texts, seconds)),
        asyncio.run(rate(batched, MANY, 1, texts, seconds)),
        engine_rate(engine, 1, texts, seconds),
        engine_rate(engine, MANY, texts, seconds),
    )
    return dict(zip(CASES, found, strict=True))


def print_rounds(rounds: Sequence[dict[str, Measured]]) -> None:
    """A line for each case, with medians, and the medians of the gains."""
    table = Table("case", "texts/s", "texts/s of the processor")
    for case in CASES:
        numbers = [(each[case].per_second, each[case].per_cpu_second) for each in rounds]
        table.add_row(case, *(f"{statistics.median(column):.0f}" for column in zip(*numbers, strict=True)))
    printed = Console(width=120)
    printed.print(table)
    for name, (case, base) in GAINS.items():
        wall = statistics.median(each[case].per_second / each[base].per_second for each in rounds)
        cpu = statistics.median(each[case].per_cpu_second / each[base].per_cpu_second for each in rounds)
        printed.print(f"{name}: {wall:.2f} by time, {cpu:.2f} by the processor's (aim {AIM:g})")


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--words", type=int, default=6, help="in each text")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    texts = texts_of(512, (options.words, options.words))
    quiet = ("--set", "log_requests=false", "--set", "jobs.concurrency=0")
    for name in ("batched", "unbatched"):
        (HOMES / name).mkdir(parents=True, exist_ok=True)
        if not any((HOMES / name).rglob("openvino_model.xml")):
            with Served(HOMES / name, "--set", "log_requests=false"):  # converts
                pass
    with (
        Served(HOMES / "batched", *quiet) as batched,
        Served(HOMES / "unbatched", *quiet, "--set", "workers.max_batch_size=1") as unbatched,
    ):
        facts = machine(batched.model(MODEL)) | {"load": os.getloadavg()[0]}
        folder = next((HOMES / "batched" / "store" / "checkouts").rglob("openvino_model.xml")).parent
        engine = RawEngine(folder, facts["precision"])
        one_round(batched, unbatched, engine, texts, 1.0)
        rounds = []
        for number in range(options.rounds):
            console.print(f"round {number + 1} of {options.rounds}")
            rounds.append(one_round(batched, unbatched, engine, texts, options.seconds))
    console.print(", ".join(f"{key} {value}" for key, value in facts.items()))
    print_rounds(rounds)
    options.out.mkdir(parents=True, exist_ok=True)
    told = [{case: asdict(measured) for case, measured in each.items()} for each in rounds]
    (options.out / "batching.json").write_text(json.dumps({**facts, "words": options.words, "rounds": told}) + "\n")


if __name__ == "__main__":
    main()
