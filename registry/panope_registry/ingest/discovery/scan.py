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

#: Triton's come first: a version's folder looks like a model's own.
JOB_COLUMNS: tuple[Finder, ...] = (HubCaches(), TritonModels(), Folders())
"""Finders of folders that are one thing."""

BESIDE: tuple[Finder, ...] = (Skills(),)
"""Finders of files that lie beside other things."""

DEFAULT_OPTIONS = ScanOptions()


def discover_models(folder: Path, terms: ScanOptions = DEFAULT_OPTIONS) -> list[FoundModel]:
    """What is in a folder, by path; links to folders are not followed.

    Raises:
        InvalidInputError: there are more files and folders than a scan reads.
    """
    return list(_Walk(terms).find(folder.resolve(), 0))


class _Walk:
    def __init__(self, terms: ScanOptions) -> None:
        self._terms = terms
        self._count = 0

    def find(self, folder: Path, depth: int) -> Iterator[FoundModel]:
        entries = self._entries(folder)
        for finder in JOB_COLUMNS:
            if finder.is_one(folder, entries):
                yield from finder.find(folder, self._terms)
                return
        for finder in BESIDE:
            if finder.is_one(folder, entries):
                yield from finder.find(folder, self._terms)
        for entry in entries:
            if depth < MAX_DEPTH and entry.is_dir(follow_symlinks=False) and entry.name not in IGNORED_FOLDERS:
                yield from self.find(Path(entry.path), depth + 1)

    def _entries(self, folder: Path) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except PermissionError:  # what cannot be read holds nothing that could be imported
            return []
        self._count += len(entries)
        if self._count > MAX_ENTRIES:
            raise InvalidInputError(f"the folder holds more than {MAX_ENTRIES} files and folders", field="folder")
        return entries
