"""The end of the way: what a call's input becomes, and how the parts of its answer come back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from panope.worker.v1 import embed_pb2 as messages
from panope.worker.v1 import worker_pb2 as wire
from panope_backends.errors import InternalError
from panope_backends.wire.frames import LENGTH_BYTES
from panope_server.pipeline.call import Collected
from panope_server.pipeline.dispatch import Dispatch
from panope_server.pipeline.step import Pipeline
from panope_server.runtime.call_context import CallContext
from panope_server.runtime.instances.worker.frames import request_frame
from panope_server.tasks.catalog import MAX_REQUEST_ITEMS
from panope_server.tasks.embed import EmbedInput, EmbedOutput
from panope_server.tasks.task import Request

TEXTS = [f"text {number}" for number in range(2 * MAX_REQUEST_ITEMS + 1)]


class Runner:
    """Answers each request with a vector of one value for each text: how many requests came before."""

    def __init__(self, fails_at: int = -1) -> None:
        self._fails_at = fails_at

    def facts_of(self, _: object) -> object:
        return None

    async def run(
        self,
        _: object,
        requests: Sequence[Request],
        __: CallContext,
        ___: object,
        put: Callable[[bytes], Awaitable[None]],
    ) -> None:
        for number, request in enumerate(requests):
            if number == self._fails_at:
                raise InternalError("the worker failed")
            texts = messages.EmbedInput.FromString(request.data).texts
            vectors = (b"\0\0" + bytes([number, 0])) * len(texts)
            answer = messages.EmbedOutput(vectors=vectors, dimensions=1, token_counts=[1] * len(texts))
            await put(answer.SerializeToString())


async def test_the_parts_of_a_large_input_go_on_as_they_come(call: Any, resolved: Any) -> None:
    made = call(EmbedInput(TEXTS))
    made.resolved = resolved()
    async with Pipeline([], Dispatch(Runner())).stream(made) as parts:
        counts = [part.count async for part in parts if isinstance(part, EmbedOutput)]
    assert counts == [MAX_REQUEST_ITEMS, MAX_REQUEST_ITEMS, 1]


async def test_a_caller_that_wants_one_answer_gets_them_joined(call: Any, resolved: Any) -> None:
    made = call(EmbedInput(TEXTS))
    made.resolved = resolved()
    answer = await Pipeline([], Dispatch(Runner())).run(made)
    assert isinstance(answer, EmbedOutput)
    assert (answer.count, len(answer.vectors), len(answer.token_counts)) == (len(TEXTS), 4 * len(TEXTS), len(TEXTS))
    assert answer.vectors[2::4] == bytes([0] * MAX_REQUEST_ITEMS + [1] * MAX_REQUEST_ITEMS + [2])


async def test_an_error_follows_the_parts_before_it(call: Any, resolved: Any) -> None:
    made = call(EmbedInput(TEXTS))
    made.resolved, made.output = resolved(), Collected()
    with pytest.raises(InternalError):
        await Dispatch(Runner(fails_at=2))(made)
    assert len(made.output.parts) == 2


@pytest.mark.parametrize("is_shared", [False, True])
async def test_a_worker_drops_no_run_at_its_callers_deadline_that_others_wait_for(
    call: Any, resolved: Any, is_shared: bool
) -> None:
    class Remembers(Runner):
        async def run(self, _: object, requests: Sequence[Request], context: CallContext, *__: object) -> None:
            frame, _ = request_frame(1, requests[0], context, 1)
            self.told = wire.ServerFrame.FromString(frame[LENGTH_BYTES:])

    runner, made = Remembers(), call(EmbedInput(["a"]))
    made.resolved, made.deadline, made.is_shared = resolved(), 1000.0, is_shared
    await Dispatch(runner)(made)
    assert runner.told.deadline_nanoseconds == (0 if is_shared else 1000 * 10**9)
