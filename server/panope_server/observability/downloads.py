"""What downloads bring, counted in the process that runs jobs and told to the one that is asked for metrics."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter as Numbers
from typing import BinaryIO

import msgspec
from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter, start_http_server
from prometheus_client.process_collector import ProcessCollector

from panope_backends.errors import PreconditionError

REPORT_SECONDS = 1.0


class DownloadReport(Struct, forbid_unknown_fields=True):
    """What was counted since the report before; vendor -> how much.

    Attributes:
        bytes: received from the vendor's repos, good ones and bad.
        errors: attempts of jobs that ended in one.
    """

    bytes: dict[str, int] = {}
    errors: dict[str, int] = {}


class DownloadMetrics:
    """The counters. A vendor becomes a label only by a model of it that somebody registered."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._bytes = Counter(
            "artifact_download_bytes", "Bytes received from a vendor's repos.", ["source_vendor"], registry=registry
        )
        self._errors = Counter(
            "artifact_download_errors",
            "Attempts to download from a vendor's repos that failed.",
            ["source_vendor"],
            registry=registry,
        )

    def received(self, vendor: str, count: int) -> None:
        """Bytes have come."""
        self._bytes.labels(vendor).inc(count)

    def failed(self, vendor: str) -> None:
        """An attempt has ended in an error."""
        self._errors.labels(vendor).inc()

    def add(self, report: DownloadReport) -> None:
        """Counts what another process has counted."""
        for vendor, count in report.bytes.items():
            self._bytes.labels(vendor).inc(count)
        for vendor, count in report.errors.items():
            self._errors.labels(vendor).inc(count)


class DownloadCounts:
    """Counts until a report takes the counts away. Safe for use by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bytes: Numbers[str] = Numbers()
        self._errors: Numbers[str] = Numbers()

    def received(self, vendor: str, count: int) -> None:
        """Bytes have come."""
        with self._lock:
            self._bytes[vendor] += count

    def failed(self, vendor: str) -> None:
        """An attempt has ended in an error."""
        with self._lock:
            self._errors[vendor] += 1

    def take(self) -> DownloadReport:
        """What was counted since the last time."""
        with self._lock:
            report = DownloadReport(dict(self._bytes), dict(self._errors))
            self._bytes.clear()
            self._errors.clear()
        return report


class Reporter:
    """Writes a report every second, each a line of JSON, from a daemon thread.

    One that tells of nothing still tells that the process lives.
    """

    def __init__(self, counts: DownloadCounts, stream: BinaryIO) -> None:
        self._counts = counts
        self._stream = stream
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Writes what is left, for at most two seconds."""
        self._stop.set()
        self._thread.join(timeout=2)

    def _run(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # the reader is gone; the jobs go on
            while not self._stop.wait(REPORT_SECONDS):
                self._write()
            self._write()

    def _write(self) -> None:
        self._stream.write(msgspec.json.encode(self._counts.take()) + b"\n")
        self._stream.flush()


def serve_metrics(host: str, port: int) -> DownloadMetrics:
    """Serves the counters of a process that has no other port, from daemon threads.

    Raises:
        PreconditionError: the port is taken.
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    metrics = DownloadMetrics(registry)
    try:
        start_http_server(port, "127.0.0.1" if host == "localhost" else host, registry)
    except OSError:
        raise PreconditionError(f"cannot listen for metrics on {host}:{port}", reason="port_taken") from None
    return metrics
