from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panope_backends.errors import OverloadedError
from panope_server.config import Limits
from panope_server.runtime.instances.in_flight import Entries, Entry
from panope_server.runtime.instances.queue.rate import Rate
from panope_server.runtime.instances.queue.request_queue import MAX_RETRY_SECONDS, MIN_RETRY_SECONDS, RequestQueue
from panope_server.runtime.instances.queue.turns import TURN_ITEMS

_ids = itertools.count(1)


def entry(items: int = 1, size_bytes: int = 1, **more: Any) -> Entry:
    entry_id = next(_ids)
    return Entry(entry_id, b"", items, size_bytes, flow_id=entry_id, **more)


def made(model: str, max_items: int, max_bytes: int) -> RequestQueue:
    return RequestQueue(model, Limits(max_queue_items=max_items, max_queue_bytes=max_bytes))


async def test_entries_leave_in_the_order_they_came() -> None:
    queue = made("m", 100, 100)
    entries = [entry() for _ in range(3)]
    for each in entries:
        queue.put(each)
    left = []
    while (head := queue.head()) is not None:
        assert head.leave()
        left.append(head)
    assert left == entries
    assert (queue.items, queue.bytes, len(queue)) == (0, 0, 0)


async def test_a_higher_priority_leaves_first_and_takes_no_turn_of_the_others() -> None:
    queue = made("m", 1000, 1000)
    first, urgent, second, later = (entry() for _ in range(4))
    urgent.priority, later.priority = 5, -1
    for each in (later, first, urgent, second):
        queue.put(each)
    left = []
    while (head := queue.head()) is not None:
        queue.count_turn(head)
        assert head.leave()
        left.append(head)
    assert left == [urgent, first, second, later]


async def test_an_entry_leaves_once_wherever_it_stands() -> None:
    queue, held = made("m", 100, 100), Entries()
    first, second, third = (entry(2, 3) for _ in range(3))
    for each in (first, second, third):
        queue.put(each)
    assert second.leave()
    assert not second.leave()
    assert (queue.items, queue.bytes, len(queue)) == (4, 6, 2)
    held.add(first)
    assert (queue.items, queue.bytes, held.items, held.bytes) == (2, 3, 2, 3)
    assert not queue.remove(first)
    assert first.leave()
    assert (queue.head(), held.items, held.bytes, len(held)) == (third, 0, 0, 0)


@pytest.mark.parametrize(("texts", "size_bytes"), [(2, 1), (1, 8)])
async def test_a_full_queue_refuses_by_texts_or_by_bytes_and_says_when_to_come_back(
    texts: int, size_bytes: int
) -> None:
    queue = made("acme/tiny", 4, 10)
    queue.put(entry(3, 3))
    with pytest.raises(OverloadedError, match=r"the limits are 4 texts and 10 bytes") as caught:
        queue.put(entry(texts, size_bytes))
    assert caught.value.retry_after_seconds is not None
    assert MIN_RETRY_SECONDS <= caught.value.retry_after_seconds <= MAX_RETRY_SECONDS
    assert len(queue) == 1


async def test_an_empty_queue_takes_even_one_entry_that_is_larger_than_the_queue() -> None:
    queue = made("m", 4, 10)
    queue.put(entry(5, 50))
    assert queue.head() is not None


async def test_entries_whose_caller_has_gone_are_dropped_and_free_their_room() -> None:
    queue = made("m", 4, 100)
    gone, waiting = entry(2), entry(2)
    queue.put(gone)
    queue.put(waiting)
    reader = asyncio.ensure_future(anext(gone.parts))
    await asyncio.sleep(0)
    reader.cancel()
    await asyncio.sleep(0)
    assert queue.head() is waiting
    assert queue.items == 2


async def test_the_hint_to_retry_follows_the_measured_rate() -> None:
    queue = made("m", 1000, 1000)
    queue.rate.record(100, 1.0)
    queue.put(entry(5, work=500))
    assert 5 * 0.8 <= queue.retry_after() <= 5 * 1.2


@given(st.lists(st.tuples(st.integers(1, 100), st.floats(0.001, 1)), min_size=1, max_size=50))
def test_the_rate_is_between_the_slowest_and_the_fastest_measurement(samples: list[tuple[int, float]]) -> None:
    rate = Rate()
    for texts, seconds in samples:
        rate.record(texts, seconds)
    singles = [texts / seconds for texts, seconds in samples]
    assert rate.per_second is not None
    assert min(singles) * 0.999 <= rate.per_second <= max(singles) * 1.001


Calls = st.lists(st.lists(st.integers(1, TURN_ITEMS), min_size=1, max_size=8), min_size=1, max_size=12)
"""The items of each entry of each call."""


@given(Calls, st.data())
async def test_no_call_starves_each_keeps_its_order_and_everything_is_given_back(
    calls: list[list[int]], data: st.DataObject
) -> None:
    queue = made("m", 10_000, 10_000)
    handed: dict[int, list[int]] = {}
    passed_by: dict[int, Counter[int]] = {}  # flow -> flows that had turns since its last one, with their items
    coming = [[Entry(next(_ids), b"", items, 1) for items in sizes] for sizes in calls]
    for entries in coming:
        for each in entries:
            each.flow_id = entries[0].id
    expected = {entries[0].id: [each.id for each in entries] for entries in coming}
    while coming or len(queue):
        if coming and (not len(queue) or data.draw(st.booleans(), label="a call comes")):
            entries = coming.pop()
            queue.put(*entries)
            passed_by[entries[0].flow_id] = Counter()
            continue
        head = queue.head()
        assert head is not None
        queue.count_turn(head)
        assert head.leave()
        handed.setdefault(head.flow_id, []).append(head.id)
        passed_by[head.flow_id] = Counter()
        for flow_id, others in passed_by.items():
            if flow_id != head.flow_id and queue.held_by(flow_id).entries:
                others[head.flow_id] += head.items
                assert others[head.flow_id] < 2 * TURN_ITEMS, "one turn at most, which ends with an entry"
    assert handed == expected
    assert (queue.items, queue.bytes, len(queue), queue.head()) == (0, 0, 0, None)


@given(st.integers(1, 20), st.integers(0, 5))
async def test_a_newcomer_is_next_but_for_the_newcomers_before_it(newcomers: int, served: int) -> None:
    queue = made("m", 10_000, 10_000)
    queue.put(*(Entry(next(_ids), b"", TURN_ITEMS, 1, flow_id=-1) for _ in range(10)))
    for _ in range(served + 1):
        head = queue.head()
        assert head is not None
        queue.count_turn(head)
        head.leave()
    arrived = [entry() for _ in range(newcomers)]
    for each in arrived:
        queue.put(each)
        assert queue.head() is arrived[0], "whoever looks meanwhile changes nothing"
    for each in arrived:
        assert queue.head() is each
        queue.count_turn(each)
        each.leave()


async def test_a_call_of_several_entries_is_refused_as_a_whole() -> None:
    queue = made("m", 10, 100)
    queue.put(entry(4))
    with pytest.raises(OverloadedError):
        queue.put(entry(4), entry(4))
    assert (queue.items, len(queue)) == (4, 1)
