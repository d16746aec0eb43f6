"""Downloads that are watched, cancelled, discarded or left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from panope_registry.download import (
    Downloader,
    DownloadStopped,
    ExpectedBlob,
    StopReason,
    discard_leftover,
    leftovers,
)
from panope_registry.store.store import Store

MIB = 1 << 20


def _arrived(store: Store, wanted: ExpectedBlob) -> int:
    part = store.downloads / f"{wanted.key}.part"
    return part.stat().st_size if part.exists() else 0


def _stop_with(downloader: Downloader, store: Store, file: Any, reason: StopReason) -> None:
    with pytest.raises(DownloadStopped) as caught:
        downloader.fetch(file.wanted, file.open_at, stop=lambda: reason if _arrived(store, file.wanted) else None)
    assert caught.value.reason is reason


def test_what_has_arrived_of_a_cancelled_download_stays(offer: Any, downloader: Downloader, store: Store) -> None:
    file = offer()
    _stop_with(downloader, store, file, StopReason.CANCEL)
    arrived = _arrived(store, file.wanted)
    assert 0 < arrived < len(file.content)
    downloader.fetch(file.wanted, file.open_at)
    assert file.ranges == ["", f"bytes={arrived}-"]


def test_what_has_arrived_of_a_discarded_download_goes(
    offer: Any, downloader: Downloader, store: Store, left: Callable[[], list[str]]
) -> None:
    file = offer()
    _stop_with(downloader, store, file, StopReason.DISCARD)
    assert left() == []
    _stop_with(downloader, store, file, StopReason.CANCEL)
    with pytest.raises(DownloadStopped):
        downloader.fetch(file.wanted, file.open_at, stop=lambda: StopReason.DISCARD)
    assert left() == []


def test_a_wait_for_a_failing_source_is_cut_short(offer: Any, downloader: Downloader, time: Any) -> None:
    file = offer()
    file.hub.fault("status", code=503, retry_after=50, on="cdn", times=None)
    with pytest.raises(DownloadStopped):
        downloader.fetch(file.wanted, file.open_at, stop=lambda: StopReason.CANCEL if time.slept > 1 else None)
    assert time.slept < 1.2


def test_what_the_question_whether_to_go_on_raises_ends_the_download(
    offer: Any, downloader: Downloader, store: Store
) -> None:
    file = offer()

    class LeaseLostError(Exception):
        pass

    def stop() -> None:
        if _arrived(store, file.wanted):
            raise LeaseLostError

    with pytest.raises(LeaseLostError):
        downloader.fetch(file.wanted, file.open_at, stop=stop)
    assert _arrived(store, file.wanted) > 0


def test_progress_is_told_ten_times_a_second_and_at_the_end(
    downloader: Downloader, time: Any, wanted: Callable[[bytes], ExpectedBlob], said: Any
) -> None:
    told: list[tuple[float, int, int]] = []

    def parts() -> Iterator[bytes]:
        for _ in range(100):
            time.now += 0.03
            yield b"0123456789"

    source = said((0, 1000, parts()))
    downloader.fetch(wanted(b"0123456789" * 100), source.open_at, lambda *now: told.append((time.now, *now)))
    moments = [moment for moment, _, _ in told]
    gaps = [after - before for before, after in pairwise(moments[:-1])]
    assert len(told) > 20
    assert min(gaps) >= 0.1
    assert told[-1][1:] == (1000, 1000)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert {total for _, _, total in told} == {1000}


def test_leftovers_are_listed_and_discarded(
    offer: Any, downloader: Downloader, store: Store, left: Callable[[], list[str]]
) -> None:
    file = offer()
    assert list(leftovers(store)) == []
    _stop_with(downloader, store, file, StopReason.CANCEL)
    (found,) = leftovers(store)
    assert found.key == file.wanted.sha256
    assert found.size_bytes >= _arrived(store, file.wanted) > 0
    assert datetime.now(UTC) - found.changed_at < timedelta(minutes=1)
    assert discard_leftover(store, found.key) is not None
    assert left() == []


def test_a_download_that_is_going_on_is_not_discarded(offer: Any, downloader: Downloader, store: Store) -> None:
    file = offer()
    tried: list[int | None] = []
    blob = downloader.fetch(
        file.wanted, file.open_at, lambda _done, _total: tried.append(discard_leftover(store, file.wanted.key))
    )
    assert tried[0] is None
    assert store.blob_path(blob.sha256).read_bytes() == file.content


def test_a_partial_of_a_blob_that_came_another_way_goes(
    offer: Any, downloader: Downloader, store: Store, left: Callable[[], list[str]], tmp_path: Any
) -> None:
    file = offer()
    _stop_with(downloader, store, file, StopReason.CANCEL)
    imported = tmp_path / "file"
    imported.write_bytes(file.content)
    with store.staging() as staging:
        store.add(imported, staging)
    downloader.fetch(file.wanted, file.open_at)
    assert left() == []
    assert file.ranges == [""]
