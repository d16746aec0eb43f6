"""Queries for models, their variants and their files."""

from panope_registry.models.queries.files import find_files, find_local, find_missing, find_sources
from panope_registry.models.queries.models import find_adapters, find_base, find_hints, find_model, find_models
from panope_registry.models.queries.variants import (
    StoredVariant,
    find_conversion,
    find_variant,
)

__all__ = [
    "StoredVariant",
    "find_adapters",
    "find_base",
    "find_conversion",
    "find_files",
    "find_hints",
    "find_local",
    "find_missing",
    "find_model",
    "find_models",
    "find_sources",
    "find_variant",
]
