"""Calls of many texts on real workers: what comes of them is what comes of each text alone, and others pass them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest

from panope_backends.errors import InvalidInputError, OverloadedError
from panope_server.config import Limits
from panope_server.tasks.catalog import MAX_REQUEST_ITEMS
from panope_server.tasks.embed import EmbedInput, EmbedOutput
from panope_server.transport.grpc.streams import Window, in_order

TEXTS = [f"text number {number} of many" for number in range(3 * MAX_REQUEST_ITEMS + 5)]
TOO_LONG = "word " * 100


async def test_a_large_call_is_answered_as_its_texts_are_alone(rig) -> None:
    made = rig()
    answer = await made.embed(*TEXTS)
    vectors = np.frombuffer(answer.vectors, "<f4").reshape(answer.count, answer.dimensions)
    for number, text in list(enumerate(TEXTS))[::7]:
        alone = await made.embed(text)
        np.testing.assert_array_equal(vectors[number], np.frombuffer(alone.vectors, "<f4"))
        assert answer.token_counts[number] == alone.token_counts[0]
    assert made.metrics.registry.get_sample_value("panope_in_flight_items", {"model": "acme/echo"}) == 0


@pytest.mark.parametrize("index", [3, 70])
async def test_an_error_names_the_position_in_the_call(rig, index: int) -> None:
    texts = [*TEXTS[:index], TOO_LONG, *TEXTS[index + 1 :]]
    with pytest.raises(InvalidInputError) as caught:
        await rig().embed(*texts)
    assert caught.value.field == f"texts[{index}]"
    assert f"texts[{index}]" in caught.value.message


async def test_texts_that_were_cut_are_told_by_their_position_in_the_call(rig) -> None:
    texts = [TOO_LONG if number in (2, 40, 99) else text for number, text in enumerate(TEXTS)]
    answer = await rig().run(EmbedInput(texts, truncation="end"))
    assert isinstance(answer, EmbedOutput)
    assert answer.truncated_indices == [2, 40, 99]


async def test_a_newcomers_text_is_in_the_first_batches_after_it_came(rig) -> None:
    made = rig("SlowBackend", config={"slow_seconds": 0.1})
    await made.runtime.load()

    def answered() -> float:
        """Requests of which the worker has run the last batch."""
        return made.metrics.registry.get_sample_value("panope_batch_size_count", {"model": "acme/echo"}) or 0.0

    large = asyncio.create_task(made.embed(*["the same text"] * 20 * MAX_REQUEST_ITEMS))
    async with asyncio.timeout(30):
        while answered() < 2:  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.005)
    before = answered()
    await made.embed("a newcomer")
    assert answered() - before <= 4, "the batch that ran, and what else was answered by then"
    assert not large.done()
    assert (await large).count == 20 * MAX_REQUEST_ITEMS


async def test_a_stream_of_large_requests_never_fills_the_queue_of_its_model(rig) -> None:
    limits = Limits(max_items=32, max_queue_items=64)
    made = rig("SlowBackend", config={"slow_seconds": 0.01}, limits=limits, max_in_flight_items=32)
    await made.runtime.load()
    batches = [[f"text {number} of {batch}" for number in range(32)] for batch in range(20)]

    async def requests() -> AsyncIterator[list[str]]:
        for batch in batches:
            yield batch

    async def answer(texts: list[str]) -> int:
        return (await made.embed(*texts)).count

    window = Window[list[str]](limits, lambda texts: (len(texts), 1))
    assert [count async for count in in_order(requests(), answer, window)] == [32] * len(batches)
    with pytest.raises(OverloadedError):
        await asyncio.gather(*map(answer, batches))
