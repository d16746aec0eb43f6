"""Counts calls of models by what they have in common: each has four series, which are looked up together."""

from __future__ import annotations

from typing import NamedTuple

from panope_server.observability.metrics import Metrics


class CallKind(NamedTuple):
    """What the series of a call are called by.

    Attributes:
        interface: the method called, such as `EmbedService/Embed`.
        label: the model, and its variant if one is meant; the same for all that the registry does not know.
        model: `vendor/name`; likewise.
        variant: in a word, such as `openvino-int8`; empty where none ran it.
        task: of the model.
        code: the protocol's word for how it ended.
        status: the same in ours.
    """

    interface: str
    label: str
    model: str
    variant: str
    task: str
    code: str
    status: str


class CallSeries:
    """The metrics of calls."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._known: dict[CallKind, _Series] = {}

    def count(self, kind: CallKind, seconds: float) -> None:
        """Counts a call that took so long."""
        series = self._known.get(kind)
        if series is None:
            series = self._known[kind] = _Series(self._metrics, kind)
        series.requests.inc()
        series.duration.observe(seconds)
        series.inference_requests.inc()
        series.latency.observe(seconds * 1000)


class _Series:
    """Of one kind of call."""

    __slots__ = ("duration", "inference_requests", "latency", "requests")

    def __init__(self, metrics: Metrics, kind: CallKind) -> None:
        self.requests = metrics.requests.labels(kind.interface, kind.label, kind.code)
        self.duration = metrics.request_duration.labels(kind.interface, kind.label)
        self.inference_requests = metrics.inference_requests.labels(kind.model, kind.variant, kind.task, kind.status)
        self.latency = metrics.inference_latency.labels(kind.model, kind.variant, kind.task)
