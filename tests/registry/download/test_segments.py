"""One file over several connections: the same bytes in the same order, whatever happens to some of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panope_backends.errors import AvailabilityError, NotFoundError
from panope_registry.download import Downloader, DownloadStopped, StopReason, in_segments
from panope_registry.download.stream import OpenAt, Stream
from panope_registry.store.store import Store

MIB = 1 << 20
SEGMENT = MIB // 2
ALONE = SEGMENT // 4
NEVER = float("inf")


def opener(file: Any, connections: int = 4, fast: float = NEVER) -> OpenAt:
    """Opens it so that a connection as fast as that is enough."""
    revision = file.source.resolve("v/m")

    def open_part(start: int, length: int | None) -> AbstractContextManager[Stream]:
        opened: AbstractContextManager[Stream] = file.source.open(revision, file.path, start, length)
        return opened

    return in_segments(open_part, len(file.content), connections, SEGMENT, fast)


def test_a_file_comes_in_parts_that_are_asked_for_side_by_side(
    offer: Any, downloader: Downloader, store: Store
) -> None:
    file = offer(size=3 * MIB + 5)
    blob = downloader.fetch(file.wanted, opener(file))
    assert store.blob_path(blob.sha256).read_bytes() == file.content
    starts = sorted(int(asked.removeprefix("bytes=").partition("-")[0]) for asked in file.ranges)
    assert starts == [0, *range(ALONE, 3 * MIB + 5, SEGMENT)]


def test_one_connection_is_enough_where_it_is_fast(offer: Any, downloader: Downloader, store: Store) -> None:
    file = offer(size=3 * MIB)
    blob = downloader.fetch(file.wanted, opener(file, fast=0.0))
    assert store.blob_path(blob.sha256).read_bytes() == file.content
    assert file.ranges == [f"bytes=0-{ALONE - 1}", f"bytes={ALONE}-{3 * MIB - 1}"]


def test_the_hub_is_asked_once_where_the_parts_are(offer: Any, downloader: Downloader) -> None:
    file = offer(size=3 * MIB)
    downloader.fetch(file.wanted, opener(file))
    assert sum(request.status == 302 for request in file.hub.requests) == 1


def test_a_signed_address_that_expires_between_parts_is_asked_for_again(
    offer: Any, downloader: Downloader, store: Store
) -> None:
    file = offer(size=3 * MIB)
    open_at = opener(file, connections=2)
    file.hub.fault("then", on="cdn", action=lambda: file.hub.fault("status", code=403, on="cdn"))
    blob = downloader.fetch(file.wanted, open_at)
    assert store.blob_path(blob.sha256).read_bytes() == file.content
    assert sum(request.status == 302 for request in file.hub.requests) == 2


def test_a_link_that_drops_in_every_part_finishes(offer: Any, downloader: Downloader, store: Store) -> None:
    file = offer(size=3 * MIB)
    file.hub.fault("drop_after", bytes=SEGMENT // 3, on="cdn", times=None)
    blob = downloader.fetch(file.wanted, opener(file))
    assert store.blob_path(blob.sha256).read_bytes() == file.content


def test_a_source_that_ignores_ranges_is_read_from_its_beginning(
    offer: Any, downloader: Downloader, store: Store
) -> None:
    file = offer(size=3 * MIB)
    file.hub.fault("ignore_range", on="cdn", times=None)
    blob = downloader.fetch(file.wanted, opener(file))
    assert store.blob_path(blob.sha256).read_bytes() == file.content


def test_what_has_arrived_when_a_part_fails_stays(offer: Any, downloader: Downloader, store: Store) -> None:
    file = offer(size=3 * MIB)
    revision = file.source.resolve("v/m")

    @contextmanager
    def open_part(start: int, length: int | None) -> Iterator[Stream]:
        if start == ALONE + 2 * MIB:
            raise NotFoundError("gone", reason="entry_not_found")
        with file.source.open(revision, file.path, start, length) as stream:
            yield stream

    with pytest.raises(NotFoundError):
        downloader.fetch(file.wanted, in_segments(open_part, len(file.content), 4, SEGMENT, NEVER))
    assert (store.downloads / f"{file.wanted.key}.part").stat().st_size == ALONE + 2 * MIB
    file.hub.requests.clear()
    blob = downloader.fetch(file.wanted, opener(file, connections=1))
    assert store.blob_path(blob.sha256).read_bytes() == file.content
    assert file.ranges == [f"bytes={ALONE + 2 * MIB}-"]


def test_a_stop_ends_every_connection(offer: Any, store: Store) -> None:
    file = offer(size=3 * MIB)
    file.hub.fault("trickle", bytes=MIB // 16, seconds=0.05, on="cdn", times=None)
    told: list[int] = []
    with pytest.raises(DownloadStopped):
        Downloader(store, free_space_floor_bytes=0).fetch(
            file.wanted,
            opener(file),
            lambda done, _total: told.append(done),
            lambda: StopReason.CANCEL if told else None,
        )
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("segment")]


def test_a_stop_does_not_wait_for_a_segment(offer: Any, store: Store) -> None:
    file = offer(size=3 * MIB)
    file.hub.fault("trickle", bytes=SEGMENT // 64, seconds=0.1, on="cdn", times=None)
    asked: list[float] = []

    def stop() -> StopReason | None:
        asked.append(time.monotonic())
        return StopReason.CANCEL if len(asked) > 40 else None

    with pytest.raises(DownloadStopped):
        Downloader(store, free_space_floor_bytes=0).fetch(file.wanted, opener(file), stop=stop)
    assert max(later - earlier for earlier, later in pairwise(asked)) < 1.0


class Scripted:
    """A source of memory whose answers end early as they were told to."""

    def __init__(self, content: bytes, ends: list[int]) -> None:
        self.content = content
        self._ends = ends
        self._lock = threading.Lock()

    @contextmanager
    def open_part(self, start: int, length: int | None) -> Iterator[Stream]:
        with self._lock:
            most = self._ends.pop() if self._ends else len(self.content)
        stop = len(self.content) if length is None else start + length
        yield _Part(start, len(self.content), self.content[start:stop], most)


class _Part:
    def __init__(self, start: int, total: int, body: bytes, most: int) -> None:
        self.start, self.total_bytes, self._body, self._most = start, total, body, most

    def chunks(self) -> Iterator[bytes]:
        for place in range(0, min(len(self._body), self._most), 3):
            yield self._body[place : min(place + 3, self._most)]
        if self._most < len(self._body):
            raise AvailabilityError("it broke", reason="source_unavailable")


@settings(max_examples=60)
@given(
    size=st.integers(0, 100),
    start=st.integers(0, 100),
    segment=st.integers(1, 30),
    connections=st.integers(1, 5),
    ends=st.lists(st.integers(0, 20), max_size=8),
    fast=st.sampled_from((0.0, NEVER)),
)
def test_what_comes_is_always_the_beginning_of_the_rest(
    size: int, start: int, segment: int, connections: int, ends: list[int], fast: float
) -> None:
    source = Scripted(bytes(number % 251 for number in range(size)), list(ends))
    came = bytearray()
    broke = False
    with in_segments(source.open_part, size, connections, segment, fast)(min(start, size)) as stream:
        try:
            for chunk in stream.chunks():
                came += chunk
        except AvailabilityError:
            broke = True
    rest = source.content[min(start, size) :]
    assert rest.startswith(came)
    assert came == rest or broke
