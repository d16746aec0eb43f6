"""One file on an easy day."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable
from typing import Any

import pytest

from panope_backends.errors import InvalidInputError
from panope_registry.download import Downloader, ExpectedBlob
from panope_registry.store.store import Store

MIB = 1 << 20


def test_a_large_file_arrives_whole_and_read_only(
    downloader: Downloader, store: Store, offer: Any, left: Callable[[], list[str]]
) -> None:
    file = offer()
    blob = downloader.fetch(file.wanted, file.open_at)
    path = store.blob_path(blob.sha256)
    assert path.read_bytes() == file.content
    assert (blob.sha256, blob.size_bytes) == (file.wanted.sha256, len(file.content))
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert left() == []


def test_a_file_of_git_is_verified_by_gits_hash_and_stored_under_its_sha256(
    downloader: Downloader, store: Store, offer: Any
) -> None:
    file = offer(size=3000, path="config.json")
    assert file.wanted.sha256 is None
    blob = downloader.fetch(file.wanted, file.open_at)
    assert blob.sha256 == hashlib.sha256(file.content).hexdigest()
    assert store.blob_path(blob.sha256).read_bytes() == file.content


def test_an_empty_file_is_not_asked_for(
    downloader: Downloader, store: Store, said: Any, wanted: Callable[[bytes], ExpectedBlob]
) -> None:
    blob = downloader.fetch(wanted(b""), said().open_at)
    assert store.blob_path(blob.sha256).read_bytes() == b""


def test_bytes_that_are_here_are_not_fetched_again(downloader: Downloader, offer: Any) -> None:
    file = offer()
    first = downloader.fetch(file.wanted, file.open_at)
    told: list[tuple[int, int]] = []
    assert downloader.fetch(file.wanted, file.open_at, lambda *now: told.append(now)) == first
    assert len(file.ranges) == 1
    assert told == [(5 * MIB, 5 * MIB)]


def test_a_damaged_blob_is_fetched_again(downloader: Downloader, store: Store, offer: Any) -> None:
    file = offer()
    blob = downloader.fetch(file.wanted, file.open_at)
    path = store.blob_path(blob.sha256)
    path.chmod(0o600)
    path.write_bytes(file.content[:-1] + b"x")
    downloader.fetch(file.wanted, file.open_at)
    assert path.read_bytes() == file.content
    assert len(list(store.quarantine.iterdir())) == 1


@pytest.mark.parametrize("is_local", [False, True])
def test_a_blob_is_held_for_the_caller_until_it_is_recorded(
    downloader: Downloader, store: Store, offer: Any, is_local: bool
) -> None:
    file = offer()
    if is_local:
        downloader.fetch(file.wanted, file.open_at)
    with store.staging() as staging:
        blob = downloader.fetch(file.wanted, file.open_at, held_in=staging)
        with store.removal_lock() as held:
            assert held == {blob.sha256}
    with store.removal_lock() as held:
        assert held == frozenset()


@pytest.mark.parametrize(
    ("sha256", "git_sha1", "size"),
    [(None, None, 1), ("a" * 63, None, 1), ("../" + "a" * 61, None, 1), (None, "A" * 40, 1), ("a" * 64, None, -1)],
)
def test_what_cannot_be_verified_is_refused(sha256: str | None, git_sha1: str | None, size: int) -> None:
    with pytest.raises(InvalidInputError) as caught:
        ExpectedBlob(sha256, git_sha1, size)
    assert caught.value.reason == "unverifiable"
