"""Requests between the thread that reads them and the thread that runs them: late ones and those that are given up."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.worker.batch.batching import Batcher
from panope_backends.worker.batch.deadlines import Deadlines
from panope_backends.worker.batch.queue import DeviceQueue
from panope_backends.worker.flow import Flow
from panope_backends.worker.requests import DeviceRequest, Item, SequenceRequest

MANY = 20_000
PASSED = 1
#: Of this thread's own time. Each request that goes looks at all others: that would take minutes.
SOON_SECONDS = 10.0


def queue() -> DeviceQueue:
    return DeviceQueue(Batcher[Item](1000, 32))


def request(number: int, deadline: int = 0, texts: int = 1) -> SequenceRequest:
    job: Any = SimpleNamespace(sequences=[SimpleNamespace(ids=[1, 2, 3])] * texts)
    flow = Flow(caller=number, call=number)
    return SequenceRequest(number, flow, "", 0.0, wire.Timing(), deadline=deadline, job=job, rows=[], missing=texts)  # type: ignore[arg-type]  # no rows come


def frames(batch: Any) -> list[int]:
    return [slot.request.frame_id for slot in batch]


def test_what_is_late_is_not_run_and_is_gone() -> None:
    waiting = queue()
    soon = time.monotonic_ns() + 3600 * 10**9
    for number, deadline in enumerate((PASSED, 0, PASSED, soon), 1):
        waiting.put(request(number, deadline, texts=2))
    assert frames(waiting.take()) == [2, 2, 4, 4]
    assert waiting.waiting() == 0
    waiting.cancel(1)  # it is over already
    waiting.drain()
    waiting.cancel(2)
    waiting.cancel(4)
    assert waiting.take() is None


def test_many_late_requests_go_in_a_time_in_proportion() -> None:
    waiting = queue()
    for number in range(MANY):
        waiting.put(request(number, PASSED))
    waiting.put(request(MANY))
    started = time.thread_time()
    assert frames(waiting.take()) == [MANY]
    assert time.thread_time() - started < SOON_SECONDS


def test_many_requests_that_are_given_up_go_in_a_time_in_proportion() -> None:
    waiting = queue()
    for number in range(MANY):
        waiting.put(request(number))
    started = time.thread_time()
    for number in range(MANY - 1):
        waiting.cancel(number)
    assert frames(waiting.take()) == [MANY - 1]
    assert time.thread_time() - started < SOON_SECONDS


def test_deadlines_of_requests_that_have_ended_are_forgotten() -> None:
    deadlines = Deadlines()
    for number in range(1000):
        ended = request(number, deadline=time.monotonic_ns() + 3600 * 10**9)
        deadlines.add(ended, waiting=1)
        ended.over = True
    assert len(deadlines) < 100
    assert deadlines.pop_late() == []


def stepping(number: int, closed: list[int], deadline: int = 0) -> DeviceRequest:
    job: Any = SimpleNamespace(close=lambda: closed.append(number))
    return DeviceRequest(number, Flow(number, number), "", 0.0, wire.Timing(), deadline=deadline, job=job)


def test_a_job_of_steps_is_closed_once_however_its_request_ends() -> None:
    waiting, closed = queue(), list[int]()
    answered, cancelled, late, running = (
        stepping(number, closed, deadline) for number, deadline in ((1, 0), (2, 0), (3, PASSED), (4, 0))
    )
    for each in (answered, cancelled, late, running):
        waiting.put(each)
    waiting.cancel(2)
    assert closed == [2]
    assert waiting.take() is answered
    assert closed == [2, 3]
    assert waiting.end(answered)
    assert not waiting.end(answered)
    waiting.cancel(1)
    assert closed == [2, 3, 1]
    assert waiting.take() is running
    waiting.cancel(4)  # while its step runs
    assert closed == [2, 3, 1, 4]
    assert not waiting.put_next_step(running)
