"""How many calls run at a time."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panope_backends.errors import OverloadedError
from panope_server.config import Limits
from panope_server.pipeline.call import Call
from panope_server.pipeline.concurrency import Concurrency
from panope_server.tasks.embed import EmbedInput


def made(caller: str, model: str) -> Call:
    call = Call(model, EmbedInput(["a"]), "embed", "Test/Embed", "r1", caller=caller)
    call.resolved_model = model
    return call


class Running:
    """Calls that run until they are told to end."""

    def __init__(self, **limits: int) -> None:
        self.step = Concurrency(Limits(**limits))
        self.ends: dict[asyncio.Task[None], asyncio.Event] = {}

    async def start(self, caller: str, model: str) -> asyncio.Task[None]:
        end = asyncio.Event()

        async def forward(_: Call) -> None:
            await end.wait()

        task: asyncio.Task[None] = asyncio.ensure_future(self.step(made(caller, model), forward))  # type: ignore[arg-type]  # a coroutine
        self.ends[task] = end
        await asyncio.sleep(0)
        return task


@given(
    st.lists(st.tuples(st.sampled_from(["start", "end", "cancel"]), st.integers(0, 5)), max_size=40),
    st.integers(0, 3),
    st.integers(0, 3),
)
async def test_no_more_run_than_may_and_each_that_ends_makes_room_however_it_ends(
    steps: list[tuple[str, int]], of_model: int, of_caller: int
) -> None:
    running = Running(max_model_calls=of_model, max_caller_calls=of_caller)
    live: list[tuple[str, str, asyncio.Task[None]]] = []
    for kind, number in steps:
        if kind == "start":
            caller, model = "ab"[number % 2], "xyz"[number % 3]
            callers, models = Counter(each[0] for each in live), Counter(each[1] for each in live)
            task = await running.start(caller, model)
            if (of_caller and callers[caller] >= of_caller) or (of_model and models[model] >= of_model):
                with pytest.raises(OverloadedError, match="is the limit") as refused:
                    await task
                assert refused.value.reason == "too_many_calls"
                assert refused.value.retry_after_seconds
            else:
                assert not task.done()
                live.append((caller, model, task))
        elif live:
            _, _, task = live.pop(number % len(live))
            if kind == "cancel":
                task.cancel()
            running.ends[task].set()
            await asyncio.wait([task])
    for _, _, task in live:
        running.ends[task].set()
        await task


async def test_any_number_runs_unless_a_limit_is_set() -> None:
    running = Running()
    tasks: list[Any] = [await running.start("ada", "m") for _ in range(100)]
    assert not any(task.done() for task in tasks)
    for task in tasks:
        running.ends[task].set()
    await asyncio.gather(*tasks)
