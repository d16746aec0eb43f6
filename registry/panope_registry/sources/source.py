"""The interface of sources: the listings of revisions and the bytes of their files.

Everything that a source says comes from outside: listings are checked here (`checked`), and bytes by whoever keeps
them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from panope_backends.errors import InvalidInputError
from panope_registry.names import safe_relative_path, shown

if TYPE_CHECKING:
    from panope_registry.download.stream import Stream  # its package brings what listing models does not need

__all__ = ["HUB", "MAX_FILES", "RemoteFile", "RemoteRevision", "Source", "checked"]

HUB = "hub"
"""The name of hubs in `repo.source`."""

MAX_FILES = 20_000
"""A listing with more is refused."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHA1 = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class RemoteFile:
    """A file of a revision, as the source lists it.

    Attributes:
        path: relative, with `/`.
        sha256: of its bytes; None for small files, which the hub keeps in git and knows by `git_sha1`.
        git_sha1: of git's blob (`blob SIZE NUL BYTES`); of a file with a sha256, that of the pointer to it.
        xet_hash: the hub's own name of the content; no sha256.
    """

    path: str
    size_bytes: int
    sha256: str | None = None
    git_sha1: str | None = None
    xet_hash: str | None = None


@dataclass(frozen=True)
class RemoteRevision:
    """A repo at one commit. Name and commit suffice to open its files.

    Attributes:
        name: `vendor/name`.
        commit: names the content, 40 hexadecimal digits.
        ref: the branch, tag or commit that was asked for.
        files: by path.
        pipeline_tag: the task as the source names it; empty when it does not.
        library_name: such as `transformers`; empty when unknown.
        base_models: the repos that it was made from, as its card says.
        gated: whether its owner admits readers one by one.
    """

    name: str
    commit: str
    ref: str = ""
    files: tuple[RemoteFile, ...] = ()
    pipeline_tag: str = ""
    library_name: str = ""
    tags: tuple[str, ...] = ()
    base_models: tuple[str, ...] = ()
    gated: bool = False


class Source(Protocol):
    """A place that has repos. Safe for use by several threads.

    Errors are those of `panope_backends.errors`; their reasons: `repo_not_found`, `revision_not_found`,
    `entry_not_found` (NotFoundError); `gated`, `source_unauthorized` (PermissionDeniedError); `source_unavailable`
    (AvailabilityError: trying again can help) and `source_protocol` (AvailabilityError: it cannot).
    """

    @property
    def kind(self) -> str:
        """What `repo.source` says: `hub`."""

    @property
    def endpoint(self) -> str:
        """Its address, without a token."""

    def resolve(self, name: str, revision: str = "main") -> RemoteRevision:
        """Returns the revision that a branch, tag or commit names now; no files are fetched. The listing is checked."""

    def open(
        self, revision: RemoteRevision, path: str, start: int = 0, length: int | None = None
    ) -> AbstractContextManager[Stream]:
        """Opens the bytes of a file from `start` on, `length` of them at most.

        A source may ignore `start`: the stream says where it begins. The bytes are unverified.
        """


def checked(files: Iterable[RemoteFile]) -> tuple[RemoteFile, ...]:
    """Returns the files by path, if every path may be used on every system and every hash is one.

    Raises:
        InvalidInputError: an unsafe path (`unsafe_path`); two paths that differ in case alone or a file where another
            has a folder (`colliding_paths`); too many files; a size or hash that is none (`broken_listing`).
    """
    listed = sorted(files, key=lambda file: file.path)
    if len(listed) > MAX_FILES:
        raise _broken(f"it lists more than {MAX_FILES} files")
    taken: dict[str, str] = {}
    for file in listed:
        safe_relative_path(file.path)
        _check_numbers(file)
        other = taken.setdefault(file.path.casefold(), file.path)
        if other is not file.path:
            raise _colliding(file.path, other)
    for folded, path in taken.items():
        parts = folded.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            other = taken.get("/".join(parts[:depth]), "")
            if other:
                raise _colliding(path, other)
    return tuple(listed)


def _check_numbers(file: RemoteFile) -> None:
    if not 0 <= file.size_bytes < 1 << 62:
        raise _broken(f"`{shown(file.path)}` has an impossible size")
    if file.sha256 is not None and not _SHA256.fullmatch(file.sha256):
        raise _broken(f"`{shown(file.path)}` has a sha256 that is none")
    if file.git_sha1 is not None and not _SHA1.fullmatch(file.git_sha1):
        raise _broken(f"`{shown(file.path)}` has a git hash that is none")


def _colliding(path: str, other: str) -> InvalidInputError:
    return InvalidInputError(
        f"the repo lists `{shown(path)}` and `{shown(other)}`, which some systems cannot keep apart",
        reason="colliding_paths",
    )


def _broken(problem: str) -> InvalidInputError:
    return InvalidInputError(f"the repo's listing is broken: {problem}", reason="broken_listing")
