"""The manifest of a variant: which bytes it consists of. Its digest is the variant's name for ever."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class ManifestFile:
    """A file of a variant.

    Attributes:
        component: the part of the variant it belongs to: `weights`, `config`, `tokenizer`, or the folder of a part with
            weights of its own, such as `2_Dense`.
        path: in the folder that a backend gets.
    """

    component: str
    path: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class ConversionOrigin:
    """What made a variant that did not come with its repo; all of it is part of the variant's identity."""

    source_digest: str
    backend: str
    engine_version: str
    task: str


@dataclass(frozen=True)
class Manifest:
    """A variant's content.

    Attributes:
        precision: of most weights; empty when unknown.
        parameter_count: 0 when unknown.
    """

    format: str
    precision: str
    parameter_count: int
    files: tuple[ManifestFile, ...]
    origin: ConversionOrigin | None = None

    @property
    def size_bytes(self) -> int:
        """The size of all files."""
        return sum(file.size_bytes for file in self.files)

    @property
    def digest(self) -> str:
        """sha256 of the manifest's canonical text, 64 hexadecimal digits.

        Paths have no line breaks (`names.safe_relative_path`), so no two manifests share a text.
        """
        lines = [f"panope manifest 1 {self.format} {self.precision}"]
        if self.origin is not None:
            origin = self.origin
            lines.append(f"from {origin.source_digest} by {origin.backend} {origin.engine_version} for {origin.task}")
        lines += sorted(f"{file.component} {file.sha256} {file.size_bytes} {file.path}" for file in self.files)
        return _sha256(lines)


def listing_digest(files: Iterable[tuple[str, int, str]]) -> str:
    """Names the content of a folder, as a commit names that of a repository: path, size and sha256 of every file."""
    return _sha256(["panope listing 1", *sorted(f"{sha256 or '-'} {size} {path}" for path, size, sha256 in files)])


def _sha256(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
