"""The interface of a shared store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from panope_registry.download.stream import Stream
from panope_registry.store.files import OnBytes


@dataclass(frozen=True)
class RemoteBlob:
    """A blob in a shared store; `changed_at` is when it was brought there last."""

    sha256: str
    size_bytes: int
    changed_at: datetime


class RemoteStore(Protocol):
    """Blobs elsewhere, by sha256. Safe for use by several threads, processes and machines.

    Every method raises AvailabilityError (`source_unavailable`) when the store does not answer, and
    PermissionDeniedError (`source_unauthorized`) when it refuses.
    """

    @property
    def id(self) -> str:
        """Names this store among all that share a database; the same on every machine."""

    def has(self, sha256: str) -> bool:
        """Returns whether a blob is there, whole."""

    def put(self, sha256: str, file: Path, on_bytes: OnBytes = lambda _size: None) -> bool:
        """Uploads a blob; returns False when it was there already.

        It is hashed on its way and appears whole or not at all. `on_bytes` is called with what was just read; what it
        raises ends the upload.

        Raises:
            DataLossError: the file is not what its name says; nothing was changed there.
            FileNotFoundError: there is no such file.
        """

    def open(self, sha256: str, start: int = 0) -> AbstractContextManager[Stream]:
        """Opens a blob's bytes from a place on, not verified; `panope_registry.download` does that.

        Raises:
            NotFoundError: it is not there (`entry_not_found`).
        """

    def delete(self, sha256: str) -> None:
        """Removes a blob; nothing happens when it is not there."""

    def list(self) -> Iterator[RemoteBlob]:
        """Lists all blobs, by sha256, and nothing else that is there. A refusal may come as AvailabilityError."""
