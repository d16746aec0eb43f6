"""The values that retention takes and returns; none ever changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from panope_backends.errors import InvalidInputError

GIB = 1 << 30


class RetentionReason(StrEnum):
    """Why a variant's files stay."""

    LEASED = "leased"
    """Somebody uses them until a moment that has not come."""
    PINNED = "pinned"
    LOADED = "loaded"
    """A worker process runs it."""
    JOB = "job"
    """A job that is not finished names it, or a model that offers it."""


class Recovery(StrEnum):
    """How a variant's files come back once they are gone from this store; in the order in which variants go."""

    DOWNLOAD = "download"
    """From the hub that lists them."""
    COPY = "copy"
    """Another store has them."""
    BUILD = "build"
    """They were made here, and are nowhere else, of a variant that is here or can come back."""
    NONE = "none"
    """They were built or imported here and are nowhere else: they go only when named."""


@dataclass(frozen=True)
class Lease:
    """The right to use a variant's files until `until`."""

    id: int
    variant_digest: str
    owner: str
    until: datetime


@dataclass(frozen=True)
class Quota:
    """The limits of a store.

    Attributes:
        max_bytes: of everything in the store's folder; None for no limit.
        free_floor_bytes: what stays free on its disk.
        low_water: once `max_bytes` is passed, space is freed down to this part of it: not every download evicts.

    Raises:
        InvalidInputError: a number is out of its range.
    """

    max_bytes: int | None = None
    free_floor_bytes: int = GIB
    low_water: float = 0.9

    def __post_init__(self) -> None:
        if self.max_bytes is not None and self.max_bytes <= 0:
            raise InvalidInputError("`max_bytes` must be more than 0", field="max_bytes")
        if self.free_floor_bytes < 0:
            raise InvalidInputError("`free_floor_bytes` must not be less than 0", field="free_floor_bytes")
        if not 0 < self.low_water <= 1:
            raise InvalidInputError("`low_water` must be more than 0 and at most 1", field="low_water")


@dataclass(frozen=True)
class Ages:
    """The ages at which what nobody needs is removed."""

    orphan: timedelta = timedelta(days=1)
    """A file in the store that the database does not know: a writer may be about to record it."""
    partial: timedelta = timedelta(days=7)
    """The beginning of a download that nobody goes on with."""
    quarantined: timedelta = timedelta(days=30)
    """A damaged blob, kept for whoever wants to know what became of it."""


@dataclass(frozen=True)
class VariantUsage:
    """The space that a variant takes in this store.

    Attributes:
        models: that offer it, or what it was converted from, by name.
        size_bytes: of its files that are here; a file under two paths counts once.
        own_bytes: of those that no other variant here needs.
        is_local: whether all its files are.
        kept_by: why it stays; empty for one that may go.
        recovery: how it would come back.
        last_used_at: None when it is not here.
    """

    digest: str
    models: tuple[str, ...]
    format: str
    precision: str
    size_bytes: int
    own_bytes: int
    is_local: bool
    kept_by: tuple[RetentionReason, ...]
    recovery: Recovery
    last_used_at: datetime | None


@dataclass(frozen=True)
class Usage:
    """The space that the store takes on disk; every byte is counted once.

    Attributes:
        blob_bytes: of whole files.
        partial_bytes: of downloads and imports that are not finished.
        quarantine_bytes: of damaged files.
        checkout_bytes: of files in checkouts that are not second names of blobs.
        trash_bytes: of what is on its way out.
        free_bytes: on the store's disk, for this user.
        variants: by digest, those with any file here.
        max_bytes: that the store may take; None for no limit.
        reserved_bytes: that are on their way and have not arrived.
        reclaimable_bytes: that would go when space is needed.
    """

    blob_bytes: int
    partial_bytes: int
    quarantine_bytes: int
    checkout_bytes: int
    trash_bytes: int
    free_bytes: int
    variants: tuple[VariantUsage, ...]
    max_bytes: int | None
    reserved_bytes: int
    reclaimable_bytes: int

    @property
    def total_bytes(self) -> int:
        """The bytes that count toward the quota."""
        return self.blob_bytes + self.partial_bytes + self.quarantine_bytes + self.checkout_bytes + self.trash_bytes


class RemovalKind(StrEnum):
    """The kinds of thing that are removed."""

    ORPHAN = "orphan"
    """A file that the database did not know."""
    UNUSED = "unused"
    """A blob that no variant and no repo has any more."""
    PARTIAL = "partial"
    CHECKOUT = "checkout"
    """The checkout of a variant that is gone or not here."""
    QUARANTINED = "quarantined"
    EVICTED = "evicted"
    """A blob that only evicted variants had."""


@dataclass(frozen=True)
class Removal:
    """Something that was removed, or would be in a dry run.

    Attributes:
        name: its sha256, or the digest of a checkout's variant, or the name of a partial.
    """

    kind: RemovalKind
    name: str
    size_bytes: int


@dataclass(frozen=True)
class CollectionResult:
    """The result of a collection, or of its dry run.

    Attributes:
        missing: sha256s that were recorded as here and are not; they count as not here from now on.
        adopted: sha256s that were here without a record, are intact, and are recorded now.
    """

    removed: tuple[Removal, ...]
    missing: tuple[str, ...]
    adopted: tuple[str, ...]

    @property
    def freed_bytes(self) -> int:
        """The size of all that was removed."""
        return sum(removal.size_bytes for removal in self.removed)


@dataclass(frozen=True)
class EvictionResult:
    """The result of an eviction, or of its dry run.

    Attributes:
        variants: digests of those that lost files.
        removed: what went, with what a collection took before.
        short_bytes: how much of the space that is needed is still missing; 0 when there is enough.
    """

    variants: tuple[str, ...]
    removed: tuple[Removal, ...]
    short_bytes: int

    @property
    def freed_bytes(self) -> int:
        """The size of all that was removed."""
        return sum(removal.size_bytes for removal in self.removed)


@dataclass(frozen=True)
class RemovalResult:
    """The result of removing a model.

    Attributes:
        variants: digests of those that no other model offers.
        removed: the files that nothing else needed.
    """

    variants: tuple[str, ...]
    removed: tuple[Removal, ...]

    @property
    def freed_bytes(self) -> int:
        """The size of all files that were removed."""
        return sum(removal.size_bytes for removal in self.removed)


@dataclass(frozen=True)
class VerificationResult:
    """The result of verifying blobs.

    Attributes:
        checked: how many were looked for.
        damaged: sha256s of those that were put into quarantine.
        missing: sha256s of those that are gone; they count as not here from now on.
    """

    checked: int
    checked_bytes: int
    damaged: tuple[str, ...]
    missing: tuple[str, ...]
