"""Embedding over a stream through either client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import Any

import pytest

from panope_client import AsyncClient, DeadlineError, InvalidInputError, InvalidResponseError, UnavailableError

MODEL = "vendor/fake"


async def test_answers_come_in_the_order_of_the_batches(client: Any) -> None:
    batches = [["x" * number] * (number % 3 + 1) for number in range(1, 200)]

    answers = [answer async for answer in client.embed_stream(batches, MODEL)]

    assert [answer.vectors[:, 0].tolist() for answer in answers] == [
        [float(len(text)) for text in batch] for batch in batches
    ]


async def test_the_error_of_a_batch_takes_its_place_when_errors_are_returned(client: Any) -> None:
    answers = [a async for a in client.embed_stream([["a"], ["fail"], ["bb"]], MODEL, return_errors=True)]

    assert [answers[0].vectors[0, 0], answers[2].vectors[0, 0]] == [1.0, 2.0]
    assert isinstance(answers[1], InvalidInputError)
    assert (answers[1].message, answers[1].reason, answers[1].field) == ("no", "invalid_input", "texts[0]")


async def test_the_error_of_a_batch_ends_the_stream_otherwise(client: Any) -> None:
    answers = client.embed_stream([["a"], ["fail"], ["bb"]], MODEL)

    assert len(await anext(answers)) == 1
    with pytest.raises(InvalidInputError):
        await anext(answers)


async def test_an_exception_of_the_batches_comes_back_after_the_answers_before_it(client: Any) -> None:
    def batches() -> Iterator[list[str]]:
        yield ["a"]
        raise LookupError("the caller's own")

    answers = client.embed_stream(batches(), MODEL)

    assert len(await anext(answers)) == 1
    with pytest.raises(LookupError, match="the caller's own"):
        await anext(answers)


async def test_a_mistaken_batch_is_told_as_such(client: Any) -> None:
    with pytest.raises(TypeError, match="put a single text into a list"):
        await anext(client.embed_stream(["text"], MODEL))


async def test_a_broken_stream_is_an_error(client: Any) -> None:
    answers = client.embed_stream([["a"], ["break"]], MODEL)

    assert len(await anext(answers)) == 1
    with pytest.raises(UnavailableError, match="gone"):
        await anext(answers)


async def test_a_stream_that_ends_without_all_answers_is_an_error(client: Any) -> None:
    with pytest.raises(InvalidResponseError, match="ended after 1 answers to 2 requests"):
        [answer async for answer in client.embed_stream([["a"], ["stop"]], MODEL)]


async def test_an_answer_out_of_order_is_an_error(client: Any) -> None:
    with pytest.raises(InvalidResponseError, match="'other' where the answer to 0 was due"):
        await anext(client.embed_stream([["renumber"]], MODEL))


async def test_a_caller_that_leaves_a_stream_cancels_it_at_the_server(client: Any, fake: Any) -> None:
    async with aclosing(client.embed_stream([["a"], ["hang"]], MODEL)) as answers:
        await anext(answers)
        await fake.started.acquire()

    await fake.cancelled.wait()


async def test_a_stream_has_a_deadline_when_it_is_given_one(client: Any) -> None:
    with pytest.raises(DeadlineError):
        await anext(client.embed_stream([["hang"]], MODEL, timeout=0.05))


async def test_no_batches_give_no_answers(client: Any) -> None:
    assert [answer async for answer in client.embed_stream([], MODEL)] == []


@pytest.mark.parametrize("connect", [AsyncClient], indirect=True, ids=["asyncio"])
async def test_batches_may_come_from_an_asynchronous_iterable(connect: Callable[..., Any], server: Any) -> None:
    async def batches() -> AsyncIterator[list[str]]:
        yield ["a"]
        yield ["bb"]

    answers = [answer async for answer in connect().embed_stream(batches(), MODEL)]

    assert [answer.vectors[0, 0] for answer in answers] == [1.0, 2.0]
