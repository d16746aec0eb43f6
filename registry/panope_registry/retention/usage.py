"""What the store takes, and what would be free without whom."""

from __future__ import annotations

from collections import Counter

from panope_registry.retention.disk_usage import DiskUsage
from panope_registry.retention.eviction import last_use_of, reclaimable_bytes, recovery_of
from panope_registry.retention.inventory import Inventory, InventoryVariant
from panope_registry.retention.types import Quota, Usage, VariantUsage


def usage_of(on_disk: DiskUsage, inventory: Inventory, quota: Quota, reserved_bytes: int) -> Usage:
    """Puts together what the disk says, what the database says and what is reserved."""
    needing = [known for known in inventory.variants.values() if inventory.needs(known)]
    users = Counter(sha256 for known in needing for sha256 in known.blobs)
    return Usage(
        on_disk.blob_bytes,
        on_disk.partial_bytes,
        on_disk.quarantine_bytes,
        on_disk.checkout_bytes,
        on_disk.trash_bytes,
        on_disk.free_bytes,
        tuple(
            _variant_usage(inventory, inventory.variants[digest], users)
            for digest in sorted(inventory.variants)
            if inventory.here(inventory.variants[digest])
        ),
        quota.max_bytes,
        reserved_bytes,
        reclaimable_bytes(inventory),
    )


def _variant_usage(inventory: Inventory, known: InventoryVariant, users: Counter[str]) -> VariantUsage:
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
