"""Finds models in the folders below a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from panope_backends.errors import PanopeError
from panope_registry.folder import IGNORED_FOLDERS, MAX_DEPTH, list_folder
from panope_registry.names import parse_model_name
from panope_registry.understand import understand

_SIGNS = ("config.json", "modules.json", "model_index.json", "adapter_config.json")
_SUFFIXES = (".safetensors", ".onnx", ".gguf", ".xml")


@dataclass(frozen=True)
class FoundModel:
    """A folder that looks like a model.

    Attributes:
        name: proposed, from the names of its folder and of the one above.
        task: empty when unknown.
        problem: why it cannot be imported; empty when it can.
    """

    name: str
    task: str
    folder: Path
    problem: str = ""


def discover_models(folder: Path) -> list[FoundModel]:
    """The models in a folder, by path: every folder that looks like one, and nothing below those."""
    return [_look(found) for found in _model_folders(folder.resolve(), 0)]


def _model_folders(folder: Path, depth: int) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            children = sorted(entries, key=lambda entry: entry.name)
    except PermissionError:  # what cannot be read holds no model that could be imported
        return
    names = [entry.name for entry in children if entry.is_file()]
    if any(name in _SIGNS or name.endswith(_SUFFIXES) for name in names):
        yield folder
        return
    for entry in children:
        if depth < MAX_DEPTH and entry.is_dir(follow_symlinks=False) and entry.name not in IGNORED_FOLDERS:
            yield from _model_folders(Path(entry.path), depth + 1)


def _look(folder: Path) -> FoundModel:
    name = f"{folder.parent.name}/{folder.name}"
    try:
        parse_model_name(name)
        understanding = understand({file.path: file.source for file in list_folder(folder)})
    except PanopeError as error:
        return FoundModel(name, "", folder, error.message)
    return FoundModel(name, understanding.task, folder)
