"""What calls hold of a model, its queue's room and its instances', comes back whatever goes wrong on the way."""

from __future__ import annotations

import asyncio
import gc
import inspect
import itertools
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from instance_doubles import Bench, FaultError, bench, run
from structlog.testing import capture_logs

import panope_server
from panope.worker.v1 import worker_pb2 as wire
from panope_backends.errors import (
    AvailabilityError,
    InstanceLostError,
    InternalError,
    InvalidInputError,
    OverloadedError,
)
from panope_backends.wire import frames
from panope_server.tasks.embed import EmbedInput
from panope_server.tasks.tensors import NamedTensor, TensorInput

#: Where faults are thrown: the code of the server and what it sends frames by.
CODE = (str(Path(panope_server.__file__).parent), frames.__file__)
#: Arithmetic on two counters, which everything else stands on and nothing can interrupt.
SOUND = {"add", "remove", "leave", "count", "_sum", "is_empty"}
#: The last instruction before a coroutine's or a generator's own code.
LAST_OF_ENTRY = 8
RESUMABLE = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


def _is_resumed(frame: FrameType) -> bool:
    """Whether a coroutine or a generator goes on, or is closed, as that of an `any` is which has found what it sought.

    What is thrown there passes its `finally` by, and comes to nobody where it is closed, as only a profiler's can.
    """
    return bool(frame.f_code.co_flags & RESUMABLE) and frame.f_lasti > LAST_OF_ENTRY


@contextmanager
def fault_at(point: int | None) -> Iterator[Callable[[], int]]:
    """Throws at the entry of the `point`-th function of the server that runs inside; tells how many ran."""
    count = 0

    def profile(frame: FrameType, event: str, _: Any) -> None:
        nonlocal count
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(CODE) or code.co_name in SOUND or _is_resumed(frame):
            return
        count += 1
        if count == point:
            sys.setprofile(None)
            raise FaultError(code.co_qualname)

    sys.setprofile(profile)
    try:
        yield lambda: count
    finally:
        sys.setprofile(None)


async def test_what_one_instance_holds_is_bounded_in_bytes_as_in_texts() -> None:
    made = bench()
    made.start_worker()
    (worker,) = made.workers
    large = NamedTensor("x", "uint8", (40 << 20,), bytes(40 << 20))
    for _ in range(3):
        made.calls.append(asyncio.create_task(run(made.runtime, TensorInput(inputs=[large]))))
    await made.settle()
    assert len(worker.waiting()) == 1, "two would be 80 MiB, and the window has 64"
    assert (len(made.runtime.pool.queue), made.held()["texts"]) == (2, 2)
    await made.close()


Step = tuple[str, int]


async def play(steps: list[Step], point: int | None) -> tuple[Bench, int]:
    """Plays steps with a fault at one point, and then ends every call as its caller's going away does."""
    made = bench(max_queue_items=12)
    made.start_worker()
    with capture_logs(), fault_at(point) as passed:  # drawing a traceback takes longer than all the rest
        for kind, number in steps:
            live = [worker for worker in made.workers if not worker.gone]
            match kind:
                case "call":
                    made.call(EmbedInput(texts=["text"] * number))
                case "refused":
                    made.call(EmbedInput(texts=["text"], dimensions=1 << 32))
                case "cancel" if made.calls:
                    made.calls[number % len(made.calls)].cancel()
                case "answer" if live:
                    worker = live[number % len(live)]
                    for frame_id in worker.waiting()[:1]:
                        worker.answer(frame_id)
                case "beat" if live:
                    live[0].tell(wire.WorkerFrame(heartbeat=wire.Heartbeat(resident_bytes=number)))
                case "lose" if live:
                    live[number % len(live)].lose()
                case "start":
                    with suppress(FaultError):
                        made.start_worker()
            await made.settle()
        count = passed()
    await made.close()
    return made, count


STEPS: list[Step] = [
    *[("call", 3), ("call", 2), ("refused", 0), ("call", 2), ("call", 6), ("beat", 1), ("answer", 0), ("cancel", 1)],
    *[("lose", 0), ("call", 1), ("start", 0), ("answer", 0), ("cancel", 4), ("call", 2)],
]


@pytest.mark.parametrize("apart", [pytest.param(1, marks=pytest.mark.slow), 5])
def test_everything_held_comes_back_when_a_fault_is_thrown_at_every_point_of_submit_and_cancel(apart: int) -> None:
    for point in itertools.count(1, apart):
        made, passed = asyncio.run(play(STEPS, point))  # a loop each: timers of one would run in another
        assert not {name: value for name, value in made.held().items() if value}, f"after a fault at {point}"
        if passed < point:
            break
    assert point > 100


_KINDS = st.sampled_from(["call", "call", "call", "refused", "cancel", "answer", "answer", "beat", "lose", "start"])


@settings(max_examples=60)
@given(st.lists(st.tuples(_KINDS, st.integers(1, 6)), max_size=14), st.integers(1, 250))
def test_everything_held_comes_back_whatever_callers_and_workers_do(steps: list[Step], point: int) -> None:
    made, _ = asyncio.run(play(steps, point))
    assert not {name: value for name, value in made.held().items() if value}


