"""What the store takes, and what would be free without whom."""

from __future__ import annotations

from collections import Counter

from panope_registry.retention.disk_usage import DiskUsage
from panope_registry.retention.eviction import last_use_of, reclaimable_bytes, recovery_of
from panope_registry.retention.inventory import Inventory, KnownVariant
from panope_registry.retention.types import Quota, Usage, VariantUsage


def usage_of(taken: DiskUsage, inventory: Inventory, quota: Quota, promised_bytes: int) -> Usage:
    """Puts together what the disk says, what the database says and what is reserved."""
    needing = [known for known in inventory.variants.values() if inventory.needs(known)]
    users = Counter(sha256 for known in needing for sha256 in known.blobs)
    return Usage(
        taken.blob_bytes,
        taken.partial_bytes,
        taken.quarantine_bytes,
        taken.view_bytes,
        taken.trash_bytes,
        taken.free_bytes,
        tuple(
            _variant_usage(inventory, inventory.variants[digest], users)
            for digest in sorted(inventory.variants)
            if inventory.here(inventory.variants[digest])
        ),
        quota.max_bytes,
        promised_bytes,
        reclaimable_bytes(inventory),
    )


def _variant_usage(inventory: Inventory, known: KnownVariant, users: Counter[str]) -> VariantUsage:
    here = inventory.here(known)
    own_use = int(inventory.needs(known))
    return VariantUsage(
        digest=known.digest,
        models=known.models,
        format=known.format,
        precision=known.precision,
        size_bytes=sum(blob.size_bytes for blob in here),
        own_bytes=sum(blob.size_bytes for blob in here if users[blob.sha256] == own_use and not blob.is_listed),
        is_local=inventory.is_local(known),
        kept_by=known.kept_by,
        recovery=recovery_of(inventory, known, [blob for blob in here if not blob.is_listed] or here),
        last_used_at=last_use_of(here),
    )
