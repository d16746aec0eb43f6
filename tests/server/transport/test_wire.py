"""What callers send that is no call as clients make it: pings without end, messages that unpacking makes large."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import psutil
import pytest

from panope_server.transport.grpc.options import server_options

SETTINGS, PING, GOAWAY = 4, 6, 7
ENHANCE_YOUR_CALM = 11
#: Of a connection of HTTP/2, with settings that say nothing.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + bytes([SETTINGS, 0]) + bytes(4)


def frame(kind: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, 0]) + bytes(4) + payload


async def reason_of_end(reader: asyncio.StreamReader) -> int:
    """Why the server closes a connection, as its last frame says."""
    reason = -1
    while head := await reader.read(9):
        head += await reader.readexactly(9 - len(head))
        payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
        if head[3] == GOAWAY:
            reason = int.from_bytes(payload[4:8], "big")
    return reason


@asynccontextmanager
async def echo() -> AsyncIterator[int]:
    """A server that answers what it is told; its port."""

    async def once(request: bytes, _: object) -> bytes:
        return request

    handlers = {"Once": grpc.unary_unary_rpc_method_handler(once)}
    server = grpc.aio.server(options=server_options(1 << 20))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("x.Echo", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield port
    await server.stop(None)


async def test_a_flood_of_pings_ends_its_connection_and_no_other() -> None:
    async with echo() as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        ask = channel.unary_unary("/x.Echo/Once")
        assert await ask(b"before", timeout=30) == b"before"
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(PREFACE + frame(PING, bytes(8)) * 100)
        assert await asyncio.wait_for(reason_of_end(reader), 30) == ENHANCE_YOUR_CALM
        writer.close()
        assert await ask(b"after", timeout=30) == b"after"


async def test_pings_as_clients_send_them_end_no_connection() -> None:
    async with echo() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(PREFACE + frame(PING, bytes(8)) * 2)
        seen: list[int] = []
        while seen.count(PING) < 2:
            head = await asyncio.wait_for(reader.readexactly(9), 30)
            await reader.readexactly(int.from_bytes(head[:3], "big"))
            seen.append(head[3])
        assert GOAWAY not in seen
        writer.close()


async def test_a_message_that_grows_without_end_when_it_is_unpacked_is_refused() -> None:
    before = psutil.Process().memory_info().rss
    options = [("grpc.default_compression_algorithm", grpc.Compression.Gzip.value)]
    async with echo() as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}", options) as channel:
        large = bytes(200 << 20)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await channel.unary_unary("/x.Echo/Once")(large, timeout=60)
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        del large
        assert await channel.unary_unary("/x.Echo/Once")(b"after", timeout=30) == b"after"
    assert psutil.Process().memory_info().rss - before < 300 << 20, "the caller's own, and no second one"
