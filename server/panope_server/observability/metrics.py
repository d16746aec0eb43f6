"""Prometheus metrics, all defined here; times in seconds, sizes in bytes.

A model's name becomes a label only after the registry knows it; everything else counts as `_other`, so that callers
cannot grow the number of series.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client import Counter as LockedCounter
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from panope_server.observability.devices import DeviceMetrics
from panope_server.observability.downloads import DownloadMetrics
from panope_server.observability.instances import InstanceMetrics
from panope_server.observability.loaded_models import LoadedModelsMetrics
from panope_server.observability.series import Counter, Histogram

OTHER = "_other"

#: From a cache hit to a long generation, four steps a decade.
SECONDS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Metrics:
    """The metrics of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)

        self.requests = self._counter("requests", "Requests answered.", "interface", "model", "code")
        self.request_duration = self._seconds(
            "request", "From a request's arrival to its answer.", "interface", "model"
        )
        self.first_part_duration = self._seconds(
            "first_part", "From a request's arrival to the first part of an answer of several.", "interface", "model"
        )
        self.part_interval = self._seconds(
            "part_interval", "Between two parts of an answer, the time of a slow reader included.", "interface", "model"
        )
        self.time_to_first_token = Histogram(
            "panope_time_to_first_token_seconds",
            "From the server's queue to the first token of an answer that is generated, streamed or not.",
            ["model"],
            SECONDS,
            self.registry,
        )
        self.queue_duration = self._seconds("queue", "In the server's queue.", "model")
        self.tokenize_duration = self._seconds("tokenize", "Making tokens in the worker.", "model")
        self.batch_wait_duration = self._seconds("batch_wait", "From tokens to the start of the batch.", "model")
        self.run_duration = self._seconds("run", "Running on the device.", "model")
        self.batch_size = Histogram(
            "panope_batch_size", "Items in the largest batch of a request.", ["model"], SIZES, self.registry
        )
        self.input_tokens = self._counter("input_tokens", "Tokens of inputs, as they were run.", "model")
        self.output_tokens = self._counter("output_tokens", "Tokens that were generated.", "model")
        self.cached_tokens = self._counter(
            "cached_tokens", "Tokens of prompts that were found computed already.", "model"
        )
        self.truncated_items = self._counter("truncated_items", "Items cut because the caller asked for it.", "model")
        self.requests_rejected = self._counter(
            "requests_rejected", "Requests refused without being run.", "model", "reason"
        )
        self.requests_cancelled = self._counter("requests_cancelled", "Requests whose caller went away.", "model")
        self.queued_items = self._gauge("queued_items", "Items that wait in the server's queue.", "model")
        self.in_flight_items = self._gauge("in_flight_items", "Items that an instance holds.", "model")
        self.instances = InstanceMetrics()
        self.registry.register(self.instances)
        self.devices = DeviceMetrics()
        self.registry.register(self.devices)
        self.instance_restarts = self._counter("instance_restarts", "Workers started again.", "model", "reason")
        self.circuit_breaker_openings = self._counter(
            "circuit_breaker_openings",
            "Circuit breakers that opened: of a model that could not be loaded, or of an instance that failed.",
            "model",
            "breaker",
        )
        self.loaded_models = LoadedModelsMetrics(self.registry, SECONDS)
        self.event_loop_lag = self._gauge("event_loop_lag_seconds", "How late the event loop wakes up.")
        self.route_decisions = self._counter(
            "route_decisions", "Calls of aliases with several targets, by the target that they got.", "alias", "model"
        )
        self.response_cache_hits = self._counter(
            "response_cache_hits", "Answers that were kept and given again, to single texts or whole calls.", "model"
        )
        self.response_cache_misses = self._counter(
            "response_cache_misses", "Answers that could be kept and were computed.", "model"
        )
        self.response_cache_joined = self._counter(
            "response_cache_joined", "Answers that were computed for an equal call already.", "model"
        )
        self.response_cache_evictions = self._counter(
            "response_cache_evictions", "Kept answers that went: for want of room, or after their time.", "reason"
        )
        self.response_cache_bytes = self._gauge("response_cache_bytes", "Memory that kept answers take.")
        self.response_cache_entries = self._gauge("response_cache_entries", "Answers kept in memory.")
        self.response_cache_shared_failures = self._counter(
            "response_cache_shared_failures",
            "Exchanges with the cache's server that failed or came to nothing.",
            "reason",
        )
        # The words of the design that Panope grew from, beside our own: dashboards made for it find what they look for.
        self.inference_requests = Counter(
            "inference_requests",
            "Requests answered, by model and variant.",
            ["model_repo_name", "variant", "task_type", "status"],
            self.registry,
        )
        self.inference_latency = Histogram(
            "inference_latency_ms",
            "Milliseconds from a request's arrival to its answer, by model and variant.",
            ["model_repo_name", "variant", "task_type"],
            [seconds * 1000 for seconds in SECONDS],
            self.registry,
        )
        self.inference_log_dropped = LockedCounter(
            "panope_inference_log_dropped",
            "Requests that were to be kept in the registry and were not.",
            registry=self.registry,
        )
        self.tls_expiry = self._gauge(
            "tls_certificate_expiry_timestamp_seconds", "When the server's certificate expires; 0 without TLS."
        )
        self.usage_lost = LockedCounter(
            "panope_usage_lost_requests",
            "Requests whose use is not recorded, because too much waited for the registry.",
            registry=self.registry,
        )
        self.usage_waiting = self._gauge("usage_waiting_requests", "Requests whose use the registry has not got yet.")
        self.downloads = DownloadMetrics(self.registry)
        self.log_build()

    def log_build(self) -> None:
        """Sets the constant gauge that carries the version."""
        self._gauge("build_info", "The version of the running server.", "version").labels(panope_version()).set(1)

    def exposition(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self.registry)

    def openmetrics(self) -> bytes:
        """All metrics in OpenMetrics's text format."""
        text: bytes = generate_openmetrics(self.registry)  # type: ignore[no-untyped-call]  # the library has no type
        return text

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(f"panope_{name}", help_text, labels, self.registry)

    def _gauge(self, name: str, help_text: str, *labels: str) -> Gauge:
        return Gauge(f"panope_{name}", help_text, labels, registry=self.registry)

    def _seconds(self, name: str, help_text: str, *labels: str) -> Histogram:
        return Histogram(f"panope_{name}_duration_seconds", help_text, labels, SECONDS, self.registry)


def panope_version() -> str:
    """The version of the installed distribution."""
    try:
        return version("panope-serving")
    except PackageNotFoundError:
        return "0+unknown"
