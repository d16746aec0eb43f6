"""Sources that send something else, or nothing: refused with a reason, nothing half done left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from panope_backends.errors import AvailabilityError, DataLossError, NotFoundError
from panope_registry.download import Downloader, ExpectedBlob
from panope_registry.store.store import Store

MIB = 1 << 20

#: Faults that give another file than the one that is wanted.
OTHER_FILES = [
    ("flip_byte", {"at": -1}),
    ("flip_byte", {"at": 0}),
    ("cut", {"bytes": 1}),
]


@pytest.mark.parametrize(("fault", "options"), OTHER_FILES)
@pytest.mark.parametrize("path", ["model.safetensors", "config.json"])
def test_a_file_that_is_not_the_one_is_fetched_once_more(
    offer: Any, downloader: Downloader, store: Store, fault: str, options: dict[str, int], path: str
) -> None:
    file = offer(path=path, size=MIB)
    file.hub.fault(fault, match=path, method="GET", on="cdn" if path.startswith("model") else "hub", **options)
    blob = downloader.fetch(file.wanted, file.open_at)
    assert store.blob_path(blob.sha256).read_bytes() == file.content
    assert file.ranges == ["", ""]


@pytest.mark.parametrize(("fault", "options"), OTHER_FILES)
def test_twice_another_file_is_data_loss_and_nothing_of_it_stays(
    offer: Any, downloader: Downloader, store: Store, left: Callable[[], list[str]], fault: str, options: dict[str, int]
) -> None:
    file = offer()
    file.hub.fault(fault, on="cdn", times=None, **options)
    with pytest.raises(DataLossError) as caught:
        downloader.fetch(file.wanted, file.open_at)
    assert caught.value.reason == "data_loss"
    assert file.ranges == ["", ""]
    assert left() == []
    assert not store.blob_path(file.wanted.sha256).exists()


def test_a_byte_that_was_flipped_before_the_link_broke_costs_one_clean_download(
    offer: Any, downloader: Downloader, store: Store
) -> None:
    file = offer()
    file.hub.fault("flip_byte", at=100, on="cdn")
    file.hub.fault("drop_after", bytes=2 * MIB, on="cdn")
    blob = downloader.fetch(file.wanted, file.open_at)
    assert store.blob_path(blob.sha256).read_bytes() == file.content
    assert file.ranges == ["", f"bytes={2 * MIB}-", ""]


@pytest.mark.parametrize("total", [None, 6])
def test_more_bytes_than_there_are_is_another_file(
    downloader: Downloader, said: Any, wanted: Callable[[bytes], ExpectedBlob], total: int | None
) -> None:
    source = said((0, total, [b"abc", b"defg", b"h" * 1000]), (0, total, [b"abc", b"def"]))
    assert downloader.fetch(wanted(b"abcdef"), source.open_at).size_bytes == 6
    assert source.asked == [0, 0]


def test_a_compressed_body_is_refused(offer: Any, downloader: Downloader, store: Store) -> None:
    file = offer()
    file.hub.fault("gzip", on="cdn", times=None)
    with pytest.raises(AvailabilityError) as caught:
        downloader.fetch(file.wanted, file.open_at)
    assert caught.value.reason == "source_protocol"
    assert len(file.ranges) == 1
    assert not store.blob_path(file.wanted.sha256).exists()


def test_another_part_than_was_asked_for_is_refused(
    downloader: Downloader, said: Any, wanted: Callable[[bytes], ExpectedBlob]
) -> None:
    source = said((0, 6, [b"abc"]), (2, 6, [b"cdef"]))
    with pytest.raises(AvailabilityError) as caught:
        downloader.fetch(wanted(b"abcdef"), source.open_at)
    assert caught.value.reason == "source_protocol"
    assert source.asked == [0, 3]


@pytest.mark.parametrize(("code", "times", "waited"), [(429, 1, 7.0), (503, 2, 14.0)])
def test_the_wait_that_a_source_asks_for_is_honoured(
    offer: Any, downloader: Downloader, time: Any, code: int, times: int, waited: float
) -> None:
    file = offer()
    file.hub.fault("status", code=code, retry_after=7, times=times, on="cdn")
    downloader.fetch(file.wanted, file.open_at)
    assert time.slept == pytest.approx(waited)


def test_a_source_that_wants_to_be_left_alone_for_long_is_left_to_the_caller(
    offer: Any, downloader: Downloader, store: Store, time: Any
) -> None:
    file = offer()
    file.hub.fault("drop_after", bytes=MIB, on="cdn")
    file.hub.fault("then", on="cdn", action=lambda: file.hub.fault("status", code=429, retry_after=600, on="cdn"))
    with pytest.raises(AvailabilityError) as caught:
        downloader.fetch(file.wanted, file.open_at)
    assert (caught.value.reason, caught.value.retry_after_seconds) == ("source_unavailable", 600)
    assert time.slept < 1
    assert (store.downloads / f"{file.wanted.key}.part").stat().st_size == MIB
    file.hub.fault("status", code=429, retry_after=7, on="cdn")
    slept = time.slept
    downloader.fetch(file.wanted, file.open_at)
    assert time.slept - slept == pytest.approx(7), "what an earlier call brought is no progress of this one"
    assert file.ranges == ["", f"bytes={MIB}-"]


def test_a_source_that_goes_on_failing_is_given_up_after_longer_and_longer_waits(
    offer: Any, downloader: Downloader, time: Any
) -> None:
    file = offer()
    file.hub.fault("status", code=503, retry_after=0, on="cdn", times=None)
    with pytest.raises(AvailabilityError) as caught:
        downloader.fetch(file.wanted, file.open_at)
    assert caught.value.reason == "source_unavailable"
    assert time.slept == pytest.approx(0.5 + 1 + 2 + 4 + 8)


def test_a_source_that_drops_everything_at_its_first_byte_is_given_up(offer: Any, downloader: Downloader) -> None:
    file = offer()
    file.hub.fault("ignore_range", on="cdn", times=None)
    file.hub.fault("drop_after", bytes=MIB, on="cdn", times=None)
    with pytest.raises(AvailabilityError):
        downloader.fetch(file.wanted, file.open_at)
    assert len(file.ranges) == 7, "beginning again and again is no progress"


def test_a_refusal_is_passed_on_at_once(offer: Any, downloader: Downloader, time: Any) -> None:
    file = offer()
    file.hub.remove("v/m")
    with pytest.raises(NotFoundError):
        downloader.fetch(file.wanted, file.open_at)
    assert time.slept == 0
