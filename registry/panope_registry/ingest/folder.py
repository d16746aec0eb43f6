"""Lists a folder that a user gave: every file by its relative path, nothing from outside."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from panope_backends.errors import InvalidInputError, PreconditionError
from panope_registry.inspect.tasks.evidence import MARKERS
from panope_registry.names import safe_relative_path, shown

MAX_ENTRIES = 20_000
MAX_DEPTH = 32

#: What tools leave beside a model's files.
IGNORED_FOLDERS = frozenset({".git", ".cache", "__pycache__", ".ipynb_checkpoints"})

_MODEL_FILES = frozenset({"config.json", *MARKERS})
_SUFFIXES = (".safetensors", ".onnx", ".gguf", ".xml")


@dataclass(frozen=True)
class FolderFile:
    """A file of the folder.

    Attributes:
        path: relative, with `/`, safe.
        source: where its bytes are, links resolved.
    """

    path: str
    source: Path
    size_bytes: int


def list_folder(folder: Path, within: Path | None = None) -> tuple[FolderFile, ...]:
    """Returns every file below the folder, by path.

    Links are followed when they stay inside the folder, or inside `within` around it.

    Raises:
        InvalidInputError: there is no such folder, it is empty, or it holds what cannot be imported: a link that leaves
            it, a name that is no safe path, a device or a socket, too many files.
        PreconditionError: a part of it cannot be read.
    """
    try:
        root = folder.resolve(strict=True)
        bound = root if within is None else within.resolve(strict=True)
        files = sorted(_Walker(bound).walk(root, (), (root,)), key=lambda file: file.path)
    except PermissionError:
        raise PreconditionError("a part of the folder cannot be read", reason="unreadable_file") from None
    except (FileNotFoundError, NotADirectoryError):
        raise InvalidInputError("there is no such folder", field="folder") from None
    if not files:
        raise InvalidInputError("the folder holds no files", field="folder", reason="empty_folder")
    return tuple(files)


def has_model_file(entries: Iterable[os.DirEntry[str]]) -> bool:
    """Returns whether a folder with these entries holds a file that a model's folder has, whatever else is in it."""
    return any((entry.name in _MODEL_FILES or entry.name.endswith(_SUFFIXES)) and entry.is_file() for entry in entries)


class _Walker:
    """Walks depth first and counts what it meets, folders included: links can make a small folder endless."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._count = 0

    def walk(self, folder: Path, parts: tuple[str, ...], above: tuple[Path, ...]) -> Iterator[FolderFile]:
        """Yields the files below; `above` are the folders being walked, which a link must not lead back into."""
        if len(parts) > MAX_DEPTH:
            raise InvalidInputError(f"the folder is deeper than {MAX_DEPTH} levels", field="folder")
        with os.scandir(folder) as entries:
            for entry in entries:
                self._count += 1
                if self._count > MAX_ENTRIES:
                    raise InvalidInputError(f"the folder holds more than {MAX_ENTRIES} files", field="folder")
                yield from self._entry(entry, (*parts, entry.name), above)

    def _entry(self, entry: os.DirEntry[str], parts: tuple[str, ...], above: tuple[Path, ...]) -> Iterator[FolderFile]:
        path = "/".join(parts)
        source = self._inside(Path(entry.path), path) if entry.is_symlink() else Path(entry.path)
        status = source.stat()
        if stat.S_ISDIR(status.st_mode):
            if entry.name not in IGNORED_FOLDERS and source not in above:
                yield from self.walk(source, parts, (*above, source))
        elif stat.S_ISREG(status.st_mode):
            yield FolderFile(safe_relative_path(path), source, status.st_size)
        else:
            raise InvalidInputError(f"`{shown(path)}` is neither a file nor a folder", field="folder")

    def _inside(self, link: Path, path: str) -> Path:
        try:
            target = link.resolve(strict=True)
        except (OSError, RuntimeError):  # RuntimeError: Python 3.11 and 3.12 tell of loops by it
            raise InvalidInputError(
                f"`{shown(path)}` is a link to nothing", field="folder", reason="unsafe_link"
            ) from None
        if not target.is_relative_to(self._root):
            raise InvalidInputError(
                f"`{shown(path)}` is a link that leaves the folder; import a copy made with `cp -rL`",
                field="folder",
                reason="unsafe_link",
            )
        return target
