"""The server's end of a worker's socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from google.protobuf.message import DecodeError

from panope_backends.wire.frames import FrameDecoder, FrameError

_log = structlog.get_logger("panope.instances")

#: What may wait for a worker that does not read; past it the worker gets no more work.
MAX_PENDING_BYTES = 1 << 20


class WorkerSocket(asyncio.Protocol):
    """Cuts the stream of bytes into frames.

    Args:
        frame: takes each whole frame.
        lost: told once, when the worker is gone.
        writable: told when the worker reads again.

    Attributes:
        heard: how often the worker has sent anything.
        clogged: whether more waits for the worker than it should.
    """

    def __init__(self, frame: Callable[[bytes], None], lost: Callable[[], None], writable: Callable[[], None]) -> None:
        self.heard = 0
        self.clogged = False
        self._frame = frame
        self._on_lost = lost
        self._on_writable = writable
        self._decoder = FrameDecoder()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport, to close it on garbage."""
        assert isinstance(transport, asyncio.Transport)
        transport.set_write_buffer_limits(MAX_PENDING_BYTES)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Hands on each whole frame; a worker that sends garbage is cut off."""
        self.heard += 1
        try:
            for frame in self._decoder.feed(data):
                self._frame(frame)
        except (FrameError, DecodeError) as error:
            _log.error("worker_protocol_error", error=str(error))
            assert self._transport is not None
            self._transport.abort()

    def pause_writing(self) -> None:
        """More waits than the worker should be given."""
        self.clogged = True

    def resume_writing(self) -> None:
        """The worker has read what waited."""
        self.clogged = False
        self._on_writable()

    def connection_lost(self, exc: Exception | None) -> None:
        """The worker is gone."""
        self._on_lost()
