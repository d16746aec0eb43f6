"""Reads a header of a file elsewhere by few and growing ranges."""

from __future__ import annotations

from panope_registry.inspect.documents import broken
from panope_registry.inspect.file_bytes import OutOfReachError
from panope_registry.names import shown
from panope_registry.sources.source import RemoteFile, RemoteRevision, Source

FIRST_BYTES = 64 << 10
MOST_BYTES = 4 << 20
"""Of one request; each that goes on where the last one ended is twice as long, up to this."""

MAX_REQUESTS = 24
"""Enough for 64 MiB read from the beginning, which is the longest header that any format may have."""

MAX_ONNX_REQUESTS = 8
"""An ONNX file has weights between the descriptions of its tensors: each jump is a request. A graph whose weights are
elsewhere, of up to 16 MiB, is read whole."""


class RemoteHeader:
    """A file elsewhere, as the readers of headers want it (`panope_registry.inspect.file_bytes.RemoteBytes`).

    Keeps the bytes that were read last. Not safe for use by several threads.
    """

    def __init__(self, source: Source, revision: RemoteRevision, file: RemoteFile) -> None:
        self.size_bytes = file.size_bytes
        self._source = source
        self._revision = revision
        self._path = file.path
        self._left = MAX_ONNX_REQUESTS if file.path.endswith(".onnx") else MAX_REQUESTS
        self._start = 0
        self._kept = b""
        self._next = FIRST_BYTES

    def read(self, start: int, size: int) -> bytes:
        """See `RemoteBytes`."""
        stop = min(start + size, self.size_bytes)
        parts = []
        while start < stop:
            if not self._start <= start < self._start + len(self._kept):
                self._fetch(start)
            part = self._kept[start - self._start : stop - self._start]
            parts.append(part)
            start += len(part)
        return b"".join(parts)

    def _fetch(self, start: int) -> None:
        if self._left == 0:
            raise OutOfReachError(f"the header of `{shown(self._path)}` is too long or too scattered to be read")
        self._left -= 1
        goes_on = start == self._start + len(self._kept)
        self._next = min(self._next * 2, MOST_BYTES) if goes_on and self._kept else FIRST_BYTES
        length = min(self._next, self.size_bytes - start)
        with self._source.open(self._revision, self._path, start, length) as stream:
            # A source that ignores ranges sends the file from its beginning: good for the first one, no more.
            if stream.start != start:
                raise OutOfReachError(f"the source sends `{shown(self._path)}` whole or not at all")
            data = bytearray()
            for chunk in stream.chunks():
                data += chunk
                if len(data) >= length:
                    break
        if len(data) < length:
            raise broken(self._path, "it is shorter than the source says")
        self._start, self._kept = start, bytes(data[:length])
