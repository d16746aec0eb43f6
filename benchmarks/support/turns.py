"""Ways to do the same work, measured in turns: items a second and CPU seconds, beside the raw engine's loop.

Every round runs every way once, and ratios are taken within a round. Where others use the machine, CPU tells more than
the clock.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Way:
    """One way to do the work, and the process whose CPU it takes, with all that it started."""

    work: Callable[[], object]
    process: psutil.Process


@dataclass(frozen=True)
class Turn:
    """What one round of a way took.

    Attributes:
        per_second: items.
        cpu_seconds: of each item.
    """

    per_second: float
    cpu_seconds: float


Turns = dict[str, list[Turn]]
"""Of each way, by its name."""


def in_turns(ways: Mapping[str, Way], rounds: int, items: int) -> Turns:
    """Measures all ways, each of so many items, round by round after one that only warms up."""
    turns: Turns = defaultdict(list)
    for number in range(rounds + 1):
        for name, way in ways.items():
            before, began = cpu_seconds(way.process), time.perf_counter()
            way.work()
            seconds = time.perf_counter() - began
            if number:
                turns[name].append(Turn(items / seconds, (cpu_seconds(way.process) - before) / items))
    return turns


def cpu_seconds(process: psutil.Process) -> float:
    """Of a process and of everything that it started."""
    return sum(sum(each.cpu_times()[:2]) for each in [process, *process.children(recursive=True)])


COLUMNS = ("items/s", "of raw", "CPU ms an item", "items a CPU second, of raw")


def cells(turns: Sequence[Turn], raw: Sequence[Turn]) -> tuple[str, str, str, str]:
    """A table's cells of a way, as `COLUMNS` names them: medians over the rounds."""
    pairs = list(zip(turns, raw, strict=True))
    return (
        f"{statistics.median(turn.per_second for turn in turns):.1f}",
        f"{statistics.median(turn.per_second / other.per_second for turn, other in pairs):.2f}",
        f"{statistics.median(turn.cpu_seconds for turn in turns) * 1000:.1f}",
        f"{statistics.median(other.cpu_seconds / turn.cpu_seconds for turn, other in pairs):.2f}",
    )
