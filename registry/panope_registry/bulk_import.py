"""Imports what a scan found, and remembers it: files that stayed as they were are not read again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from panope_backends.errors import NotFoundError, PanopeError
from panope_backends.lora import CONFIG
from panope_registry.ingest.discovery.finder import FoundModel
from panope_registry.ingest.folder import FolderFile
from panope_registry.registry import Registry


@dataclass(frozen=True)
class ImportResult:
    """The result of importing a model that was found.

    Attributes:
        is_new: whether the import changed the registry.
        problem: why it was not imported; empty when it was, or was before.
    """

    model: FoundModel
    is_new: bool
    problem: str = ""


class BulkImporter:
    """Imports models that a scan found.

    Args:
        registry: that gets the models.
        memory: a file that is this importer's own; a missing or broken one costs reading everything again.
    """

    def __init__(self, registry: Registry, memory: Path) -> None:
        self._registry = registry
        self._memory = memory

    def import_models(self, models: Sequence[FoundModel]) -> Iterator[ImportResult]:
        """Yields each model's result as it is imported; adapters come after the models that they may be of."""
        for model in sorted(models, key=_is_adapter):
            if model.problem:
                yield ImportResult(model, is_new=False, problem=model.problem)
                continue
            try:
                yield ImportResult(model, is_new=self._import(model))
            except PanopeError as error:
                yield ImportResult(model, is_new=False, problem=error.message)

    def _import(self, model: FoundModel) -> bool:
        state = _state(model.files)
        known = self._read_memory()
        before = self._commit(model.name)
        if before and known.get(model.name) == [state, before]:
            return False
        entry = self._registry.import_files(model.files, model.name, reasons=model.reasons)
        self._write_memory(known | {model.name: [state, entry.commit]})
        return entry.commit != before

    def _commit(self, name: str) -> str:
        """Returns the model's commit if all of it is here; empty otherwise."""
        try:
            entry = self._registry.model(name)
        except NotFoundError:
            return ""
        return entry.commit if all(variant.is_local for variant in entry.variants) else ""

    def _read_memory(self) -> dict[str, Any]:
        try:
            known = json.loads(self._memory.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}

    def _write_memory(self, known: dict[str, Any]) -> None:
        fresh = self._memory.with_suffix(".new")
        fresh.write_text(json.dumps(known), "utf-8")
        fresh.replace(self._memory)


def _is_adapter(model: FoundModel) -> bool:
    return any(file.path == CONFIG for file in model.files)


def _state(files: Sequence[FolderFile]) -> str:
    """Hashes the files' states; changes when a file comes, goes, or is written to."""
    lines = []
    for file in files:
        status = file.source.stat()
        lines.append(f"{file.path}\0{status.st_size}\0{status.st_mtime_ns}\0{status.st_ino}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()
