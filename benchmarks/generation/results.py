"""What generation is measured by: tokens a second, CPU seconds, when tokens come."""

from __future__ import annotations

import itertools
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

console = Console(stderr=True)


@dataclass
class Measured:
    """One case of one round.

    Attributes:
        first: seconds to the first token of each sequence.
        between: seconds between its tokens.
    """

    tokens_per_second: float
    cpu_seconds: float
    first: list[float]
    between: list[float]


@dataclass
class Clock:
    """When the tokens of sequences came."""

    started: float = field(default_factory=time.perf_counter)
    times: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))

    def token(self, sequence: int) -> None:
        """Notes a token, or a piece of an answer."""
        self.times[sequence].append(time.perf_counter())

    def measured(self, tokens: int, cpu_seconds: float) -> Measured:
        """What came of it; `tokens` in all."""
        first = [times[0] - self.started for times in self.times.values()]
        between = [b - a for times in self.times.values() for a, b in itertools.pairwise(times)]
        return Measured(tokens / (time.perf_counter() - self.started), cpu_seconds, first, between)


@dataclass
class Results:
    """All rounds of all cases.

    Args:
        baselines: the cases, without their width, to which ratios are told.
    """

    baselines: Sequence[str]
    rounds: dict[str, list[Measured]] = field(default_factory=lambda: defaultdict(list))

    def add(self, case: str, measured: Measured) -> None:
        """Adds a round."""
        self.rounds[case].append(measured)
        console.print(f"{case}: {measured.tokens_per_second:.1f} tokens/s, {measured.cpu_seconds:.1f} CPU s")

    def rows(self) -> Iterator[dict[str, Any]]:
        """Medians, and ratios to the baselines of the same round."""
        for case, rounds in self.rounds.items():
            yield {
                "case": case,
                "tokens_per_second": statistics.median(each.tokens_per_second for each in rounds),
                "ratios": {baseline: self._ratio(case, baseline, _speed) for baseline in self.baselines},
                "cpu_ratios": {baseline: self._ratio(case, baseline, _cpu) for baseline in self.baselines},
                "cpu_seconds": statistics.median(each.cpu_seconds for each in rounds),
                "first_token_ms": statistics.median(1000 * first for each in rounds for first in each.first),
                **_percentiles([1000 * seconds for each in rounds for seconds in each.between]),
            }

    def _ratio(self, case: str, baseline: str, of: Callable[[Measured], float]) -> float | None:
        """Round by round; None where the baseline had no such case."""
        others = self.rounds.get(f"{baseline}, {case.rpartition(', ')[2]}")
        if not others:
            return None
        return statistics.median(of(ours) / of(theirs) for ours, theirs in zip(self.rounds[case], others, strict=True))


def _speed(measured: Measured) -> float:
    return measured.tokens_per_second


def _cpu(measured: Measured) -> float:
    return measured.cpu_seconds


def _percentiles(milliseconds: Sequence[float]) -> dict[str, float]:
    if not milliseconds:
        return {}
    p50, p99 = np.percentile(milliseconds, [50, 99]).tolist()
    return {"between_p50_ms": p50, "between_p99_ms": p99}


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    """A table."""
    table = Table(box=None, header_style="bold")
    baselines = [f"to {baseline}" for baseline in rows[0]["ratios"]]
    cpu = [f"CPU {baseline}" for baseline in baselines]
    for column in ("case", "tokens/s", *baselines, "CPU s", *cpu, "first ms", "between p50", "p99"):
        table.add_column(column, justify="left" if column == "case" else "right")
    for row in rows:
        numbers = [row["tokens_per_second"], *row["ratios"].values(), row["cpu_seconds"], *row["cpu_ratios"].values()]
        numbers += [row["first_token_ms"], row.get("between_p50_ms"), row.get("between_p99_ms")]
        table.add_row(row["case"], *("" if each is None else f"{each:,.2f}" for each in numbers))
    Console(width=150).print(table)
