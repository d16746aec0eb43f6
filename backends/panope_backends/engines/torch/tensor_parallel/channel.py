"""Frames between a worker and one peer, over a pair of Unix sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import TypeVar

from google.protobuf.message import Message

from panope_backends.wire.frames import FrameDecoder, encode_frame

_READ_BYTES = 1 << 18

AnyMessage = TypeVar("AnyMessage", bound=Message)


def send(connection: socket.socket, message: Message) -> None:
    """Sends a frame, whole.

    Raises:
        OSError: the other end is gone.
    """
    connection.sendall(encode_frame(message))


def received(connection: socket.socket, kind: type[AnyMessage]) -> Iterator[AnyMessage]:
    """Each frame until the other end is closed; used by one thread."""
    decoder = FrameDecoder()
    while True:
        try:
            data = connection.recv(_READ_BYTES)
        except OSError:
            return
        if not data:
            return
        for message in decoder.feed(data):
            yield kind.FromString(message)
