"""How long calls may take."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from panope_backends.errors import DeadlineError
from panope_server.config import Limits
from panope_server.pipeline.call import Call
from panope_server.pipeline.deadline import step as deadline
from panope_server.pipeline.deadline.step import Deadline
from panope_server.pipeline.step import Pipeline
from panope_server.tasks.generate.types import GenerateInput
from panope_server.tasks.task import Input, Output
from panope_server.tasks.value import ValueInput

MakeCall = Callable[..., Call]

#: Times that have no part in a test.
LONG = 3600.0


class Clock:
    """Stands where a test puts it, however long the test takes."""

    def __init__(self) -> None:
        self.now = time.monotonic()

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(deadline, "time", made)
    return made


async def hang(_: Call) -> None:
    await asyncio.Event().wait()


async def never(_: Call) -> None:
    raise AssertionError("the call was forwarded")


async def test_a_call_ends_at_its_callers_deadline_and_its_work_is_cancelled(call: MakeCall) -> None:
    cancelled = asyncio.Event()

    async def work(made: Call) -> None:
        try:
            await hang(made)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    made = call()
    made.deadline = time.monotonic() + 0.02
    with pytest.raises(DeadlineError, match="before there was an answer"):
        await Deadline(Limits())(made, work)
    assert cancelled.is_set()


async def test_a_call_whose_deadline_has_passed_is_never_forwarded(call: MakeCall) -> None:
    made = call()
    made.deadline = time.monotonic() - 1
    with pytest.raises(DeadlineError, match="had passed"):
        await Deadline(Limits())(made, never)


async def test_a_callers_deadline_is_not_put_off_by_parts(call: MakeCall, clock: Clock, answer: Output) -> None:
    async def stream(made: Call) -> None:
        while True:
            await made.output.put(answer)
            clock.now += 1.0
            await asyncio.sleep(0)

    made = call()
    made.deadline = clock.now + 0.01
    with pytest.raises(DeadlineError, match="before there was an answer"):
        await Deadline(Limits())(made, stream)


async def test_a_stream_without_a_deadline_goes_on_while_parts_come(
    call: MakeCall, clock: Clock, answer: Output
) -> None:
    came = 0

    async def stream(made: Call) -> None:
        nonlocal came
        for _ in range(20):
            clock.now += 0.009
            await made.output.put(answer)
            came += 1
            await asyncio.sleep(0.001)  # in which the alarm may ring, which changes nothing
        clock.now += 0.011
        await hang(made)

    made = call()
    clock.now = made.started
    with pytest.raises(DeadlineError, match=r"nothing more .* 0\.01 seconds.*`limits\.default_timeout_seconds`"):
        await Deadline(Limits(default_timeout_seconds=0.01))(made, stream)
    assert came == 20


async def test_a_call_without_a_deadline_is_passed_on_with_none(call: MakeCall, answer: Output) -> None:
    async def last(made: Call) -> None:
        assert made.deadline is None
        await made.output.put(answer)

    assert await Pipeline([Deadline(Limits())], last).run(call()) is answer


async def test_generation_has_a_time_of_its_own(call: MakeCall) -> None:
    limits = Limits(default_timeout_seconds=LONG, generation_timeout_seconds=0.01)
    with pytest.raises(DeadlineError, match=r"`limits\.generation_timeout_seconds`"):
        await Deadline(limits)(call(GenerateInput(prompts=["a"])), hang)


async def test_what_a_value_turns_out_to_be_decides(call: MakeCall) -> None:
    """The task of a JSON value is known once its model is looked up."""

    async def work(made: Call) -> None:
        made.input = GenerateInput(prompts=["a"])
        await hang(made)

    value: Input = ValueInput("a", "", lambda form, value: GenerateInput())
    limits = Limits(default_timeout_seconds=0.01, generation_timeout_seconds=0.02)
    with pytest.raises(DeadlineError, match=r"`limits\.generation_timeout_seconds`"):
        await Deadline(limits)(call(value), work)


async def test_a_call_that_is_cancelled_by_others_is_not_told_of_a_deadline(call: MakeCall) -> None:
    task = asyncio.create_task(Deadline(Limits())(call(), hang))  # type: ignore[arg-type]  # a coroutine
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("jump", [-365 * 86_400.0, 365 * 86_400.0], ids=["back", "ahead"])
async def test_a_calendar_that_jumps_ends_no_call_and_keeps_none(
    monkeypatch: pytest.MonkeyPatch, call: MakeCall, jump: float
) -> None:
    calendar = time.time
    monkeypatch.setattr(time, "time", lambda: calendar() + jump)
    pipeline = Pipeline([Deadline(Limits(default_timeout_seconds=LONG))], hang)
    soon, late = call(), call()
    soon.deadline, late.deadline = time.monotonic() + 0.05, time.monotonic() + LONG
    waiting = asyncio.ensure_future(pipeline.run(late))
    with pytest.raises(DeadlineError):
        await asyncio.wait_for(pipeline.run(soon), 30)
    assert not waiting.done()
    waiting.cancel()
