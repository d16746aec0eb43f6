"""The metrics of one model."""

from __future__ import annotations

import time

from panope.worker.v1.worker_pb2 import Part
from panope_server.observability.metrics import Metrics
from panope_server.runtime.instances.in_flight import Entry


class ModelMeters:
    """The metrics of one model, bound once because looking labels up costs a microsecond each."""

    def __init__(self, metrics: Metrics, model: str) -> None:
        self.queued = metrics.queued_items.labels(model)
        self.running = metrics.in_flight_items.labels(model)
        self._queue = metrics.queue_duration.labels(model)
        self._tokenize = metrics.tokenize_duration.labels(model)
        self._batch_wait = metrics.batch_wait_duration.labels(model)
        self._run = metrics.run_duration.labels(model)
        self._batch_size = metrics.batch_size.labels(model)
        self._first_token = metrics.time_to_first_token.labels(model)

    def observe(self, entry: Entry, last: Part) -> None:
        """Records where the time of one answer went."""
        self._queue.observe(entry.dispatched - entry.enqueued)
        if not last.HasField("timing"):
            return
        timing = last.timing
        self._tokenize.observe(timing.tokenize_microseconds / 1e6)
        self._batch_wait.observe(timing.batch_wait_microseconds / 1e6)
        self._run.observe(timing.run_microseconds / 1e6)
        self._batch_size.observe(timing.batch_size)
        if timing.HasField("first_token_microseconds"):
            since = (timing.run_microseconds - timing.first_token_microseconds) / 1e6
            self._first_token.observe(max(0.0, time.monotonic() - entry.enqueued - since))
