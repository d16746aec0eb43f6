"""Counters and histograms of the calls' own path, where `prometheus_client`'s would be a tenth of our cost.

A call touches a dozen of them. Here a value is found by one look into a dictionary and changed without a lock, which is
right as long as one thread, the event loop's, changes them. Any thread may read.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import ClassVar, Generic, TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import INF, floatToGoString

Sample = tuple[str, dict[str, str], float]
"""The end of the sample's name, its labels beside those of the series, its value."""


class Count:
    """A number that grows."""

    __slots__ = ("_created", "_value")

    def __init__(self) -> None:
        self._created = time.time()
        self._value = 0.0

    def inc(self, amount: float = 1.0) -> None:
        """Adds to it."""
        self._value += amount

    def samples(self) -> Iterator[Sample]:
        """What is shown of it."""
        yield "_total", {}, self._value
        yield "_created", {}, self._created


class Distribution:
    """How many values were how large."""

    __slots__ = ("_bounds", "_counts", "_created", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._created = time.time()
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Counts a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def samples(self) -> Iterator[Sample]:
        """What is shown of it: how many values were at most so large, for each bound."""
        total = 0
        for bound, count in zip((*self._bounds, INF), tuple(self._counts), strict=True):
            total += count
            yield "_bucket", {"le": floatToGoString(bound)}, total  # type: ignore[no-untyped-call]  # the library has no type
        yield "_count", {}, total
        yield "_sum", {}, self._sum
        yield "_created", {}, self._created


S = TypeVar("S", Count, Distribution)


class Series(Collector, ABC, Generic[S]):
    """One metric: a series for each combination of its labels' values.

    Args:
        name: without the ending that its kind adds.
        help_text: a sentence.
        label_names: in the order in which `labels` takes values.
        registry: shows it.

    Attributes:
        kind: as Prometheus calls it.
    """

    kind: ClassVar[str]

    def __init__(self, name: str, help_text: str, label_names: Sequence[str], registry: CollectorRegistry) -> None:
        self.name = name
        self.label_names = tuple(label_names)
        self._help_text = help_text
        self._series: dict[tuple[str, ...], S] = {}
        registry.register(self)

    def labels(self, *values: str) -> S:
        """The series of these values; it begins when it is asked for first."""
        series = self._series.get(values)
        return self._begin(values) if series is None else series

    def describe(self) -> list[Metric]:
        """The metric without its series, by which the registry knows its name."""
        return [Metric(self.name, self._help_text, self.kind)]

    def collect(self) -> list[Metric]:
        """The metric with all series."""
        (metric,) = self.describe()
        for values, series in list(self._series.items()):
            labels = dict(zip(self.label_names, values, strict=True))
            for ending, more, value in series.samples():
                metric.add_sample(self.name + ending, labels | more, value)
        return [metric]

    def _begin(self, values: tuple[str, ...]) -> S:
        if len(values) != len(self.label_names):
            raise ValueError(f"{self.name} has the labels {self.label_names}")
        series = self._series[values] = self._make()
        return series

    @abstractmethod
    def _make(self) -> S:
        """A series that has just begun."""


class Counter(Series[Count]):
    """Numbers that grow."""

    kind = "counter"

    def _make(self) -> Count:
        return Count()


class Histogram(Series[Distribution]):
    """How values are distributed.

    Args:
        bounds: up to which values are counted together, ascending; above the last there is one more.
    """

    kind = "histogram"

    def __init__(
        self,
        name: str,
        help_text: str,
        label_names: Sequence[str],
        bounds: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        self._bounds = tuple(map(float, bounds))
        super().__init__(name, help_text, label_names, registry)

    def _make(self) -> Distribution:
        return Distribution(self._bounds)
