"""A source whose bytes are counted as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from panope_registry.download.stream import Stream
from panope_registry.names import parse_model_name
from panope_registry.sources.source import RemoteRevision, Source

Received = Callable[[str, int], None]
"""Takes a vendor and how many bytes have come from its repos."""


class CountedSource:
    """Another source, with its bytes counted; good ones and bad, for both were received."""

    def __init__(self, source: Source, received: Received) -> None:
        self._source = source
        self._received = received

    @property
    def kind(self) -> str:
        """As the source says."""
        return self._source.kind

    @property
    def endpoint(self) -> str:
        """As the source says."""
        return self._source.endpoint

    def resolve(self, name: str, revision: str = "main") -> RemoteRevision:
        """As the source does; listings are not counted."""
        return self._source.resolve(name, revision)

    @contextmanager
    def open(self, revision: RemoteRevision, path: str, start: int = 0, length: int | None = None) -> Iterator[Stream]:
        """As the source does."""
        with self._source.open(revision, path, start, length) as stream:
            yield _CountedStream(stream, parse_model_name(revision.name).vendor, self._received)


class _CountedStream:
    def __init__(self, stream: Stream, vendor: str, received: Received) -> None:
        self.start = stream.start
        self.total_bytes = stream.total_bytes
        self._stream = stream
        self._vendor = vendor
        self._received = received

    def chunks(self) -> Iterator[bytes]:
        for chunk in self._stream.chunks():
            self._received(self._vendor, len(chunk))
            yield chunk
