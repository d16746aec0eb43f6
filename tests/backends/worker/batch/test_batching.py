import itertools

from hypothesis import given
from hypothesis import strategies as st

from panope_backends.worker.batch.batching import BATCHES_OF_HIGHER, Batcher
from panope_backends.worker.flow import Flow

lengths = st.lists(st.integers(min_value=1, max_value=300), min_size=1, max_size=60)
budgets = st.integers(min_value=1, max_value=2000)
sizes = st.integers(min_value=1, max_value=16)
paddings = st.none() | st.integers(min_value=0, max_value=200)


def filled(tokens: list[int], batcher: Batcher[int]) -> dict[int, int]:
    """Adds items named by their order of arrival; returns their lengths."""
    for item, length in enumerate(tokens):
        batcher.add(item, length, now=0.0)
    return dict(enumerate(tokens))


def drained(batcher: Batcher[int]) -> list[list[int]]:
    return list(iter(batcher.take, []))


@given(lengths, budgets, sizes, paddings)
def test_every_item_runs_exactly_once(tokens: list[int], budget: int, size: int, padding: int | None) -> None:
    batcher = Batcher[int](budget, size, max_padding=padding)
    filled(tokens, batcher)
    assert sorted(itertools.chain.from_iterable(drained(batcher))) == list(range(len(tokens)))
    assert len(batcher) == 0


@given(lengths, budgets, sizes, paddings)
def test_a_batch_keeps_within_tokens_size_and_padding_unless_one_item_is_longer_alone(
    tokens: list[int], budget: int, size: int, padding: int | None
) -> None:
    batcher = Batcher[int](budget, size, max_padding=padding)
    length = filled(tokens, batcher)
    for batch in drained(batcher):
        longest = max(length[item] for item in batch)
        assert len(batch) <= size
        assert len(batch) * longest <= budget or len(batch) == 1
        assert padding is None or sum(longest - length[item] for item in batch) <= padding


@given(lengths, budgets, sizes, paddings)
def test_the_oldest_item_is_in_the_next_batch(tokens: list[int], budget: int, size: int, padding: int | None) -> None:
    batcher = Batcher[int](budget, size, max_padding=padding)
    left = set(filled(tokens, batcher))
    while batch := batcher.take():
        assert min(left) in batch
        left -= set(batch)


@given(st.integers(min_value=0, max_value=20), st.integers(min_value=1, max_value=300), sizes)
def test_later_arrivals_never_put_an_item_off_for_longer_than_those_before_it(
    older: int, length: int, size: int
) -> None:
    batcher = Batcher[str](2000, size, max_padding=10)
    for _ in range(older):
        batcher.add("older", 300, now=0.0)
    batcher.add("watched", length, now=0.0)
    for taken in itertools.count(1):
        for arrival in range(size):
            batcher.add("later", 1 + (taken * 37 + arrival * 11) % 300, now=0.0)
        if "watched" in batcher.take():
            break
    assert taken <= older + 1


@given(lengths, st.sets(st.integers(min_value=0, max_value=59)))
def test_a_removed_item_never_runs(tokens: list[int], gone: set[int]) -> None:
    batcher = Batcher[int](500, 8)
    waiting = [batcher.add(item, count, now=0.0) for item, count in enumerate(tokens)]
    batcher.remove(each for each in waiting if each.item in gone)
    batcher.remove(waiting[:1] if 0 in gone else [])
    assert len(batcher) == len(set(range(len(tokens))) - gone)
    ran = set(itertools.chain.from_iterable(drained(batcher)))
    assert ran == set(range(len(tokens))) - gone


def test_items_of_one_length_keep_their_order() -> None:
    batcher = Batcher[int](1000, 4)
    filled([10] * 10, batcher)
    assert drained(batcher) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_long_and_short_items_are_kept_apart_when_padding_is_dear() -> None:
    batcher = Batcher[int](1000, 4, max_padding=8)
    filled([100, 3, 98, 5], batcher)
    assert drained(batcher) == [[0, 2], [3, 1]]


def test_long_and_short_items_run_together_when_padding_is_cheap() -> None:
    batcher = Batcher[int](1000, 4)
    filled([100, 3, 98, 5], batcher)
    assert [sorted(batch) for batch in drained(batcher)] == [[0, 1, 2, 3]]


