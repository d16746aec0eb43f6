"""Walks a folder and asks each finder; what one of them has found is not looked into further."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from panope_backends.errors import InvalidInputError
from panope_registry.ingest.discovery.finder import Finder, FoundModel, ScanOptions
from panope_registry.ingest.discovery.folders import Folders
from panope_registry.ingest.discovery.hub_cache import HubCaches
from panope_registry.ingest.discovery.skills import Skills
from panope_registry.ingest.discovery.triton import TritonModels
from panope_registry.ingest.folder import IGNORED_FOLDERS, MAX_DEPTH, MAX_ENTRIES
from panope_registry.store.store import STORE_ENTRIES

#: Triton's come first: a version's folder looks like a model's own.
FOLDER_FINDERS: tuple[Finder, ...] = (HubCaches(), TritonModels(), Folders())
"""The finders of folders that are one model, or several of one kind."""

FILE_FINDERS: tuple[Finder, ...] = (Skills(),)
"""The finders of files that lie among other things."""

DEFAULT_OPTIONS = ScanOptions()


def discover_models(folder: Path, options: ScanOptions = DEFAULT_OPTIONS) -> list[FoundModel]:
    """Finds the models in a folder, by path; links to folders are not followed.

    Raises:
        InvalidInputError: there are more files and folders than a scan reads.
    """
    return list(_Walk(options).find(folder.resolve(), 0))


class _Walk:
    def __init__(self, options: ScanOptions) -> None:
        self._options = options
        self._count = 0

    def find(self, folder: Path, depth: int) -> Iterator[FoundModel]:
        entries = self._entries(folder)
        if {entry.name for entry in entries} >= STORE_ENTRIES:  # a store's models are known to its registry
            return
        for finder in FOLDER_FINDERS:
            if finder.matches(folder, entries):
                yield from finder.find(folder, self._options)
                return
        for finder in FILE_FINDERS:
            if finder.matches(folder, entries):
                yield from finder.find(folder, self._options)
        for entry in entries:
            if depth < MAX_DEPTH and entry.is_dir(follow_symlinks=False) and entry.name not in IGNORED_FOLDERS:
                yield from self.find(Path(entry.path), depth + 1)

    def _entries(self, folder: Path) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as scanned:
                entries = sorted(scanned, key=lambda entry: entry.name)
        except PermissionError:  # what cannot be read holds nothing that could be imported
            return []
        self._count += len(entries)
        if self._count > MAX_ENTRIES:
            raise InvalidInputError(f"the folder holds more than {MAX_ENTRIES} files and folders", field="folder")
        return entries
