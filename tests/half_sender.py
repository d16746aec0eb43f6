"""A caller that begins messages of gRPC and does not end them, by raw HTTP/2."""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress

DATA, HEADERS, RESET, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 3, 4, 6, 8
ACKNOWLEDGED, END_STREAM, END_HEADERS = 1, 1, 4
INITIAL_WINDOW_SIZE = 4
MAX_FRAME_BYTES = 1 << 14


class HalfSender:
    """One connection, and the calls that are begun on it.

    Args:
        reader: of the connection.
        writer: of the connection.
        message_bytes: what the messages are said to have.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message_bytes: int) -> None:
        self._reader = reader
        self._message_bytes = message_bytes
        self._left: dict[int, int] = {}
        self._windows: dict[int, int] = {0: 65_535}
        self._first_window = 65_535
        self._ended: asyncio.Queue[int] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._reading = asyncio.ensure_future(self._read())
        self.writer = writer
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(SETTINGS, 0, 0))

    @classmethod
    async def connect(cls, port: int, message_bytes: int) -> HalfSender:
        """A new connection to a server on this machine."""
        return cls(*await asyncio.open_connection("127.0.0.1", port), message_bytes)

    def begin(self, stream: int, method: str, *, end: bool = False) -> None:
        """Begins a call; with `end` it has no message, otherwise the beginning of one, without a byte of it yet."""
        pairs = ((":method", "POST"), (":scheme", "http"), (":path", method), (":authority", "x"))
        pairs += (("te", "trailers"), ("content-type", "application/grpc"))
        block = b"".join(b"\0" + b"".join(bytes([len(word)]) + word.encode() for word in pair) for pair in pairs)
        self.writer.write(_frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, block))
        if not end:
            self._left[stream], self._windows[stream] = self._message_bytes, self._first_window
            self._write(stream, struct.pack(">BI", 0, self._message_bytes))

    async def send(self, count: int) -> None:
        """Sends so many bytes of each message, those that the server ends left out, as fast as it takes them."""
        aims = {stream: left - count for stream, left in self._left.items()}
        while waiting := [stream for stream in self._left if self._left[stream] > aims.get(stream, 0)]:
            sent = 0
            for stream in waiting:
                room = min(self._windows[0], self._windows[stream], MAX_FRAME_BYTES)
                if (size := min(room, self._left[stream] - aims[stream])) > 0:
                    self._write(stream, b"a" * size)
                    self._left[stream] -= size
                    sent += size
            await self.writer.drain()
            if not sent:
                self._changed.clear()
                await self._changed.wait()

    def finish(self, stream: int) -> None:
        """Sends the rest of a message that fits into a frame, and ends the call."""
        self._write(stream, b"a" * self._left.pop(stream), END_STREAM)

    async def ended(self) -> int:
        """The next call that the server ends."""
        return await self._ended.get()

    @property
    def ended_count(self) -> int:
        """The calls that the server has ended and nobody has asked for."""
        return self._ended.qsize()

    async def close(self) -> None:
        """Ends the connection."""
        self._reading.cancel()
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()

    def _write(self, stream: int, payload: bytes, flags: int = 0) -> None:
        self.writer.write(_frame(DATA, flags, stream, payload))
        self._windows[0] -= len(payload)
        self._windows[stream] -= len(payload)

    async def _read(self) -> None:
        seen: set[int] = set()
        with suppress(asyncio.IncompleteReadError, OSError):
            while True:
                head = await self._reader.readexactly(9)
                payload = await self._reader.readexactly(int.from_bytes(head[:3], "big"))
                kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
                self._take(kind, flags, stream, payload)
                # Many a call ends by trailers and a reset.
                if ((kind == HEADERS and flags & END_STREAM) or kind == RESET) and stream not in seen:
                    seen.add(stream)
                    self._left.pop(stream, None)
                    self._ended.put_nowait(stream)
                self._changed.set()

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == WINDOW_UPDATE:
            self._windows[stream] = self._windows.get(stream, 0) + int.from_bytes(payload, "big")
        elif kind == PING and not flags & ACKNOWLEDGED:
            self.writer.write(_frame(PING, ACKNOWLEDGED, 0, payload))
        elif kind == SETTINGS and not flags & ACKNOWLEDGED:
            for start in range(0, len(payload), 6):
                name, value = struct.unpack(">HI", payload[start : start + 6])
                if name == INITIAL_WINDOW_SIZE:
                    self._set_first_window(value)
            self.writer.write(_frame(SETTINGS, ACKNOWLEDGED, 0))

    def _set_first_window(self, value: int) -> None:
        for stream in self._windows:
            if stream:
                self._windows[stream] += value - self._first_window
        self._first_window = value


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload
