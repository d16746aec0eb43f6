"""One round of `benchmarks/overload/overload.py`: what is measured, in which order, and what is aimed at."""

from __future__ import annotations

import asyncio
import os
import statistics
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import psutil
from rich.console import Console

from benchmarks.overload.calls import Caller, Case, Outcomes, singles
from benchmarks.overload.generator import Generator

TIMES_CAPACITY = 3
GOODPUT_AIM, REFUSED_MS_AIM, URGENT_AIM, MODEST_AIM = 0.9, 10.0, 1.3, 1.2
#: Of each measurement that is compared with others.
SLICES = 4
#: After a load, for what it has begun to end.
PAUSE_SECONDS = 0.3

console = Console(stderr=True)


@dataclass(frozen=True)
class Cpu:
    """Cores that were used: CPU seconds in a second."""

    programs: float
    server: float
    worker: float
    others: float

    @classmethod
    def seconds_of(cls, server: psutil.Process, generator: int) -> Cpu:
        """CPU seconds until now."""
        found = dict.fromkeys(("program", "server", "worker", "others"), 0.0)
        programs = os.getpid(), generator
        for process in (*map(psutil.Process, programs), server, *server.children(recursive=True)):
            times = process.cpu_times()
            is_worker = "panope_backends.worker" in process.cmdline()
            kind = "program" if process.pid in programs else "server" if process == server else "others"
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
    offered: float
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


async def timed_load(
    generator: Generator, load: str, seconds: float, server: psutil.Process, rate: float = 0.0
) -> tuple[Outcomes, float, Cpu]:
    """What became of a load of some seconds, how many it took until the last was answered, and the cores it used."""
    before = Cpu.seconds_of(server, generator.pid)
    outcomes, took = await generator.run(load, seconds, rate)
    return outcomes, took, Cpu.seconds_of(server, generator.pid).since(before, took)


async def singles_during(
    caller: Caller, case: Case, seconds: float, generator: Generator, load: str, rate: float
) -> list[float]:
    """As `singles`, while there is a load that has filled what there is to fill; without a name there is none."""
    if not load:
        return await singles(caller, case, seconds)
    await generator.begin(load, rate)
    await asyncio.sleep(case.timeout / 4)
    try:
        return await singles(caller, case, seconds)
    finally:
        await generator.stop()  # what it has asked for ends with it
        await asyncio.sleep(PAUSE_SECONDS)


async def in_turns(
    caller: Caller, case: Case, seconds: float, generator: Generator, loads: Sequence[str], rate: float = 0.0
) -> list[list[float]]:
    """For each load `singles_during` it, in slices that take turns."""
    found: list[list[float]] = [[] for _ in loads]
    for _ in range(SLICES):
        for values, load in zip(found, loads, strict=True):
            values += await singles_during(caller, case, seconds / SLICES, generator, load, rate)
    return found


def p95(values: Sequence[float]) -> float:
    """The value that a twentieth exceeds; infinite without values."""
    return sorted(values)[int(len(values) * 0.95)] if values else float("inf")


async def one_round(address: str, case: Case, seconds: float, generator: Generator, server: psutil.Process) -> Round:
    """Everything once; what is measured next is told, for with calls of seconds a phase takes a minute."""
    console.print("  idle and peak")
    urgent, modest = Caller(address, "10.0.0.2", "high"), Caller(address, "10.0.0.3")
    await singles(urgent, case, seconds / SLICES)  # engines and connections warm up
    full, peak_seconds, peak_cpu = await timed_load(generator, "peak", seconds, server)
    rate = TIMES_CAPACITY * len(full.answered) / peak_seconds
    console.print(f"  overload: {rate:.1f} calls a second")
    alone, overload_seconds, overload_cpu = await timed_load(generator, "overload", seconds, server, rate)
    console.print("  high priority beside others")
    loads = "", "refused", "overload"
    idle, beside_refused, overloaded = await in_turns(urgent, case, seconds, generator, loads, rate)
    console.print("  a caller beside a neighbour")
    beside, flooded = await in_turns(modest, case, seconds, generator, ("neighbour", "flood"))
    await asyncio.gather(urgent.channel.close(), modest.channel.close())
    return Round(
        task=case.task,
        peak=len(full.answered) / peak_seconds,
        goodput=len(alone.answered) / overload_seconds,
        offered=alone.calls / seconds,
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
