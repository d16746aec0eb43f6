"""A large call and the others: it goes to workers in parts, and a newcomer passes between two of them."""

from __future__ import annotations

import numpy as np
import pytest
from instance_doubles import Bench, bench, run

from panope_backends.errors import InstanceLostError, InvalidInputError, OverloadedError, PreconditionError
from panope_server.tasks.catalog import MAX_REQUEST_ITEMS
from panope_server.tasks.embed import EmbedInput, EmbedOutput

LARGE = [f"{'a' * (number % 50)} {number}" for number in range(2048)]
FOUR = LARGE[: 4 * MAX_REQUEST_ITEMS]


def assert_nothing_is_held(made: Bench) -> None:
    assert not {name: value for name, value in made.held().items() if value}


async def test_a_newcomer_goes_to_the_worker_at_once_though_a_large_call_waits_for_room_there() -> None:
    made = bench(window=512)
    made.start_worker()
    (worker,) = made.workers
    made.call(EmbedInput(LARGE))
    await made.settle()
    assert made.runtime.pool.queue.items, "the large call has more than its share of the window"
    for newcomer in ("one", "another", "a third"):
        made.call(EmbedInput([newcomer]))
        await made.settle()
        assert worker.texts(worker.waiting()[-1]) == [newcomer]
    await made.close()
    assert_nothing_is_held(made)


async def test_a_newcomer_is_next_when_there_is_no_room_at_all() -> None:
    made = bench(window=MAX_REQUEST_ITEMS)
    made.start_worker()
    (worker,) = made.workers
    made.call(EmbedInput(LARGE))
    await made.settle()
    for newcomer in ("one", "another"):
        made.call(EmbedInput([newcomer]))
    await made.settle()
    (first,) = worker.waiting()
    worker.answer(first)
    assert [worker.texts(frame_id) for frame_id in worker.waiting()[1:]] == [["one"], ["another"]]
    await made.close()
    assert_nothing_is_held(made)


async def test_two_large_calls_have_turns_alike() -> None:
    made = bench(window=MAX_REQUEST_ITEMS)
    made.start_worker()
    (worker,) = made.workers
    for name in ("first", "second"):
        made.call(EmbedInput([name] * 3 * MAX_REQUEST_ITEMS))
    await made.settle()
    for done in range(6):
        worker.answer(worker.waiting()[done])
        await made.settle()
    assert [worker.texts(frame_id)[0] for frame_id in worker.waiting()] == ["first", "second"] * 3
    await made.close()


async def test_the_answer_is_in_the_order_of_the_texts_whatever_order_the_parts_are_answered_in() -> None:
    made = bench(window=512)
    for _ in range(2):
        made.start_worker()
    made.call(EmbedInput(FOUR))
    await made.settle()
    for worker in made.workers:
        assert len(worker.waiting()) == 2, "idle workers share a large call"
        for frame_id in reversed(worker.waiting()):
            worker.answer(frame_id)
    answer = await made.calls[0]
    assert isinstance(answer, EmbedOutput)
    assert np.frombuffer(answer.vectors, "<f4").tolist() == answer.token_counts == [len(text) for text in FOUR]
    assert answer.count == len(FOUR)
    assert_nothing_is_held(made)


async def test_the_first_part_that_fails_ends_the_call_and_takes_the_others_back() -> None:
    made = bench(window=3 * MAX_REQUEST_ITEMS)
    made.start_worker()
    (worker,) = made.workers
    made.call(EmbedInput(FOUR))
    await made.settle()
    first, second = worker.waiting()
    worker.fail(second, InvalidInputError("refused", field="texts[40]"))
    with pytest.raises(InvalidInputError, match="refused"):
        await made.calls[0]
    assert first not in worker.waiting()
    assert_nothing_is_held(made)


async def test_a_large_call_that_is_given_up_is_taken_back_everywhere() -> None:
    made = bench(window=3 * MAX_REQUEST_ITEMS)
    made.start_worker()
    made.call(EmbedInput(LARGE))
    await made.settle()
    assert made.workers[0].waiting()
    made.calls[0].cancel()
    await made.settle()
    assert not made.workers[0].waiting()
    assert_nothing_is_held(made)


async def test_a_large_call_is_refused_as_a_whole() -> None:
    made = bench(window=MAX_REQUEST_ITEMS, max_queue_items=len(FOUR))
    made.call(EmbedInput(["waiting"]))
    await made.settle()
    with pytest.raises(OverloadedError):
        await run(made.runtime, EmbedInput(FOUR))
    assert made.runtime.pool.queue.items == 1
    await made.close()
    assert_nothing_is_held(made)


async def test_a_large_call_with_a_text_that_ends_workers_is_refused_when_it_comes_again() -> None:
    made = bench(window=512)
    texts = [*FOUR[:70], "bad", *FOUR[71:]]
    for _ in range(4):
        made.start_worker()
        worker = made.workers[-1]
        made.call(EmbedInput(texts))
        await made.settle()
        # One request at a time once its parts run alone; the worker dies when it comes to the text.
        while (frame_id := worker.waiting()[len(worker.answered)]) and "bad" not in worker.texts(frame_id):
            worker.answer(frame_id)
            await made.settle()
        worker.lose()
        with pytest.raises(InstanceLostError, match="ended while it had this call"):
            await made.calls[-1]
    made.start_worker()
    with pytest.raises(PreconditionError, match="ended a worker") as caught:
        await run(made.runtime, EmbedInput(texts))
    assert caught.value.reason == "request_quarantined"
    made.call(EmbedInput(FOUR))  # the other parts are not to blame
    await made.settle()
    assert made.workers[-1].waiting()
    await made.close()
    assert_nothing_is_held(made)


async def test_a_worker_that_is_lost_ends_the_whole_call_once() -> None:
    made = bench(window=3 * MAX_REQUEST_ITEMS)
    for _ in range(2):
        made.start_worker()
    made.call(EmbedInput(FOUR))
    await made.settle()
    made.workers[0].lose()
    with pytest.raises(InstanceLostError, match="ended while it had this call"):
        await made.calls[0]
    assert not made.workers[1].waiting()
    assert_nothing_is_held(made)
