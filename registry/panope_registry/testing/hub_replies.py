"""Sends what the stand-in answers, whole, in part or broken."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from typing import Any

from panope_registry.testing.hub_repos import HubFile

CHUNK_BYTES = 1 << 16
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass(frozen=True)
class Reply:
    """An answer; the body is a file's bytes from `start` up to `stop`, or a document."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: HubFile | bytes = b""
    start: int = 0
    stop: int | None = None

    @classmethod
    def document(cls, content: object) -> Reply:
        """JSON."""
        return cls(200, {"content-type": "application/json"}, json.dumps(content).encode())

    @property
    def size(self) -> int:
        """The size of the whole body."""
        return len(self.body) if isinstance(self.body, bytes) else self.body.size

    @property
    def end(self) -> int:
        """The byte after the last one that is sent."""
        return self.size if self.stop is None else self.stop

    def ranged(self, asked: str, met: Mapping[str, object]) -> Reply:
        """Returns the part that a Range header asks for."""
        match = _RANGE.fullmatch(asked)
        if isinstance(self.body, bytes) or self.status != 200:
            return self
        if "not_satisfiable" in met or (match and int(match[1]) >= self.size and "ignore_range" not in met):
            return Reply(416, {"content-range": f"bytes */{self.size}"})
        if match is None or "ignore_range" in met:
            return self
        start = int(match[1])
        stop = min(int(match[2]) + 1, self.size) if match[2] else self.size
        headers = self.headers | {"content-range": f"bytes {start}-{stop - 1}/{self.size}"}
        return replace(self, status=206, headers=headers, start=start, stop=stop)

    def blocks(self) -> Iterator[bytes]:
        """Yields the bytes to send."""
        for offset in range(self.start, self.end, CHUNK_BYTES):
            size = min(CHUNK_BYTES, self.end - offset)
            yield self.body[offset : offset + size] if isinstance(self.body, bytes) else self.body.read(offset, size)


def failure(status: int, error_code: str, retry_after: str = "") -> Reply:
    """Returns a refusal as the hub words it."""
    headers = {"x-error-code": error_code, "x-error-message": "refused by the stand-in"} if error_code else {}
    return Reply(status, headers | ({"retry-after": retry_after} if retry_after else {}), b"{}")


def send(
    handler: BaseHTTPRequestHandler, reply: Reply, met: Mapping[str, Mapping[str, Any]], closing: threading.Event
) -> None:
    """Sends it, with the body's faults."""
    headers = {name: value for name, value in reply.headers.items() if name != met.get("drop_header", {}).get("header")}
    is_file = isinstance(reply.body, HubFile)
    body, length = reply.blocks(), reply.end - reply.start
    if is_file:
        headers.setdefault("accept-ranges", "bytes")
        body, length = _damaged(reply, met)
        if "gzip" in met:
            # Fast, for a client waits only so long for the first byte.
            packed = gzip.compress(b"".join(body), compresslevel=1)
            body, length = iter([packed]), len(packed)
            headers["content-encoding"] = "gzip"
    handler.send_response(reply.status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("content-length", str(length))
    handler.end_headers()
    if handler.command == "HEAD":
        return
    with contextlib.suppress(ConnectionError):  # the client has gone: tests do that
        if is_file:
            _pour(handler, body, met, closing)
        else:
            handler.wfile.write(b"".join(body))


def _damaged(reply: Reply, met: Mapping[str, Mapping[str, Any]]) -> tuple[Iterator[bytes], int]:
    length = reply.end - reply.start
    if "flip_byte" in met:
        offset = met["flip_byte"].get("at", -1) % reply.size
        return _flipped(reply, offset), length
    if "cut" in met:
        reply = replace(reply, stop=max(reply.start, reply.end - met["cut"]["bytes"]))
        return reply.blocks(), reply.end - reply.start
    return reply.blocks(), length


def _flipped(reply: Reply, offset: int) -> Iterator[bytes]:
    at = reply.start
    for block in reply.blocks():
        if at <= offset < at + len(block):
            changed = bytearray(block)
            changed[offset - at] ^= 0xFF
            block = bytes(changed)
        yield block
        at += len(block)


def _pour(
    handler: BaseHTTPRequestHandler,
    body: Iterator[bytes],
    met: Mapping[str, Mapping[str, Any]],
    closing: threading.Event,
) -> None:
    if "trickle" in met:
        body = _trickled(body, met["trickle"], closing)
    limit = min((met[name]["bytes"] for name in ("drop_after", "stall") if name in met), default=None)
    left = limit
    for block in body:
        part = block if left is None else block[:left]
        handler.wfile.write(part)
        if left is not None:
            left -= len(part)
            if left == 0:
                break
    if limit is not None:
        handler.wfile.flush()
        if "stall" in met:
            closing.wait()
        handler.close_connection = True


def _trickled(body: Iterator[bytes], trickle: Mapping[str, Any], closing: threading.Event) -> Iterator[bytes]:
    """Yields the body with a pause after every so many bytes, however large its blocks are."""
    left = trickle["bytes"]
    for block in body:
        offset = 0
        while offset < len(block):
            piece = block[offset : offset + left]
            yield piece
            offset += len(piece)
            left -= len(piece)
            if left == 0:
                closing.wait(trickle["seconds"])
                left = trickle["bytes"]
