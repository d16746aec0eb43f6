"""What the database knows of one store, read at one moment: which blobs are where, who needs them, what must stay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, exists, or_, select

from panope_registry.inspect.file_kinds import FileKind
from panope_registry.jobs.kinds import SHARE
from panope_registry.names import FOLDER
from panope_registry.retention.types import Recovery, RetentionReason
from panope_registry.tables.job_tables import job
from panope_registry.tables.model_tables import (
    blob,
    blob_location,
    model,
    model_variant,
    repo,
    repo_file,
    revision,
    variant,
    variant_file,
)
from panope_registry.tables.retention_tables import blob_use, lease, pin
from panope_registry.tables.serving_tables import runtime_instance

LISTED_MAX_BYTES = 16 << 20
"""Files of a repo that are no weights and no larger come with its listing and stay with it."""


@dataclass(frozen=True)
class InventoryBlob:
    """A blob that is recorded as here.

    Attributes:
        is_listed: a repo lists it as a small file that is no weights, so it stays as long as that repo.
        recovery: how it would come back.
        last_used_at: or, of one that was never used, when it was last hashed.
    """

    sha256: str
    size_bytes: int
    is_listed: bool
    recovery: Recovery
    last_used_at: datetime


@dataclass(frozen=True)
class InventoryVariant:
    """A variant and the blobs that it consists of, here or not.

    Attributes:
        source: the digest of the variant that it was made of; None when it came as it is.
    """

    digest: str
    format: str
    precision: str
    blobs: frozenset[str]
    models: tuple[str, ...]
    kept_by: tuple[RetentionReason, ...]
    source: str | None = None


@dataclass(frozen=True)
class Inventory:
    """The content of one store as the database knows it.

    Attributes:
        blobs: those recorded as here, by sha256.
        variants: all of them, by digest.
        kept_blobs: sha256s that open jobs name.
        unused: sha256s of blobs that no variant and no repo has any more.
        elsewhere: sha256s of what a hub lists or another store has, here or not.
    """

    blobs: Mapping[str, InventoryBlob]
    variants: Mapping[str, InventoryVariant]
    kept_blobs: frozenset[str]
    unused: frozenset[str]
    elsewhere: frozenset[str]

    def here(self, known: InventoryVariant) -> list[InventoryBlob]:
        """Lists the variant's blobs that are here."""
        return [self.blobs[sha256] for sha256 in sorted(known.blobs) if sha256 in self.blobs]

    def is_local(self, known: InventoryVariant) -> bool:
        """Returns whether all of a variant's files are here."""
        return known.blobs <= self.blobs.keys()

    def needs(self, known: InventoryVariant) -> bool:
        """Returns whether a variant has a claim on its blobs: leftovers of one that is not whole are nobody's."""
        return bool(known.kept_by) or self.is_local(known)

    def can_be_made_again(self, known: InventoryVariant) -> bool:
        """Returns whether a variant was made of one that is here or comes back; what is here and nowhere else stays."""
        source = self.variants.get(known.source or "")
        if source is None:
            return False
        return source.blobs <= self.blobs.keys() | self.elsewhere or self.can_be_made_again(source)


def read_inventory(connection: Connection, store: str, moment: datetime) -> Inventory:
    """Reads the inventory of a store, with a few queries for any number of variants."""
    named = find_named(connection)
    blobs = _blobs(connection, store)
    unused = blobs.keys() - find_referenced(connection) - named
    return Inventory(
        blobs, _variants(connection, moment, named), named, frozenset(unused), _elsewhere(connection, store)
    )


def find_kept(connection: Connection, moment: datetime) -> dict[str, tuple[RetentionReason, ...]]:
    """Returns digest -> the reasons, of the variants that must stay."""
    variants = _variants(connection, moment, frozenset(_named_by_jobs(connection)))
    return {digest: known.kept_by for digest, known in variants.items() if known.kept_by}


def find_named(connection: Connection) -> frozenset[str]:
    """Returns every text in the payloads of open jobs; digests, sha256s and names of models are among them."""
    return frozenset(_named_by_jobs(connection))


def find_referenced(connection: Connection) -> frozenset[str]:
    """Returns the sha256s that some variant consists of or some repo lists."""
    rows = connection.execute(select(variant_file.c.sha256).union(select(repo_file.c.sha256)))
    return frozenset(row.sha256 for row in rows if row.sha256)


def _elsewhere(connection: Connection, store: str) -> frozenset[str]:
    listed = (
        select(repo_file.c.sha256)
        .join(revision, revision.c.id == repo_file.c.revision_id)
        .join(repo, repo.c.id == revision.c.repo_id)
        .where(repo.c.source != FOLDER, repo_file.c.sha256.is_not(None))
    )
    in_others = select(blob_location.c.sha256).where(blob_location.c.store != store, blob_location.c.state == "present")
    return frozenset(connection.execute(listed.union(in_others)).scalars())


