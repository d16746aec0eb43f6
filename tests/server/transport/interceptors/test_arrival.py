"""Messages that do not come: bound in time and in number, on a real server and by raw HTTP/2."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from half_sender import HalfSender
from panope_server.transport.interceptors import arrival
from panope_server.transport.interceptors.arrival import ArrivalInterceptor, Arrivals

MESSAGE = 1000


class Echo(grpc.GenericRpcHandler):
    """Answers with the request, once or twice."""

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        async def once(request: bytes, _: object) -> bytes:
            return request

        async def twice(request: bytes, _: object) -> AsyncIterator[bytes]:
            for _ in range(2):
                yield request

        if details.method == "/x.Echo/Once":
            return grpc.unary_unary_rpc_method_handler(once)
        return grpc.unary_stream_rpc_method_handler(twice)


@pytest.fixture
async def arrivals(monkeypatch: pytest.MonkeyPatch) -> Arrivals:
    monkeypatch.setattr(arrival, "CHECK_SECONDS", 0.0125)
    return Arrivals(1 << 60, 1)


@pytest.fixture
async def port(arrivals: Arrivals) -> AsyncIterator[int]:
    server = grpc.aio.server(interceptors=[ArrivalInterceptor(arrivals)])
    server.add_generic_rpc_handlers([Echo()])
    number = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield number
    await server.stop(0)


@pytest.fixture
async def sender(port: int) -> AsyncIterator[HalfSender]:
    sender = await HalfSender.connect(port, MESSAGE)
    yield sender
    await sender.close()


@pytest.mark.parametrize("method", ["/x.Echo/Once", "/x.Echo/Twice"])
async def test_a_message_that_does_not_come_ends_its_call(
    monkeypatch: pytest.MonkeyPatch, sender: HalfSender, arrivals: Arrivals, method: str
) -> None:
    monkeypatch.setattr(arrival, "MAX_SECONDS", 0.2)
    sender.begin(1, method)
    async with asyncio.timeout(60):
        assert await sender.ended() == 1
        while arrivals._checks or arrivals._timer is not None:  # noqa: ASYNC110 - nothing tells that nothing is left
            await asyncio.sleep(0.01)


async def test_of_many_that_are_slow_the_later_are_refused_and_the_earlier_may_still_come(
    monkeypatch: pytest.MonkeyPatch, port: int, sender: HalfSender
) -> None:
    monkeypatch.setattr(arrival, "MAX_SLOW", 2)
    for stream in (1, 3, 5, 7):
        sender.begin(stream, "/x.Echo/Once")
    async with asyncio.timeout(60):
        assert {await sender.ended(), await sender.ended()} == {5, 7}
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:  # what comes at once is not slow
            assert await channel.unary_unary("/x.Echo/Once")(b"b") == b"b"
            assert [answer async for answer in channel.unary_stream("/x.Echo/Twice")(b"b")] == [b"b", b"b"]
        sender.finish(3)
        sender.finish(1)
        assert {await sender.ended(), await sender.ended()} == {1, 3}


async def test_a_call_that_ends_without_a_message_is_refused(sender: HalfSender) -> None:
    sender.begin(1, "/x.Echo/Once", end=True)
    async with asyncio.timeout(60):
        assert await sender.ended() == 1


async def test_a_caller_that_leaves_is_forgotten(sender: HalfSender, arrivals: Arrivals) -> None:
    sender.begin(1, "/x.Echo/Once")
    async with asyncio.timeout(60):
        while not arrivals._checks:  # noqa: ASYNC110 - gRPC tells only that a call has begun
            await asyncio.sleep(0.01)
        sender.writer.close()
        while arrivals._checks:  # noqa: ASYNC110 - nothing tells that a call is forgotten
            await asyncio.sleep(0.01)


async def test_what_a_refused_caller_hears(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    monkeypatch.setattr(arrival, "MAX_SECONDS", 0.2)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.stream_unary("/x.Echo/Once")()  # to gRPC on the wire the same as a unary call
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert caught.value.details() == "the message did not arrive within 0.2 seconds"
