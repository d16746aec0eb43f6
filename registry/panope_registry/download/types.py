"""What is asked of a downloader, and how it is told to end."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from panope_backends.errors import InvalidInputError
from panope_registry.download.stream import OpenAt
from panope_registry.store.store import Blob

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHA1 = re.compile(r"[0-9a-f]{40}")

Progress = Callable[[int, int], None]
"""Called with the bytes that are here and the bytes in all; fewer are here than before when a source begins anew."""


class StopReason(StrEnum):
    """Why a download is to end early."""

    CANCEL = "cancel"
    """What is here stays, and the next download goes on with it."""
    DISCARD = "discard"
    """What is here goes."""


Stop = Callable[[], StopReason | None]
"""Asked about ten times a second. What it raises ends the download too, as `CANCEL` does."""


class DownloadStopped(Exception):  # noqa: N818 - it was asked for, and is no error of anybody's
    """A download ended because it was told to."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True)
class ExpectedBlob:
    """A file that is known by its hash.

    Attributes:
        sha256: of its bytes; None for files that are known by `git_sha1` alone.
        git_sha1: of git's blob (`blob SIZE NUL BYTES`); read only when there is no sha256, because of files with one
            git has but a pointer.
        size_bytes: exactly.

    Raises:
        InvalidInputError: there is neither hash, or it is none: such a file could not be verified.
    """

    sha256: str | None
    git_sha1: str | None
    size_bytes: int

    def __post_init__(self) -> None:
        known = self.sha256 or self.git_sha1 or ""
        if not (_SHA256 if self.sha256 else _SHA1).fullmatch(known) or self.size_bytes < 0:
            raise InvalidInputError("a file without a hash and a size cannot be verified", reason="unverifiable")

    @property
    def key(self) -> str:
        """One name for all who want the same bytes; fit for a file's name."""
        return self.sha256 or f"git-{self.git_sha1}"


@dataclass(frozen=True)
class Request:
    """A file of several, and where it comes from.

    Attributes:
        open_at: opens it elsewhere, at a place.
        progress: called as this file comes, by the thread that fetches it.
        arrived: called once it is in the store, by that thread; what it raises ends all.
    """

    wanted: ExpectedBlob
    open_at: OpenAt
    progress: Progress = lambda _done, _total: None
    arrived: Callable[[Blob], None] = lambda _blob: None
