"""A server tells which instances it runs, and never waits for the database."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from panope_backends.errors import AvailabilityError
from panope_registry.serving_records.instances import InstanceRecord
from panope_server.runtime.models import heartbeat
from panope_server.runtime.models.heartbeat import Heartbeat
from panope_server.runtime.status import InstanceState, InstanceView

VIEW = InstanceView(
    id="v/m#1",
    variant_digest="a" * 64,
    format="safetensors",
    weights_precision="fp32",
    backend="cpu",
    device="CPU",
    precision="fp32",
    state=InstanceState.STARTING,
    pid=17,
    resident_bytes=1,
    restart_count=0,
    selection_reason="",
    ready_at=None,
    started_at=datetime(2026, 11, 21, tzinfo=UTC),
)


class FakeInstances:
    """Keeps what is reported; `failure` is raised while it is set, and `gate` holds a write up."""

    def __init__(self) -> None:
        self.reports: asyncio.Queue[list[InstanceRecord]] = asyncio.Queue()
        self.failure: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self._loop = asyncio.get_running_loop()

    def report(self, server: str, records: Sequence[InstanceRecord], lease_seconds: float) -> None:
        self.gate.wait(30)
        self._loop.call_soon_threadsafe(self.reports.put_nowait, list(records))
        if self.failure is not None:
            raise self.failure


@pytest.fixture
async def instances() -> FakeInstances:
    return FakeInstances()


@pytest.fixture
async def beats(instances: FakeInstances, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Heartbeat]:
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.001)
    running = Heartbeat(instances, "red")
    yield running
    instances.gate.set()
    await running.stop()


async def test_each_beat_tells_what_runs_now(beats: Heartbeat, instances: FakeInstances) -> None:
    running = [("v/m", VIEW)]
    beats.start(lambda: running)
    (first,) = await instances.reports.get()
    assert (first.id, first.server, first.model, first.state) == ("red/v/m#1", "red", "v/m", "starting")
    assert (first.pid, first.started_at) == (17, VIEW.started_at)
    running[:] = [("v/m", replace(VIEW, state=InstanceState.READY))]
    while (await instances.reports.get())[0].state != "ready":
        pass
    await beats.stop()
    while await instances.reports.get():
        pass  # the last word is that nothing runs


async def test_a_change_is_told_before_the_next_beat(
    beats: Heartbeat, instances: FakeInstances, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 3600)
    monkeypatch.setattr(heartbeat, "SETTLE_SECONDS", 0)
    beats.start(lambda: [("v/m", VIEW)])
    await instances.reports.get()
    beats.changed()
    async with asyncio.timeout(5):
        await instances.reports.get()


async def test_a_server_that_runs_nothing_writes_nothing(beats: Heartbeat, instances: FakeInstances) -> None:
    looks = asyncio.Event()
    count = 0

    def running() -> list[tuple[str, InstanceView]]:
        nonlocal count
        count += 1
        if count == 5:
            looks.set()
        return []

    beats.start(running)
    await looks.wait()
    await beats.stop()
    assert instances.reports.empty()


async def test_a_database_that_is_away_costs_nothing_but_the_row(beats: Heartbeat, instances: FakeInstances) -> None:
    instances.failure = AvailabilityError("away", reason="database_unavailable")
    beats.start(lambda: [("v/m", VIEW)])
    for _ in range(3):
        await instances.reports.get()
    instances.failure = None
    await instances.reports.get()


async def test_a_defect_in_one_beat_does_not_end_the_others(beats: Heartbeat, instances: FakeInstances) -> None:
    instances.failure = RuntimeError("can't start new thread")
    beats.start(lambda: [("v/m", VIEW)])
    for _ in range(3):
        await instances.reports.get()
    instances.failure = None
    await instances.reports.get()


async def test_a_database_that_hangs_does_not_hold_the_server_up(
    beats: Heartbeat, instances: FakeInstances, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "GOODBYE_SECONDS", 0.05)
    beats.start(lambda: [("v/m", VIEW)])
    await instances.reports.get()
    instances.gate.clear()
    async with asyncio.timeout(5):
        await beats.stop()
