"""Frames on a worker's socket: the length as an unsigned 32-bit little-endian number, then one protobuf message.

Pure functions and an incremental decoder, shared by the worker and the server; neither end reads or writes here.
"""

from __future__ import annotations

import struct

from google.protobuf.message import Message

MAX_FRAME_BYTES = 256 << 20
"""The longest message of a frame; a length beyond it is taken for garbage."""

_LENGTH = struct.Struct("<I")
LENGTH_BYTES = _LENGTH.size
"""Of a frame, before its message."""


class FrameError(Exception):
    """A frame is longer than the limit; the stream cannot be read further."""


def encode_frame(message: Message) -> bytes:
    """The message as one frame.

    Raises:
        FrameError: the message is longer than MAX_FRAME_BYTES.
    """
    return encode_frame_of(message.SerializeToString())


def encode_frame_of(*parts: bytes) -> bytes:
    """One frame of a message that is serialized in parts: parts of a message, one after another, are the message.

    Raises:
        FrameError: the message is longer than MAX_FRAME_BYTES.
    """
    length = sum(map(len, parts))
    if length > MAX_FRAME_BYTES:
        raise FrameError(f"a frame of {length:,} bytes; the limit is {MAX_FRAME_BYTES:,}")
    return b"".join((_LENGTH.pack(length), *parts))


class FrameDecoder:
    """Cuts a stream of bytes, fed in pieces of any size, into messages."""

    def __init__(self, max_frame_bytes: int = MAX_FRAME_BYTES) -> None:
        self._max_frame_bytes = max_frame_bytes
        self._buffer = bytearray()

    @property
    def pending_bytes(self) -> int:
        """Bytes of a frame that is not whole yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Adds bytes and returns the messages that are whole now, undecoded.

        Raises:
            FrameError: a length beyond the limit; the decoder is not used again.
        """
        buffer = self._buffer
        buffer += data
        messages = []
        start = 0
        while len(buffer) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(buffer, start)
            if length > self._max_frame_bytes:
                raise FrameError(f"a frame of {length:,} bytes; the limit is {self._max_frame_bytes:,}")
            end = start + _LENGTH.size + length
            if end > len(buffer):
                break
            messages.append(bytes(memoryview(buffer)[start + _LENGTH.size : end]))
            start = end
        del buffer[:start]
        return messages
