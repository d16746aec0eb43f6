"""Blobs in a bucket, on a server that speaks S3."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import obstore
import pytest

from panope_backends.errors import (
    AvailabilityError,
    DataLossError,
    InvalidInputError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
)
from panope_registry.shared_store import RemoteLocation, S3Store, driver
from panope_registry.shared_store.s3 import ONE_REQUEST_BYTES, PART_BYTES

NONE = "0" * 64
SIZES = [0, 1, ONE_REQUEST_BYTES, ONE_REQUEST_BYTES + 1, 2 * PART_BYTES + 7]


def _file(folder: Path, size: int) -> tuple[str, Path]:
    file = folder / str(size)
    file.write_bytes((bytes(range(251)) * (size // 251 + 1))[:size])
    return hashlib.sha256(file.read_bytes()).hexdigest(), file


def _read(remote: S3Store, sha256: str, start: int = 0) -> bytes:
    with remote.open(sha256, start) as stream:
        return b"".join(stream.chunks())


@pytest.mark.parametrize("size", SIZES)
def test_what_was_brought_comes_back_from_any_place(remote: S3Store, tmp_path: Path, size: int) -> None:
    sha256, file = _file(tmp_path, size)
    assert not remote.has(sha256)
    assert remote.put(sha256, file)
    assert remote.has(sha256)
    content = file.read_bytes()
    for start in {0, size // 3, max(0, size - 1), size}:
        assert _read(remote, sha256, start) == content[start:]
    with remote.open(sha256, size // 3) as stream:
        assert (stream.start, stream.total_bytes) == (size // 3, size)


def test_what_is_there_is_not_sent_again(remote: S3Store, tmp_path: Path) -> None:
    sha256, file = _file(tmp_path, 10)
    assert remote.put(sha256, file)
    assert not remote.put(sha256, file)


def test_of_several_who_bring_the_same_blob_at_once_one_does(remote: S3Store, tmp_path: Path) -> None:
    sha256, file = _file(tmp_path, 1000)
    with ThreadPoolExecutor(8) as pool:
        brought = list(pool.map(lambda _: remote.put(sha256, file), range(8)))
    assert brought.count(True) == 1
    assert _read(remote, sha256) == file.read_bytes()


@pytest.mark.parametrize("size", [10, 2 * PART_BYTES + 7])
def test_a_damaged_file_does_not_get_there(remote: S3Store, tmp_path: Path, size: int) -> None:
    sha256, file = _file(tmp_path, size)
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    with pytest.raises(DataLossError):
        remote.put(sha256, file)
    assert not remote.has(sha256)
    assert list(remote.list()) == []


def test_a_file_that_is_not_here_cannot_be_brought(remote: S3Store, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        remote.put(NONE, tmp_path / "none")


def test_the_list_holds_blobs_alone(remote: S3Store, tmp_path: Path, bucket: str, s3_endpoint: str) -> None:
    files = dict(_file(tmp_path, size) for size in (0, 1, 2))
    for sha256, file in files.items():
        remote.put(sha256, file)
    for key in ("README", f"panope/sha256/zz/{NONE}", f"panope/sha256/ff/{NONE}", f"elsewhere/sha256/00/{NONE}"):
        obstore.put(remote._bucket, key, b"not ours")
    found = [(sha256, file.stat().st_size) for sha256, file in files.items()]
    listed = list(remote.list())
    assert [(blob.sha256, blob.size_bytes) for blob in listed] == sorted(found)
    assert all(abs(datetime.now(UTC) - blob.changed_at) < timedelta(minutes=1) for blob in listed)


def test_what_was_deleted_is_gone_and_deleting_twice_is_no_error(remote: S3Store, tmp_path: Path) -> None:
    sha256, file = _file(tmp_path, 10)
    remote.put(sha256, file)
    remote.delete(sha256)
    remote.delete(sha256)
    assert not remote.has(sha256)
    with pytest.raises(NotFoundError) as caught:
        _read(remote, sha256)
    assert caught.value.reason == "entry_not_found"


CALLS: list[Callable[[S3Store, Path], object]] = [
    lambda remote, _file: remote.has(NONE),
    lambda remote, file: remote.put(NONE, file),
    lambda remote, _file: _read(remote, NONE),
    lambda remote, _file: remote.delete(NONE),
    lambda remote, _file: list(remote.list()),
]


@pytest.mark.parametrize("call", CALLS)
def test_a_store_that_is_away_is_told_as_such(call: Callable[..., object], away: S3Store, tmp_path: Path) -> None:
    with pytest.raises(AvailabilityError) as caught:
        call(away, _file(tmp_path, 10)[1])
    assert caught.value.reason == "source_unavailable"


@pytest.mark.parametrize("call", CALLS[:-1])  # of a listing the library does not say why it failed
def test_a_store_that_refuses_is_told_as_such(call: Callable[..., object], refusing: S3Store, tmp_path: Path) -> None:
    with pytest.raises(PermissionDeniedError) as caught:
        call(refusing, _file(tmp_path, 10)[1])
    assert caught.value.reason == "source_unauthorized"


def test_one_bucket_has_one_id_and_another_prefix_is_another_store(s3_endpoint: str, bucket: str) -> None:
    ids = [S3Store(bucket, prefix=prefix, endpoint=s3_endpoint).id for prefix in ("a", "/a/", "b", "")]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_without_its_package_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(PreconditionError, match="obstore") as caught:
        S3Store("models")
    assert caught.value.reason == "driver_not_installed"
    monkeypatch.setattr(driver, "find_spec", lambda _name: None)
    with pytest.raises(PreconditionError, match="obstore"):
        driver.check_driver()


@pytest.mark.parametrize(
    ("url", "bucket", "prefix"),
    [("s3://models", "models", ""), ("s3://models/", "models", ""), ("s3://models/a/b/", "models", "a/b")],
)
def test_a_place_is_written_as_a_url(url: str, bucket: str, prefix: str) -> None:
    found = RemoteLocation.parse(url, "http://minio:9000")
    assert (found.bucket, found.prefix) == (bucket, prefix)
    assert found.id == f"s3://minio:9000/{bucket}/{prefix}"


@pytest.mark.parametrize("url", ["models", "https://models", "s3://", "s3:///models"])
def test_what_is_no_such_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError, match="s3://BUCKET/PREFIX"):
        RemoteLocation.parse(url)
