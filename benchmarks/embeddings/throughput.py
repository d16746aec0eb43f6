"""Embeddings: Panope against the raw engine loop, in one run, interleaved.

    python -m benchmarks.embeddings.throughput [--rounds 5] [--seconds 4] [--out benchmarks/results]

Every round runs every case once, the raw loops among them, and ratios are taken within a round, so that a machine whose
speed drifts does not decide. The load generator runs on the same cores as the server and its cost counts against it.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from benchmarks.embeddings.raw import RawEngine
from benchmarks.support.load import GrpcSender, Outcome, RestSender, run
from benchmarks.support.report import Row, machine, median_ratio, print_table, write
from benchmarks.support.served import Served
from benchmarks.support.texts import texts_of

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
HOME = Path(".cache/benchmark/home")
SAME = (22, 22)
MIXED = (3, 200)
CONCURRENCY = (1, 16, 64)
LATENCY_TEXTS = 200

console = Console(stderr=True)


@dataclass
class Measured:
    """What the rounds gave, by case."""

    rates: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    latencies: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, case: str, outcome: Outcome) -> None:
        """Adds one run of a case."""
        self.rates[case].append(outcome.texts_per_second)
        self.latencies[case].append(statistics.median(outcome.latencies))


async def one_round(
    server: Served, raw: RawEngine, measured: Measured, seconds: float, speed: dict[str, float]
) -> None:
    """Every case once."""
    for name, words in (("same", SAME), ("mixed", MIXED)):
        texts = texts_of(max(256, int(speed[name] * seconds)), words)
        measured.rates[f"raw {name}"].append(raw.loop(texts))
        single = texts_of(LATENCY_TEXTS, words)
        measured.latencies[f"raw {name}"].append(statistics.median(raw.latencies(single)))
        grpc = GrpcSender(server.grpc_address, MODEL)
        measured.add(f"gRPC 32 texts a call, 16 in flight, {name}", await run(texts, 32, 16, [grpc.send]))
        for width in CONCURRENCY:
            load = single if width == 1 else texts
            measured.add(f"gRPC one text, {width} in flight, {name}", await run(load, 1, width, [grpc.send]))
        await grpc.close()
        for width in CONCURRENCY:
            load = single if width == 1 else texts
            rest = [RestSender("127.0.0.1", server.http_port, MODEL) for _ in range(width)]
            outcome = await run(load, 1, width, [sender.send for sender in rest])
            measured.add(f"REST one text, {width} connections, {name}", outcome)
            await asyncio.gather(*(sender.close() for sender in rest))


def rows_of(measured: Measured) -> list[Row]:
    """The table: medians over the rounds, ratios within them."""
    rows = []
    for case, rates in measured.rates.items():
        name = case.rsplit(" ", 1)[1]
        p50 = statistics.median(measured.latencies[case]) * 1000
        if case.startswith("raw"):
            rows.append(Row(f"raw loop, batch 32, {name}", statistics.median(rates), 1.0, p50))
            continue
        alone = ", 1 in flight" in case or ", 1 connections" in case
        ratio = None if alone else median_ratio(rates, measured.rates[f"raw {name}"])
        added = None
        if alone:
            pairs = zip(measured.latencies[case], measured.latencies[f"raw {name}"], strict=True)
            added = statistics.median(ours - raw for ours, raw in pairs) * 1000
        aim, met = aim_of(case, ratio, added)
        rows.append(Row(case, statistics.median(rates), ratio, p50, added, aim, met))
    return rows


def aim_of(case: str, ratio: float | None, added_ms: float | None) -> tuple[str, bool | None]:
    """The aim of a case and whether it was met."""
    if case.startswith("gRPC 32"):
        least = 1.5 if case.endswith("mixed") else 0.95
        return f"≥ {least:.2f} of raw", ratio is not None and ratio >= least
    if case == "REST one text, 64 connections, same":
        return "≥ 0.80 of raw", ratio is not None and ratio >= 0.80
    if added_ms is not None and case.endswith("same"):
        most = 0.5 if case.startswith("gRPC") else 1.0
        return f"≤ {most} ms added", added_ms <= most
    return "", None


async def measure(server: Served, rounds: int, seconds: float, measured: Measured, raw: RawEngine) -> None:
    """All rounds, after one that only warms up."""
    speed = {name: raw.loop(texts_of(256, words)) for name, words in (("same", SAME), ("mixed", MIXED))}
    for number in range(rounds + 1):
        console.print(f"round {number} of {rounds}" + (" (warm-up)" if number == 0 else ""))
        await one_round(server, raw, measured if number else Measured(), seconds, speed)


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="about how long the raw loop runs in a round")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    HOME.mkdir(parents=True, exist_ok=True)
    with Served(HOME):
        console.print("first start done; the converted model is in the store")
    with Served(HOME, "--set", "log_requests=false") as server:
        info = server.model(MODEL)
        facts = machine(info)
        variant = info["instances"][0]["variant_digest"].removeprefix("sha256:")
        folder = next(path for path in (HOME / "store" / "checkouts").rglob(f"*{variant}*") if path.is_dir())
        measured = Measured()
        raw = RawEngine(folder, facts["precision"])
        asyncio.run(measure(server, options.rounds, options.seconds, measured, raw))
        facts |= {
            "ready_seconds": round(server.ready_seconds, 2),
            "server_resident_mb": round(server.resident_bytes() / 1e6, 1),
            "rounds": options.rounds,
        }
    rows = rows_of(measured)
    print_table(", ".join(f"{key} {value}" for key, value in facts.items()), rows)
    write(options.out, facts, rows)


if __name__ == "__main__":
    main()
