"""What the cache has done since the server started, for people; the metrics say the same to what watches the server."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from panope_server.observability.metrics import Metrics


@dataclass
class ModelCounts:
    """Answers of one model, to single texts or whole calls.

    Attributes:
        hits: that were kept and given again.
        misses: that could be kept and were computed.
        joined: that were computed for an equal call already.
    """

    hits: int = 0
    misses: int = 0
    joined: int = 0


@dataclass(frozen=True)
class CacheStatistics:
    """How well the cache does.

    Attributes:
        entries: in this server's memory.
        size_bytes: that they take.
        max_bytes: that they may take.
        is_shared: whether there is a store that servers share, too.
        models: by name.
        evictions: why entries went, `capacity` or `expired`, and how many.
        shared_failures: of the shared store, by reason.
        flushes: how often all was forgotten.
    """

    entries: int
    size_bytes: int
    max_bytes: int
    is_shared: bool
    models: Mapping[str, ModelCounts]
    evictions: Mapping[str, int]
    shared_failures: Mapping[str, int]
    flushes: int


@dataclass
class CacheCounts:
    """Counts for both.

    Attributes:
        metrics: that count along.
    """

    metrics: Metrics
    models: dict[str, ModelCounts] = field(default_factory=lambda: defaultdict(ModelCounts))
    evictions: Counter[str] = field(default_factory=Counter)
    shared_failures: Counter[str] = field(default_factory=Counter)
    flushes: int = 0

    def count(self, model: str, *, hits: int = 0, misses: int = 0, joined: int = 0) -> None:
        """Counts answers of a model."""
        counts, metrics = self.models[model], self.metrics
        counts.hits += hits
        counts.misses += misses
        counts.joined += joined
        metrics.response_cache_hits.labels(model).inc(hits)
        metrics.response_cache_misses.labels(model).inc(misses)
        metrics.response_cache_joined.labels(model).inc(joined)

    def evicted(self, reason: str) -> None:
        """Counts an entry that went."""
        self.evictions[reason] += 1
        self.metrics.response_cache_evictions.labels(reason).inc()

    def shared_failed(self, reason: str) -> None:
        """Counts what the shared store did not do."""
        self.shared_failures[reason] += 1
        self.metrics.response_cache_shared_failures.labels(reason).inc()
