"""Metrics of which models are loaded: whether calls found theirs, what was loaded and unloaded, and who has memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from panope_server.observability.series import Counter, Histogram


class Usage(Protocol):
    """What is taken of one memory."""

    @property
    def place(self) -> str:
        """`host` for the machine's own, else the device's name."""

    @property
    def limit_bytes(self) -> int | None:
        """That models may take there; None when nobody knows."""

    @property
    def reserved_bytes(self) -> int:
        """That they have, or wait for."""


@dataclass
class LoadTotals:
    """Counts since the server began, of all models together.

    Attributes:
        hits: calls that found their model loaded.
        misses: calls that waited for it to be loaded.
        evictions: models that were unloaded to make room for another.
        expirations: models that were unloaded because nobody had used them for their time.
        load_seconds: of all loads together.
        unload_seconds: of all unloads together.
    """

    hits: int = 0
    misses: int = 0
    evictions: int = 0
    expirations: int = 0
    loads: int = 0
    load_seconds: float = 0.0
    unloads: int = 0
    unload_seconds: float = 0.0


class LoadedModelsMetrics(Collector):
    """Counts by model, and in all.

    Attributes:
        totals: of all models.
    """

    def __init__(self, registry: CollectorRegistry, seconds: Sequence[float]) -> None:
        self.totals = LoadTotals()
        self._usage: Callable[[], Sequence[Usage]] = tuple
        self._loaded: Callable[[], int] = int
        self._hits = Counter("panope_model_hits", "Calls that found their model loaded.", ["model"], registry)
        self._misses = Counter(
            "panope_model_misses", "Calls that waited for their model to be loaded.", ["model"], registry
        )
        self._evictions = Counter(
            "panope_model_evictions",
            "Unloads that nobody asked for: of what had to make room, or was not used for its time.",
            ["model", "reason"],
            registry,
        )
        self._load_duration = Histogram(
            "panope_model_load_duration_seconds",
            "From being asked for to the first ready instance.",
            ["model"],
            seconds,
            registry,
        )
        self._unload_duration = Histogram(
            "panope_model_unload_duration_seconds",
            "From the begin of an unload to the end of the last process.",
            ["model"],
            seconds,
            registry,
        )
        registry.register(self)

    def watch(self, usage: Callable[[], Sequence[Usage]], loaded: Callable[[], int]) -> None:
        """Tells from now on of these: what is taken of each memory, and how many models are loaded."""
        self._usage, self._loaded = usage, loaded

    def called(self, model: str, *, is_loaded: bool) -> None:
        """A call needs a model."""
        if is_loaded:
            self.totals.hits += 1
            self._hits.labels(model).inc()
        else:
            self.totals.misses += 1
            self._misses.labels(model).inc()

    def evicted(self, model: str, reason: str) -> None:
        """A model begins to end: for `memory` or `max_loaded_models` that another needs, or by its `keep_alive`."""
        if reason == "keep_alive":
            self.totals.expirations += 1
        else:
            self.totals.evictions += 1
        self._evictions.labels(model, reason).inc()

    def loaded(self, model: str, seconds: float) -> None:
        """A model serves."""
        self.totals.loads += 1
        self.totals.load_seconds += seconds
        self._load_duration.labels(model).observe(seconds)

    def unloaded(self, model: str, seconds: float) -> None:
        """A model is gone."""
        self.totals.unloads += 1
        self.totals.unload_seconds += seconds
        self._unload_duration.labels(model).observe(seconds)

    def collect(self) -> Iterator[Metric]:
        """What is taken now."""
        yield GaugeMetricFamily("panope_loaded_models", "Models that have memory.", value=self._loaded())
        reserved = GaugeMetricFamily(
            "panope_model_memory_reserved_bytes", "Memory that models have, or wait for.", labels=["memory"]
        )
        limit = GaugeMetricFamily("panope_model_memory_limit_bytes", "Memory that models may take.", labels=["memory"])
        for usage in self._usage():
            reserved.add_metric([usage.place], usage.reserved_bytes)
            if usage.limit_bytes is not None:
                limit.add_metric([usage.place], usage.limit_bytes)
        yield reserved
        yield limit
