"""Gauges of what devices do, read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class Usage(Protocol):
    """What is told of a device; None for what nobody tells."""

    @property
    def utilization(self) -> float | None:
        """From 0 to 1."""

    @property
    def memory_used_bytes(self) -> int | None:
        """In use, whoever uses it."""

    @property
    def memory_total_bytes(self) -> int | None:
        """In use or not."""


Usages = Callable[[], Mapping[str, Usage]]
"""What devices do, by PCI address, and the machine's processors as `host`."""


class DeviceMetrics(Collector):
    """The gauges."""

    def __init__(self) -> None:
        self._usages: Usages = dict

    def watch(self, usages: Usages) -> None:
        """Tells from now on of these."""
        self._usages = usages

    def collect(self) -> Iterator[Metric]:
        """What is now."""
        labels = ("device",)
        utilization = GaugeMetricFamily(
            "panope_device_utilization_ratio", "The part of its time in which the device computes.", labels=labels
        )
        used = GaugeMetricFamily(
            "panope_device_memory_used_bytes", "The device's memory in use, whoever uses it.", labels=labels
        )
        total = GaugeMetricFamily("panope_device_memory_bytes", "The device's memory.", labels=labels)
        for device, usage in self._usages().items():
            for family, value in (
                (utilization, usage.utilization),
                (used, usage.memory_used_bytes),
                (total, usage.memory_total_bytes),
            ):
                if value is not None:
                    family.add_metric((device,), float(value))
        yield utilization
        yield used
        yield total
