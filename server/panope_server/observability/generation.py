"""Metrics of instances that generate, as their workers tell them each second.

The names follow vLLM's, with which most dashboards of generation begin. Counts begin anew with a worker, as
Prometheus expects of counters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Protocol

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.utils import floatToGoString

from panope_backends.api import TOKEN_INTERVAL_BOUNDS, GenerationStatistics

_LABELS = ("model", "instance")

#: Field -> metric and its sentence.
_GAUGES = {
    "running": ("running_sequences", "Sequences that have a place in the cache of keys and values."),
    "waiting": ("waiting_sequences", "Sequences that wait for one, pre-empted ones included."),
    "blocks": ("kv_cache_blocks", "Blocks of the cache of keys and values."),
    "blocks_cached": ("kv_cache_reusable_blocks", "Blocks of it that later prompts can start with."),
}
_COUNTERS = {
    "steps": ("generation_steps", "Steps that were computed."),
    "failed_steps": ("generation_failed_steps", "Steps that failed."),
    "prompt_tokens": ("prompt_tokens", "Tokens of prompts, counted when they start."),
    "completion_tokens": ("generation_tokens", "Tokens that were generated, counted when they come."),
    "preemptions": ("preemptions", "Sequences that gave their blocks of the cache back before their end."),
    "drafted_tokens": ("draft_tokens", "Tokens that were guessed."),
    "accepted_tokens": ("accepted_draft_tokens", "Guessed tokens that were right."),
}


class TokenIntervals(Protocol):
    """Times between tokens."""

    @property
    def counts(self) -> Sequence[int]:
        """Tokens, by `TOKEN_INTERVAL_BOUNDS`, those above the last bound at the end."""

    @property
    def seconds(self) -> float:
        """The sum."""


class GenerationMetrics:
    """The families of one scrape."""

    def __init__(self) -> None:
        self._gauges = {
            field: GaugeMetricFamily(f"panope_{name}", help_text, labels=_LABELS)
            for field, (name, help_text) in _GAUGES.items()
        }
        self._counters = {
            field: CounterMetricFamily(f"panope_{name}", help_text, labels=_LABELS)
            for field, (name, help_text) in _COUNTERS.items()
        }
        self._usage = GaugeMetricFamily(
            "panope_kv_cache_usage_ratio", "The part of the cache's blocks that sequences hold, 0 to 1.", labels=_LABELS
        )
        self._queries = CounterMetricFamily(
            "panope_prefix_cache_queries", "Tokens of prompts that the prefix cache was asked for.", labels=_LABELS
        )
        self._hits = CounterMetricFamily(
            "panope_prefix_cache_hits", "Tokens of prompts that were found computed.", labels=_LABELS
        )
        self._intervals = HistogramMetricFamily(
            "panope_inter_token_latency_seconds", "Between two tokens of a sequence, in the worker.", labels=_LABELS
        )

    def add(self, place: Sequence[str], told: GenerationStatistics, intervals: TokenIntervals | None) -> None:
        """Adds an instance."""
        for field, gauge in self._gauges.items():
            gauge.add_metric(place, getattr(told, field))
        for field, counter in self._counters.items():
            counter.add_metric(place, getattr(told, field))
        self._usage.add_metric(place, told.blocks_used / told.blocks if told.blocks else 0.0)
        self._queries.add_metric(place, told.prompt_tokens)
        self._hits.add_metric(place, told.cached_tokens)
        if intervals is not None and intervals.counts:
            self._intervals.add_metric(place, _buckets(intervals.counts), intervals.seconds)

    def families(self) -> Iterator[Metric]:
        """All of them."""
        yield from self._gauges.values()
        yield self._usage
        yield from self._counters.values()
        yield from (self._queries, self._hits, self._intervals)


def _buckets(counts: Sequence[int]) -> list[tuple[str, float]]:
    bounds = [*map(floatToGoString, TOKEN_INTERVAL_BOUNDS), "+Inf"]
    return list(zip(bounds, map(float, accumulate(counts)), strict=True))
