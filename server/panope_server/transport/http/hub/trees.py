"""Files and folders as the hub tells of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Literal, NotRequired, TypedDict

from panope_backends.errors import NotFoundError
from panope_registry.models.commits import PublishedFile


class LfsJson(TypedDict):
    """A file's hash and size."""

    oid: str
    sha256: str
    size: int
    pointerSize: int


class LastCommitJson(TypedDict):
    """The commit that a file is of."""

    id: str
    title: str
    date: str


class EntryJson(TypedDict):
    """A file, or a folder, of size 0 and without a hash."""

    type: Literal["file", "directory"]
    path: str
    size: int
    oid: str
    lfs: NotRequired[LfsJson]
    lastCommit: NotRequired[LastCommitJson]


def tree_of(files: Sequence[PublishedFile], below: str, *, recursive: bool) -> list[EntryJson]:
    """What is in a folder, by path.

    Args:
        files: all of the model, by path.
        below: the folder; empty for the model's own.
        recursive: whether to tell of what is in its folders too.

    Raises:
        NotFoundError: there is no such folder.
    """
    prefix = f"{below}/" if below else ""
    inside = [file for file in files if file.path.startswith(prefix)]
    if below and not inside:
        raise NotFoundError("the model has no such folder here", reason="entry_not_found", field="path")
    found = [*(_file(file) for file in inside), *(_folder(path, files) for path in folders_of(inside))]
    found = [entry for entry in found if entry["path"].startswith(prefix)]
    if not recursive:
        found = [entry for entry in found if "/" not in entry["path"][len(prefix) :]]
    return sorted(found, key=lambda entry: entry["path"])


def entries_at(files: Sequence[PublishedFile], paths: Iterable[str]) -> list[EntryJson]:
    """What is at some paths, in their order; paths of nothing are left out."""
    by_path = {file.path: file for file in files}
    folders = folders_of(files)
    found: list[EntryJson] = []
    for path in dict.fromkeys(paths):
        if path in by_path:
            found.append(_file(by_path[path]))
        elif path in folders:
            found.append(_folder(path, files))
    return found


def folders_of(files: Iterable[PublishedFile]) -> set[str]:
    """The paths of the folders that hold files."""
    found: set[str] = set()
    for file in files:
        parent = file.path.rpartition("/")[0]
        while parent and parent not in found:
            found.add(parent)
            parent = parent.rpartition("/")[0]
    return found


def lfs_of(file: PublishedFile) -> LfsJson:
    """A file's hash: each is told as a large one, for those have a sha256, by which clients can verify them."""
    return {"oid": file.sha256, "sha256": file.sha256, "size": file.size_bytes, "pointerSize": 134}


def _file(file: PublishedFile) -> EntryJson:
    return {
        "type": "file",
        "path": file.path,
        "size": file.size_bytes,
        "oid": file.sha256[:40],
        "lfs": lfs_of(file),
    }


def _folder(path: str, files: Iterable[PublishedFile]) -> EntryJson:
    held = "\n".join(f"{file.path} {file.sha256}" for file in files if file.path.startswith(f"{path}/"))
    return {"type": "directory", "path": path, "size": 0, "oid": hashlib.sha256(held.encode()).hexdigest()[:40]}
