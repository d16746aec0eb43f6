from __future__ import annotations

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panope_backends.errors import OverloadedError
from panope_server.runtime.instances.in_flight import Entries, Entry
from panope_server.runtime.instances.queue import MAX_RETRY_SECONDS, MIN_RETRY_SECONDS, Rate, RequestQueue

_ids = itertools.count(1)


def entry(items: int = 1, size_bytes: int = 1) -> Entry:
    return Entry(next(_ids), b"", items, size_bytes)


async def test_entries_leave_in_the_order_they_came() -> None:
    queue = RequestQueue("m", 100, 100)
    entries = [entry() for _ in range(3)]
    for each in entries:
        queue.put(each)
    left = []
    while (head := queue.head()) is not None:
        assert head.leave()
        left.append(head)
    assert left == entries
    assert (queue.items, queue.bytes, len(queue)) == (0, 0, 0)


async def test_an_entry_leaves_once_wherever_it_stands() -> None:
    queue, held = RequestQueue("m", 100, 100), Entries()
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
    queue = RequestQueue("acme/tiny", max_items=4, max_bytes=10)
    queue.put(entry(3, 3))
    with pytest.raises(OverloadedError, match=r"the limits are 4 texts and 10 bytes") as caught:
        queue.put(entry(texts, size_bytes))
    assert caught.value.retry_after_seconds is not None
    assert MIN_RETRY_SECONDS <= caught.value.retry_after_seconds <= MAX_RETRY_SECONDS
    assert len(queue) == 1


async def test_an_empty_queue_takes_even_one_entry_that_is_larger_than_the_queue() -> None:
    queue = RequestQueue("m", max_items=4, max_bytes=10)
    queue.put(entry(5, 50))
    assert queue.head() is not None


async def test_entries_whose_caller_has_gone_are_dropped_and_free_their_room() -> None:
    queue = RequestQueue("m", 4, 100)
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
    queue = RequestQueue("m", 1000, 1000)
    queue.rate.record(100, 1.0)
    queue.put(entry(500))
    assert 5 * 0.8 <= queue.retry_after() <= 5 * 1.2


@given(st.lists(st.tuples(st.integers(1, 100), st.floats(0.001, 1)), min_size=1, max_size=50))
def test_the_rate_is_between_the_slowest_and_the_fastest_measurement(samples: list[tuple[int, float]]) -> None:
    rate = Rate()
    for texts, seconds in samples:
        rate.record(texts, seconds)
    singles = [texts / seconds for texts, seconds in samples]
    assert rate.items_per_second is not None
    assert min(singles) * 0.999 <= rate.items_per_second <= max(singles) * 1.001
