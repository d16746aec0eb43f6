"""The worker's end of the socket."""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Iterator

from google.protobuf.message import Message

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.errors import InvalidInputError
from panope_backends.wire.frames import FrameDecoder, FrameError, encode_frame
from panope_backends.worker.frame_order import FrameOrder

_READ_BYTES = 1 << 18

MAX_PENDING_BYTES = 64 << 20
"""Answers that may wait for a server that does not read; past it the device thread waits too."""


def read_frames(connection: socket.socket) -> Iterator[wire.ServerFrame]:
    """Each frame from the server until it closes the socket, urgent ones first; used by one thread.

    What has come is read before each frame is given, all of it: the server sends no more than an instance's window.

    Raises:
        FrameError, google.protobuf.message.DecodeError: what came is no frame.
    """
    decoder, order = FrameDecoder(), FrameOrder()
    while True:
        try:
            data = connection.recv(_READ_BYTES, socket.MSG_DONTWAIT if order else 0)
        except BlockingIOError:
            if (frame := order.take()) is not None:
                yield frame
            continue
        except ConnectionError:
            data = b""
        if not data:
            break
        for message in decoder.feed(data):
            order.add(wire.ServerFrame.FromString(message))
    while (frame := order.take()) is not None:
        yield frame


class Outbox:
    """Sends frames from any thread, whole and in order.

    A frame goes out on the caller's own thread when the socket takes it at once. What it does not take is kept, and a
    thread of the outbox sends it, so that no caller waits for a server that is slow to read: only callers that ask to
    wait do, and only while more than MAX_PENDING_BYTES are kept.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._condition = threading.Condition()
        self._pending: deque[memoryview] = deque()
        self._pending_bytes = 0
        self._closed = False
        threading.Thread(target=self._send_pending, name="outbox", daemon=True).start()

    @property
    def is_clear(self) -> bool:
        """Whether the socket has taken everything."""
        return not self._pending

    @property
    def is_full(self) -> bool:
        """Whether so much waits for the server that senders who can wait should."""
        return self._pending_bytes > MAX_PENDING_BYTES

    def send(self, frame: wire.WorkerFrame, *, wait: bool = False) -> None:
        """Sends a frame; after the server has gone, nothing happens.

        Raises:
            InvalidInputError: the answer is too long for a frame.
        """
        data = _encode(frame)
        with self._condition:
            while wait and self._pending_bytes > MAX_PENDING_BYTES and not self._closed:
                self._condition.wait()
            if self._closed:
                return
            sent = 0 if self._pending else self._send_now(data)
            if sent < len(data) and not self._closed:
                self._pending.append(memoryview(data)[sent:])
                self._pending_bytes += len(data) - sent
                self._condition.notify_all()

    def flush(self) -> None:
        """Waits until the socket has taken everything or the server has gone."""
        with self._condition:
            while self._pending and not self._closed:
                self._condition.wait()

    def _send_now(self, data: bytes) -> int:
        try:
            return self._connection.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0
        except OSError:
            self._close()
            return 0

    def _send_pending(self) -> None:
        """While anything is pending, this thread alone writes to the socket."""
        while True:
            with self._condition:
                while not self._pending:
                    self._condition.wait()
                head = self._pending[0]
            try:
                sent = self._connection.send(head)
            except OSError:
                with self._condition:
                    self._close()
                return
            with self._condition:
                self._pending_bytes -= sent
                if sent == len(head):
                    self._pending.popleft()
                else:
                    self._pending[0] = head[sent:]
                self._condition.notify_all()

    def _close(self) -> None:
        """The server has gone; the thread that reads notices too and ends the process."""
        self._closed = True
        self._pending.clear()
        self._pending_bytes = 0
        self._condition.notify_all()


def _encode(frame: Message) -> bytes:
    try:
        return encode_frame(frame)
    except FrameError as error:
        raise InvalidInputError(f"the answer is too long to send: {error}") from None
