"""Calls whose next message does not come while the process holds too much memory, on real servers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest

from half_sender import HalfSender
from panope_server.observability.memory import used_bytes
from panope_server.transport.interceptors import arrival
from panope_server.transport.interceptors.arrival import ArrivalInterceptor, Arrivals

PROGRAM = Path(__file__).parent / "programs" / "bounded_server.py"
LIMIT = 1000
LARGE = b"a" * (32 << 20)
EACH, ONCE = "/x.Echo/Each", "/x.Echo/Once"


class Echo(grpc.GenericRpcHandler):
    """Answers each message of a stream by itself, `wait` when it is told to, `large` by more than a window takes.

    Also calls with one message.
    """

    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        async def once(request: bytes, _: object) -> bytes:
            return request

        async def each(requests: AsyncIterator[bytes], _: object) -> AsyncIterator[bytes]:
            async for request in requests:
                if request == b"wait":
                    await self.go_on.wait()
                yield LARGE if request == b"large" else request

        if details.method == ONCE:
            return grpc.unary_unary_rpc_method_handler(once)
        return grpc.stream_stream_rpc_method_handler(each)


class Memory:
    """What the process is said to have in use: each stream that the server has open holds as much, but for some."""

    def __init__(self) -> None:
        self.arrivals: Arrivals | None = None
        self.each = 0
        self.without = 0
        self.other = 0
        self.looks = 0

    def used(self, enough: int) -> int:
        self.looks += 1
        assert enough == LIMIT
        assert self.arrivals is not None
        return self.other + self.each * max(0, len(self.arrivals._streams) - self.without)


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
async def port(memory: Memory, echo: Echo, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(arrival, "CHECK_SECONDS", 0.05)
    memory.arrivals = Arrivals(LIMIT, 100, memory.used)
    server = grpc.aio.server(interceptors=[ArrivalInterceptor(memory.arrivals)])
    server.add_generic_rpc_handlers([echo])
    number = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield number
    await server.stop(0)


@pytest.fixture
def open_channel(port: int) -> Callable[[], grpc.aio.Channel]:
    # Channels of the same options share a connection.
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
    return lambda: grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options)


async def opened(channel: grpc.aio.Channel, message: bytes = b"a") -> Any:
    """A stream that has had an answer, unless its message is `wait` or `large`, and says no more."""
    call = channel.stream_stream(EACH)()
    await call.write(message)
    if message not in {b"wait", b"large"}:
        assert await call.read() == message
    return call


async def until(condition: Any) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - nothing tells when memory is looked at
            await asyncio.sleep(0.01)


async def looked(memory: Memory) -> None:
    """Waits until all that is open was silent for long enough."""
    memory.looks = 0
    await until(lambda: memory.looks > arrival.SLOW_CHECKS + 1)


async def test_the_silent_streams_of_the_connection_with_most_of_them_end_when_memory_is_short(
    memory: Memory, open_channel: Any
) -> None:
    async with open_channel() as quiet, open_channel() as greedy:
        first = await opened(quiet)
        many = [await opened(greedy) for _ in range(15)]
        await looked(memory)
        memory.each = 100
        await until(lambda: all(call.done() for call in many))
        assert not first.done()
        ended = many[0]
        assert await ended.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "short of memory" in await ended.details()
        await first.write(b"b")
        assert await first.read() == b"b"


async def test_streams_that_say_something_stay_and_those_that_wait_for_answers_end_last(
    memory: Memory, echo: Echo, open_channel: Any
) -> None:
    async with open_channel() as one, open_channel() as other:
        waiting = [await opened(one, b"wait") for _ in range(3)]
        silent, talking = await opened(other), await opened(other)
        memory.each, memory.without, memory.other = 100, 4, LIMIT - 50
        talk = asyncio.ensure_future(_talk(talking))
        await until(silent.done)
        assert not any(call.done() for call in (talking, *waiting))
        echo.go_on.set()
        assert [await call.read() for call in waiting] == [b"wait"] * 3
        talk.cancel()


async def test_nothing_ends_while_memory_is_enough_or_nothing_is_silent(memory: Memory, open_channel: Any) -> None:
    async with open_channel() as channel:
        calls = [await opened(channel) for _ in range(8)]
        await until(lambda: memory.looks > 2 * arrival.SLOW_CHECKS)
        assert not any(call.done() for call in calls)
        for call in calls:
            await call.write(b"b")
            await call.read()
        memory.other, memory.looks = LIMIT + 1, 0
        await until(lambda: any(call.done() for call in calls))
        assert memory.looks > arrival.SLOW_CHECKS


async def test_a_stream_that_is_sent_an_answer_hears_of_its_end_behind_it(memory: Memory, open_channel: Any) -> None:
    async with open_channel() as channel:
        slow = await opened(channel, b"large")
        await looked(memory)
        memory.other, memory.looks = LIMIT + 1, 0
        await until(lambda: memory.looks > 1)
        async with asyncio.timeout(60):
            assert await slow.read() == LARGE
            with pytest.raises(grpc.aio.AioRpcError, match="short of memory") as caught:
                await slow.read()
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_message_that_does_not_come_ends_after_the_silent_streams(memory: Memory, open_channel: Any) -> None:
    async with open_channel() as channel:
        stream = await opened(channel)
        message = channel.stream_unary(ONCE)()  # to gRPC on the wire the same as a call with one message
        memory.each, memory.other = 50, LIMIT - 40
        await until(stream.done)
        await until(lambda: memory.looks > 3 * arrival.SLOW_CHECKS)
        assert not message.done()
        memory.other = LIMIT + 10
        with pytest.raises(grpc.aio.AioRpcError, match="short of memory") as caught:
            await message
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_many_half_sent_messages_are_bounded_in_bytes_beside_a_neighbour_who_is_answered() -> None:
    count, size, sent, a_second = 60, 15_000_000, 14_400_000, 250_000_000
    async with _program() as (process, port), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(ONCE)
        quiet = await opened(channel)
        sender = await HalfSender.connect(port, size)
        for number in range(count):
            sender.begin(1 + 2 * number, EACH)
        most = 0
        clock = asyncio.get_running_loop().time
        for _ in range(16):
            until_then = clock() + count * sent / 16 / a_second
            await sender.send(sent // 16)
            assert await call(b"a", timeout=60) == b"a"
            most = max(most, process.memory_info().rss)
            await asyncio.sleep(until_then - clock())
        assert sender.ended_count >= count // 2
        await quiet.write(b"b")
        assert await quiet.read() == b"b"
        await sender.close()
    assert most >> 20 < 600  # 864 MB were sent


@asynccontextmanager
async def _program() -> AsyncIterator[tuple[psutil.Process, int]]:
    """A server that ends calls past 200 MB, in a process of its own, whose memory is nobody else's."""
    program = await asyncio.create_subprocess_exec(sys.executable, PROGRAM, stdout=asyncio.subprocess.PIPE)
    try:
        assert program.stdout is not None
        yield psutil.Process(program.pid), int(await program.stdout.readline())
    finally:
        program.kill()
        await program.wait()


async def _talk(call: Any) -> None:
    while True:
        await call.write(b"t")
        await call.read()


def test_memory_in_use_follows_what_is_allocated_and_given_back() -> None:
    before = used_bytes(0)
    held = bytearray(64 << 20)
    held[:: 1 << 12] = b"x" * len(held[:: 1 << 12])
    during = used_bytes(0)
    del held
    assert 60 << 20 < during - before < 80 << 20
    assert used_bytes(0) - before < 10 << 20
