"""Counting what calls use: once, whatever becomes of the database and of the process."""

from __future__ import annotations

import asyncio
import json
import stat
import tempfile
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from panope_backends.errors import AvailabilityError
from panope_registry.serving_records.usage import UsageCounts, UsageKey, UsageLedger
from panope_registry.session import RegistrySession
from panope_server.runtime.async_registry import usage as module
from panope_server.runtime.async_registry.usage import UsageWriter
from panope_server.runtime.async_registry.usage_journal import UsageBatch, UsageJournal

NOON = datetime(2026, 1, 2, 12, 30, tzinfo=UTC)


class Ledger:
    """Forwards to a real one, unless it is away, or answers that it is when it has written."""

    def __init__(self, real: UsageLedger) -> None:
        self.real = real
        self.away = self.silent = False
        self.gate = threading.Event()
        self.gate.set()
        self.tries = 0

    def write(self, writer: str, sequence: int, rows: Mapping[UsageKey, UsageCounts]) -> bool:
        self.tries += 1
        assert self.gate.wait(30)
        if self.away:
            raise AvailabilityError("the registry's database does not answer")
        self.real.write(writer, sequence, rows)
        if self.silent:
            raise AvailabilityError("the registry's database does not answer")
        return True

    def prune(self, before: datetime) -> int:
        return self.real.prune(before)

    @property
    def requests(self) -> int:
        return sum(found.counts.requests for found in self.real.sums())


class Lost:
    count = 0.0

    def inc(self, amount: float = 1) -> None:
        self.count += amount


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with RegistrySession.open(tmp_path / "registry.sqlite3", tmp_path) as session:
        yield Ledger(session.usage)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FLUSH_SECONDS", 0.01)
    monkeypatch.setattr(module, "GOODBYE_SECONDS", 60.0)  # on whatever machine this is


def writer_of(ledger: Ledger, folder: Path, lost: Lost | None = None, clock=lambda: NOON) -> UsageWriter:
    journal = UsageJournal(folder / "journal.json")
    # A stand-in, which the types do not know.
    return UsageWriter(ledger, journal, retention_days=0, lost=lost or Lost(), clock=clock)  # type: ignore[arg-type]


def use(writer: UsageWriter, times: int = 1, model: str = "acme/tiny") -> None:
    for _ in range(times):
        writer.add("ada", model, "embed", UsageCounts(requests=1, input_tokens=3))


async def until(condition) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - threads change it
            await asyncio.sleep(0.002)


async def killed(writer: UsageWriter) -> None:
    """Nothing of it runs any more, a second after the last call ended."""
    assert writer._loop is not None
    writer._ending.set()
    await asyncio.wait([writer._loop])
    await writer._keep_journal()
    if writer._writing is not None:
        await asyncio.wait([writer._writing])


async def test_what_calls_use_is_in_the_registry_soon_and_by_the_hour(ledger: Ledger, tmp_path: Path) -> None:
    moments = iter([NOON, NOON + timedelta(minutes=29), NOON + timedelta(minutes=30)])
    writer = writer_of(ledger, tmp_path, clock=lambda: next(moments))
    await writer.start()
    use(writer, 3)
    await until(lambda: ledger.requests == 3 and writer.waiting == 0)
    told = ledger.real.sums(by=["hour", "key", "model", "task"])  # type: ignore[list-item]  # their own words
    assert [(each.period[11:13], each.principal, each.counts.input_tokens) for each in told] == [
        ("12", "ada", 6),
        ("13", "ada", 3),
    ]
    await until(lambda: not (tmp_path / "journal.json").exists())
    await writer.stop()


async def test_a_database_that_is_away_loses_nothing_and_one_that_is_slow_to_say_so_counts_nothing_twice(
    ledger: Ledger, tmp_path: Path
) -> None:
    writer = writer_of(ledger, tmp_path)
    await writer.start()
    ledger.away = True
    use(writer, 5)
    await until(lambda: ledger.tries > 2)
    use(writer, 5)
    ledger.away, ledger.silent = False, True
    tries = ledger.tries
    await until(lambda: ledger.tries > tries + 2)
    assert (ledger.requests, writer.waiting) == (5, 10), "written, and tried again with the same number"
    ledger.silent = False
    await until(lambda: writer.waiting == 0)
    assert ledger.requests == 10
    await writer.stop()


