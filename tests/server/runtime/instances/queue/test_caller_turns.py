"""How a queue shares a model between callers and classes of priority, and who leaves it when it is full."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panope_backends.errors import DeadlineError, OverloadedError
from panope_server.config import Limits
from panope_server.runtime.instances.in_flight import Entries, Entry
from panope_server.runtime.instances.queue.request_queue import STARVATION_FACTOR, RequestQueue
from panope_server.runtime.instances.queue.turns import MAX_TURN_WORK

_ids = itertools.count(1)
MANY = Limits(max_queue_items=100_000)


def entry(caller: str = "ada", **values: Any) -> Entry:
    entry_id = next(_ids)
    return Entry(entry_id, b"", values.pop("items", 1), 1, flow_id=entry_id, caller=caller, **values)


def take(queue: RequestQueue) -> Entry:
    head = queue.head()
    assert head is not None
    queue.count_turn(head)
    assert head.leave()
    return head


def taken(queue: RequestQueue) -> list[Entry]:
    return [take(queue) for _ in range(len(queue))]


@pytest.mark.parametrize("work", [1, 10, 100, 5_000])
async def test_one_callers_thousand_calls_let_anothers_one_pass(work: int) -> None:
    queue = RequestQueue("m", MANY)
    for _ in range(1000):
        queue.put(entry("flood", work=work))
    take(queue)
    single = entry("ada", work=work)
    queue.put(single)
    before = list(itertools.takewhile(lambda each: each is not single, taken(queue)))
    assert len(before) <= 1, "calls that cost alike take turns one by one, however little each is"


WORKS = st.lists(st.integers(1, 5 * MAX_TURN_WORK), min_size=30, max_size=60)


@given(st.lists(WORKS, min_size=2, max_size=5))
async def test_callers_that_wait_have_the_same_work_done_whatever_their_calls_cost(callers: list[list[int]]) -> None:
    queue = RequestQueue("m", MANY)
    for number, works in enumerate(callers):
        for work in works:
            queue.put(entry(str(number), work=work))
    done: Counter[str] = Counter()
    most = MAX_TURN_WORK + max(map(max, callers))
    while all(queue.held_by_caller(str(number)).entries for number in range(len(callers))):
        head = take(queue)
        done[head.caller] += head.work
        shares = [done[str(number)] for number in range(len(callers))]
        assert max(shares) - min(shares) <= 2 * most


@given(st.lists(st.tuples(st.integers(-2, 2), st.integers(1, 3000)), min_size=1, max_size=80))
async def test_higher_classes_are_first_and_lower_ones_have_their_part_while_they_wait(
    asked: list[tuple[int, int]],
) -> None:
    queue = RequestQueue("m", MANY)
    for priority, work in asked:
        queue.put(entry(str(priority), priority=priority, work=work))
    largest = max(work for _, work in asked)
    owed = {0: 0, -1: 0}  # work of higher classes while a class waited, less what it had for it
    waiting = Counter(int(each.priority_class) for each in queue.all())
    while len(queue):
        head = take(queue)
        of_head = int(head.priority_class)
        if any(count for other, count in waiting.items() if other > of_head):
            assert owed[of_head] >= STARVATION_FACTOR * head.work, "a lower class goes first only when it is owed"
        waiting[of_head] -= 1
        for lower in (each for each in (0, -1) if each < of_head and waiting[each]):
            owed[lower] += head.work
            assert owed[lower] <= 2 * STARVATION_FACTOR * largest + largest, "and then it does"
        if of_head in owed:
            owed[of_head] = max(0, owed[of_head] - STARVATION_FACTOR * head.work) if waiting[of_head] else 0


async def test_of_one_callers_calls_the_higher_number_goes_first_and_gains_nothing_over_others() -> None:
    queue = RequestQueue("m", MANY)
    first, urgent = (entry("ada", priority=number, work=MAX_TURN_WORK) for number in (1, 99))
    others = [entry("bob", priority=1, work=MAX_TURN_WORK) for _ in range(3)]
    for each in (first, *others, urgent):
        queue.put(each)
    left = taken(queue)
    assert left.index(urgent) < left.index(first)
    assert left.index(others[0]) < left.index(first)


@pytest.mark.parametrize("bound", [{"max_queue_items": 4}, {"max_queue_bytes": 4}, {"max_queue_work": 4}])
async def test_a_full_queue_sheds_the_lowest_class_first_and_of_it_the_newest_of_who_has_most(
    bound: dict[str, int],
) -> None:
    queue = RequestQueue("m", Limits(**bound))
    low = [entry(caller, priority=-1) for caller in ("ada", "bob", "ada")]
    normal = entry("bob")
    for each in (*low, normal):
        queue.put(each)
    queue.put(high := entry("cy", priority=1))
    with pytest.raises(OverloadedError, match="is full") as shed:
        low[2].parts.take()
    assert shed.value.reason == "shed"
    assert shed.value.retry_after_seconds is not None
    assert set(queue.all()) == {low[0], low[1], normal, high}


async def test_a_caller_that_fills_the_queue_makes_room_for_one_that_has_less_and_for_none_that_has_as_much() -> None:
    queue = RequestQueue("m", Limits(max_queue_items=4))
    flood = [entry("flood") for _ in range(4)]
    for each in flood:
        queue.put(each)
    with pytest.raises(OverloadedError):
        queue.put(entry("flood"))
    queue.put(first := entry("ada"))
    queue.put(second := entry("ada"))
    assert set(queue.all()) == {*flood[:2], first, second}
    with pytest.raises(OverloadedError):
        queue.put(entry("ada"))
    assert len(queue) == 4


async def test_nothing_is_shed_for_a_call_that_does_not_get_in() -> None:
    queue = RequestQueue("m", Limits(max_queue_items=4))
    waiting = [entry("ada", priority=-1), *(entry("bob") for _ in range(3))]
    for each in waiting:
        queue.put(each)
    with pytest.raises(OverloadedError):
        queue.put(entry("cy", items=8))
    assert list(queue.all()) == waiting


async def test_a_call_is_shed_with_all_its_parts() -> None:
    queue, held = RequestQueue("m", Limits(max_queue_items=4)), Entries()
    parts = [entry("flood") for _ in range(4)]
    for each in parts:
        each.flow_id = parts[0].id
        each.parts.siblings = [other.parts for other in parts]
    queue.put(*parts)
    held.add(parts[0])
    queue.put(entry("ada"), entry("ada"))
    assert all(each.parts.has_ended for each in parts)
    assert len(queue) == 2


async def test_what_nobody_waits_for_any_more_never_leaves_the_queue_for_a_batch() -> None:
    now = 100.0
    queue = RequestQueue("m", MANY, clock=lambda: now)
    late, later = entry(deadline=101.0), entry(deadline=102.0)
    queue.put(late)
    queue.put(later)
    now = 101.0
    assert queue.head() is later
    with pytest.raises(DeadlineError, match="passed while it waited"):
        late.parts.take()
    assert len(queue) == 1
