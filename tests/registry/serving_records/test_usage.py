"""What callers have used, added up once on both databases."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from panope_backends.errors import InvalidInputError
from panope_registry.serving_records import usage as module
from panope_registry.serving_records.usage import Dimension, UsageCounts, UsageFilter, UsageKey, UsageLedger
from panope_registry.tables.database import Database, open_engine

HOUR = datetime(2026, 1, 2, 23, tzinfo=UTC)
KEY = UsageKey(HOUR, "ada", "acme/tiny", "embed")
COUNTS = UsageCounts(2, 1, 30, 4, 5, 600, 1 << 40, 7_000)


@pytest.fixture
def ledger(database_url: str) -> Iterator[UsageLedger]:
    database = Database(open_engine(database_url))
    yield UsageLedger(database)
    database.close()


def total(ledger: UsageLedger) -> UsageCounts:
    return next((found.counts for found in ledger.sums()), UsageCounts())


def doubled(counts: UsageCounts) -> UsageCounts:
    made = replace(counts)
    made.add(counts)
    return made


def test_every_count_is_added_to() -> None:
    counts = UsageCounts(*range(1, len(module.COUNTS) + 1))
    counts.add(counts)
    assert counts == UsageCounts(*range(2, 2 * len(module.COUNTS) + 2, 2))


def test_use_of_the_same_hour_caller_model_and_task_is_added_up(ledger: UsageLedger) -> None:
    assert total(ledger) == UsageCounts()
    assert ledger.write("w1", 1, {KEY: COUNTS})
    assert ledger.write("w2", 1, {KEY: COUNTS}), "of another server"
    assert ledger.sums(by=list(Dimension)[:3]) == [
        module.UsageSum("", "ada", "acme/tiny", "embed", doubled(COUNTS)),
    ]


def test_a_batch_that_is_written_again_counts_once(ledger: UsageLedger) -> None:
    assert ledger.write("w", 1, {KEY: COUNTS})
    assert not ledger.write("w", 1, {KEY: COUNTS})
    assert ledger.write("w", 2, {KEY: COUNTS})
    assert not ledger.write("w", 1, {KEY: COUNTS}), "one before it, from a thread that was late"
    assert total(ledger) == doubled(COUNTS)


def test_a_batch_that_several_threads_write_counts_once(ledger: UsageLedger) -> None:
    added: list[bool] = []
    threads = [threading.Thread(target=lambda: added.append(ledger.write("w", 1, {KEY: COUNTS}))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(added) == [False] * 5 + [True]
    assert total(ledger) == COUNTS


def test_sums_are_told_by_day_hour_caller_model_and_task_in_that_order(ledger: UsageLedger) -> None:
    one = UsageCounts(requests=1)
    keys = [
        KEY,
        KEY._replace(hour=HOUR + timedelta(hours=1)),
        KEY._replace(principal=""),
        KEY._replace(model="acme/other"),
        KEY._replace(task="tokenize"),
    ]
    ledger.write("w", 1, dict.fromkeys(keys, one))

    def told(*by: Dimension, **only: object) -> list[tuple[str, str | None, str | None, str | None, int]]:
        found = ledger.sums(UsageFilter(**only), by=by)  # type: ignore[arg-type]  # fields by their names
        return [(each.period, each.principal, each.model, each.task, each.counts.requests) for each in found]

    assert told() == [("", None, None, None, 5)]
    assert told(Dimension.DAY) == [("2026-01-02", None, None, None, 4), ("2026-01-03", None, None, None, 1)]
    assert told(Dimension.HOUR, principal="ada", model="acme/tiny", task="embed") == [
        ("2026-01-02T23:00:00Z", None, None, None, 1),
        ("2026-01-03T00:00:00Z", None, None, None, 1),
    ]
    assert told(Dimension.KEY) == [("", "", None, None, 1), ("", "ada", None, None, 4)]
    assert told(Dimension.TASK, Dimension.MODEL, principal="") == [("", None, "acme/tiny", "embed", 1)]
    elsewhere = timezone(timedelta(hours=2))
    late = (HOUR + timedelta(minutes=70)).astimezone(elsewhere)
    assert told(since=late) == [("", None, None, None, 1)]
    assert told(until=late) == [("", None, None, None, 4)]
    assert [each.model for each in ledger.sums(by=[Dimension.MODEL], offset=1, limit=1)] == ["acme/tiny"]


def test_days_and_hours_together_and_words_of_no_database_are_refused_by_name(ledger: UsageLedger) -> None:
    with pytest.raises(InvalidInputError, match="`by` has both `day` and `hour`"):
        ledger.sums(by=[Dimension.DAY, Dimension.HOUR])
    with pytest.raises(InvalidInputError, match="`model`"):
        ledger.sums(UsageFilter(model="a\0"))


def test_old_use_and_writers_that_are_gone_are_deleted(ledger: UsageLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PRUNED_AT_ONCE", 2)
    keys = [KEY._replace(hour=HOUR + timedelta(hours=hour)) for hour in range(6)]
    ledger.write("w", 1, dict.fromkeys(keys, UsageCounts(requests=1)))
    assert ledger.prune(HOUR + timedelta(hours=5)) == 5
    assert total(ledger) == UsageCounts(requests=1)
    assert not ledger.write("w", 1, {KEY: COUNTS}), "who has written lately is known"


batches = st.lists(
    st.tuples(st.sampled_from(["w1", "w2"]), st.dictionaries(st.sampled_from("ab"), st.integers(0, 9), max_size=2)),
    max_size=8,
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches, st.randoms())
def test_whatever_is_tried_again_the_sum_is_that_of_the_batches(ledger: UsageLedger, made, chance) -> None:
    with ledger._database.write() as connection:
        connection.execute(module.usage.delete())
        connection.execute(module.usage_writer.delete())
    numbers, expected, tried = {"w1": 0, "w2": 0}, 0, []
    for writer, requests in made:
        numbers[writer] += 1
        rows = {KEY._replace(model=model): UsageCounts(requests=count) for model, count in requests.items()}
        tried.append((writer, numbers[writer], rows))
        expected += sum(requests.values())
        ledger.write(*tried[-1])
        ledger.write(*chance.choice(tried))
    assert total(ledger).requests == expected
