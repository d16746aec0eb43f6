"""Messages that do not come: bound in time and in number, on a real server and by raw HTTP/2."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from panope_server.transport.interceptors import arrival
from panope_server.transport.interceptors.arrival import ArrivalInterceptor, Arrivals

DATA, HEADERS, RESET, SETTINGS = 0, 1, 3, 4
END_STREAM, END_HEADERS = 1, 4
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


class HalfSender:
    """Begins calls on one connection and sends half a message of each."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._ended: set[int] = set()
        self.writer = writer
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(SETTINGS, 0, 0))

    def begin(self, stream: int, method: str, *, end: bool = False) -> None:
        pairs = ((":method", "POST"), (":scheme", "http"), (":path", method), (":authority", "x"))
        pairs += (("te", "trailers"), ("content-type", "application/grpc"))
        block = b"".join(b"\0" + b"".join(bytes([len(word)]) + word.encode() for word in pair) for pair in pairs)
        self.writer.write(_frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, block))
        if not end:
            self.writer.write(_frame(DATA, 0, stream, struct.pack(">BI", 0, MESSAGE) + b"a" * (MESSAGE // 2)))

    def finish(self, stream: int) -> None:
        self.writer.write(_frame(DATA, END_STREAM, stream, b"a" * (MESSAGE - MESSAGE // 2)))

    async def ended(self) -> int:
        """The next stream that the server ends; many a one it ends by trailers and a reset."""
        while True:
            head = await self._reader.readexactly(9)
            size, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
            await self._reader.readexactly(size)
            stream = int.from_bytes(head[5:], "big")
            if ((kind == HEADERS and flags & END_STREAM) or kind == RESET) and stream not in self._ended:
                self._ended.add(stream)
                return stream


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


@pytest.fixture
async def arrivals(monkeypatch: pytest.MonkeyPatch) -> Arrivals:
    monkeypatch.setattr(arrival, "CHECK_SECONDS", 0.05)
    return Arrivals()


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
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    yield HalfSender(reader, writer)
    writer.close()


@pytest.mark.parametrize("method", ["/x.Echo/Once", "/x.Echo/Twice"])
async def test_a_message_that_does_not_come_ends_its_call(
    monkeypatch: pytest.MonkeyPatch, sender: HalfSender, arrivals: Arrivals, method: str
) -> None:
    monkeypatch.setattr(arrival, "MAX_SECONDS", 0.2)
    sender.begin(1, method)
    async with asyncio.timeout(20):
        assert await sender.ended() == 1
        while arrivals._checks or arrivals._timer is not None:  # noqa: ASYNC110 - nothing tells that nothing is left
            await asyncio.sleep(0.01)


async def test_of_many_that_are_slow_the_later_are_refused_and_the_earlier_may_still_come(
    monkeypatch: pytest.MonkeyPatch, port: int, sender: HalfSender
) -> None:
    monkeypatch.setattr(arrival, "MAX_SLOW", 2)
    for stream in (1, 3, 5, 7):
        sender.begin(stream, "/x.Echo/Once")
    async with asyncio.timeout(20):
        assert {await sender.ended(), await sender.ended()} == {5, 7}
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:  # what comes at once is not slow
            assert await channel.unary_unary("/x.Echo/Once")(b"b") == b"b"
            assert [answer async for answer in channel.unary_stream("/x.Echo/Twice")(b"b")] == [b"b", b"b"]
        sender.finish(3)
        sender.finish(1)
        assert {await sender.ended(), await sender.ended()} == {1, 3}


async def test_a_call_that_ends_without_a_message_is_refused(sender: HalfSender) -> None:
    sender.begin(1, "/x.Echo/Once", end=True)
    async with asyncio.timeout(20):
        assert await sender.ended() == 1


async def test_a_caller_that_leaves_is_forgotten(sender: HalfSender, arrivals: Arrivals) -> None:
    sender.begin(1, "/x.Echo/Once")
    async with asyncio.timeout(20):
        while not arrivals._checks:  # noqa: ASYNC110 - gRPC tells only that a call has begun
            await asyncio.sleep(0.01)
        sender.writer.close()
        while arrivals._checks:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)


async def test_what_a_refused_caller_hears(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    monkeypatch.setattr(arrival, "MAX_SECONDS", 0.2)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.stream_unary("/x.Echo/Once")()  # to gRPC on the wire the same as a unary call
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert caught.value.details() == "the message did not arrive within 0.2 seconds"
