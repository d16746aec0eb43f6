"""A revision of a model as an import or a sync has read it, before it is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from panope_registry.inspect.file_kinds import IMPORTED, FileKind
from panope_registry.inspect.inspect import Inspection
from panope_registry.models.quantization import NO_PREFERENCES, Preferences
from panope_registry.sources.source import RemoteFile, RemoteRevision
from panope_registry.store.manifest import Manifest
from panope_registry.store.store import Blob


class Content(Protocol):
    """Anything that names bytes by their hash."""

    @property
    def sha256(self) -> str:
        """The hash of the bytes, 64 hexadecimal digits."""

    @property
    def size_bytes(self) -> int:
        """How many bytes there are."""


@dataclass(frozen=True)
class RevisionFile:
    """A file of a revision.

    Attributes:
        blob: None when its bytes are not here.
        listed: as the source lists it; None for a folder's.
    """

    path: str
    kind: FileKind
    size_bytes: int
    blob: Blob | None
    listed: RemoteFile | None = None

    @property
    def sha256(self) -> str | None:
        """The hash of its bytes, where it is kept here or can be; None for what is left out."""
        if self.blob is not None:
            return self.blob.sha256
        return self.listed.sha256 if self.listed is not None and self.kind in IMPORTED else None


@dataclass(frozen=True)
class RepoOrigin:
    """Where a revision comes from that is no folder's."""

    source: str
    endpoint: str
    revision: RemoteRevision


@dataclass(frozen=True)
class ImportedRevision:
    """What a revision holds: a folder's content, all of it in the store, or a repo's, of which weights may be missing.

    Attributes:
        commit: names the content.
        origin: None for a folder.
        preferences: of the user, for its variants.
        task_hints: as the user says; empty leaves what was said before.
    """

    commit: str
    files: tuple[RevisionFile, ...]
    inspection: Inspection
    manifests: tuple[Manifest, ...]
    origin: RepoOrigin | None = None
    preferences: Preferences = NO_PREFERENCES
    task_hints: tuple[str, ...] = ()
