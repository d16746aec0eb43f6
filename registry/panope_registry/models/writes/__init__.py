"""Writes of models, variants and blobs, each within a transaction of the caller's.

Changes run one at a time over all processes (`Database.change`), so looking first and inserting what is missing is
safe.
"""

from panope_registry.models.writes.blobs import (
    record_blobs,
    record_content,
    record_damaged,
    record_hashed,
    record_missing,
)
from panope_registry.models.writes.models import delete_model, record_import, set_keep_alive
from panope_registry.models.writes.variants import delete_lost_variant, record_variant

__all__ = [
    "delete_lost_variant",
    "delete_model",
    "record_blobs",
    "record_content",
    "record_damaged",
    "record_hashed",
    "record_import",
    "record_missing",
    "record_variant",
    "set_keep_alive",
]
