"""The calls that run: counted, waited for, and told to end when they would go on for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from panope_server.transport.running_calls import RunningCalls


async def test_quiet_comes_when_the_last_call_has_ended_and_no_other_began():
    calls = RunningCalls()
    with calls:
        waiting = asyncio.ensure_future(calls.quiet(0.01))
        with calls:
            assert calls.count == 2
        await asyncio.wait([waiting], timeout=0.05)
        assert not waiting.done()
    await asyncio.wait_for(waiting, 5)
    assert calls.count == 0


async def test_a_call_that_fails_is_counted_out():
    calls = RunningCalls()
    with pytest.raises(ValueError, match="wrong"), calls:
        raise ValueError("wrong")
    await asyncio.wait_for(calls.quiet(0), 5)


async def test_a_stream_of_requests_ends_when_streams_are_told_to():
    calls = RunningCalls()
    closed = asyncio.Event()

    async def requests() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            closed.set()

    seen: list[int] = []
    async for request in calls.requests_of(requests()):
        seen.append(request)
        calls.end_streams()
    assert seen == [1]
    await asyncio.wait_for(closed.wait(), 5)


async def test_a_stream_that_its_caller_ends_ends():
    async def requests() -> AsyncIterator[int]:
        yield 1
        yield 2

    assert [request async for request in RunningCalls().requests_of(requests())] == [1, 2]
