from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from panope_backends.errors import InvalidInputError
from panope_server.config import Limits
from panope_server.transport.grpc.streams import MAX_IN_FLIGHT, Window, in_order, stream_error


async def numbers(count: int, read: list[int] | None = None) -> AsyncIterator[int]:
    for number in range(count):
        if read is not None:
            read.append(number)
        yield number


def size(_: int) -> tuple[int, int]:
    """A request of one item."""
    return 1, 1


async def test_answers_come_in_the_order_of_requests_even_when_later_ones_are_ready_first() -> None:
    ready = [asyncio.Event() for _ in range(5)]
    done: list[int] = []

    async def answer(number: int) -> int:
        if number < 4:
            await ready[number + 1].wait()  # each waits for the one after it
        ready[number].set()
        done.append(number)
        return number * 10

    assert [answer async for answer in in_order(numbers(5), answer, Window(Limits(), size))] == [0, 10, 20, 30, 40]
    assert done == [4, 3, 2, 1, 0]


async def test_requests_run_together_but_never_more_than_the_limit() -> None:
    running = highest = 0
    full = asyncio.Event()

    async def answer(number: int) -> int:
        nonlocal running, highest
        running += 1
        highest = max(highest, running)
        if running == MAX_IN_FLIGHT:
            full.set()
        await full.wait()
        running -= 1
        return number

    answers = [each async for each in in_order(numbers(3 * MAX_IN_FLIGHT), answer, Window(Limits(), size))]
    assert answers == list(range(3 * MAX_IN_FLIGHT))
    assert highest == MAX_IN_FLIGHT


async def test_a_stream_is_not_read_ahead_of_the_limit() -> None:
    read: list[int] = []
    entered = asyncio.Event()

    async def answer(number: int) -> int:
        if number == MAX_IN_FLIGHT - 1:
            entered.set()
        await asyncio.Event().wait()
        return number

    async def consume() -> None:
        async for _ in in_order(numbers(1000, read), answer, Window(Limits(), size)):
            pass

    task = asyncio.create_task(consume())
    await entered.wait()
    assert len(read) == MAX_IN_FLIGHT
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("large", [(10, 1), (1, 1 << 20)], ids=["items", "bytes"])
async def test_of_large_requests_fewer_run_together_and_one_larger_than_all_runs_alone(large: tuple[int, int]) -> None:
    limits = Limits(max_items=25, max_message_bytes=(5 << 20) // 2)
    sizes = [large] * 9 + [(1000, 1 << 30), large]
    running: set[int] = set()
    together: list[int] = []

    async def answer(number: int) -> int:
        running.add(number)
        together.append(len(running))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        running.remove(number)
        return number

    window = Window[int](limits, sizes.__getitem__)
    assert [each async for each in in_order(numbers(len(sizes)), answer, window)] == list(range(len(sizes)))
    assert max(together) <= 3
    assert window.has_room


async def test_an_answer_that_nobody_takes_holds_up_the_reading() -> None:
    read: list[int] = []

    async def answer(number: int) -> int:
        return number

    answers = in_order(numbers(100, read), answer, Window(Limits(max_items=10), lambda _: (5, 1)))
    assert await anext(answers) == 0
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(read) <= 2
    assert [each async for each in answers] == list(range(1, 100))


async def test_leaving_a_stream_cancels_what_runs() -> None:
    cancelled = asyncio.Event()
    entered = asyncio.Event()

    async def answer(number: int) -> int:
        entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return number

    async def consume() -> None:
        async for _ in in_order(numbers(1), answer, Window(Limits(), size)):
            pass

    task = asyncio.create_task(consume())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(cancelled.wait(), 1)


def test_a_known_error_keeps_its_words_inside_a_stream() -> None:
    told = stream_error(InvalidInputError("`texts` is empty", field="texts"))
    assert (told.code, told.message, told.reason, told.field) == (3, "`texts` is empty", "invalid_input", "texts")


def test_an_unexpected_error_loses_its_text_inside_a_stream() -> None:
    told = stream_error(RuntimeError("/secret/path"))
    assert told.code == 13
    assert "secret" not in told.message
