"""Brings a folder's files into the store as a revision to record. The database is not touched here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from panope_backends.errors import PreconditionError
from panope_registry.ingest.folder import FolderFile
from panope_registry.inspect.file_kinds import IMPORTED, SUPPORTING, FileKind
from panope_registry.inspect.inspect import Evidence, inspect_files
from panope_registry.inspect.weights import WeightSet
from panope_registry.models.revision import Content, ImportedRevision, RevisionFile
from panope_registry.names import shown
from panope_registry.retention.reservations import Reservation
from panope_registry.retention.space import StoreSpace
from panope_registry.store.files import disk_errors
from panope_registry.store.manifest import Manifest, ManifestFile, listing_digest
from panope_registry.store.store import Blob, Store

Progress = Callable[[int, int, str], None]
"""Called with the bytes done, the bytes in all and the file at hand, for each MiB."""


def ingest_files(
    store: Store,
    listed: Sequence[FolderFile],
    staging: Path,
    space: StoreSpace,
    progress: Progress | None,
    evidence: Evidence,
) -> ImportedRevision:
    """Brings a model's files into the store.

    Raises:
        InvalidInputError: a file is broken or leaves the folder, or a hint is no task.
        PreconditionError: its weights are unsafe, it needs code, cannot be read or changes meanwhile.
        CapacityError: it does not fit.
    """
    # Understood before gigabytes are copied, to refuse what cannot be.
    kinds = inspect_files({file.path: file.source for file in listed}, evidence).kinds
    kept = [file for file in listed if kinds[file.path] in IMPORTED]
    with space.reserve_bytes(sum(file.size_bytes for file in kept), what="the import") as reservation:
        blobs = add_files(store, kept, staging, reservation, progress)
    # Headers are read again from the store: what is recorded is what is kept, whatever became of the folder.
    sources = {file.path: file.source for file in listed} | {
        path: store.blob_path(blob.sha256) for path, blob in blobs.items()
    }
    inspection = inspect_files(sources, evidence)
    files = tuple(
        RevisionFile(file.path, inspection.kinds[file.path], file.size_bytes, blobs.get(file.path)) for file in listed
    )
    commit = listing_digest((file.path, file.size_bytes, file.blob.sha256 if file.blob else "") for file in files)
    manifests = tuple(manifest_of(found, inspection.kinds, blobs) for found in inspection.weight_sets)
    return ImportedRevision(commit, files, inspection, manifests, task_hints=evidence.task_hints)


def add_files(
    store: Store, files: list[FolderFile], staging: Path, reservation: Reservation, progress: Progress | None = None
) -> dict[str, Blob]:
    """Brings files into the store, for which space is reserved; path -> blob."""
    counter = _Counter(progress, sum(file.size_bytes for file in files))
    blobs: dict[str, Blob] = {}
    for file in files:
        counter.file = file.path
        with disk_errors(file.path):
            blob = store.add(file.source, staging, counter.add)
        if blob.size_bytes != file.size_bytes:
            raise PreconditionError(f"`{shown(file.path)}` changed while it was read", reason="folder_changed")
        reservation.release(blob.size_bytes)
        blobs[file.path] = blob
    return blobs


def manifest_of(found: WeightSet, kinds: Mapping[str, FileKind], contents: Mapping[str, Content]) -> Manifest:
    """Returns the weights at their places, and every configuration and tokenizer file at its own.

    Raises:
        PreconditionError: the content of one of them is unknown.
    """
    paths = {path: path for path, kind in kinds.items() if kind in SUPPORTING} | dict(found.files)
    files = {}
    for path, path_in_checkout in paths.items():
        content = contents.get(path)
        if content is None:
            raise PreconditionError(f"the content of `{shown(path)}` is unknown", reason="unknown_content")
        files[path_in_checkout] = ManifestFile(
            _component(kinds[path], path_in_checkout, found.folder),
            path_in_checkout,
            content.sha256,
            content.size_bytes,
        )
    return Manifest(found.format, found.precision, found.parameter_count, tuple(files.values()))


def _component(kind: FileKind, path: str, transformer: str) -> str:
    """Weights in a folder of their own are a part of their own, such as `2_Dense`, which a conversion leaves alone."""
    folder, _, _ = path.rpartition("/")
    return folder if folder not in ("", transformer) and kind is FileKind.WEIGHTS else kind.value


class _Counter:
    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0
        self.file = ""

    def add(self, size: int) -> None:
        self._done += size
        if self._progress is not None:
            self._progress(self._done, self._total, self.file)
