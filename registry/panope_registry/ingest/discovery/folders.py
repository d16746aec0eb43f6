"""Models' own folders: weights and configuration side by side, as libraries save them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from panope_backends.errors import PanopeError
from panope_registry.ingest.discovery.finder import FoundModel, ScanOptions
from panope_registry.ingest.folder import has_model_file, list_folder
from panope_registry.inspect.inspect import Evidence, inspect_files
from panope_registry.names import parse_model_name


class Folders:
    """Finds folders that hold one model."""

    def matches(self, folder: Path, entries: Sequence[os.DirEntry[str]]) -> bool:
        """Returns whether there is a file that a model's folder has."""
        del folder
        return has_model_file(entries)

    def find(self, folder: Path, options: ScanOptions) -> Sequence[FoundModel]:
        """Finds the one model of the folder."""
        name = options.name_of(folder)
        try:
            parse_model_name(name)
            files = list_folder(folder)
            inspection = inspect_files(
                {file.path: file.source for file in files}, Evidence(grants=options.grants.of(name))
            )
        except PanopeError as error:
            return (FoundModel(name, "", folder, error.message),)
        return (FoundModel(name, inspection.task, folder, files=files),)
