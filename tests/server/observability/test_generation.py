from __future__ import annotations

import re
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from panope_backends.api import TOKEN_INTERVAL_BOUNDS, GenerationStatistics
from panope_server.observability.metrics import Metrics
from panope_server.runtime.status import CLOSED, BreakerView, TokenIntervals


@dataclass
class Worker:
    generation: GenerationStatistics | None = None
    token_intervals: TokenIntervals | None = None
    state: str = "ready"
    resident_bytes: int = 0
    device_memory_bytes: int = 0
    breaker: BreakerView = CLOSED


def samples(*workers: Worker) -> dict[tuple[str, ...], float]:
    """Every sample of generation: its name without `panope_`, the instance, the bound of a bucket -> its value."""
    metrics = Metrics()
    metrics.instances.watch(lambda: [("acme/writer", worker) for worker in workers])
    return {
        (
            sample.name.removeprefix("panope_"),
            sample.labels["instance"],
            *([sample.labels["le"]] if "le" in sample.labels else []),
        ): sample.value
        for family in text_string_to_metric_families(metrics.exposition().decode())
        for sample in family.samples
        if sample.labels.get("model") == "acme/writer" and not re.search("instance_|breaker", sample.name)
    }


def test_each_instance_that_generates_is_told_by_its_place() -> None:
    told = GenerationStatistics(
        running=3, waiting=2, blocks=40, blocks_used=10, blocks_cached=25, prompt_tokens=90, cached_tokens=60
    )
    found = samples(Worker(), Worker(told), Worker(GenerationStatistics(completion_tokens=7, preemptions=1)))
    assert {place for _, place in found} == {"1", "2"}
    assert found["running_sequences", "1"] == 3
    assert found["waiting_sequences", "1"] == 2
    assert found["kv_cache_usage_ratio", "1"] == 0.25
    assert found["kv_cache_reusable_blocks", "1"] == 25
    assert found["prefix_cache_queries_total", "1"] == found["prompt_tokens_total", "1"] == 90
    assert found["prefix_cache_hits_total", "1"] == 60
    assert found["generation_tokens_total", "2"] == 7
    assert found["preemptions_total", "2"] == 1
    assert found["kv_cache_usage_ratio", "2"] == 0


def test_times_between_tokens_are_a_histogram() -> None:
    counts = (0,) * 3 + (5,) + (0,) * (len(TOKEN_INTERVAL_BOUNDS) - 4) + (2,)
    found = samples(Worker(GenerationStatistics(), TokenIntervals(counts, 61.5)))
    buckets = {key[2]: value for key, value in found.items() if key[0] == "inter_token_latency_seconds_bucket"}
    assert (buckets["0.004"], buckets["0.008"], buckets["8.0"], buckets["+Inf"]) == (0, 5, 5, 7)
    assert found["inter_token_latency_seconds_sum", "0"] == 61.5
    assert found["inter_token_latency_seconds_count", "0"] == 7


def test_no_instance_that_generates_leaves_no_series() -> None:
    assert samples(Worker()) == {}
