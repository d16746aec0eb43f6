"""A server tells which instances it runs, and never waits for the database."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from panope_backends.errors import AvailabilityError
from panope_registry.operations.instances import InstanceRecord
from panope_server.runtime.models import heartbeat
from panope_server.runtime.models.heartbeat import Presence
from panope_server.runtime.status import InstanceState, InstanceView

VIEW = InstanceView(
    id="v/m#1",
    variant_digest="a" * 64,
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


class Book:
    """Keeps what is told; `failure` is raised while it is set, and `gate` holds a write up."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[list[InstanceRecord]] = asyncio.Queue()
        self.failure: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self._loop = asyncio.get_running_loop()

    def report(self, server: str, records: Sequence[InstanceRecord], lease_seconds: float) -> None:
        self.gate.wait(30)
        self._loop.call_soon_threadsafe(self.told.put_nowait, list(records))
        if self.failure is not None:
            raise self.failure


@pytest.fixture
async def book() -> Book:
    return Book()


@pytest.fixture
async def told(book: Book, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Presence]:
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.001)
    made = Presence(book, "red")
    yield made
    book.gate.set()
    await made.stop()


async def test_each_beat_tells_what_runs_now(told: Presence, book: Book) -> None:
    running = [("v/m", VIEW)]
    told.start(lambda: running)
    (first,) = await book.told.get()
    assert (first.id, first.server, first.model, first.state) == ("red/v/m#1", "red", "v/m", "starting")
    assert (first.pid, first.started_at) == (17, VIEW.started_at)
    running[:] = [("v/m", replace(VIEW, state=InstanceState.READY))]
    while (await book.told.get())[0].state != "ready":
        pass
    await told.stop()
    while await book.told.get():
        pass  # the last word is that nothing runs


async def test_a_change_is_told_before_the_next_beat(
    told: Presence, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 3600)
    monkeypatch.setattr(heartbeat, "SETTLE_SECONDS", 0)
    told.start(lambda: [("v/m", VIEW)])
    await book.told.get()
    told.changed()
    async with asyncio.timeout(5):
        await book.told.get()


async def test_a_server_that_runs_nothing_writes_nothing(told: Presence, book: Book) -> None:
    looks = asyncio.Event()
    count = 0

    def running() -> list[tuple[str, InstanceView]]:
        nonlocal count
        count += 1
        if count == 5:
            looks.set()
        return []

    told.start(running)
    await looks.wait()
    await told.stop()
    assert book.told.empty()


async def test_a_database_that_is_away_costs_nothing_but_the_row(told: Presence, book: Book) -> None:
    book.failure = AvailabilityError("away", reason="database_unavailable")
    told.start(lambda: [("v/m", VIEW)])
    for _ in range(3):
        await book.told.get()
    book.failure = None
    await book.told.get()


async def test_a_defect_in_one_beat_does_not_end_the_others(told: Presence, book: Book) -> None:
    book.failure = RuntimeError("can't start new thread")
    told.start(lambda: [("v/m", VIEW)])
    for _ in range(3):
        await book.told.get()
    book.failure = None
    await book.told.get()


async def test_a_database_that_hangs_does_not_hold_the_server_up(
    told: Presence, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "GOODBYE_SECONDS", 0.05)
    told.start(lambda: [("v/m", VIEW)])
    await book.told.get()
    book.gate.clear()
    async with asyncio.timeout(5):
        await told.stop()