def _blobs(connection: Connection, store: str) -> dict[str, InventoryBlob]:
    listed = exists().where(
        repo_file.c.sha256 == blob.c.sha256,
        repo_file.c.kind != FileKind.WEIGHTS.value,
        repo_file.c.size_bytes <= LISTED_MAX_BYTES,
    )
    downloadable = (
        exists()
        .where(repo_file.c.sha256 == blob.c.sha256, repo.c.source != FOLDER)
        .where(revision.c.id == repo_file.c.revision_id, repo.c.id == revision.c.repo_id)
    )
    other = blob_location.alias("other")
    elsewhere = exists().where(other.c.sha256 == blob.c.sha256, other.c.store != store, other.c.state == "present")
    rows = connection.execute(
        select(
            blob.c.sha256,
            blob.c.size_bytes,
            blob.c.created_at,
            blob_location.c.verified_at,
            blob_use.c.last_used_at,
            listed.label("listed"),
            downloadable.label("downloadable"),
            elsewhere.label("elsewhere"),
        )
        .join(blob_location, blob_location.c.sha256 == blob.c.sha256)
        .outerjoin(blob_use, and_(blob_use.c.sha256 == blob.c.sha256, blob_use.c.store == store))
        .where(blob_location.c.store == store, blob_location.c.state == "present")
    )
    return {
        row.sha256: InventoryBlob(
            row.sha256,
            row.size_bytes,
            bool(row.listed),
            Recovery.DOWNLOAD if row.downloadable else Recovery.COPY if row.elsewhere else Recovery.NONE,
            row.last_used_at or row.verified_at or row.created_at,
        )
        for row in rows
    }


def _variants(connection: Connection, moment: datetime, named: frozenset[str]) -> dict[str, InventoryVariant]:
    files: dict[int, set[str]] = defaultdict(set)
    for row in connection.execute(select(variant_file.c.variant_id, variant_file.c.sha256)):
        files[row.variant_id].add(row.sha256)
    models = _models_of(connection)
    kept = _kept(connection, moment)
    variants = {}
    digests: dict[int, str] = {}
    for row in connection.execute(select(variant).order_by(variant.c.id)):  # sources come before what is made of them
        digests[row.id] = row.digest
        names = models[row.id]
        by_job = [RetentionReason.JOB] if named and (row.digest in named or not named.isdisjoint(names)) else []
        variants[row.digest] = InventoryVariant(
            row.digest,
            row.format,
            row.precision,
            frozenset(files[row.id]),
            tuple(sorted(names)),
            tuple(sorted({*kept[row.id], *by_job})),
            digests.get(row.derived_from_id),
        )
    return variants


def _models_of(connection: Connection) -> dict[int, set[str]]:
    """Returns variant id -> the models that offer it in any revision, or what it was converted from for their task."""
    models: dict[int, set[str]] = defaultdict(set)
    rows = connection.execute(select(model_variant.c.variant_id, model.c.name, model.c.task).join(model))
    tasks: dict[str, str] = {}
    for row in rows:
        models[row.variant_id].add(row.name)
        tasks[row.name] = row.task
    conversions = connection.execute(
        select(variant.c.id, variant.c.derived_from_id, variant.c.task)
        .where(variant.c.derived_from_id.is_not(None))
        .order_by(variant.c.id)  # sources are recorded before what is made of them
    )
    for row in conversions:
        models[row.id] |= {name for name in models[row.derived_from_id] if tasks[name] == row.task}
    return models


def _kept(connection: Connection, moment: datetime) -> dict[int, set[RetentionReason]]:
    """Returns variant id -> the reasons why it stays, by leases, pins and instances."""
    leased = select(lease.c.variant_id).where(lease.c.lease_until > moment)
    loaded = (
        select(variant.c.id)
        .join(runtime_instance, runtime_instance.c.variant_digest == variant.c.digest)
        .where(runtime_instance.c.lease_until > moment)
    )
    kept: dict[int, set[RetentionReason]] = defaultdict(set)
    for reason, ids in (
        (RetentionReason.LEASED, leased),
        (RetentionReason.PINNED, select(pin.c.variant_id)),
        (RetentionReason.LOADED, loaded),
    ):
        for variant_id in connection.execute(ids).scalars():
            kept[variant_id].add(reason)
    return kept


def _named_by_jobs(connection: Connection) -> Iterator[str]:
    """Yields every text in the payloads of open jobs: digests, sha256s and names of models among them.

    Handlers choose their payloads' shapes; a name too many keeps a file too long, and a name too few would lose one.
    """
    is_open = or_(job.c.status == "waiting", job.c.status == "queued", job.c.status == "running")
    # A share holds nothing up: what goes before it was brought away is simply not brought.
    for payload in connection.execute(select(job.c.payload).where(is_open, job.c.kind != SHARE)).scalars():
        yield from _texts(payload)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
