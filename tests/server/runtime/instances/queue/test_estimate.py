"""Calls that cannot be answered in time are refused at once."""

from __future__ import annotations

import time

import pytest
from instance_doubles import bench, run

from panope_backends.errors import DeadlineError
from panope_server.runtime.call_context import CallContext
from panope_server.runtime.instances.in_flight import Entries, Entry
from panope_server.runtime.instances.queue.estimate import work_before
from panope_server.tasks.embed import EmbedInput


def entry(number: int, caller: str, work: int, priority: int = 0) -> Entry:
    return Entry(number, b"", 1, 1, flow_id=number, caller=caller, work=work, priority=priority)


def test_a_call_waits_for_what_is_more_urgent_for_its_callers_and_for_as_much_of_each_others() -> None:
    waiting, running = Entries(), Entries()
    for number, (caller, work, priority) in enumerate(
        [("ada", 100, 0), ("bob", 30, 0), ("cy", 500, 0), ("bob", 1000, 50), ("dan", 70, -1)]
    ):
        (waiting if number % 2 else running).add(entry(number, caller, work, priority))
    assert work_before((waiting, running), entry(9, "ada", 10), 10) == 1000 + 110 + 30 + 110
    assert work_before((waiting, running), entry(9, "eve", 10), 10) == 1000 + 10 + 10 + 10 + 10
    assert work_before((waiting, running), entry(9, "eve", 10, 1), 10) == 10 + 10
    for each in [*waiting.all(), *running.all()]:
        each.leave()
    assert work_before((waiting, running), entry(9, "ada", 10), 10) == 10
    assert not waiting.work_by_caller | running.work_by_caller


async def test_a_call_whose_deadline_is_sooner_than_the_model_can_answer_never_waits() -> None:
    made = bench(window=2)
    made.start_worker()
    soon = CallContext("r", "ada", deadline=time.monotonic() + 5)
    made.runtime.pool.queue.full_rate.record(1, 1.0)
    first = CallContext("r", "bob", deadline=time.monotonic() + 5)
    made.call(EmbedInput(["a" * 400]), first)  # nothing is done now: how long it takes will be measured
    await made.settle()
    assert made.workers[0].waiting()
    for text in ("a" * 400, "a" * 4):
        started = time.monotonic()
        with pytest.raises(DeadlineError, match=r"would answer in about \d+\.\d seconds") as late:
            await run(made.runtime, EmbedInput([text, "b" * 4]), soon)
        assert time.monotonic() - started < 1
        assert late.value.reason == "deadline_unreachable"
    assert not made.runtime.pool.queue.items
    made.call(EmbedInput(["b"]), CallContext("r", "ada"))  # without a deadline it waits
    await made.settle()
    assert not made.calls[-1].done()
    await made.close()


@pytest.mark.parametrize(("seconds", "is_refused"), [(11.0, True), (12.5, False)])
async def test_a_call_is_taken_in_when_it_may_wait_a_quarter_longer_than_is_expected(
    seconds: float, is_refused: bool
) -> None:
    made = bench(window=1)
    made.start_worker()
    for _ in range(2):
        made.call(EmbedInput(["a" * 4]), CallContext("r", "bob"))
    await made.settle()
    (running,) = made.workers[0].instance.held.all()
    made.runtime.pool.queue.full_rate.record(3 * running.work, 10.0)  # the two, and the one that comes now
    call = CallContext("r", "bob", deadline=time.monotonic() + seconds)
    made.call(EmbedInput(["a" * 4]), call)
    await made.settle()
    assert made.calls[-1].done() == is_refused
    await made.close()


async def test_a_call_that_an_idle_model_answers_in_time_is_taken_in_beside_a_call_of_next_to_nothing() -> None:
    made = bench(window=2)
    made.start_worker()
    made.call(EmbedInput(["a" * 4]), CallContext("r", "bob"))
    await made.settle()
    text = "a" * 4 * 1300
    made.runtime.pool.queue.full_rate.record(1300, 26.0)
    made.call(EmbedInput([text]), CallContext("r", "ada", deadline=time.monotonic() + 30))
    await made.settle()
    assert not made.calls[-1].done(), "it takes 26 of its 30 seconds"
    await made.close()


async def test_what_a_model_took_for_small_calls_alone_refuses_no_large_one() -> None:
    made = bench(window=2)
    made.start_worker()
    made.runtime.pool.queue.rate.record(1, 1.0)  # nothing waited meanwhile, so it could have done more
    made.call(EmbedInput(["b"]), CallContext("r", "bob"))
    await made.settle()
    made.call(EmbedInput(["a" * 400]), CallContext("r", "ada", deadline=time.monotonic() + 5))
    await made.settle()
    assert not made.calls[-1].done()
    await made.close()