@pytest.mark.parametrize("dimensions", [1 << 32, int(1e300), 1 << 64, -1])
async def test_work_that_no_frame_can_carry_is_refused_before_it_holds_anything(dimensions: int) -> None:
    made = bench()
    made.start_worker()
    with pytest.raises(InvalidInputError, match="outside the range"):
        await run(made.runtime, EmbedInput(texts=["a"] * 512, dimensions=dimensions))
    assert not any(made.held().values())
    made.call(EmbedInput(texts=["a"]))
    await made.settle()
    made.workers[0].answer(made.workers[0].waiting()[0])
    await asyncio.wait_for(made.calls[0], 5)


async def test_work_that_no_frame_can_carry_does_not_end_a_model_that_is_about_to_serve() -> None:
    made = bench()
    made.call(EmbedInput(texts=["a"], dimensions=1 << 32))
    made.call(EmbedInput(texts=["b"]))
    await made.settle()
    made.start_worker()
    assert made.workers[0].waiting(), "the valid call was not handed over"
    with pytest.raises(InvalidInputError):
        await made.calls[0]
    await made.close()


async def test_calls_that_are_given_up_free_the_queue_wherever_they_stand() -> None:
    made = bench(max_queue_items=12)
    made.start_worker()
    made.call(EmbedInput(texts=["running"] * 4))
    for _ in range(3):
        made.call(EmbedInput(texts=["waiting"] * 4))
    await made.settle()
    with pytest.raises(OverloadedError):
        await run(made.runtime, EmbedInput(texts=["one too many"]))
    made.calls[2].cancel()  # neither the first in the queue nor the last
    await made.settle()
    assert (made.runtime.pool.queue.items, len(made.runtime.pool.queue)) == (8, 2)
    made.call(EmbedInput(texts=["fits"] * 4))
    await made.settle()
    assert made.runtime.pool.queue.items == 12
    await made.close()
    assert not any(made.held().values())


async def test_a_call_that_is_given_up_is_taken_back_from_its_worker_and_the_next_goes_there() -> None:
    made = bench()
    made.start_worker()
    made.call(EmbedInput(texts=["first"] * 4))
    made.call(EmbedInput(texts=["second"] * 4))
    await made.settle()
    (first,) = made.workers[0].waiting()
    made.calls[0].cancel()
    await made.settle()
    (second,) = made.workers[0].waiting()
    assert second != first
    made.workers[0].lose()
    with pytest.raises(InstanceLostError):
        await made.calls[1]


async def test_a_listener_that_fails_ends_neither_a_socket_nor_a_supervisor() -> None:
    made = bench()

    def broken(*_: object) -> None:
        raise FaultError

    made.runtime._on_state = broken
    made.start_worker()
    made.runtime.pool._meters.observe = broken  # type: ignore[method-assign]  # what counts answers is broken
    made.call(EmbedInput(texts=["a"]))
    await made.settle()
    made.workers[0].answer(made.workers[0].waiting()[0])
    assert (await made.calls[0]).dimensions == 1
    assert not any(made.held().values())


async def test_calls_that_wait_when_a_model_gives_up_hear_when_to_come_back() -> None:
    made = bench()
    for _ in range(2):
        made.call(EmbedInput(texts=["waiting"]))
    await made.settle()
    made.runtime.group_gave_up(None, InternalError("its worker ends again and again: exit code 1"))
    for call in made.calls:
        with pytest.raises(AvailabilityError, match="cannot serve: its worker ends again and again") as caught:
            await call
        assert caught.value.reason == "model_failed"
        assert 0 < (caught.value.retry_after_seconds or 0) <= 10
    assert not any(made.held().values())


async def test_a_request_that_was_with_two_workers_that_died_shares_no_worker_with_others() -> None:
    made = bench()
    for _ in range(2):
        made.start_worker()
        made.call(EmbedInput(texts=["bad"]))
        made.call(EmbedInput(texts=[f"beside it {len(made.calls)}"]))
        await made.settle()
        assert len(made.workers[-1].waiting()) == 2
        made.workers[-1].lose()
    made.start_worker()
    worker = made.workers[-1]
    for text in ("before", "bad", "after"):
        made.call(EmbedInput(texts=[text]))
    await made.settle()
    for done in range(3):
        assert len(worker.waiting()) == done + 1, "one at a time"
        worker.answer(worker.waiting()[done])
        await made.settle()
    assert not any(made.held().values())
    await made.close()


async def test_a_worker_that_does_not_read_gets_no_more_work() -> None:
    made = bench()
    made.start_worker()
    made.workers[0].socket.pause_writing()
    made.call(EmbedInput(texts=["waiting"]))
    await made.settle()
    assert not made.workers[0].waiting()
    made.workers[0].socket.resume_writing()
    assert made.workers[0].waiting()
    await made.close()


async def test_the_frame_of_a_call_goes_with_its_answer_and_waits_for_no_garbage_collection() -> None:
    made = bench()
    made.start_worker()
    made.call(EmbedInput(texts=["a"]))
    await made.settle()
    entry = made.workers[0].instance._in_flight.first()
    assert entry is not None
    gone = weakref.ref(entry.parts)
    del entry
    gc.disable()
    try:
        made.workers[0].answer(made.workers[0].waiting()[0])
        await made.calls.pop()
        await made.settle()
        assert gone() is None
    finally:
        gc.enable()
