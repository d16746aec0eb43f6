"""Load over gRPC and REST: a fixed number of calls in flight until every text is answered.

The generator shares the machine's cores with the server, so its own cost counts against Panope.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import grpc

from panope.v1 import embed_service_pb2 as pb
from panope.v1 import embed_service_pb2_grpc as pb_grpc

Send = Callable[[Sequence[str]], Awaitable[None]]


@dataclass(frozen=True)
class Outcome:
    """What one run gave."""

    texts_per_second: float
    latencies: list[float]


async def run(texts: Sequence[str], per_call: int, in_flight: int, senders: Sequence[Send]) -> Outcome:
    """Sends every text, `per_call` in a call, with `in_flight` workers that take turns on the senders."""
    batches = iter([texts[start : start + per_call] for start in range(0, len(texts), per_call)])
    latencies: list[float] = []

    async def worker(send: Send) -> None:
        for batch in batches:
            started = time.perf_counter()
            await send(batch)
            latencies.append(time.perf_counter() - started)

    started = time.perf_counter()
    await asyncio.gather(*(worker(senders[index % len(senders)]) for index in range(in_flight)))
    return Outcome(len(texts) / (time.perf_counter() - started), latencies)


class GrpcSender:
    """Calls EmbedService/Embed on one channel."""

    def __init__(self, address: str, model: str) -> None:
        self._channel = grpc.aio.insecure_channel(address)
        self._stub = pb_grpc.EmbedServiceStub(self._channel)
        self._model = model

    async def send(self, texts: Sequence[str]) -> None:
        """One call."""
        response = await self._stub.Embed(pb.EmbedRequest(model=self._model, texts=texts))
        assert response.count == len(texts)

    async def close(self) -> None:
        """Closes the channel."""
        await self._channel.close()


class RestSender:
    """POSTs /v1/embeddings on one kept connection, as an HTTP/1.1 client of a pool does."""

    def __init__(self, host: str, port: int, model: str) -> None:
        self._host, self._port, self._model = host, port, model
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def send(self, texts: Sequence[str]) -> None:
        """One call; the answer is read whole and must be 200."""
        if self._writer is None or self._reader is None:
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port, limit=1 << 22)
        body = json.dumps({"model": self._model, "input": list(texts), "encoding_format": "base64"}).encode()
        head = (
            f"POST /v1/embeddings HTTP/1.1\r\nhost: {self._host}:{self._port}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)
        await self._answer(self._reader)

    async def close(self) -> None:
        """Closes the connection."""
        if self._writer is not None:
            self._writer.close()
            await self._writer.wait_closed()

    @staticmethod
    async def _answer(reader: asyncio.StreamReader) -> bytes:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if not head.startswith(b"http/1.1 200"):
            raise RuntimeError(head.splitlines()[0].decode())
        for line in head.split(b"\r\n"):
            if line.startswith(b"content-length:"):
                return await reader.readexactly(int(line.split(b":")[1]))
        body = b""
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size + 2)
        await reader.readline()
        return body
