"""Metrics: name, type and labels."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client.registry import Collector

from panope_server.observability.metrics import Metrics
from panope_server.observability.series import Series


def listing() -> str:
    """Every metric of Panope's own by its name."""
    metrics = Metrics()
    lines = [line for collector in metrics.registry._collector_to_names if (line := _line(collector))]
    lines += [_named(family.name, family.type, family._labelnames) for family in metrics.instances.collect()]
    return "\n".join(sorted(lines)) + "\n"


def _line(collector: Collector) -> str:
    """Empty for a collector that is no metric of ours, such as that of the process."""
    if isinstance(collector, Series):
        name, kind, labels = collector.name, collector.kind, collector.label_names
    elif (labels := getattr(collector, "_labelnames", None)) is not None:
        name, kind = str(collector._name), str(collector._type)  # type: ignore[attr-defined]  # the library has no getter
    else:
        return ""
    return _named(name, kind, labels)


def _named(name: str, kind: str, labels: Sequence[str]) -> str:
    return f"{name}{'_total' if kind == 'counter' else ''} {kind}: {', '.join(labels) or 'no labels'}"
