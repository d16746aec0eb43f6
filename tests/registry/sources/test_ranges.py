"""Headers by ranges: the same bytes as in the file, in few requests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panope_backends.errors import InvalidInputError
from panope_registry.inspect.file_bytes import OutOfReachError
from panope_registry.sources.ranges import FIRST_BYTES, MAX_ONNX_REQUESTS, MAX_REQUESTS, MOST_BYTES, RemoteHeader
from panope_registry.sources.source import HUB, RemoteFile, RemoteRevision

REVISION = RemoteRevision("vendor/model", "0" * 40)


@dataclass
class Chunks:
    """A stream of pieces of some size."""

    start: int
    total_bytes: int | None
    data: bytes
    step: int = 10_000

    def chunks(self) -> Iterator[bytes]:
        for place in range(0, len(self.data), self.step):
            yield self.data[place : place + self.step]


@dataclass
class Memory:
    """A source of one file; `ranges` are those that were asked for."""

    data: bytes
    ignores_ranges: bool = False
    short_by: int = 0
    ranges: list[tuple[int, int]] = field(default_factory=list)
    kind: str = HUB
    endpoint: str = "http://hub"

    def resolve(self, name: str, revision: str = "main") -> RemoteRevision:
        raise NotImplementedError

    @contextmanager
    def open(self, revision: RemoteRevision, path: str, start: int = 0, length: int | None = None) -> Iterator[Chunks]:
        assert length is not None
        self.ranges.append((start, length))
        if self.ignores_ranges:
            yield Chunks(0, len(self.data), self.data)
        else:
            yield Chunks(start, len(self.data), self.data[start : start + length - self.short_by])


def _header(memory: Memory, path: str = "w.gguf") -> RemoteHeader:
    return RemoteHeader(memory, REVISION, RemoteFile(path, len(memory.data)))


@given(
    size=st.integers(0, 3 * FIRST_BYTES),
    reads=st.lists(st.tuples(st.integers(0, 3 * FIRST_BYTES), st.integers(0, 2 * FIRST_BYTES)), max_size=6),
)
def test_every_read_is_that_part_of_the_file(size: int, reads: list[tuple[int, int]]) -> None:
    data = bytes(number * 31 % 251 for number in range(size))
    header = _header(Memory(data))
    for start, length in reads:
        assert header.read(start, length) == data[start : start + length]


def test_small_reads_one_after_the_other_are_few_and_growing_requests() -> None:
    memory = Memory(bytes(1 << 20))
    header = _header(memory)
    for start in range(0, 400_000, 10):
        header.read(start, 10)
    assert memory.ranges == [(0, 1 << 16), (1 << 16, 1 << 17), (3 << 16, 1 << 18)]


def test_the_longest_header_of_any_format_is_within_reach() -> None:
    memory = Memory(bytes(65 << 20))
    header = _header(memory)
    assert len(header.read(0, 64 << 20)) == 64 << 20
    assert len(memory.ranges) <= MAX_REQUESTS
    assert max(length for _, length in memory.ranges) == MOST_BYTES


@pytest.mark.parametrize(("path", "most"), [("w.gguf", MAX_REQUESTS), ("w.onnx", MAX_ONNX_REQUESTS)])
def test_jumps_have_a_limit(path: str, most: int) -> None:
    memory = Memory(bytes(8 << 20))
    header = _header(memory, path)
    for number in range(most):
        header.read(number * 2 * FIRST_BYTES, 1)
    with pytest.raises(OutOfReachError) as caught:
        header.read(most * 2 * FIRST_BYTES, 1)
    assert len(memory.ranges) == most
    assert caught.value.reason == "broken_file"


def test_a_source_that_ignores_ranges_is_read_from_the_beginning_alone() -> None:
    memory = Memory(bytes(range(256)) * 1024, ignores_ranges=True)
    header = _header(memory)
    assert header.read(0, 1000) == memory.data[:1000]
    with pytest.raises(OutOfReachError):
        header.read(FIRST_BYTES + 1, 1)


def test_a_file_that_is_shorter_than_listed_is_broken() -> None:
    with pytest.raises(InvalidInputError, match="shorter than the source says"):
        _header(Memory(bytes(1000), short_by=1)).read(0, 10)
