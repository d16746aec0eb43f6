"""Every call has one outcome, and an answer is the model's for its own texts, whatever callers and workers do."""

from __future__ import annotations

import asyncio
import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from instance_doubles import bench
from structlog.testing import capture_logs

from panope_backends.errors import DeadlineError, InstanceLostError, InternalError, OverloadedError
from panope_server.runtime.call_context import CallContext
from panope_server.tasks.embed import EmbedInput, EmbedOutput

_KINDS = st.sampled_from(["call", "call", "call", "answer", "answer", "answer", "fail", "cancel", "lose", "start"])
#: What a call may hear: of a worker that died, of one that failed, of a full queue, of its deadline.
TOLD = (InstanceLostError, InternalError, OverloadedError, DeadlineError)


async def play(steps: list[tuple[str, int]]) -> None:
    made = bench(window=8, max_queue_items=16, breaker_min_requests=512)
    made.start_worker()
    asked: list[list[str]] = []
    cancelled: set[int] = set()
    for kind, number in steps:
        live = [worker for worker in made.workers if not worker.gone]
        unanswered = [(worker, each) for worker in live for each in worker.waiting() if each not in worker.answered]
        match kind:
            case "call":
                asked.append(["x" * (number + place) for place in range(number * 7)] or ["y"])
                late = time.monotonic() - 1 if number == 5 else None
                made.call(EmbedInput(asked[-1]), CallContext("r", "ab"[number % 2], number - 2, late))
            case "answer" if unanswered:
                worker, frame_id = unanswered[number % len(unanswered)]
                worker.answer(frame_id)
            case "fail" if unanswered:
                worker, frame_id = unanswered[number % len(unanswered)]
                worker.answered.append(frame_id)
                worker.fail(frame_id, InternalError("the device failed"))
            case "cancel" if made.calls:
                cancelled.add(number % len(made.calls))
                made.calls[number % len(made.calls)].cancel()
            case "lose" if live:
                live[number % len(live)].lose()
            case "start" if len(live) < 3:
                made.start_worker()
        await made.settle()
    for worker in made.workers:
        worker.lose()
    made.start_worker()
    while unanswered_ids := [each for each in made.workers[-1].waiting() if each not in made.workers[-1].answered]:
        made.workers[-1].answer(unanswered_ids[0])
        await made.settle()
    outcomes = await asyncio.wait_for(asyncio.gather(*made.calls, return_exceptions=True), 100)
    for number, (texts, outcome) in enumerate(zip(asked, outcomes, strict=True)):
        if isinstance(outcome, EmbedOutput):
            assert np.frombuffer(outcome.vectors, "<f4").tolist() == [len(text) for text in texts]
        else:
            assert isinstance(outcome, TOLD) or (isinstance(outcome, asyncio.CancelledError) and number in cancelled)
    assert not {name: value for name, value in made.held().items() if value}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(_KINDS, st.integers(0, 5)), max_size=30))
def test_each_call_has_one_outcome_and_each_answer_is_of_its_own_texts(steps: list[tuple[str, int]]) -> None:
    with capture_logs():
        asyncio.run(play(steps))
