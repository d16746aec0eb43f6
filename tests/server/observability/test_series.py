from __future__ import annotations

import re
from typing import Any

import prometheus_client
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from panope_server.observability.series import Counter, Histogram

BOUNDS = (0.001, 0.5, 2)
VALUES = (0.0, 0.001, 0.0011, 0.5, 1.9, 2.0, 2.1, 64.0)


def text_of(generate: Any, count: Any, sizes: Any, registry: CollectorRegistry) -> str:
    """What is shown of a counter and a histogram after the same events; the times of their beginnings left out."""
    for value in VALUES:
        count.labels("Embed", 'a/"b"\n').inc()
        sizes.labels("a/b").observe(value)
    count.labels("Embed", "c").inc(2.5)
    return re.sub(r"(?m)^(\w+_created.*) [\d.e+]+$", r"\1", generate(registry).decode())


@pytest.mark.parametrize("generate", [generate_latest, generate_openmetrics])
def test_what_is_shown_is_what_the_library_shows_of_its_own_metrics(generate: Any) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    shown = text_of(
        generate,
        Counter("acme_calls", "Calls.", ["method", "model"], ours),
        Histogram("acme_seconds", "Times.", ["model"], BOUNDS, ours),
        ours,
    )
    expected = text_of(
        generate,
        prometheus_client.Counter("acme_calls", "Calls.", ["method", "model"], registry=theirs),
        prometheus_client.Histogram("acme_seconds", "Times.", ["model"], buckets=BOUNDS, registry=theirs),
        theirs,
    )
    assert shown == expected
    assert 'acme_seconds_bucket{le="0.5",model="a/b"} 4.0' in shown


def test_a_series_has_a_value_for_each_label() -> None:
    with pytest.raises(ValueError, match="method"):
        Counter("acme_calls", "Calls.", ["method", "model"], CollectorRegistry()).labels("Embed")


def test_two_metrics_have_two_names() -> None:
    registry = CollectorRegistry()
    Counter("acme_calls", "Calls.", [], registry)
    with pytest.raises(ValueError, match="acme_calls"):
        Counter("acme_calls", "Calls again.", [], registry)
