"""The loop of a server turns once for all that gRPC has done meanwhile, and loses nothing of it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial

import grpc
import pytest

from panope_server.transport.grpc import event_loop
from panope_server.transport.grpc.event_loop import GrpcEventLoop, call_once

STREAMS, MESSAGES = 16, 20


class Reader:
    """Reads a byte of its socket at a time, as gRPC's does."""

    def __init__(self) -> None:
        self.socket, self.waker = socket.socketpair()
        self.calls = 0

    def read(self, loop: asyncio.AbstractEventLoop) -> None:
        self.socket.recv(1)
        self.calls += 1

    def close(self) -> None:
        self.socket.close()
        self.waker.close()


class PollerCompletionQueue(Reader):
    """Has the name by which the loop knows gRPC's."""


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=GrpcEventLoop) as made:
        yield made


async def calls_for_five_bytes(reader: Reader) -> int:
    loop = asyncio.get_running_loop()
    loop.add_reader(reader.socket, partial(reader.read, loop))
    for _ in range(2):  # the second time there is as much, and it is as well
        reader.waker.send(b"11111")
        for _ in range(10):
            await asyncio.sleep(0)
    loop.remove_reader(reader.socket)
    reader.close()
    return reader.calls


def test_what_takes_all_that_is_queued_is_called_once_for_all(runner: asyncio.Runner) -> None:
    assert runner.run(calls_for_five_bytes(PollerCompletionQueue())) == 2


def test_the_bytes_of_others_are_left_to_them(runner: asyncio.Runner) -> None:
    assert runner.run(calls_for_five_bytes(Reader())) == 10


async def count(_: bytes, __: object) -> AsyncIterator[bytes]:
    for number in range(MESSAGES):
        yield b"%d" % number


class Counting(grpc.GenericRpcHandler):
    def service(self, _: object) -> grpc.RpcMethodHandler[bytes, bytes]:
        return grpc.unary_stream_rpc_method_handler(count)


async def all_streams() -> list[list[bytes]]:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([Counting()])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        method: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream("/acme.Service/Count")

        async def one() -> list[bytes]:
            return [message async for message in method(b"")]

        streams = await asyncio.gather(*(one() for _ in range(STREAMS)))
    await server.stop(None)
    return streams


def test_grpcs_queue_is_known_and_none_of_many_streams_lacks_anything(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def noted(waker: socket.socket, callback: Callable[[], object]) -> None:
        calls.append(waker)
        call_once(waker, callback)

    monkeypatch.setattr(event_loop, "call_once", noted)
    assert runner.run(all_streams()) == [[b"%d" % number for number in range(MESSAGES)]] * STREAMS
    # Each message is sent and received, and each is done by itself.
    assert 0 < len(calls) < STREAMS * MESSAGES * 2
