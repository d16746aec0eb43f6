"""Server-sent events, as far as the servers send them that stream answers: the data of each, in order."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator

from panope_backends.engines.remote.connection import MAX_STREAM_BYTES, Answer
from panope_backends.engines.remote.refusals import no_answer, too_much

#: Of one event.
MAX_EVENT_BYTES = 8 << 20


class EventParser:
    """Takes bytes as they come and gives the data of events that are complete."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The events that a chunk completes.

        Raises:
            AvailabilityError: an event is longer than any.
        """
        begin, separator, chunk = chunk.partition(b"\n")
        self._rest += begin
        if separator:
            *lines, rest = chunk.split(b"\n")
            lines.insert(0, bytes(self._rest))
            self._rest = bytearray(rest)
        else:
            lines = []
        for line in lines:
            yield from self._line(line.removesuffix(b"\r"))
        if len(self._rest) + self._size > MAX_EVENT_BYTES:
            raise too_much()

    def _line(self, line: bytes) -> Iterator[bytes]:
        if line.startswith(b"data:"):
            data = line[5:].removeprefix(b" ")
            self._data.append(data)
            self._size += len(data)
            if self._size > MAX_EVENT_BYTES:
                raise too_much()
        elif not line and self._data:
            yield b"\n".join(self._data)
            self._data.clear()
            self._size = 0


async def events_of(answer: Answer) -> AsyncGenerator[bytes, None]:
    """The data of each event of an answer.

    Raises:
        AvailabilityError: it is no stream of events, or longer than any.
    """
    if answer.headers.get("content-type", "").partition(";")[0].strip().lower() != "text/event-stream":
        raise no_answer()
    parser = EventParser()
    async for chunk in answer.chunks(MAX_STREAM_BYTES):
        for event in parser.feed(chunk):
            yield event
