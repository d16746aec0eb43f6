"""What callers did reaches the audit log once, whatever the database and the end of the server do meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import datetime

import pytest
from structlog.testing import capture_logs

from panope_backends.errors import AvailabilityError, NotFoundError
from panope_registry.access.audit import AuditEvent
from panope_server.runtime.async_registry import audit
from panope_server.runtime.async_registry.audit import AuditTrail


class Log:
    """An audit log in memory, whose next writes fail, or wait."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []
        self.failures: list[Exception] = []
        self.asked = threading.Event()
        self.goes_on = threading.Event()
        self.goes_on.set()

    def record(self, *events: AuditEvent) -> None:
        self.asked.set()
        assert self.goes_on.wait(10)
        if self.failures:
            raise self.failures.pop()
        self.events += events

    def prune(self, older_than: datetime) -> int:
        return 0

    @property
    def targets(self) -> list[str]:
        return [event.target for event in self.events]


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def trail(log: Log, monkeypatch: pytest.MonkeyPatch) -> AuditTrail:
    monkeypatch.setattr(audit, "FLUSH_SECONDS", 0.001)
    return AuditTrail(log, retention_days=0)  # type: ignore[arg-type]  # as far as it is used


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - what writes it tells nobody
            await asyncio.sleep(0.001)


async def test_what_is_done_is_recorded_with_how_it_ended(trail: AuditTrail, log: Log) -> None:
    trail.start()
    with trail.recording("models.delete", "a/b"):
        pass
    with pytest.raises(NotFoundError), trail.recording("models.delete", "a/c"):
        raise NotFoundError("no", reason="model_not_found")
    with pytest.raises(asyncio.CancelledError), trail.recording("models.load", "a/d"):
        raise asyncio.CancelledError
    await trail.stop()
    assert [(event.target, event.outcome) for event in log.events] == [
        ("a/b", "ok"),
        ("a/c", "model_not_found"),
        ("a/d", "interrupted"),
    ]


async def test_a_server_that_ends_during_a_write_records_nothing_twice(trail: AuditTrail, log: Log) -> None:
    log.goes_on.clear()
    trail.start()
    trail.record("models.delete", "first")
    await until(log.asked.is_set)
    trail.record("models.delete", "second")
    stopping = asyncio.create_task(trail.stop())
    await asyncio.sleep(0)
    log.goes_on.set()
    await stopping
    assert log.targets == ["first", "second"]


async def test_more_events_than_may_wait_cost_the_oldest_of_those_and_none_that_was_told(
    trail: AuditTrail, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "MAX_WAITING", 3)
    trail = AuditTrail(log, retention_days=0)  # type: ignore[arg-type]  # as far as it is used
    log.goes_on.clear()
    trail.start()
    trail.record("models.delete", "written")
    await until(log.asked.is_set)
    with capture_logs() as lines:
        for number in range(4):
            trail.record("models.delete", str(number))
    assert [line["event"] for line in lines] == ["audit_event_dropped"]
    log.goes_on.set()
    await trail.stop()
    assert log.targets == ["written", "1", "2", "3"]


@pytest.mark.parametrize(
    "failure",
    [AvailabilityError("away", reason="database_unavailable"), ValueError("a defect")],
    ids=["away", "defect"],
)
async def test_events_wait_for_the_database_and_a_defect_ends_no_writing(
    trail: AuditTrail, log: Log, failure: Exception
) -> None:
    log.failures = [failure]
    trail.start()
    trail.record("models.delete", "first")
    await until(lambda: not log.failures)
    trail.record("models.delete", "second")
    await until(lambda: log.targets == ["first", "second"])
    await trail.stop()
