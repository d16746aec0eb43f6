"""Imports the folders of the setting `model_folders`, in the job worker's process, once when it starts."""

from __future__ import annotations

from pathlib import Path

import structlog

from panope_backends.errors import PanopeError
from panope_registry.bulk_import import BulkImporter
from panope_registry.ingest.discovery import ScanOptions, discover_models
from panope_registry.registry import Registry
from panope_server.config import Settings
from panope_server.config.grants import grants_for

_log = structlog.get_logger("panope.models")

MEMORY = "model_folders.json"


def import_model_folders(settings: Settings, registry: Registry) -> None:
    """Imports what can be, and logs what cannot; what goes wrong with one folder leaves the others be."""
    if not settings.model_folders:
        return
    importer = BulkImporter(registry, settings.home_path / MEMORY)
    for folder in settings.model_folders:
        _import_folder(settings, importer, Path(folder).expanduser())


def _import_folder(settings: Settings, importer: BulkImporter, folder: Path) -> None:
    try:
        for result in importer.import_models(discover_models(folder, ScanOptions(grants=grants_for(settings)))):
            name = result.model.name
            if result.problem:
                _log.warning("model_import_failed", model=name, reason=result.problem)
            elif result.is_new:
                _log.info("model_imported", model=name)
    except (PanopeError, OSError) as error:
        reason = error.message if isinstance(error, PanopeError) else error.strerror
        _log.error("model_folder_unreadable", folder=str(folder), reason=reason)