async def test_a_process_that_is_killed_leaves_all_but_the_last_moment_to_the_next(
    ledger: Ledger, tmp_path: Path
) -> None:
    first = writer_of(ledger, tmp_path)
    await first.start()
    use(first, 2)
    await until(lambda: ledger.requests == 2)
    ledger.silent = True  # what is in the database by now may be in the journal too
    use(first, 3)
    await until(lambda: ledger.requests == 5)
    use(first, 4, model="acme/other")
    await killed(first)
    ledger.silent = False
    following = writer_of(ledger, tmp_path)
    await following.start()
    use(following)
    await until(lambda: following.waiting == 0)
    assert ledger.requests == 10
    await following.stop()
    assert not (tmp_path / "journal.json").exists()


async def test_a_database_that_hangs_holds_up_neither_the_journal_nor_the_end(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GOODBYE_SECONDS", 0.05)
    writer = writer_of(ledger, tmp_path)
    await writer.start()
    ledger.gate.clear()
    use(writer, 2)
    await until(lambda: ledger.tries == 1)
    use(writer, 2)
    async with asyncio.timeout(30):
        await writer.stop()
    kept = UsageJournal(tmp_path / "journal.json").read()
    assert [(batch.sequence, sum(c.requests for c in batch.rows.values())) for batch in kept] == [(1, 2), (2, 2)]
    ledger.gate.set()
    following = writer_of(ledger, tmp_path)
    await following.start()
    await following.stop()
    assert ledger.requests == 4


async def test_what_there_is_no_room_for_is_counted_as_lost(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_KEYS", 2)
    lost = Lost()
    writer = writer_of(ledger, tmp_path, lost)
    for number in range(3):
        use(writer, model=f"acme/{number}")
    use(writer, model="acme/0")
    await writer.stop()
    assert (ledger.requests, lost.count) == (3, 1)


async def test_old_use_is_deleted_unless_it_is_kept_for_ever(ledger: Ledger, tmp_path: Path) -> None:
    key = UsageKey(NOON - timedelta(days=9), "", "acme/tiny", "embed")
    ledger.real.write("w", 1, {key: UsageCounts(requests=7)})
    kept = writer_of(ledger, tmp_path)
    await kept.start()
    use(kept)
    await until(lambda: ledger.requests == 8)
    await kept.stop()
    journal = UsageJournal(tmp_path / "journal.json")
    # A stand-in, which the types do not know.
    writer = UsageWriter(ledger, journal, retention_days=8, lost=Lost(), clock=lambda: NOON)  # type: ignore[arg-type]
    await writer.start()
    await until(lambda: ledger.requests == 1)
    await writer.stop()


def test_the_journal_is_for_our_user_alone_and_one_that_is_none_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    journal = UsageJournal(path)
    batch = UsageBatch("w", 3, {UsageKey(NOON, "é", "a/b", "embed"): UsageCounts(1, 0, 2, 3, 4, 5, 6, 7)})
    journal.keep([batch])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert journal.read() == [batch]
    for wrong in ("{", "[]", json.dumps({"batches": [{"writer": "w"}]})):
        path.write_text(wrong)
        assert journal.read() == []
        assert not path.exists()
    assert journal.read() == []


steps = st.lists(st.sampled_from(["use", "use", "away", "silent", "back", "wait", "kill", "stop"]), max_size=14)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
async def test_whatever_happens_every_call_counts_once(ledger: Ledger, tmp_path: Path, happened: list[str]) -> None:
    ledger.away = ledger.silent = False
    before = ledger.requests
    used = 0
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    writer = writer_of(ledger, folder)
    await writer.start()
    for what in happened:
        match what:
            case "use":
                use(writer)
                used += 1
            case "away" | "silent":
                setattr(ledger, what, True)
            case "back":
                ledger.away = ledger.silent = False
            case "wait":
                tries = ledger.tries
                await until(lambda: not writer.waiting or ledger.tries > tries)  # noqa: B023 - it is awaited here
            case "kill" | "stop":
                if what == "stop":
                    await writer.stop()
                else:
                    await killed(writer)
                writer = writer_of(ledger, folder)
                await writer.start()
    ledger.away = ledger.silent = False
    await writer.stop()
    assert ledger.requests - before == used
