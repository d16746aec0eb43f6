"""Task `generate` from the pipeline to a worker that repeats its prompts, and back."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from panope_backends.errors import InstanceLostError, InvalidInputError
from panope_registry.models.types import ModelEntry
from panope_server.config import Limits
from panope_server.observability.metrics import Metrics
from panope_server.pipeline.accounting.step import Accounting
from panope_server.pipeline.call import Call
from panope_server.pipeline.deadline.step import Deadline
from panope_server.pipeline.dispatch import Dispatch
from panope_server.pipeline.step import Pipeline
from panope_server.pipeline.stream import AnswerStream
from panope_server.pipeline.validate import Validate
from panope_server.runtime.call_context import CallContext
from panope_server.runtime.models.directory import ResolvedModel
from panope_server.runtime.names import ResolvedName
from panope_server.runtime.placement.placement import Placement
from panope_server.tasks.generate.types import (
    GenerateInput,
    GenerateOutput,
    GenerateUsage,
    GenerationOptions,
    Sampling,
)
from panope_server.tasks.task import Request
from panope_server.transport.errors import code_name

MODEL = "acme/echo"
LONG = "".join(f"{number} " for number in range(500))
GREEDY = Sampling(temperature=0)


class OneModel:
    """Runs every call on one model."""

    def __init__(self, runtime: Any) -> None:
        self.runtime = runtime

    def facts_of(self, _: ResolvedModel) -> object:
        return self.runtime.facts

    async def run(
        self,
        _: ResolvedModel,
        requests: Sequence[Request],
        context: CallContext,
        placement: Placement,
        put: Callable[[bytes], Awaitable[None]],
    ) -> None:
        await self.runtime.run(requests, context, placement, put)


class Served:
    """The whole way of a call."""

    def __init__(self, rig: Any) -> None:
        self.rig = rig
        self.metrics = Metrics()
        account = Accounting(self.metrics, code_name, log_requests=False)
        self.pipeline = Pipeline([account, Deadline(Limits()), Validate(Limits())], Dispatch(OneModel(rig.runtime)))

    def call(self, *prompts: str, stream: bool = False, echo: bool = False, **options: Any) -> Call:
        options = {"sampling": GREEDY, **options}
        task_input = GenerateInput(
            prompts=list(prompts), stream=stream, echo=echo, options=GenerationOptions(**options)
        )
        entry = ModelEntry(MODEL, "generate", "", datetime(2026, 1, 2, tzinfo=UTC), {}, (), {})
        call = Call(MODEL, task_input, "generate", "Test/Generate", "r1")
        call.resolved = ResolvedModel(ResolvedName(MODEL), entry)
        return call

    async def answer(self, *prompts: str, **options: Any) -> GenerateOutput:
        output = await self.pipeline.run(self.call(*prompts, **options))
        assert isinstance(output, GenerateOutput)
        return output

    async def parts(self, *prompts: str, **options: Any) -> list[GenerateOutput]:
        async with self.pipeline.stream(self.call(*prompts, stream=True, **options)) as parts:
            return [part async for part in parts if isinstance(part, GenerateOutput)]

    def held(self) -> int:
        return sum(instance.in_flight_items for instance in self.rig.runtime.pool.instances)


async def drained(parts: AnswerStream) -> None:
    """Reads a stream to its end."""
    async for _ in parts:
        pass


@pytest.fixture
async def served(rig: Callable[..., Any]) -> Served:
    made = Served(rig("EchoTokenBackend", task="generate", tokenizer=None))
    await made.rig.runtime.load()
    return made


async def test_a_prompt_is_answered_in_one_part_or_as_a_stream_of_the_same_text(served: Served) -> None:
    output = await served.answer("grüße")
    (answer,) = output.deltas
    assert (answer.text, answer.finish_reason, output.usage) == ("grüße", "stop", GenerateUsage(7, 8))
    assert answer.token_ids == [*"grüße".encode(), 256]
    parts = await served.parts("grüße")
    assert len(parts) > 3
    assert "".join(delta.text for part in parts for delta in part.deltas) == "grüße"
    assert [part.usage for part in parts] == [None] * (len(parts) - 1) + [GenerateUsage(7, 8)]


async def test_each_of_several_prompts_has_n_answers_in_their_order(served: Served) -> None:
    output = await served.answer("one", "two", "three", n=2)
    assert [(each.prompt_index, each.index, each.text) for each in output.deltas] == [
        (prompt, index, text) for prompt, text in enumerate(("one", "two", "three")) for index in (0, 1)
    ]
    assert output.usage == GenerateUsage(11, 2 * 14)


async def test_a_stream_of_more_sequences_than_slots_has_them_all(served: Served) -> None:
    parts = await served.parts("ab", "cd", "ef", n=2)
    texts: dict[tuple[int, int], str] = {}
    for delta in (delta for part in parts for delta in part.deltas):
        place = (delta.prompt_index, delta.index)
        texts[place] = texts.get(place, "") + delta.text
    assert texts == {(p, i): text for p, text in enumerate(("ab", "cd", "ef")) for i in (0, 1)}


async def test_an_error_names_the_field_by_its_path_and_the_prompt_by_its_place_in_the_call(served: Served) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await served.answer("a", sampling=Sampling(top_k=3))
    assert (refused.value.field, refused.value.reason) == ("top_k", "unsupported_field")
    with pytest.raises(InvalidInputError) as refused:
        await served.answer("a", "b", "c" * 5000, "d")
    assert refused.value.field == "prompts[2]"
    with pytest.raises(InvalidInputError, match=r"`n` is 5; the model generates at most 4"):
        await served.answer("a", n=5)


async def test_a_client_that_leaves_in_mid_stream_frees_its_slots_within_100_ms(served: Served) -> None:
    async with served.pipeline.stream(served.call(LONG, stream=True, ignore_eos=True, n=4)) as parts:
        await anext(parts)
        assert served.held() == 4
        left = time.monotonic()
    assert served.held() == 0
    answer = await served.answer("hi", n=4)  # which needs the same slots of the model
    assert [each.text for each in answer.deltas] == ["hi"] * 4
    assert time.monotonic() - left < 0.2


async def test_calls_wait_in_the_server_for_slots_and_others_pass_them(served: Served) -> None:
    pool = served.rig.runtime.pool
    async with served.pipeline.stream(served.call(LONG, stream=True, ignore_eos=True, n=3)) as parts:
        await anext(parts)
        waiting = asyncio.create_task(served.answer("second", n=2))
        await asyncio.sleep(0.05)
        assert (len(pool.slot_queue), pool.slot_queue.items, served.held()) == (1, 2, 3)
        assert not waiting.done()
    assert [each.text for each in (await waiting).deltas] == ["second"] * 2


async def test_a_killed_worker_ends_its_stream_with_an_error_after_the_parts(served: Served) -> None:
    async with served.pipeline.stream(served.call(LONG, stream=True, ignore_eos=True)) as parts:
        await anext(parts)
        (pid,) = served.rig.pids()
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(InstanceLostError):
            await drained(parts)
    assert served.held() == 0


async def test_a_slow_reader_loses_nothing_and_holds_nobody_up(served: Served) -> None:
    async with served.pipeline.stream(served.call(LONG, stream=True)) as parts:
        first = await anext(parts)
        await served.answer(LONG)  # as many steps: the stream is at its end by now, and its parts were merged
        answer = await asyncio.wait_for(served.answer("quick"), 5)
        assert answer.deltas[0].text == "quick"
        rest = [part async for part in parts]
    assert len(rest) < 400
    outputs = [part for part in (first, *rest) if isinstance(part, GenerateOutput)]
    assert "".join(delta.text for part in outputs for delta in part.deltas) == LONG


async def test_tokens_are_counted(served: Served) -> None:
    await served.answer("count me")
    registry = served.metrics.registry
    assert registry.get_sample_value("panope_input_tokens_total", {"model": MODEL}) == 8
    assert registry.get_sample_value("panope_output_tokens_total", {"model": MODEL}) == 9