def test_an_item_that_runs_alone_has_no_companions_and_keeps_its_turn() -> None:
    batcher = Batcher[str](1000, 4)
    batcher.add("first", 5, now=0.0)
    batcher.add_alone("tensors", now=0.0)
    batcher.add("second", 5, now=0.0)
    assert batcher.take() == ["first", "second"]
    assert batcher.take() == ["tensors"]


def test_nothing_is_due_while_nothing_waits() -> None:
    assert Batcher[int](1000, 4).seconds_until_due(now=0.0) is None
    assert Batcher[int](1000, 4).take() == []


def test_an_item_is_due_at_once_without_a_timer() -> None:
    batcher = Batcher[int](1000, 4)
    batcher.add(1, 5, now=7.0)
    assert batcher.seconds_until_due(now=7.0) == 0.0


def test_with_a_timer_the_oldest_item_waits_for_a_fuller_batch_and_no_longer() -> None:
    batcher = Batcher[int](1000, 4, wait_seconds=0.5)
    batcher.add(1, 5, now=7.0)
    batcher.add(2, 5, now=7.4)
    assert batcher.seconds_until_due(now=7.25) == 0.25
    assert batcher.seconds_until_due(now=7.75) == 0.0


def test_with_a_timer_a_full_batch_runs_at_once() -> None:
    batcher = Batcher[int](10, 4, wait_seconds=0.5)
    batcher.add(1, 5, now=7.0)
    batcher.add(2, 5, now=7.0)
    assert batcher.seconds_until_due(now=7.0) == 0.0


def test_with_a_timer_an_item_that_runs_alone_does_not_wait() -> None:
    batcher = Batcher[int](1000, 4, wait_seconds=0.5)
    batcher.add_alone(1, now=7.0)
    assert batcher.seconds_until_due(now=7.0) == 0.0


def test_a_batch_has_as_many_items_as_its_longest_allows() -> None:
    batcher: Batcher[int] = Batcher(1 << 20, 32)
    batcher.most_of = lambda longest: 4 if longest < 10 else 1
    for item, tokens in enumerate([5, 20, 5, 20, 5, 5, 5]):
        batcher.add(item, tokens, 0.0)
    assert [batcher.take() for _ in range(4)] == [[0, 2, 4, 5], [1], [3], [6]]


def test_batches_are_paced_only_while_a_flow_has_more_items_than_a_batch_holds() -> None:
    batcher = Batcher[int](10_000, 8)
    batcher.paced_most_of = lambda _: 2
    for flow in range(8):
        batcher.add(flow, 5, 0.0, Flow(flow))
    assert len(batcher.take()) == 8
    for item in range(9):
        batcher.add(item, 5, 0.0, Flow("large"))
    assert len(batcher.take()) == 2


@given(
    st.lists(st.integers(1, 300), min_size=1, max_size=200), st.lists(st.integers(1, 300), max_size=5), budgets, sizes
)
def test_the_item_of_a_newcomer_is_in_the_first_batch_after_it_came_but_for_one_of_each_newcomer_before_it(
    large: list[int], newcomers: list[int], budget: int, size: int
) -> None:
    batcher = Batcher[str](budget, size, max_padding=16)
    for number, length in enumerate(large):
        batcher.add(f"large {number}", length, now=0.0, flow=Flow("large"))
    batcher.take()  # runs while the newcomers arrive
    for number, length in enumerate(newcomers):
        batcher.add(f"newcomer {number}", length, now=0.0, flow=Flow(number))
    ran: set[str] = set()
    for number in range(len(newcomers)):
        ran.update(batcher.take())
        assert f"newcomer {number}" in ran


