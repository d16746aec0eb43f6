"""Whether a store has all files of a variant, as a condition for statements."""

from __future__ import annotations

from sqlalchemy import Exists, exists

from panope_registry.tables.model_tables import blob_location, variant, variant_file


def lacks_files(store: str) -> Exists:
    """Returns the condition that a store has not every file of a `variant`; for statements that select from it."""
    has = exists().where(
        blob_location.c.sha256 == variant_file.c.sha256,
        blob_location.c.store == store,
        blob_location.c.state == "present",
    )
    return exists().where(variant_file.c.variant_id == variant.c.id, ~has)
