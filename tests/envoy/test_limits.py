"""What one caller can take of the edge: time, connections, memory; the edge goes on for the others."""

from __future__ import annotations

import asyncio
import itertools
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from envoy_doubles import ask, edge_options

from panope_server.runtime.processes import envoy as module
from panope_server.runtime.processes.envoy import EnvoyProcess

Start = Callable[..., Awaitable[EnvoyProcess]]

POST = b"POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts an Envoy with other limits, in front of a server that reads and never answers."""
    started: list[EnvoyProcess] = []

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_unix_server(swallow, tmp_path / "grpc.sock")

    async def start(**given: object) -> EnvoyProcess:
        envoy = EnvoyProcess(edge_options(tmp_path, **given), tmp_path, tmp_path / "envoy.log")
        await envoy.start()
        started.append(envoy)
        return envoy

    yield start
    for envoy in started:
        await envoy.stop(grace_seconds=0)
    server.close()


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(envoy: EnvoyProcess, sent: bytes = b"") -> Connection:
    reader, writer = await asyncio.open_connection("127.0.0.1", envoy._options.http_port)
    writer.write(sent)
    return reader, writer


async def head_of(connection: Connection) -> bytes:
    """The head of an answer."""
    try:
        return await connection[0].readuntil(b"\r\n\r\n")
    finally:
        connection[1].close()


async def end_of(connection: Connection) -> bytes:
    """What is answered up to the connection's end."""
    reader, writer = connection
    try:
        async with asyncio.timeout(30):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_a_request_that_is_not_sent_in_time_is_408(start):
    envoy = await start(request_seconds=1)
    answer = await end_of(await connect(envoy, POST + b"content-length: 999\r\n\r\n{"))
    assert answer.startswith(b"HTTP/1.1 408"), answer
    assert answer.endswith(b'"code":"request_timeout"}}')


async def test_a_connection_without_a_request_is_closed(start):
    assert await end_of(await connect(await start(connection_idle_seconds=1))) == b""


async def test_idle_connections_make_room_before_none_is_left(start, monkeypatch):
    monkeypatch.setattr(module, "PRESSURE_SECONDS", 0.05)
    envoy = await start(max_connections=20, connection_idle_seconds=3600)
    ends = [asyncio.ensure_future(end_of(await connect(envoy))) for _ in range(19)]
    # Those that are left stay once the first have made room: how many end is a matter of how fast they came.
    for end in itertools.islice(asyncio.as_completed(ends), 3):
        assert await end == b""
    assert (await ask(envoy)).startswith(b"HTTP/1.1 404")
    for end in ends:
        end.cancel()
    await asyncio.wait(ends)


async def test_large_bodies_that_are_not_finished_have_a_limit_that_small_ones_do_not_feel(start):
    envoy = await start(max_large_bodies=4)
    large = POST + b"content-length: %d\r\n\r\n" % (15 << 20) + b" " * (1 << 16)
    unknown = POST + b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n"
    heads = [
        asyncio.ensure_future(head_of(await connect(envoy, sent))) for sent in (large, unknown, large, unknown, large)
    ]
    (refused,), waiting = await asyncio.wait(heads, timeout=20, return_when=asyncio.FIRST_COMPLETED)
    assert refused.result().startswith(b"HTTP/1.1 503")
    assert b"retry-after: 1" in refused.result()
    small = asyncio.ensure_future(head_of(await connect(envoy, POST + b"content-length: 9\r\n\r\n{")))
    finished, _ = await asyncio.wait([small], timeout=0.3)
    assert not finished  # it was not refused
    for end in (small, *waiting):
        end.cancel()
    await asyncio.wait([small, *waiting])


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name: bytes, value: bytes) -> bytes:
    """A header as HPACK writes it without a table."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


async def test_a_connection_that_cancels_what_it_asks_for_is_closed(start):
    headers, reset, settings = 1, 3, 4
    envoy = await start()
    names = {b":method": b"GET", b":scheme": b"http", b":path": b"/health", b":authority": b"localhost"}
    block = b"".join(literal(name, value) for name, value in names.items())
    flood = b"".join(
        frame(headers, 0x5, stream, block) + frame(reset, 0, stream, struct.pack(">I", 8))
        for stream in range(1, 1001, 2)
    )
    connection = await connect(envoy, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(settings, 0, 0) + flood)
    await end_of(connection)
    assert (await ask(envoy)).startswith(b"HTTP/1.1 404")