@given(st.dictionaries(st.integers(0, 5), lengths, min_size=1), budgets, sizes, paddings, st.lists(st.integers(0, 5)))
def test_the_oldest_item_of_a_flow_waits_for_one_batch_of_each_other_flow_at_most(
    flows: dict[int, list[int]], budget: int, size: int, padding: int | None, late: list[int]
) -> None:
    batcher = Batcher[tuple[int, int]](budget, size, max_padding=padding)
    waiting: dict[int, list[tuple[int, int]]] = {}
    for flow, tokens in flows.items():
        for number, length in enumerate(tokens):
            batcher.add((flow, number), length, now=0.0, flow=Flow(flow))
            waiting.setdefault(flow, []).append((flow, number))
    arrivals = iter(late)
    unled = dict.fromkeys(waiting, 0)  # batches since a flow's oldest item was in one
    while len(batcher):
        batch = set(batcher.take())
        for flow in list(waiting):
            unled[flow] = 0 if waiting[flow][0] in batch else unled[flow] + 1
            assert unled[flow] <= len(flows) + 6
            waiting[flow] = [item for item in waiting[flow] if item not in batch]
            if not waiting[flow]:
                del waiting[flow]
        if (flow := next(arrivals, None)) is not None:
            item = (flow, 1000 + len(batcher))
            batcher.add(item, 7, now=0.0, flow=Flow(flow))
            waiting.setdefault(flow, []).append(item)
            unled.setdefault(flow, 0)
    assert not waiting


@given(st.integers(1, 30))
def test_endless_newcomers_do_not_starve_a_large_call(count: int) -> None:
    batcher = Batcher[str](100, 1)
    for _ in range(count):
        batcher.add("large", 10, now=0.0, flow=Flow("large"))
    for taken in range(2 * count):
        if taken % 2:
            batcher.add("newcomer", 10, now=0.0, flow=Flow(taken))
        batcher.take()
    left = list(itertools.chain.from_iterable(drained(batcher)))
    assert left.count("large") == 0


@given(st.integers(1, 200), sizes)
def test_one_callers_many_calls_have_the_turns_of_one_caller(flood: int, size: int) -> None:
    batcher = Batcher[str](10_000, size)
    for number in range(flood):
        batcher.add("flood", 5, now=0.0, flow=Flow(number, "flood"))
    batcher.take()  # runs while the other arrives
    batcher.add("single", 50, now=0.0, flow=Flow("single", "ada"))
    assert "single" in batcher.take()


@given(st.lists(st.tuples(st.integers(-1, 1), st.integers(1, 50)), min_size=1, max_size=60), sizes)
def test_items_of_a_class_run_together_alone_and_lower_classes_have_one_batch_in_so_many(
    items: list[tuple[int, int]], size: int
) -> None:
    batcher = Batcher[int](10_000, size)
    waiting = [0, 0, 0]
    for number, (priority, length) in enumerate(items):
        batcher.add(priority, length, now=0.0, flow=Flow(number, number % 3, priority))
        waiting[priority] += 1
    passed = {0: 0, -1: 0}
    while batch := batcher.take():
        (taken,) = set(batch)
        waiting[taken] -= len(batch)
        higher = [each for each in (1, 0) if each > taken and waiting[each]]
        assert not higher or passed[taken] >= BATCHES_OF_HIGHER
        for lower in (each for each in passed if each < taken):
            passed[lower] = passed[lower] + 1 if waiting[lower] else 0
            assert passed[lower] <= 2 * BATCHES_OF_HIGHER + 1
        if taken in passed:
            passed[taken] = 0


def test_a_batch_is_paced_when_another_caller_waits_beside_one_with_more_than_a_batch_holds() -> None:
    batcher = Batcher[str](10_000, 8)
    batcher.paced_most_of = lambda _: 2
    batcher.add("one", 5, 0.0, Flow("one", "ada"))
    assert batcher.take() == ["one"]
    for number in range(9):  # of whom it may be who comes next, and should not wait for a large batch
        batcher.add("many", 5, 9.0, Flow(number, "many"))
    assert len(batcher.take()) == 2
    drained(batcher)
    for number in range(9):
        batcher.add("many", 5, 20.0, Flow(number, "many"))
    assert len(batcher.take()) == 8, "no other came for a while"


def test_batches_of_a_class_are_paced_while_calls_of_a_higher_one_come() -> None:
    batcher = Batcher[str](10_000, 8)
    batcher.paced_most_of = lambda _: 2
    batcher.add("urgent", 5, 0.0, Flow("one", "ada", 1))
    batcher.add("other", 5, 0.0, Flow("two", "bob"))
    for number in range(4):
        batcher.add("many", 5, 1.0, Flow(number, "bob"))
    assert [len(batch) for batch in drained(batcher)] == [1, 2, 2, 1]
