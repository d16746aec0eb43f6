"""All tables: whoever compares or makes the schema imports `metadata` from here."""

from __future__ import annotations

from panope_registry.tables import (
    access_tables,
    alias_tables,
    job_tables,
    retention_tables,
    serving_tables,
    usage_tables,
)
from panope_registry.tables.model_tables import metadata

__all__ = [
    "access_tables",
    "alias_tables",
    "job_tables",
    "metadata",
    "retention_tables",
    "serving_tables",
    "usage_tables",
]
