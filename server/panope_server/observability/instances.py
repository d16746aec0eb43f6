"""Gauges of the worker processes, read when they are asked for.

Nothing is kept, so nothing stays after a crash or an unload. A model's instances are told by their places, 0 and up, so
that loading it again and again makes no new series.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from panope_backends.api import GenerationStatistics
from panope_server.observability.generation import GenerationMetrics, TokenIntervals

#: As alerts compare them: the higher, the worse.
BREAKER_STATES = {"closed": 0.0, "half_open": 1.0, "open": 2.0}


class BreakerView(Protocol):
    """What is told of a circuit breaker."""

    @property
    def state(self) -> str:
        """Of `BREAKER_STATES`."""


class View(Protocol):
    """What is told of a worker process."""

    @property
    def state(self) -> str:
        """Such as `ready`, or `backing_off` when there is no process."""

    @property
    def resident_bytes(self) -> int:
        """Its memory, as it told last."""

    @property
    def device_memory_bytes(self) -> int:
        """Of its device's own, as it told last."""

    @property
    def breaker(self) -> BreakerView:
        """Its circuit breaker."""

    @property
    def generation(self) -> GenerationStatistics | None:
        """What it generates, as it told last; None where it does not."""

    @property
    def token_intervals(self) -> TokenIntervals | None:
        """As above."""


Running = Callable[[], Iterable[tuple[str, View]]]
"""Every instance with its model, those of one model always in the same order."""


class InstanceMetrics(Collector):
    """The gauges."""

    def __init__(self) -> None:
        self._running: Running = tuple

    def watch(self, running: Running) -> None:
        """Tells from now on of these."""
        self._running = running

    def collect(self) -> Iterator[Metric]:
        """What is now."""
        labels = ("model", "instance")
        up = GaugeMetricFamily("panope_instance_up", "1 while the instance can answer.", labels=labels)
        memory = GaugeMetricFamily(
            "panope_instance_resident_memory_bytes", "Resident memory of the worker.", labels=labels
        )
        of_device = GaugeMetricFamily(
            "panope_instance_device_memory_bytes", "What the worker holds of its device's own memory.", labels=labels
        )
        breaker = GaugeMetricFamily(
            "panope_circuit_breaker_state",
            "0 while the instance is given requests, 2 while it is not, 1 while one tries it.",
            labels=labels,
        )
        generation = GenerationMetrics()
        places: Counter[str] = Counter()
        for model, view in self._running():
            place = (model, str(places[model]))
            places[model] += 1
            up.add_metric(place, float(view.state == "ready"))
            breaker.add_metric(place, BREAKER_STATES[view.breaker.state])
            memory.add_metric(place, 0.0 if view.state == "backing_off" else float(view.resident_bytes))
            if view.device_memory_bytes and view.state != "backing_off":
                of_device.add_metric(place, float(view.device_memory_bytes))
            if view.generation is not None:
                generation.add(place, view.generation, view.token_intervals)
        yield up
        yield memory
        yield of_device
        yield breaker
        yield from generation.families()
