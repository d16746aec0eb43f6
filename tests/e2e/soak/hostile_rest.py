"""Calls over REST that must be refused as their caller's own fault, or that their caller leaves in the middle."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

SECONDS = 300


@dataclass(frozen=True)
class HostileCall:
    """One call.

    Attributes:
        statuses: the right answers, beside those of a server that has no worker or no room.
    """

    statuses: frozenset[int]
    body: bytes = b""
    method: str = "POST"
    path: str = "/v1/embeddings"
    headers: Mapping[str, str] = field(default_factory=dict)


def _json(value: object, *statuses: int, path: str = "/v1/embeddings") -> HostileCall:
    return HostileCall(frozenset(statuses or (400,)), json.dumps(value).encode(), path=path)


def _raw(body: bytes, *statuses: int, **headers: str) -> HostileCall:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HostileCall(frozenset(statuses or (400,)), body, headers=named)


def hostile_calls(model: str) -> dict[str, HostileCall]:
    """The calls by what is wrong with them."""
    good = {"model": model, "input": ["a"]}
    whole = json.dumps(good).encode()
    return {
        "dimensions past every integer": _json({**good, "dimensions": 1 << 64}),
        "dimensions as 1e300": _json({**good, "dimensions": 1e300}),
        "too many dimensions": _json({**good, "dimensions": 4096}),
        "an unknown field": _json({**good, "x" * 12_000: 1}),
        "a field twice": _raw(whole[:-1] + b', "model": "other"}'),
        "a text that is too long": _json({**good, "input": "word " * 5000}),
        "a text far too long": _json({**good, "input": "x" * (2 << 20)}),
        "token ids of another vocabulary": _json({**good, "input": [[1 << 30]]}),
        "a model's name of 100 KB": _json({**good, "model": "x" * 100_000}, 400, 404),
        "no JSON": _raw(b"{"),
        "deep JSON": _raw(b"[" * 100_000),
        "bytes that are no text": _raw(b'{"model": "\xff\xfe"}'),
        "half a pair of surrogates": _raw(b'{"model": "m", "input": "\\ud800"}', 400, 404),
        "another content type": _raw(whole, 415, content_type="text/plain"),
        "a compressed body": _raw(gzip.compress(whole), 415, content_encoding="gzip"),
        "tensors that disagree": _json(
            {
                "inputs": [
                    {"name": name, "datatype": "INT64", "shape": [rows, 16], "data": [1] * (rows * 16)}
                    for name, rows in (("input_ids", 64), ("attention_mask", 1))
                ]
            },
            path=f"/v1/infer/{model}",
        ),
        "a path that is nothing": _json({}, 404, path="/v1/nothing"),
        "a path with a line's end": _json({}, 400, 404, 405, path="/v1/models/a%0Ab"),
        "a method that is none": HostileCall(frozenset({400, 404, 405, 501}), method="BREW"),
        "a method that the path does not take": HostileCall(frozenset({405}), method="DELETE"),
        "a head of a path for bodies": HostileCall(frozenset({404, 405}), method="HEAD"),
        "a header with an underline": HostileCall(frozenset({400}), whole, headers={"a_b": "1"}),
        "headers of 64 KB": HostileCall(frozenset({400, 431}), whole, headers={"x-large": "x" * 65_000}),
    }


class HostileSender:
    """Sends them, each on a connection of its own.

    Args:
        port: of Envoy.
        chance: what chooses.
    """

    def __init__(self, port: int, model: str, chance: random.Random) -> None:
        self._port = port
        self._calls = hostile_calls(model)
        self._chance = chance

    async def send(self) -> tuple[str, int, frozenset[int]]:
        """Sends one; returns its name, the status and the right ones. 0 is no status: the connection was ended."""
        name = self._chance.choice(sorted(self._calls))
        call = self._calls[name]
        return name, await exchange(self._port, call), call.statuses

    async def leave(self) -> None:
        """Begins a valid call and leaves: in the head, in the body, or before the answer."""
        call = HostileCall(frozenset(), b'{"input": ["a"]}')
        _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        whole = _written(call)
        with suppress(ConnectionError):
            writer.write(whole[: self._chance.choice([10, len(whole) - 5, len(whole)])])
            await writer.drain()
            await asyncio.sleep(self._chance.uniform(0.0, 0.05))
        writer.transport.abort()


async def exchange(port: int, call: HostileCall) -> int:
    """Sends a call and reads the answer to its end; the status, 0 when there was none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(SECONDS):
            with suppress(ConnectionError):  # the answer may have come before the body was read
                writer.write(_written(call))
                await writer.drain()
            with suppress(ConnectionError):
                answer = await reader.read()
                return int(answer.split(b" ", 2)[1]) if answer else 0
        return 0
    finally:
        writer.transport.abort()


def _written(call: HostileCall) -> bytes:
    headers = {
        "host": "localhost",
        "connection": "close",
        "content-type": "application/json",
        "content-length": str(len(call.body)),
        **call.headers,
    }
    lines = [f"{call.method} {call.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + call.body
