"""Reads a repo elsewhere into a revision to record: small files and headers are fetched, weights are not.

The database is not touched here.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from panope_backends.errors import AvailabilityError, DataLossError, InvalidInputError, PreconditionError
from panope_registry.download.daemon_pool import DaemonPool
from panope_registry.download.retries import DOWNLOAD_RETRIES
from panope_registry.ingest.importer import manifest_of
from panope_registry.inspect.documents import MAX_BYTES
from panope_registry.inspect.file_bytes import Header
from panope_registry.inspect.file_kinds import IMPORTED, FileKind, kinds_of
from panope_registry.inspect.inspect import Evidence, inspect_files
from panope_registry.models.quantization import NO_PREFERENCES, Preferences, refuse_impossible
from panope_registry.models.revision import Content, ImportedRevision, RepoOrigin, RevisionFile
from panope_registry.names import shown
from panope_registry.sources.ranges import RemoteHeader
from panope_registry.sources.source import RemoteFile, RemoteRevision, Source
from panope_registry.store.files import disk_errors
from panope_registry.store.store import Blob, Store

MAX_SMALL_FILES = 2_000
MAX_SMALL_BYTES = 256 << 20
"""The most that all files together have that are fetched at sync."""

FETCHERS = 4
#: A small file is asked for a second time, at once, unless its source asks for a pause that is longer than this.
SMALL_FILE_RETRIES = replace(DOWNLOAD_RETRIES, max_attempts=2, cap_seconds=1.0)


def sync_repo(
    source: Source,
    store: Store,
    staging: Path,
    remote: RemoteRevision,
    *,
    here: Mapping[str, Blob],
    task_hints: Collection[str] = (),
    preferences: Preferences = NO_PREFERENCES,
    grants: tuple[str, ...] = (),
) -> ImportedRevision:
    """Inspects a revision without its weights; its small files are in the store afterwards.

    Args:
        source: that has it.
        store: that gets the small files.
        staging: a folder on the store's file system.
        remote: what to look at, as `source.resolve` tells it.
        here: path -> blob of the files that the store has already.
        task_hints: what the user says that it is for, the likeliest first.
        preferences: the user's, for its variants.
        grants: what an admin lets the model do.

    Raises:
        InvalidInputError: a file is broken, or a hint is no task.
        PreconditionError: no safe weights, code of its own, no such format or precision, or more small files
            than a model has.
        DataLossError: a file is not what the listing says, twice.
        AvailabilityError: the source does not answer.
        CapacityError: the disk is full.
    """
    kinds = kinds_of([file.path for file in remote.files], grants)
    missing = [file for file in remote.files if file.path not in here and _is_small(file, kinds[file.path])]
    _check_small(missing)
    blobs = dict(here) | _fetch_all(source, store, staging, remote, missing)
    readable: dict[str, Header] = {
        file.path: store.blob_path(blobs[file.path].sha256)
        if file.path in blobs
        else RemoteHeader(source, remote, file)
        for file in remote.files
    }
    inspection = inspect_files(readable, Evidence(tuple(task_hints), remote.pipeline_tag, remote.tags, grants))
    refuse_impossible(preferences, ((weights.format, weights.precision) for weights in inspection.weight_sets))
    contents: dict[str, Content] = {file.path: _Declared(file) for file in remote.files if file.sha256 is not None}
    contents |= blobs
    return ImportedRevision(
        commit=remote.commit,
        files=tuple(_revision_file(file, inspection.kinds[file.path], blobs.get(file.path)) for file in remote.files),
        inspection=inspection,
        manifests=tuple(manifest_of(weights, inspection.kinds, contents) for weights in inspection.weight_sets),
        origin=RepoOrigin(source.kind, source.endpoint, remote),
        preferences=preferences,
        task_hints=tuple(task_hints),
    )


def _revision_file(file: RemoteFile, kind: FileKind, blob: Blob | None) -> RevisionFile:
    return RevisionFile(file.path, kind, file.size_bytes, blob if kind in IMPORTED else None, file)


class _Declared:
    """The content of a file that is not here."""

    def __init__(self, file: RemoteFile) -> None:
        assert file.sha256 is not None
        self.sha256 = file.sha256
        self.size_bytes = file.size_bytes


def _is_small(file: RemoteFile, kind: FileKind) -> bool:
    """Returns whether a file is fetched now: all but weights, and weights without a sha256 to know them by."""
    if kind not in IMPORTED:
        return False
    if file.sha256 is None:
        return True
    return kind is not FileKind.WEIGHTS and file.size_bytes <= MAX_BYTES


def _check_small(files: Collection[RemoteFile]) -> None:
    for file in files:
        if file.size_bytes > MAX_BYTES:
            raise PreconditionError(
                f"`{shown(file.path)}` has {file.size_bytes} bytes and no sha256 in the source's listing",
                reason="unknown_content",
            )
    if len(files) > MAX_SMALL_FILES or sum(file.size_bytes for file in files) > MAX_SMALL_BYTES:
        raise PreconditionError(
            f"the repo holds more than {MAX_SMALL_FILES} configuration files, or more than {MAX_SMALL_BYTES >> 20} MiB "
            "of them: that is no model's",
            reason="too_many_files",
        )


def _fetch_all(
    source: Source, store: Store, staging: Path, remote: RemoteRevision, files: Collection[RemoteFile]
) -> dict[str, Blob]:
    """Fetches files; returns path -> blob. After the first failure no other file is begun."""
    with DaemonPool(FETCHERS, "panope-sync") as pool:
        pending = {file.path: pool.submit(_fetch, source, store, staging, remote, file) for file in files}
        try:
            return {path: task.result() for path, task in pending.items()}
        finally:
            pool.cancel()


def _fetch(source: Source, store: Store, staging: Path, remote: RemoteRevision, file: RemoteFile) -> Blob:
    data = _fetched(source, remote, file)
    with disk_errors(file.path):
        path = staging / uuid.uuid4().hex
        path.write_bytes(data)
        return store.add(path, staging)


def _fetched(source: Source, remote: RemoteRevision, file: RemoteFile) -> bytes:
    """Returns the verified bytes of a small file."""
    for attempt in range(1, SMALL_FILE_RETRIES.max_attempts + 1):
        try:
            with source.open(remote, file.path) as stream:
                data = bytearray()
                for chunk in stream.chunks():
                    data += chunk
                    if len(data) > file.size_bytes:
                        break
        except AvailabilityError as error:
            if not SMALL_FILE_RETRIES.allows(attempt, error):
                raise
            continue
        if _is_intact(bytes(data), file):
            return bytes(data)
    raise DataLossError(
        f"`{shown(file.path)}` came twice with other bytes than its hash in the listing says", reason="hash_mismatch"
    )


def _is_intact(data: bytes, file: RemoteFile) -> bool:
    if len(data) != file.size_bytes:
        return False
    if file.sha256 is not None:
        return hashlib.sha256(data).hexdigest() == file.sha256
    if file.git_sha1 is None:
        raise InvalidInputError(f"the listing has no hash of `{shown(file.path)}`", reason="broken_listing")
    # git's own name of the bytes; sha1 is all that there is for such files.
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest() == file.git_sha1
