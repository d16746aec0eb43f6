"""Measures how late the event loop wakes up: the first sign of work that blocks it."""

from __future__ import annotations

import asyncio

import structlog
from prometheus_client import Gauge

_log = structlog.get_logger("panope.server")

INTERVAL_SECONDS = 0.5
WARN_SECONDS = 0.1


async def watch_loop(gauge: Gauge) -> None:
    """Sets the gauge twice a second, and logs a wake-up that is more than 100 ms late."""
    loop = asyncio.get_running_loop()
    while True:
        expected = loop.time() + INTERVAL_SECONDS
        await asyncio.sleep(INTERVAL_SECONDS)
        lag = loop.time() - expected
        gauge.set(lag)
        if lag > WARN_SECONDS:
            _log.warning("event_loop_lag", lag_seconds=round(lag, 3))
