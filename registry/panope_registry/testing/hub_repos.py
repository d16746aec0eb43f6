"""Repos as the stand-in keeps them: files by commit, hashed as the hub hashes them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Content = bytes | Path

#: What the hub's own `.gitattributes` gives to LFS, beside everything that is large.
LFS_SUFFIXES = (".safetensors", ".gguf", ".onnx", ".onnx_data", ".bin", ".pt", ".ckpt", ".msgpack", ".h5", ".model")
LFS_BYTES = 10 << 20


@dataclass(frozen=True)
class HubFile:
    """A file with its hashes; `sha256` is None for one that git keeps itself."""

    path: str
    content: Content
    size: int
    sha256: str | None
    git_sha1: str

    @property
    def etag(self) -> str:
        """What the client takes as the content's name."""
        return self.sha256 or self.git_sha1

    def entry(self) -> dict[str, Any]:
        """Returns the line in a tree listing."""
        line: dict[str, Any] = {"type": "file", "path": self.path, "size": self.size, "oid": self.git_sha1}
        if self.sha256:
            line |= {"lfs": {"oid": self.sha256, "size": self.size, "pointerSize": len(self.pointer())}}
        return line

    def sibling(self) -> dict[str, Any]:
        """Returns the line in a repo's description."""
        line: dict[str, Any] = {"rfilename": self.path, "size": self.size, "blobId": self.git_sha1}
        if self.sha256:
            line |= {"lfs": {"sha256": self.sha256, "size": self.size, "pointerSize": len(self.pointer())}}
        return line

    def pointer(self) -> bytes:
        """Returns what git keeps of a large file."""
        return f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {self.size}\n".encode()

    def read(self, start: int, size: int) -> bytes:
        """Returns a part of it."""
        if isinstance(self.content, bytes):
            return self.content[start : start + size]
        with self.content.open("rb") as stream:
            stream.seek(start)
            return stream.read(size)


@dataclass
class HubRepo:
    """A repo of the stand-in.

    Attributes:
        commits: commit -> files by path.
        refs: branch or tag -> commit.
        listed: entries that the tree shows beside the files, as hostile as a test wants.
        info: what else the repo's description says, such as `pipeline_tag`.
    """

    name: str
    commits: dict[str, dict[str, HubFile]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    listed: list[dict[str, Any]] = field(default_factory=list)
    info: dict[str, Any] = field(default_factory=dict)
    gated: bool = False
    private: bool = False

    def commit(self, files: Mapping[str, Content], branch: str, is_lfs: Callable[[str, int], bool]) -> str:
        """Adds a commit and moves the branch to it; the same files are the same commit."""
        committed = {path: _file(path, content, is_lfs) for path, content in sorted(files.items())}
        listing = "\n".join(f"{file.git_sha1} {path}" for path, file in committed.items())
        commit = hashlib.sha1(f"{self.name}\n{listing}".encode(), usedforsecurity=False).hexdigest()
        self.commits[commit] = committed
        self.refs[branch] = commit
        return commit

    def find(self, revision: str) -> str | None:
        """Returns the commit that a branch, tag or commit names."""
        return self.refs.get(revision) or (revision if revision in self.commits else None)


def folder_files(folder: Path) -> dict[str, Content]:
    """Returns the files below a folder, by their relative paths."""
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


def on_lfs(path: str, size: int) -> bool:
    """Returns whether the hub would keep it outside of git."""
    return path.endswith(LFS_SUFFIXES) or size >= LFS_BYTES


def _file(path: str, content: Content, is_lfs: Callable[[str, int], bool]) -> HubFile:
    size = len(content) if isinstance(content, bytes) else content.stat().st_size
    if not is_lfs(path, size):
        body = content if isinstance(content, bytes) else content.read_bytes()
        return HubFile(path, content, size, None, _git_sha1(body))
    sha256 = hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else _sha256(content)
    draft = HubFile(path, content, size, sha256, "")
    return HubFile(path, content, size, sha256, _git_sha1(draft.pointer()))


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _git_sha1(body: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(body) + body, usedforsecurity=False).hexdigest()
