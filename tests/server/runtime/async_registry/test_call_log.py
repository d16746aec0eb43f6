"""Keeping a sample of the calls: late, in batches, and never at a call's cost."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path

import pytest

from panope_backends.errors import AvailabilityError
from panope_registry.serving_records.inference_log import LoggedCall
from panope_registry.session import RegistrySession
from panope_registry.tables.columns import now
from panope_server.config import InferenceLogSettings, Settings
from panope_server.runtime.async_registry import call_log
from panope_server.runtime.async_registry.call_log import CallLog, sample_of

CALL = LoggedCall(datetime(2026, 1, 2, tzinfo=UTC), "0", "a/b", "", "", "embed", "ok", 0.1, 1, 1)


class Table:
    """Stands for the registry's table; `away` while the database does not answer."""

    def __init__(self) -> None:
        self.written: list[LoggedCall] = []
        self.away = False
        self.gate = threading.Event()
        self.gate.set()

    def add(self, calls: list[LoggedCall]) -> None:
        assert self.gate.wait(10)
        if self.away:
            raise AvailabilityError("the registry's database does not answer")
        self.written += calls

    def prune(self, before: datetime) -> int:
        return 0


class Dropped:
    count = 0.0

    def inc(self, amount: float = 1) -> None:
        self.count += amount


def calls(count: int, first: int = 0) -> list[LoggedCall]:
    return [replace(CALL, request_id=str(number)) for number in range(first, first + count)]


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def dropped() -> Dropped:
    return Dropped()


@pytest.fixture
def log(table: Table, dropped: Dropped, monkeypatch: pytest.MonkeyPatch) -> CallLog:
    monkeypatch.setattr(call_log, "FLUSH_SECONDS", 0.01)
    monkeypatch.setattr(call_log, "MAX_WAITING", 1_000)
    return CallLog(table, sample=1.0, retention_days=1, dropped=dropped)  # type: ignore[arg-type]  # a stand-in


async def written(table: Table, count: int) -> None:
    async with asyncio.timeout(60):
        while len(table.written) < count:  # noqa: ASYNC110 - a thread changes it
            await asyncio.sleep(0.001)


async def test_calls_are_written_beside_the_loop_in_their_order(log: CallLog, table: Table) -> None:
    log.start()
    table.gate.clear()
    for one in calls(700):
        log(one)
    table.gate.set()
    await written(table, 700)
    assert table.written == calls(700)
    await log.stop()


async def test_a_database_that_is_away_loses_only_what_there_is_no_room_for(
    log: CallLog, table: Table, dropped: Dropped
) -> None:
    table.away = True
    for one in calls(1_200):
        log(one)
    await log._flush()
    for one in calls(300, first=1_200):
        log(one)
    await log._flush()
    assert table.written == []
    table.away = False
    await log.stop()
    assert table.written == calls(1_000, first=500), "the newest are kept"
    assert dropped.count == 500


async def test_what_waits_when_the_server_stops_is_written(log: CallLog, table: Table) -> None:
    log.start()
    log(CALL)
    await log.stop()
    assert table.written == [CALL]


def test_a_sample_is_taken_of_all_calls_alike(table: Table, dropped: Dropped) -> None:
    numbers = cycle([0.1, 0.3, 0.5, 0.7, 0.9])
    # A stand-in, which the types do not know.
    log = CallLog(table, sample=0.4, retention_days=1, dropped=dropped, random_number=lambda: next(numbers))  # type: ignore[arg-type]
    for one in calls(100):
        log(one)
    assert len(log._waiting) == 40


async def test_old_rows_are_deleted_from_a_real_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_log, "FLUSH_SECONDS", 0.01)
    session = RegistrySession.open(tmp_path / "registry.sqlite3", tmp_path)
    table = session.inference_log
    fresh = replace(CALL, created_at=now())
    table.add([replace(CALL, created_at=now() - timedelta(days=31)), fresh])
    log = CallLog(table, sample=1.0, retention_days=30, dropped=Dropped())
    log.start()
    async with asyncio.timeout(60):
        while len(await asyncio.to_thread(table.newest)) > 1:  # noqa: ASYNC110 - a thread changes it
            await asyncio.sleep(0.01)
    await log.stop()
    assert table.newest() == [fresh]
    session.close()


@pytest.mark.parametrize(
    ("url", "given", "sample"),
    [("", None, 0.0), ("postgresql://h/d", None, 0.01), ("", 0.5, 0.5), ("postgresql://h/d", 0.0, 0.0)],
)
def test_the_sample_is_what_the_settings_say_or_what_the_database_bears(
    url: str, given: float | None, sample: float
) -> None:
    settings = Settings(database_url=url, inference_log=InferenceLogSettings(sample_ratio=given))
    assert sample_of(settings) == sample
