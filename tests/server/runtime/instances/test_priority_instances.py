"""Calls of high priority: the instances that are kept for them, and the queue that they pass."""

from __future__ import annotations

import time

import pytest
from instance_doubles import Bench, Worker, bench, run

from panope_backends.errors import DeadlineError
from panope_server.config import Workers
from panope_server.runtime.call_context import CallContext
from panope_server.runtime.instances.queue.request_queue import STARVATION_FACTOR
from panope_server.runtime.instances.role import Role, roles_of
from panope_server.tasks.embed import EmbedInput

HIGH = CallContext("r", "ada", priority=1)
BULK = CallContext("r", "bob")


def texts_of(worker: Worker) -> list[str]:
    """What a worker has, and has not answered."""
    waiting = [frame_id for frame_id in worker.waiting() if frame_id not in worker.answered]
    return [text for frame_id in waiting for text in worker.texts(frame_id)]


async def flooded(made: Bench, calls: int = 6) -> None:
    for number in range(calls):
        made.call(EmbedInput([f"bulk {number}"]), BULK)
        await made.settle()


def test_instances_for_high_priority_are_further_ones_and_the_others_make_way() -> None:
    assert roles_of(2, Workers(instances=2)) == [Role.ANY, Role.ANY]
    workers = Workers(instances=2, high_priority_instances=1)
    assert workers.instances_of(0) == 3
    assert workers.instances_of(1) == 2
    assert roles_of(3, workers) == [Role.BACKGROUND, Role.BACKGROUND, Role.HIGH_PRIORITY]


async def test_an_instance_for_high_priority_runs_nothing_else_and_has_such_calls_first() -> None:
    made = bench(window=4)
    made.start_worker(Role.BACKGROUND)
    made.start_worker(Role.HIGH_PRIORITY)
    others, kept = made.workers
    made.call(EmbedInput(["urgent"]), HIGH)
    await made.settle()
    assert (texts_of(kept), texts_of(others)) == (["urgent"], [])
    await flooded(made)
    assert len(texts_of(others)) == 4
    assert made.runtime.pool.queue.items == 2
    for number in range(4):
        made.call(EmbedInput([f"urgent {number}"]), HIGH)
    await made.settle()
    assert texts_of(kept) == ["urgent", "urgent 0", "urgent 1", "urgent 2"]
    kept.answer(kept.waiting()[0])
    assert texts_of(kept)[-1] == "urgent 3"
    await made.close()
    assert not {name: value for name, value in made.held().items() if value}


async def test_calls_of_high_priority_run_anywhere_when_the_instance_that_is_kept_for_them_is_gone() -> None:
    made = bench(window=4)
    made.start_worker(Role.BACKGROUND)
    made.start_worker(Role.HIGH_PRIORITY)
    others, kept = made.workers
    kept.lose()
    made.call(EmbedInput(["urgent"]), HIGH)
    await made.settle()
    assert texts_of(others) == ["urgent"]
    await made.close()


@pytest.mark.parametrize("kept", [True, False])
async def test_a_call_of_high_priority_passes_a_full_queue_and_nobody_is_shed_for_it(kept: bool) -> None:
    made = bench(window=8, max_queue_items=2)
    made.start_worker(Role.BACKGROUND if kept else Role.ANY)
    if kept:
        made.start_worker(Role.HIGH_PRIORITY)
    await flooded(made, 9)
    assert made.runtime.pool.queue.items == 2
    made.call(EmbedInput(["urgent"]), HIGH)
    await made.settle()
    assert made.runtime.pool.queue.items == 2
    assert texts_of(made.workers[-1])[-1] == "urgent"
    assert not any(call.done() for call in made.calls)
    await made.close()


async def test_a_class_that_waited_too_long_for_high_priority_does_not_keep_it_from_its_own_instance() -> None:
    made = bench(window=2)
    made.start_worker(Role.BACKGROUND)
    made.start_worker(Role.HIGH_PRIORITY)
    _, kept = made.workers
    await flooded(made, 4)
    for number in range(2 * STARVATION_FACTOR):
        made.call(EmbedInput([f"urgent {number}"]), HIGH)
        await made.settle()
        assert texts_of(kept) == [f"urgent {number}"]
        kept.answer(kept.waiting()[-1])
        await made.settle()
    await made.close()


async def test_calls_of_high_priority_pass_a_large_one_that_has_no_room_until_its_class_has_waited_too_long() -> None:
    made = bench(window=16)
    made.start_worker()
    (worker,) = made.workers
    for name in ("first", "second"):
        made.call(EmbedInput([name] * 10), BULK)
        await made.settle()
    passed = 0
    while True:
        made.call(EmbedInput(["urgent"]), HIGH)
        await made.settle()
        if len(worker.waiting()) < passed + 2:
            break
        worker.answer(worker.waiting()[-1])
        await made.settle()
        passed += 1
    assert STARVATION_FACTOR * 5 < passed < STARVATION_FACTOR * 20, "about ten urgent texts cost as much"
    assert texts_of(worker) == ["first"] * 10
    worker.answer(worker.waiting()[0])
    assert texts_of(worker) == [*["second"] * 10, "urgent"]
    await made.close()


async def test_a_worker_whose_window_holds_many_batches_tells_how_long_calls_take() -> None:
    made = bench(window=512)
    made.start_worker()
    (worker,) = made.workers
    size = made.runtime._settings.workers.max_batch_size
    for _ in range(3 * size):
        made.call(EmbedInput(["a" * 40]), BULK)
    await made.settle()
    assert not made.runtime.pool.queue.items, "the window has room for all"
    rate = made.runtime.pool.queue.full_rate
    for frame_id in worker.waiting()[:size]:
        worker.answer(frame_id)
    await made.settle()
    assert rate.per_second is not None, "two batches more wait in the worker"
    rate._work, rate._seconds = 1.0, 1.0
    with pytest.raises(DeadlineError) as late:
        await run(made.runtime, EmbedInput(["b"]), CallContext("r", "bob", deadline=time.monotonic() + 5))
    assert late.value.reason == "deadline_unreachable"
    await made.close()
