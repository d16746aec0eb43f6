"""The hub's client keeps what it downloads in `models--VENDOR--NAME`: what is there need not be downloaded again.

The snapshot that `refs/main` names is taken in; without it the one that is there, or the newest.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from panope_backends.errors import InvalidInputError, PanopeError
from panope_registry.ingest.discovery.finder import CACHE, FoundModel, ScanOptions
from panope_registry.ingest.folder import FolderFile, list_folder
from panope_registry.inspect.inspect import Evidence, inspect_files
from panope_registry.names import parse_model_name, shown

_FOLDER = re.compile(r"models--(?:(?P<vendor>.+)--)?(?P<name>.+)")
_COMMIT = re.compile(r"[0-9a-f]{40}")


class HubCaches:
    """Finds models in the cache of the hub's client."""

    def matches(self, folder: Path, entries: Sequence[os.DirEntry[str]]) -> bool:
        """Returns whether the folder is named as the client names it, and has snapshots."""
        named = _FOLDER.fullmatch(folder.name) is not None
        return named and any(entry.name == "snapshots" and entry.is_dir(follow_symlinks=False) for entry in entries)

    def find(self, folder: Path, options: ScanOptions) -> Sequence[FoundModel]:
        """Finds the one model of the folder; its name is the hub's, unless the options name another vendor."""
        matched = _FOLDER.fullmatch(folder.name)
        assert matched is not None
        vendor = options.vendor or matched["vendor"]
        name = f"{vendor}/{matched['name']}" if vendor else matched["name"]
        facts: dict[str, str] = {}
        try:
            parse_model_name(name)
            facts["commit"] = _commit(folder)
            files = _files(folder, facts["commit"])
            inspection = inspect_files(
                {file.path: file.source for file in files}, Evidence(grants=options.grants.of(name))
            )
        except PanopeError as error:
            return (FoundModel(name, "", folder, error.message, CACHE, facts=facts),)
        return (FoundModel(name, inspection.task, folder, "", CACHE, files, facts=facts),)


def _commit(folder: Path) -> str:
    try:
        with (folder / "refs" / "main").open("rb") as stream:
            named = stream.read(64).decode("ascii", "replace").strip()
    except OSError:
        named = ""
    snapshots = [entry for entry in os.scandir(folder / "snapshots") if _COMMIT.fullmatch(entry.name)]
    if any(entry.name == named for entry in snapshots):
        return named
    if not snapshots:
        raise InvalidInputError("the cache holds no snapshot of it", field="folder")
    return max(snapshots, key=lambda entry: entry.stat().st_mtime_ns).name


def _files(folder: Path, commit: str) -> tuple[FolderFile, ...]:
    """Returns a snapshot's files, which are links to blobs beside the snapshots."""
    try:
        return list_folder(folder / "snapshots" / commit, within=folder)
    except InvalidInputError as error:
        if error.reason != "unsafe_link":
            raise
        problem = f"its download is not whole, or its files are elsewhere: {shown(error.message)}"
        raise InvalidInputError(problem, field="folder") from None
