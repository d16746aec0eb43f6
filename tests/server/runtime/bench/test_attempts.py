"""A workload that others disturb is measured again, and what stays disturbed decides nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from panope_registry.serving_records.profiles import Profile
from panope_registry.tables.columns import now
from panope_server.config import Settings
from panope_server.runtime.bench import bench as module
from panope_server.runtime.bench.background_load import BACKGROUND_LOAD
from panope_server.runtime.bench.bench import Bench
from panope_server.runtime.bench.measured import Measured


@dataclass
class Attempts:
    """What others take in each attempt, and how many there were."""

    shares: list[float]
    count: int = 0
    began: list[int] = field(default_factory=list)


@pytest.fixture
def bench_with(monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(*shares: float, **more: Any) -> tuple[Bench, Attempts]:
        attempts = Attempts(list(shares))
        left: Iterator[float] = iter(shares)

        class Load:
            def __init__(self, pid: int) -> None:
                attempts.began.append(pid)

            def share(self) -> float:
                return next(left)

        async def calls(*_: Any) -> list[float]:
            attempts.count += 1
            return [float(attempts.count)]

        monkeypatch.setattr(module, "BackgroundLoad", Load)
        monkeypatch.setattr(module, "processor_seconds", lambda _: 0.0)
        bench = Bench(Settings(), None, 0.01, **more)  # type: ignore[arg-type] # nothing is planned
        monkeypatch.setattr(bench, "_calls", calls)
        return bench, attempts

    return make


@pytest.mark.parametrize(
    ("shares", "kept"),
    [((0.05,), (0.05, [1.0])), ((0.5, 0.1), (0.1, [2.0])), ((0.5, 0.3, 0.4), (0.3, [2.0]))],
    ids=["quiet", "quiet the second time", "never quiet"],
)
async def test_a_disturbed_workload_is_run_again_three_times_at_most_and_the_quietest_attempt_counts(
    bench_with: Any, shares: tuple[float, ...], kept: tuple[float, list[float]]
) -> None:
    bench, attempts = bench_with(*shares)
    share, latencies, _ = await bench._least_disturbed(None, None, 7, 0.01)
    assert (share, latencies) == kept
    assert attempts.count == len(shares)
    assert attempts.began == [7] * len(shares)


async def test_what_counts_as_disturbed_may_be_said(bench_with: Any) -> None:
    bench, attempts = bench_with(0.5, max_background_load=0.5)
    assert (await bench._least_disturbed(None, None, 7, 0.01))[0] == 0.5
    assert attempts.count == 1


@pytest.mark.parametrize(
    ("shares", "limit", "disturbed"), [((0.1, 0.0), 0.1, False), ((0.0, 0.2), 0.1, True), ((0.2,), 0.2, False)]
)
def test_a_candidate_is_disturbed_when_one_of_its_workloads_was(
    shares: tuple[float, ...], limit: float, disturbed: bool
) -> None:
    profiles = tuple(profile(share) for share in shares)
    assert Measured("cpu", "fp32", profiles, max_background_load=limit).is_disturbed == disturbed


def profile(share: float) -> Profile:
    return Profile("ab", "cpu", "1", "CPU", "fp32", "w", 1.0, 1.0, 1.0, 1, 1.0, now(), {BACKGROUND_LOAD: share})
