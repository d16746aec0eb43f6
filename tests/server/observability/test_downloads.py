"""What downloads bring, from the process that counts to the one that is asked."""

from __future__ import annotations

import os
import socket
import urllib.request

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from panope_backends.errors import PreconditionError
from panope_server.observability.downloads import (
    DownloadCounts,
    DownloadMetrics,
    DownloadReport,
    Reporter,
    serve_metrics,
)


def test_a_report_has_what_was_counted_since_the_one_before() -> None:
    counts = DownloadCounts()
    counts.received("acme", 5)
    counts.received("acme", 6)
    counts.failed("Wan-AI")
    assert counts.take() == DownloadReport({"acme": 11}, {"Wan-AI": 1})
    assert counts.take() == DownloadReport({}, {})


def test_reports_add_up() -> None:
    registry = CollectorRegistry()
    metrics = DownloadMetrics(registry)
    for _ in range(2):
        metrics.add(DownloadReport({"acme": 11}, {"acme": 1}))
    for name, value in (("bytes", 22), ("errors", 2)):
        assert registry.get_sample_value(f"artifact_download_{name}_total", {"source_vendor": "acme"}) == value


def test_a_reporter_tells_the_last_counts_when_it_is_closed_and_that_it_lives_when_there_is_nothing() -> None:
    read, write = os.pipe()
    counts = DownloadCounts()
    with os.fdopen(write, "wb") as stream:
        reporter = Reporter(counts, stream)
        counts.received("acme", 7)
        reporter.close()
        Reporter(counts, stream).close()
    with os.fdopen(read, "rb") as told:
        reports = [msgspec.json.decode(line, type=DownloadReport) for line in told]
    assert reports == [DownloadReport({"acme": 7}, {}), DownloadReport()]


def test_a_reader_that_is_gone_does_not_disturb_who_counts() -> None:
    read, write = os.pipe()
    os.close(read)
    counts = DownloadCounts()
    counts.received("acme", 7)
    stream = os.fdopen(write, "wb", buffering=0)
    Reporter(counts, stream).close()
    stream.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_worker_serves_its_own_counters() -> None:
    port = free_port()
    metrics = serve_metrics("127.0.0.1", port)
    metrics.received("acme", 7)
    metrics.failed("acme")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    assert 'artifact_download_bytes_total{source_vendor="acme"} 7.0' in text
    assert 'artifact_download_errors_total{source_vendor="acme"} 1.0' in text
    with pytest.raises(PreconditionError, match=str(port)):
        serve_metrics("127.0.0.1", port)
