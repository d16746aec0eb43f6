"""Where a header's bytes are: in a file here, or in one elsewhere that is read by ranges.

The readers of headers take either and read no more than they need.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from panope_backends.errors import InvalidInputError


class OutOfReachError(InvalidInputError):
    """A header that would take more requests than a header is worth."""

    default_reason = "broken_file"


class RemoteBytes(Protocol):
    """A file elsewhere."""

    @property
    def size_bytes(self) -> int:
        """Its whole size."""

    def read(self, start: int, size: int) -> bytes:
        """Returns the bytes from `start` on: `size` of them, or fewer at the end.

        Raises:
            OutOfReachError: that would be one request too many.
        """


Header = Path | RemoteBytes
"""A file whose header can be read."""


class Forward(Protocol):
    """Reads from the beginning on."""

    def read(self, size: int = ..., /) -> bytes:
        """Returns the next bytes: `size` of them, or fewer at the end."""


class Indexed(Protocol):
    """Bytes at their places."""

    def __len__(self) -> int: ...

    def at(self, place: int) -> int:
        """Returns one byte."""

    def part(self, begin: int, end: int) -> bytes:
        """Returns those from `begin` up to `end`."""


def size_of(file: Header) -> int:
    """Returns the size of the whole file, in bytes."""
    return file.stat().st_size if isinstance(file, Path) else file.size_bytes


@contextmanager
def forward(file: Header) -> Iterator[Forward]:
    """The file from its beginning on."""
    if isinstance(file, Path):
        with file.open("rb") as stream:
            yield stream
    else:
        yield _RemoteForward(file)


@contextmanager
def indexed(file: Header) -> Iterator[Indexed]:
    """The file's bytes at their places; it is not empty."""
    if isinstance(file, Path):
        with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield _Mapped(data)
    else:
        yield _RemoteIndexed(file)


class _RemoteForward:
    def __init__(self, file: RemoteBytes) -> None:
        self._file = file
        self._position = 0

    def read(self, size: int = 1 << 16, /) -> bytes:
        data = self._file.read(self._position, size)
        self._position += len(data)
        return data


class _Mapped:
    def __init__(self, data: mmap.mmap) -> None:
        self._data = data

    def __len__(self) -> int:
        return len(self._data)

    def at(self, place: int) -> int:
        return self._data[place]

    def part(self, begin: int, end: int) -> bytes:
        return self._data[begin:end]


class _RemoteIndexed:
    def __init__(self, file: RemoteBytes) -> None:
        self._file = file

    def __len__(self) -> int:
        return self._file.size_bytes

    def at(self, place: int) -> int:
        return self._file.read(place, 1)[0]

    def part(self, begin: int, end: int) -> bytes:
        return self._file.read(begin, end - begin)
