"""When an instance that fails most requests gets none, and when it is tried again."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from instance_doubles import MODEL, bench, run

from panope_backends.errors import AvailabilityError, InternalError, InvalidInputError
from panope_server.config import Workers
from panope_server.runtime.call_context import CallContext
from panope_server.runtime.instances.instance_breaker import PAUSES, InstanceBreaker
from panope_server.runtime.status import BreakerState
from panope_server.tasks.embed import EmbedInput

WORKERS = Workers(breaker_failure_ratio=0.5, breaker_min_requests=4, breaker_window_seconds=10)


class Breaker(RuleBasedStateMachine):
    """The breaker beside a list of what has happened."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.breaker = InstanceBreaker(WORKERS, lambda: self.now)
        self.ends: list[tuple[float, str, bool]] = []
        self.opened = 0
        self.open_until = 0.0

    @rule(caller=st.sampled_from("ab"), has_failed=st.booleans())
    def a_request_ends(self, caller: str, has_failed: bool) -> None:
        before = self.breaker.state
        opens = self.breaker.record(caller, has_failed=has_failed)
        if before is BreakerState.OPEN:
            assert not opens
            return
        if before is BreakerState.HALF_OPEN:
            assert opens == has_failed
            if not has_failed:
                self.opened, self.ends = 0, []
        self.ends.append((self.now, caller, has_failed))
        if before is BreakerState.CLOSED:
            assert opens == (has_failed and self.should_open())
        if opens:
            self.opened += 1
            self.open_until = self.now + min(120.0, 5.0 * 2 ** (self.opened - 1))

    def should_open(self) -> bool:
        recent = [(caller, failed) for at, caller, failed in self.ends if at >= self.now - 10]
        callers, failing = {caller for caller, _ in recent}, {caller for caller, failed in recent if failed}
        failures = sum(failed for _, failed in recent)
        return len(recent) >= 4 and failures >= len(recent) / 2 and (len(failing) > 1 or len(callers) == 1)

    @rule(seconds=st.floats(0.1, 130))
    def time_goes_by(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.opened)
    @rule()
    def the_pause_ends(self) -> None:
        self.now = max(self.now, self.open_until)

    @invariant()
    def its_state_is_what_has_happened(self) -> None:
        if not self.opened:
            expected = BreakerState.CLOSED
        else:
            expected = BreakerState.OPEN if self.open_until > self.now else BreakerState.HALF_OPEN
        assert self.breaker.state is expected
        assert self.breaker.admits(is_idle=True) == (expected is not BreakerState.OPEN)
        assert self.breaker.admits(is_idle=False) == (expected is BreakerState.CLOSED)
        view = self.breaker.view()
        assert (view.retry_after_seconds > 0) == (expected is BreakerState.OPEN)
        assert bool(view.reason) == (expected is not BreakerState.CLOSED)


TestBreaker = Breaker.TestCase
TestBreaker.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


async def test_calls_of_a_model_whose_only_instance_fails_are_refused_at_once_until_one_call_tries_it() -> None:
    made = bench(breaker_min_requests=4)
    made.start_worker()
    (worker,) = made.workers
    breaker = worker.instance.breaker
    now = 100.0
    breaker._clock = lambda: now
    for _ in range(9):
        made.call(EmbedInput(["a"]))
    await made.settle()
    for frame_id in worker.waiting():  # its window holds four; each end lets another in, until it opens
        worker.fail(frame_id, InternalError("the device failed"))
    await made.settle()
    assert breaker.state is made.runtime.breaker.state is BreakerState.OPEN
    opened = {"model": MODEL, "breaker": "instance"}
    assert made.metrics.registry.get_sample_value("panope_circuit_breaker_openings_total", opened) == 1
    with pytest.raises(AvailabilityError, match="most of its requests failed") as refused:
        await run(made.runtime, EmbedInput(["b"]))
    assert (refused.value.reason, refused.value.retry_after_seconds) == ("model_failing", PAUSES.base_seconds)
    for waited in made.calls[7:]:  # they were in the queue
        with pytest.raises(AvailabilityError, match="most of its requests failed"):
            await waited
    for frame_id in worker.waiting()[4:]:
        worker.answer(frame_id)  # of before: it closes nothing
    now += PAUSES.base_seconds
    sent = len(worker.waiting())
    made.call(EmbedInput(["c"]))
    made.call(EmbedInput(["d"]))
    await made.settle()
    assert [worker.texts(frame_id) for frame_id in worker.waiting()[sent:]] == [["c"]]
    worker.answer(worker.waiting()[-1])
    await made.settle()
    assert [worker.texts(frame_id) for frame_id in worker.waiting()[sent:]] == [["c"], ["d"]]
    assert made.runtime.breaker.state is BreakerState.CLOSED
    await made.close()


async def test_what_callers_do_wrong_and_one_caller_whose_requests_alone_fail_open_nothing() -> None:
    made = bench(window=64, breaker_min_requests=4)
    made.start_worker()
    (worker,) = made.workers
    for _ in range(8):
        made.call(EmbedInput(["a"]), CallContext("r", "poison"))
    made.call(EmbedInput(["a"]), CallContext("r", "ada"))
    await made.settle()
    *bad, good = worker.waiting()
    worker.answer(good)
    for frame_id in bad[:4]:
        worker.fail(frame_id, InvalidInputError("refused"))
    for frame_id in bad[4:]:
        worker.fail(frame_id, InternalError("the device failed"))
    await made.settle()
    assert made.runtime.breaker.state is BreakerState.CLOSED
    await made.close()


async def test_an_instance_that_fails_leaves_the_requests_to_the_others() -> None:
    made = bench(breaker_min_requests=4, window=64)
    for _ in range(2):
        made.start_worker()
    failing, good = made.workers
    for _ in range(8):
        made.call(EmbedInput(["a"]))
    await made.settle()
    for frame_id in failing.waiting():
        failing.fail(frame_id, InternalError("the device failed"))
    sent = len(failing.waiting())
    for _ in range(5):
        made.call(EmbedInput(["b"]))
    await made.settle()
    assert len(failing.waiting()) == sent
    assert len(good.waiting()) == 4 + 5
    assert made.runtime.breaker.state is BreakerState.CLOSED
    await made.close()
