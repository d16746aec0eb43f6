"""One file over several connections at once, for links that limit each: read side by side, given out in order.

The first bytes come alone. Where that is fast, one connection brings the rest too: several would only cost work.

What comes is still written from the beginning to the end, so that a partial is never longer than what has arrived and
is hashed as it grows. What waits for its turn is in memory, `connections` segments at most, and lost by a kill.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import islice

from panope_backends.errors import AvailabilityError
from panope_registry.download.daemon_pool import DaemonPool
from panope_registry.download.retries import RETRYABLE
from panope_registry.download.stream import OpenAt, Stream

SEGMENT_BYTES = 8 << 20
"""The size of the longest segment."""

SEGMENT_SECONDS = 2.0
"""The time that one connection should take for a segment."""

POLL_SECONDS = 0.1

FAST_BYTES_PER_SECOND = 100e6
"""The speed of one connection from which on one is enough (docs/decisions/0406)."""

OpenPart = Callable[[int, int | None], AbstractContextManager[Stream]]
"""Opens a file elsewhere at a offset, for so many bytes at most."""


def in_segments(
    open_part: OpenPart,
    size: int,
    connections: int,
    segment_bytes: int = SEGMENT_BYTES,
    fast_bytes_per_second: float = FAST_BYTES_PER_SECOND,
) -> OpenAt:
    """Opens a file of `size` bytes so that several connections bring it where one is slow; a short rest comes over one.

    A source that ignores ranges, or has a file of another size, is read as it would be without this.
    """
    no_parts = threading.Event()

    @contextmanager
    def open_at(start: int) -> Iterator[Stream]:
        if connections < 2 or size - start <= segment_bytes or no_parts.is_set():
            with open_part(start, None) as stream:
                yield stream
            return
        alone = max(1, segment_bytes // 4)
        with open_part(start, alone) as first:
            if first.start != start or first.total_bytes != size:
                yield first
                return
            with DaemonPool(connections, "segment") as pool:
                stream = _SegmentedStream(
                    start,
                    size,
                    connections,
                    alone,
                    segment_bytes,
                    fast_bytes_per_second,
                    open_part,
                    first,
                    no_parts,
                    pool,
                )
                try:
                    yield stream
                finally:
                    stream.ended.set()
                    pool.cancel()

    return open_at


@dataclass(frozen=True)
class _SegmentedStream:
    """A `Stream` that several connections feed."""

    start: int
    total_bytes: int
    connections: int
    alone: int
    segment_bytes: int
    fast_bytes_per_second: float
    open_part: OpenPart
    first: Stream
    no_parts: threading.Event
    pool: DaemonPool
    ended: threading.Event = field(default_factory=threading.Event)

    def chunks(self) -> Iterator[bytes]:
        """Yields the first bytes as they come, then each segment when it is whole, while others are on their way.

        Empty ones while nothing is whole, so that whoever reads them may end.
        """
        began, next_offset = time.monotonic(), self.start + self.alone
        yield from self._pieces(self.start, next_offset, self.first)
        speed = self.alone / max(time.monotonic() - began, 1e-6)
        if speed > self.fast_bytes_per_second:
            yield from self._pieces(next_offset, self.total_bytes)
            return
        size = self._segment_size(speed)
        offsets = iter(range(next_offset, self.total_bytes, size))
        coming = deque(self.pool.submit(self._whole, offset, size) for offset in islice(offsets, self.connections))
        while coming:
            while not wait([coming[0]], POLL_SECONDS).done:
                yield b""
            body, problem = coming.popleft().result()
            coming.extend(self.pool.submit(self._whole, offset, size) for offset in islice(offsets, 1))
            yield body
            if problem is not None:
                raise problem

    def _segment_size(self, speed: float) -> int:
        """Returns the size of segments: smaller on a slow link, so that the reported progress keeps moving."""
        return min(self.segment_bytes, max(1, self.segment_bytes // 16, int(speed * SEGMENT_SECONDS)))

    def _whole(self, offset: int, size: int) -> tuple[bytes, AvailabilityError | None]:
        """Fetches a segment; returns it, or its beginning and why there is no more."""
        body = bytearray()
        try:
            for piece in self._pieces(offset, min(offset + size, self.total_bytes)):
                body += piece
        except AvailabilityError as error:
            return bytes(body), error
        return bytes(body), None

    def _pieces(self, offset: int, end: int, first: Stream | None = None) -> Iterator[bytes]:
        """Yields a part of the file, over as many connections one after another as bring something new."""
        while offset < end and not self.ended.is_set():
            before = offset
            problem = AvailabilityError("the source's answer ended before the file did", reason=RETRYABLE)
            try:
                with nullcontext(first) if first else self.open_part(offset, end - offset) as stream:
                    if stream.start != offset or stream.total_bytes != self.total_bytes:
                        self.no_parts.set()
                        raise AvailabilityError("the source sends no parts of the file", reason=RETRYABLE)
                    for chunk in stream.chunks():
                        piece = chunk[: end - offset]
                        offset += len(piece)
                        yield piece
                        if self.ended.is_set():
                            return
            except AvailabilityError as error:
                problem = error
            first = None
            if offset == before or problem.reason != RETRYABLE:
                raise problem
