"""A shared store in a bucket of S3, MinIO, or whatever speaks their protocol; needs the package `obstore`.

    PREFIX/sha256/ab/abcdef…    the blobs

There are no renames in a bucket, so a blob is written under its own name: as one request, which appears at once, or in
parts, which appear when all are there. A bucket should drop parts of uploads that were never finished by a rule of its
own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

from panope_backends.errors import (
    AvailabilityError,
    DataLossError,
    NotFoundError,
    PermissionDeniedError,
)
from panope_registry.shared_store.driver import no_driver
from panope_registry.shared_store.location import DEFAULT_REGION, RemoteLocation
from panope_registry.shared_store.remote import RemoteBlob
from panope_registry.store.files import BLOCK_BYTES, OnBytes

if TYPE_CHECKING:
    from obstore.store import S3Config
    from obstore.store import S3Store as Bucket  # an extra, which listing models does not need

ONE_REQUEST_BYTES = 16 << 20
"""Up to this size a blob goes in one request; a larger one goes in parts, not held in memory."""

PART_BYTES = 16 << 20
MAX_PARTS = 9_000
"""S3 takes 10,000."""

CONNECT_SECONDS = 5
REQUEST_SECONDS = 300
"""A download that takes longer goes on in another request."""

_KEY = re.compile(r"(?:.*/)?sha256/(?P<start>[0-9a-f]{2})/(?P<sha256>[0-9a-f]{64})")


class S3Store:
    """Blobs in a bucket.

    Args:
        bucket: its name.
        prefix: of all keys; empty for none.
        endpoint: of a server other than AWS, such as `http://minio:9000`; empty for AWS.
        region: of the bucket.
        options: more of obstore's S3 settings, such as `access_key_id`; what is missing comes from the environment,
            as AWS's own tools read it.
        max_retries: of a request that the store failed to answer.

    Raises:
        PreconditionError: the package `obstore` is not installed (`driver_not_installed`).
    """

    def __init__(
        self,
        bucket: str,
        *,
        prefix: str = "",
        endpoint: str = "",
        region: str = DEFAULT_REGION,
        options: Mapping[str, str] | None = None,
        max_retries: int = 4,
    ) -> None:
        location = RemoteLocation(bucket, prefix.strip("/"), endpoint, region)
        self._prefix = location.prefix
        self.id = location.id
        self._bucket = _open(bucket, endpoint, {"region": region, **(options or {})}, max_retries)

    def has(self, sha256: str) -> bool:
        """Returns whether a blob is there, whole."""
        try:
            self._size_of(sha256)
        except NotFoundError:
            return False
        return True

    def put(self, sha256: str, file: Path, on_bytes: OnBytes = lambda _size: None) -> bool:
        """Uploads a blob; returns False when it was there already. As `RemoteStore.put`."""
        import obstore
        from obstore.exceptions import AlreadyExistsError

        size = file.stat().st_size
        if self.has(sha256):
            return False
        try:
            with _translated():
                if size <= ONE_REQUEST_BYTES:
                    # Of several machines that upload it at once, one succeeds.
                    obstore.put(
                        self._bucket, self._key(sha256), b"".join(_hashed(file, sha256, on_bytes)), mode="create"
                    )
                else:
                    part = max(PART_BYTES, -(-size // MAX_PARTS))
                    obstore.put(self._bucket, self._key(sha256), _hashed(file, sha256, on_bytes), chunk_size=part)
        except AlreadyExistsError:
            return False
        return True

    @contextmanager
    def open(self, sha256: str, start: int = 0) -> Iterator[_S3Stream]:
        """Opens a blob's bytes from an offset on. As `RemoteStore.open`."""
        import obstore

        size = self._size_of(sha256)
        if start >= size:  # a range that S3 would refuse
            yield _S3Stream(size, size, iter(()))
            return
        with _translated():
            answer = obstore.get(self._bucket, self._key(sha256), options={"range": {"offset": start}})
        yield _S3Stream(answer.range[0], answer.meta["size"], answer.stream(min_chunk_size=BLOCK_BYTES))

    def delete(self, sha256: str) -> None:
        """Removes a blob; nothing happens when it is not there."""
        import obstore

        with _translated():
            obstore.delete(self._bucket, self._key(sha256))

    def list(self) -> Iterator[RemoteBlob]:
        """Yields all blobs, by sha256; obstore does not tell a listing that is refused from one that fails."""
        import obstore

        with _translated():
            for objects in obstore.list(self._bucket, prefix=f"{self._prefix}/sha256".lstrip("/")):
                for listed in objects:
                    key = _KEY.fullmatch(listed["path"])
                    if key and listed["path"] == self._key(key["sha256"]):
                        yield RemoteBlob(key["sha256"], listed["size"], listed["last_modified"])

    def _size_of(self, sha256: str) -> int:
        import obstore

        with _translated():
            return obstore.head(self._bucket, self._key(sha256))["size"]

    def _key(self, sha256: str) -> str:
        return f"{self._prefix}/sha256/{sha256[:2]}/{sha256}".lstrip("/")


class _S3Stream:
    def __init__(self, start: int, total_bytes: int, blocks: Iterator[bytes]) -> None:
        self.start = start
        self.total_bytes = total_bytes
        self._blocks = blocks

    def chunks(self) -> Iterator[bytes]:
        with _translated():
            for block in self._blocks:
                yield bytes(block)


def _open(bucket: str, endpoint: str, options: Mapping[str, str], max_retries: int) -> Bucket:
    try:
        from obstore.store import S3Store as Bucket
    except ModuleNotFoundError:
        raise no_driver() from None
    return Bucket(
        bucket,
        # It refuses names that are not its own when it gets them.
        config=cast("S3Config", {**options, **({"endpoint": endpoint} if endpoint else {})}),
        client_options={
            "allow_http": endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
            "timeout": timedelta(seconds=REQUEST_SECONDS),
        },
        retry_config={"max_retries": max_retries},
    )


def _hashed(file: Path, sha256: str, on_bytes: OnBytes) -> Iterator[bytes]:
    """Yields the file's bytes; raises before the end when they are not what they should be, and so ends the upload."""
    digest = hashlib.sha256()
    with file.open("rb") as reading:
        while block := reading.read(BLOCK_BYTES):
            digest.update(block)
            on_bytes(len(block))
            yield block
    if digest.hexdigest() != sha256:
        raise DataLossError("a file of the store is damaged: its bytes do not match their sha256")


@contextmanager
def _translated() -> Iterator[None]:
    """Turns the errors of a bucket into Panope's."""
    from obstore import exceptions

    try:
        yield
    except exceptions.AlreadyExistsError:
        raise  # for `put` alone, which knows what it means
    except FileNotFoundError:
        raise NotFoundError("the shared store has no such file", reason="entry_not_found") from None
    except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError):
        raise PermissionDeniedError("the shared store refuses the credentials", reason="source_unauthorized") from None
    except exceptions.BaseError:
        raise AvailabilityError("the shared store does not answer", reason="source_unavailable") from None
