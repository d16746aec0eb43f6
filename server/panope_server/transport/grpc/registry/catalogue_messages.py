"""The catalogue of architectures as messages."""

from __future__ import annotations

from collections.abc import Mapping

from panope.v1 import catalogue_pb2 as pb
from panope.v1.registry_service_pb2 import GetCatalogueResponse
from panope_registry.catalogue import Catalogue, CatalogueEntry

_LEVELS: Mapping[str, pb.SupportLevel.ValueType] = {
    "none": pb.SUPPORT_LEVEL_NONE,
    "partial": pb.SUPPORT_LEVEL_PARTIAL,
    "full": pb.SUPPORT_LEVEL_FULL,
}


def catalogue_message(catalogue: Catalogue) -> GetCatalogueResponse:
    """All that is told of it."""
    totals = catalogue.totals
    return GetCatalogueResponse(
        totals=pb.CatalogueTotals(recognised=totals.recognised, loads=totals.loads, serves=totals.serves),
        architectures=[_entry(entry) for entry in catalogue.entries],
        library_versions=catalogue.versions,
    )


def _entry(entry: CatalogueEntry) -> pb.CatalogueEntry:
    return pb.CatalogueEntry(
        model_type=entry.model_type,
        task=entry.task,
        class_name=entry.class_name,
        recognised=entry.recognised,
        loads=entry.loads,
        serves=entry.serves,
        reason=entry.reason,
        backends=[
            pb.BackendSupport(backend=name, level=_LEVELS[support.level], reason=support.reason)
            for name, support in entry.backends.items()
        ],
    )
