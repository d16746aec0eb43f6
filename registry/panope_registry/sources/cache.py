"""The cache of the hub's own client as a source: what it holds need not be downloaded again.

    models--VENDOR--NAME/refs/main              the commit of a branch
    models--VENDOR--NAME/snapshots/COMMIT/…     links to blobs, by the paths of the repo
    models--VENDOR--NAME/blobs/HASH             by sha256, or for small files by git's sha1

The client does not verify what it downloads, and anybody may change the files, so bytes leave here only after they have
been found to be those of their name. Nothing in the cache is changed, and files that lead out of it are not read.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from panope_backends.errors import AvailabilityError, InvalidInputError, PreconditionError
from panope_registry.download.stream import Stream
from panope_registry.interruption import check_interruption
from panope_registry.names import parse_model_name, safe_relative_path, shown
from panope_registry.sources.source import HUB, RemoteFile, RemoteRevision, Source, checked

CHUNK_BYTES = 1 << 20

_COMMIT = re.compile(r"[0-9a-f]{40}")
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")

MAX_KNOWN = 1000


@dataclass(frozen=True)
class CachedFile:
    """A part of a verified file; see `Stream`."""

    start: int
    total_bytes: int
    _path: Path
    _length: int | None

    def chunks(self) -> Iterator[bytes]:
        """Yields the bytes."""
        left = self.total_bytes - self.start if self._length is None else self._length
        try:
            with self._path.open("rb", buffering=0) as file:
                file.seek(self.start)
                while left > 0 and (chunk := file.read(min(CHUNK_BYTES, left))):
                    left -= len(chunk)
                    yield chunk
        except OSError as error:
            raise AvailabilityError("a file of the hub's cache went away", reason="source_unavailable") from error


class HubCache:
    """One cache folder. Safe for use by several threads.

    Args:
        folder: that holds `models--…`; it need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._verified: dict[tuple[object, ...], bool] = {}
        self._lock = threading.Lock()

    def find(self, name: str, commit: str, path: str, digest: str | None = None) -> Path | None:
        """Returns a file of a repo, verified; None when it is not here, or damaged.

        Args:
            name: `vendor/name`.
            commit: of the revision.
            path: in the repo.
            digest: its sha256, or git's sha1 of a small file, where that is known: then any revision's will do.
        """
        repo = self._repo(name)
        candidates = [repo / "snapshots" / commit / safe_relative_path(path)]
        if digest is not None:
            candidates.append(repo / "blobs" / digest)
        for candidate in candidates:
            blob = self._blob(repo, candidate)
            if blob is not None and digest in (None, blob.name) and self._is_intact(blob):
                return blob
        return None

    def revision(self, name: str, wanted: str) -> RemoteRevision | None:
        """Returns what the cache has of a branch, tag or commit; None when it has no snapshot of it."""
        repo = self._repo(name)
        commit = wanted if _COMMIT.fullmatch(wanted) else self._ref(repo, wanted)
        snapshot = repo / "snapshots" / commit
        if not commit or not snapshot.is_dir():
            return None
        return RemoteRevision(name, commit, wanted, checked(self._files(repo, snapshot)))

    def _repo(self, name: str) -> Path:
        parsed = parse_model_name(name)
        return self._folder / f"models--{parsed.vendor}--{parsed.name}"

    def _ref(self, repo: Path, wanted: str) -> str:
        try:
            with (repo / "refs" / safe_relative_path(wanted)).open("rb") as stream:
                named = stream.read(64).decode("ascii", "replace").strip()
        except (OSError, InvalidInputError):
            return ""
        return named if _COMMIT.fullmatch(named) else ""

    def _files(self, repo: Path, snapshot: Path) -> Iterator[RemoteFile]:
        for folder, _, names in os.walk(snapshot):
            for name in names:
                path = Path(folder, name)
                blob = self._blob(repo, path)
                if blob is None:
                    continue
                is_large = len(blob.name) == 64
                yield RemoteFile(
                    path.relative_to(snapshot).as_posix(),
                    blob.stat().st_size,
                    sha256=blob.name if is_large else None,
                    git_sha1=None if is_large else blob.name,
                )

    def _blob(self, repo: Path, path: Path) -> Path | None:
        """Returns the file of this repo's blobs that a path leads to."""
        try:
            blob = path.resolve(strict=True)
            inside = blob.parent == (repo / "blobs").resolve(strict=True)
        except OSError:
            return None
        return blob if inside and _HASH.fullmatch(blob.name) and blob.is_file() else None

    def _is_intact(self, blob: Path) -> bool:
        """Returns whether its bytes are those of its name; hashed once, and again when the file has changed."""
        try:
            found = blob.stat()
            key = (blob, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
            with self._lock:
                known = self._verified.get(key)
            if known is None:
                known = _hashed(blob, found.st_size) == blob.name
                with self._lock:
                    if len(self._verified) >= MAX_KNOWN:
                        self._verified.clear()
                    self._verified[key] = known
        except OSError:
            return False
        return known


class CachedSource:
    """A hub, whose files come from a cache where that has them; see `Source`."""

    kind = HUB

    def __init__(self, source: Source, cache: HubCache) -> None:
        self._source = source
        self._cache = cache
        self._digests: dict[tuple[str, str], Mapping[str, str]] = {}

    @property
    def endpoint(self) -> str:
        """The endpoint of the hub."""
        return self._source.endpoint

    def resolve(self, name: str, revision: str = "main") -> RemoteRevision:
        """Resolves as the hub does."""
        found = self._source.resolve(name, revision)
        if len(self._digests) >= MAX_KNOWN:
            self._digests.clear()
        hashes = {file.path: file.sha256 or file.git_sha1 for file in found.files}
        self._digests[name, found.commit] = {path: digest for path, digest in hashes.items() if digest}
        return found

    def open(
        self, revision: RemoteRevision, path: str, start: int = 0, length: int | None = None
    ) -> AbstractContextManager[Stream]:
        """Opens a file of the cache, else as the hub does."""
        digest = self._digests.get((revision.name, revision.commit), {}).get(path)
        found = self._cache.find(revision.name, revision.commit, path, digest)
        return self._source.open(revision, path, start, length) if found is None else _opened(found, start, length)


class OfflineSource:
    """A cache alone, for when no hub may be asked; see `Source`.

    Args:
        cache: of the hub's client.
        endpoint: of the hub whose cache it is.
    """

    kind = HUB

    def __init__(self, cache: HubCache, endpoint: str) -> None:
        self._cache = cache
        self.endpoint = endpoint

    def resolve(self, name: str, revision: str = "main") -> RemoteRevision:
        """Returns what the cache has of it, which may be less than the hub has."""
        found = self._cache.revision(name, revision)
        if found is None:
            raise PreconditionError(
                f"no hub is asked, as `hub.offline` or HF_HUB_OFFLINE says, and its cache holds no `{shown(name)}` at "
                f"`{shown(revision)}`",
                reason="offline",
                field="model",
            )
        return found

    def open(
        self, revision: RemoteRevision, path: str, start: int = 0, length: int | None = None
    ) -> AbstractContextManager[Stream]:
        """Opens a file of the cache."""
        found = self._cache.find(revision.name, revision.commit, path)
        if found is None:
            raise PreconditionError(
                f"no hub is asked, and its cache holds no intact `{shown(path)}` of `{revision.name}`",
                reason="offline",
                field="model",
            )
        return _opened(found, start, length)


@contextmanager
def _opened(path: Path, start: int, length: int | None) -> Iterator[CachedFile]:
    yield CachedFile(start, path.stat().st_size, path, length)


def _hashed(blob: Path, size: int) -> str:
    """Returns the hash that a blob's name should be."""
    is_large = len(blob.name) == 64
    digest = hashlib.sha256() if is_large else hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with blob.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK_BYTES):
            check_interruption()
            digest.update(chunk)
    return digest.hexdigest()
