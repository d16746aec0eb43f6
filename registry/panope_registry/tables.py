"""All tables: whoever compares or makes the schema imports `metadata` from here."""

from __future__ import annotations

from panope_registry import alias_records, job_records, lifetime_records, operation_records
from panope_registry.records import metadata

__all__ = ["alias_records", "job_records", "lifetime_records", "metadata", "operation_records"]
