"""Answers that are kept whole, streamed or not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from cache_doubles import SECONDS

from panope_backends.errors import InternalError
from panope_server.pipeline.cache.flights import MAX_AHEAD, Flight, FlightError, Flights
from panope_server.tasks.generate.types import GenerateInput, GenerationOptions, Sampling

GREEDY = GenerateInput(prompts=["once"], options=GenerationOptions(sampling=Sampling(temperature=0.0)))
STREAMED = replace(GREEDY, stream=True)


async def streamed(cached: Any) -> tuple[list[Any], str]:
    call = cached.call(STREAMED)
    async with cached.pipeline.stream(call) as parts:
        return [part async for part in parts], call.cache_status


@pytest.mark.parametrize("first_is_streamed", [True, False])
async def test_a_streamed_answer_and_a_whole_one_are_kept_as_one(cached: Any, first_is_streamed: bool) -> None:
    cached.computer.pieces = 3
    if first_is_streamed:
        parts, status = await streamed(cached)
        assert (len(parts), status) == (3, "miss")
        again, status = await cached.ask(GREEDY)
    else:
        again, _ = await cached.ask(GREEDY)
        (again,), status = await streamed(cached)
    assert status == "hit"
    assert [delta.text for delta in again.deltas] == ["once 0once 1once 2"]
    assert (again.deltas[0].finish_reason, again.usage.completion_tokens) == ("stop", 3)
    assert cached.computer.ran == ["once"]


async def test_streams_that_come_together_get_every_part_of_one_run(cached: Any) -> None:
    cached.computer.pieces, cached.computer.gate = 3 * MAX_AHEAD, asyncio.Event()
    calls = [asyncio.create_task(streamed(cached)) for _ in range(3)]
    await cached.computer.until_ran(1)
    await asyncio.sleep(0)
    cached.computer.gate.set()
    async with asyncio.timeout(SECONDS):
        answers = await asyncio.gather(*calls)
    assert [len(parts) for parts, _ in answers] == [3 * MAX_AHEAD] * 3
    assert sorted(status for _, status in answers) == ["hit", "hit", "miss"]
    assert cached.computer.ran == ["once"]


async def test_a_reader_that_is_slow_holds_up_no_other(cached: Any) -> None:
    cached.computer.pieces = 100
    first = cached.call(STREAMED)
    async with asyncio.timeout(SECONDS), cached.pipeline.stream(first) as slow:
        await anext(slow)
        parts, status = await streamed(cached)
        assert (len(parts), status) == (100, "hit")
        assert len([part async for part in slow]) == 99


async def test_a_run_goes_no_further_ahead_than_its_reader_has_room(cached: Any) -> None:
    cached.computer.pieces = 1000
    async with cached.pipeline.stream(cached.call(STREAMED)) as parts:
        await anext(parts)
        for _ in range(100):
            await asyncio.sleep(0)
        made = max(len(flight._log) for flight in cached.step._flights._by_key.values())
    assert made < 4 * MAX_AHEAD


async def test_a_stream_that_breaks_off_breaks_off_for_all_who_had_a_part_of_it(cached: Any) -> None:
    cached.computer.pieces = 2
    answer = cached.computer._outputs

    def broken(given: Any) -> Any:
        yield answer(given)[0]
        cached.computer._outputs = answer
        raise InternalError("the worker failed")

    cached.computer._outputs = broken
    cached.computer.gate = asyncio.Event()
    calls = [asyncio.create_task(streamed(cached)) for _ in range(2)]
    await cached.computer.until_ran(1)
    await asyncio.sleep(0)
    cached.computer.gate.set()
    async with asyncio.timeout(SECONDS):
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["the worker failed"] * 2
    assert len(cached.store) == 0


async def test_a_run_that_fails_before_its_first_part_is_run_by_who_waited(cached: Any) -> None:
    cached.computer.gate = asyncio.Event()
    calls = [asyncio.create_task(streamed(cached)) for _ in range(2)]
    await cached.computer.until_ran(1)
    await asyncio.sleep(0)
    cached.computer.error = InternalError("the worker failed")
    cached.computer.gate.set()
    async with asyncio.timeout(SECONDS):
        first, second = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(first, InternalError)
    assert not isinstance(second, BaseException)
    assert (len(second[0]), second[1]) == (1, "miss")


async def test_a_caller_that_wants_parts_does_not_wait_for_a_run_that_gives_none(cached: Any) -> None:
    cached.computer.gate = asyncio.Event()
    whole = asyncio.create_task(cached.ask(GREEDY))
    await cached.computer.until_ran(1)
    parts = asyncio.create_task(streamed(cached))
    await asyncio.sleep(0)
    cached.computer.gate.set()
    await asyncio.wait_for(asyncio.gather(whole, parts), SECONDS)
    assert cached.computer.ran == ["once", "once"]


@pytest.mark.parametrize("turns", [0, 1, 2, 5])
async def test_nobody_joins_a_run_that_was_given_up(cached: Any, turns: int) -> None:
    cached.computer.pieces, cached.computer.gate = 3, asyncio.Event()
    first = asyncio.create_task(streamed(cached))
    for _ in range(turns):  # the run has not begun, or waits
        await asyncio.sleep(0)
    first.cancel()
    second = asyncio.create_task(streamed(cached))
    await asyncio.wait([first])
    for _ in range(20):
        await asyncio.sleep(0)
    cached.computer.gate.set()
    async with asyncio.timeout(SECONDS):
        parts, _ = await second
    assert len(parts) == 3
    assert not cached.step._flights._by_key


async def test_a_run_that_is_given_up_before_its_first_turn_has_ended(cached: Any) -> None:
    flights: Flights[str] = Flights()

    async def never(_: Flight[str]) -> None:
        raise AssertionError("it does not begin")

    flight = flights.start([b"key"], never)
    with flight.reader() as late:
        pass
    assert flights.get(b"key") is None
    with pytest.raises(FlightError):
        await asyncio.wait_for(late.next(), SECONDS)


async def test_a_run_that_takes_time_to_end_is_not_joined_while_it_does(cached: Any) -> None:
    flights: Flights[str] = Flights()
    ending, ended = asyncio.Event(), asyncio.Event()

    async def slow_to_end(flight: Flight[str]) -> None:
        await flight.put("a part")
        try:
            await asyncio.Event().wait()
        finally:
            ending.set()
            await ended.wait()

    flight = flights.start([b"key"], slow_to_end)
    with flight.reader() as reader:
        assert await reader.next() == "a part"
    await ending.wait()
    assert flights.get(b"key") is None
    again = flights.start([b"key"], slow_to_end)
    ended.set()
    await asyncio.wait([flight._task])
    assert flights.get(b"key") is again, "the end of one run does not hide the next"
    with again.reader():
        pass
    await asyncio.wait([again._task])
