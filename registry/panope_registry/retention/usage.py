"""What the store takes, and what would be free without whom."""

from __future__ import annotations

from collections import Counter

from panope_registry.retention.disk_usage import Occupancy
from panope_registry.retention.eviction import last_use_of, reclaimable_bytes, recovery_of
from panope_registry.retention.inventory import KnownVariant, Picture
from panope_registry.retention.types import Quota, Usage, VariantUsage


def usage_of(taken: Occupancy, picture: Picture, quota: Quota, promised_bytes: int) -> Usage:
    """Puts together what the disk says, what the database says and what is promised."""
    needing = [known for known in picture.variants.values() if picture.needs(known)]
    users = Counter(sha256 for known in needing for sha256 in known.blobs)
    return Usage(
        taken.blob_bytes,
        taken.partial_bytes,
        taken.quarantine_bytes,
        taken.view_bytes,
        taken.trash_bytes,
        taken.free_bytes,
        tuple(
            _variant_usage(picture, picture.variants[digest], users)
            for digest in sorted(picture.variants)
            if picture.here(picture.variants[digest])
        ),
        quota.max_bytes,
        promised_bytes,
        reclaimable_bytes(picture),
    )


def _variant_usage(picture: Picture, known: KnownVariant, users: Counter[str]) -> VariantUsage:
    here = picture.here(known)
    own_use = int(picture.needs(known))
    return VariantUsage(
        digest=known.digest,
        models=known.models,
        format=known.format,
        precision=known.precision,
        size_bytes=sum(blob.size_bytes for blob in here),
        own_bytes=sum(blob.size_bytes for blob in here if users[blob.sha256] == own_use and not blob.is_listed),
        is_local=picture.is_local(known),
        kept_by=known.kept_by,
        recovery=recovery_of(picture, known, [blob for blob in here if not blob.is_listed] or here),
        last_used_at=last_use_of(here),
    )
