"""Mark and sweep: what nothing needs goes, what is here without a record is recorded, what is gone is forgotten."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, and_, delete, or_, select

from panope_backends.errors import NotFoundError, PreconditionError
from panope_registry.download.leftovers import discard_leftover, leftovers
from panope_registry.models import queries, writes
from panope_registry.models.alias_routes import points_to
from panope_registry.names import shown
from panope_registry.retention.disk_usage import blob_files, listed
from panope_registry.retention.inventory import Inventory, find_kept, find_referenced, read_inventory
from panope_registry.retention.removal import RemovalTransaction, empty_trash, removal_transaction
from panope_registry.retention.types import Ages, CollectionResult, Removal, RemovalKind, RemovalResult, RetentionReason
from panope_registry.store.store import BlobError, Store, VerifyPolicy
from panope_registry.tables.alias_tables import alias, alias_event
from panope_registry.tables.database import Database
from panope_registry.tables.model_tables import blob, blob_location
from panope_registry.tables.serving_tables import runtime_instance

_MAX_LISTED = 5
"""The aliases that an error names at most."""


def collect(database: Database, store: Store, ages: Ages, moment: datetime, *, dry_run: bool) -> CollectionResult:
    """Sweeps the store; looks first, so that a clean store disturbs nobody."""
    store.sweep()
    adopted = _adopt(database, store, dry_run=dry_run)
    partials = _remove_partials(store, ages, moment, dry_run=dry_run)
    removals, missing = _sweep(database, store, ages, moment, dry_run=True)
    if not dry_run:
        if removals or missing:
            removals, missing = _sweep(database, store, ages, moment, dry_run=False)
        empty_trash(store)
    return CollectionResult(partials + removals, missing, adopted)


def remove_model(database: Database, store: Store, name: str, moment: datetime) -> RemovalResult:
    """Deletes a model and the files that nothing else needs.

    Raises:
        NotFoundError: there is no such model.
        PreconditionError: it is loaded, a variant that would go with it is leased, pinned or in the hands of a job
            (`in_use`), an alias points to it (`has_aliases`), or an adapter needs it (`has_adapters`).
    """
    with removal_transaction(database, store, dry_run=False) as transaction:
        _refuse_loaded(transaction.connection, name, moment)
        _refuse_aliased(transaction.connection, name)
        _refuse_adapted(transaction.connection, name)
        kept = find_kept(transaction.connection, moment)
        before = read_inventory(transaction.connection, store.id, moment)
        if not writes.delete_model(transaction.connection, name):
            raise NotFoundError(f"model `{shown(name)}` does not exist", reason="model_not_found", field="model")
        after = read_inventory(transaction.connection, store.id, moment)
        gone = sorted(before.variants.keys() - after.variants.keys())
        for digest in gone:
            if digest in kept:
                raise _in_use(name, kept[digest])
        _remove_unused(transaction, after)
        transaction.remove_checkouts(gone)
    return RemovalResult(tuple(gone), transaction.removed)


def _refuse_loaded(connection: Connection, name: str, moment: datetime) -> None:
    """Refuses a model that a server has loaded, even if another model offers the same variant."""
    # Variants that aliases point to run as NAME@DIGEST.
    of_variant = and_(runtime_instance.c.model > f"{name}@", runtime_instance.c.model < f"{name}A")
    of_model = or_(runtime_instance.c.model == name, of_variant)
    servers = select(runtime_instance.c.server).where(of_model, runtime_instance.c.lease_until > moment)
    if connection.execute(servers.limit(1)).first() is not None:
        raise _in_use(name, (RetentionReason.LOADED,))


def _refuse_aliased(connection: Connection, name: str) -> None:
    """Calls come by aliases too: whoever deletes what one points to moves or removes it first."""
    pointing = select(alias.c.name).join(alias_event, alias_event.c.id == alias.c.event_id)
    names = connection.execute(pointing.where(points_to(name)).order_by(alias.c.name)).scalars()
    if quoted := [f"`{shown(alias_name)}`" for alias_name in names]:
        listing = ", ".join(quoted[:_MAX_LISTED])
        raise PreconditionError(
            f"model `{shown(name)}` is what aliases point to: {listing}; move or remove them first",
            reason="has_aliases",
            field="model",
        )


def _refuse_adapted(connection: Connection, name: str) -> None:
    """An adapter has its base's files, but without the base's name nobody could tell what it is an adapter of."""
    if quoted := [f"`{shown(adapter)}`" for adapter in queries.find_adapters(connection, name) if adapter != name]:
        listing = ", ".join(quoted[:_MAX_LISTED])
        raise PreconditionError(
            f"model `{shown(name)}` is the base of adapters: {listing}; delete them first",
            reason="has_adapters",
            field="model",
        )


#: What ends each reason, as a person does it.
_WAYS_OUT = {
    RetentionReason.LEASED: "wait until who opened it is done",
    RetentionReason.PINNED: "unpin it first",
    RetentionReason.LOADED: "unload it first (`panope ps --all` tells where)",
    RetentionReason.JOB: "let its jobs end, or cancel them (`panope jobs` lists them)",
}


def _in_use(name: str, why: tuple[RetentionReason, ...]) -> PreconditionError:
    ways_out = " and ".join(_WAYS_OUT[reason] for reason in why)
    message = f"model `{shown(name)}` is in use: {' and '.join(why)}; {ways_out}"
    return PreconditionError(message, reason="in_use", field="model")


def _sweep(
    database: Database, store: Store, ages: Ages, moment: datetime, *, dry_run: bool
) -> tuple[tuple[Removal, ...], tuple[str, ...]]:
    with removal_transaction(database, store, dry_run=dry_run) as transaction:
        inventory = read_inventory(transaction.connection, store.id, moment)
        missing = tuple(sorted(sha256 for sha256 in inventory.blobs if not store.blob_path(sha256).exists()))
        transaction.forget(missing)
        _remove_unused(transaction, inventory, missing)
        _remove_orphans(transaction, inventory, ages, moment)
        _remove_stale_checkouts(transaction, inventory, missing)
        _remove_old(transaction, ages, moment)
    return transaction.removed, missing


def _remove_unused(transaction: RemovalTransaction, inventory: Inventory, missing: tuple[str, ...] = ()) -> None:
    """Removes blobs whose variants and repos are gone."""
    needed = find_referenced(transaction.connection) | transaction.held | inventory.kept_blobs | frozenset(missing)
    sizes = {sha256: known.size_bytes for sha256, known in inventory.blobs.items() if sha256 not in needed}
    transaction.remove_blobs(RemovalKind.UNUSED, sizes)
    transaction.forget_unused()


def _remove_orphans(transaction: RemovalTransaction, inventory: Inventory, ages: Ages, moment: datetime) -> None:
    """Removes files that nobody knows and nobody is about to record."""
    known = find_referenced(transaction.connection) | inventory.blobs.keys() | transaction.held | inventory.kept_blobs
    for sha256, status in blob_files(transaction.store):
        if sha256 not in known and _age(status, moment) > ages.orphan:
            transaction.remove(RemovalKind.ORPHAN, sha256, transaction.store.blob_path(sha256), status.st_size)


def _remove_stale_checkouts(transaction: RemovalTransaction, inventory: Inventory, missing: tuple[str, ...]) -> None:
    """Removes checkouts of variants that are gone, or whose files are: their names would keep the bytes on the disk."""
    whole = {
        digest
        for digest, known in inventory.variants.items()
        if known.kept_by or (inventory.is_local(known) and known.blobs.isdisjoint(missing))
    }
    digests = (checkout.name for checkout in transaction.store.checkouts.iterdir())
    transaction.remove_checkouts(sorted(digest for digest in digests if digest not in whole))


def _remove_old(transaction: RemovalTransaction, ages: Ages, moment: datetime) -> None:
    """Removes damaged blobs that nobody asked for."""
    for path, status in listed(transaction.store.quarantine):
        if _age(status, moment) > ages.quarantined:
            transaction.remove(RemovalKind.QUARANTINED, path.name.partition(".")[0], path, status.st_size)
    if not transaction.dry_run:
        transaction.connection.execute(
            delete(blob_location).where(
                blob_location.c.store == transaction.store.id,
                blob_location.c.state == "quarantined",
                blob_location.c.verified_at < moment - ages.quarantined,
            )
        )


def _remove_partials(store: Store, ages: Ages, moment: datetime, *, dry_run: bool) -> tuple[Removal, ...]:
    """Removes partial downloads that nobody went on with; whoever does so at this moment holds them."""
    return tuple(
        Removal(RemovalKind.PARTIAL, partial.key, partial.size_bytes)
        for partial in leftovers(store)
        if moment - partial.changed_at > ages.partial and (dry_run or discard_leftover(store, partial.key) is not None)
    )


def _adopt(database: Database, store: Store, *, dry_run: bool) -> tuple[str, ...]:
    """Records blobs that are here and known, but not known to be here: their writer was killed before it could.

    They are hashed outside every lock; a damaged one is put into quarantine.
    """
    with database.read() as connection:
        sizes = _unrecorded(store, connection)
    if dry_run:
        return tuple(sizes)
    fingerprints: dict[str, str] = {}
    for sha256, size_bytes in sizes.items():
        try:
            fingerprints[sha256] = store.verify(sha256, size_bytes, "", VerifyPolicy.ALWAYS) or ""
        except BlobError:  # gone meanwhile, or put away
            continue
    if fingerprints:
        # Nobody removes files meanwhile, so what is still here stays here until it is recorded.
        with store.removal_lock(), database.change() as connection:
            still = {sha256: mark for sha256, mark in fingerprints.items() if store.blob_path(sha256).exists()}
            writes.record_hashed(connection, still, store.id)
        fingerprints = still
    return tuple(fingerprints)


def _unrecorded(store: Store, connection: Connection) -> dict[str, int]:
    """Returns sha256 -> recorded size of the blobs here that are recorded nowhere."""
    present = select(blob_location.c.sha256).where(
        blob_location.c.store == store.id, blob_location.c.state == "present"
    )
    sizes = {
        row.sha256: row.size_bytes
        for row in connection.execute(select(blob.c.sha256, blob.c.size_bytes).where(blob.c.sha256.not_in(present)))
    }
    needed = find_referenced(connection)
    return {sha256: sizes[sha256] for sha256, _ in blob_files(store) if sha256 in sizes and sha256 in needed}


def _age(status: os.stat_result, moment: datetime) -> timedelta:
    """Returns the time since a file was written or renamed, or got or lost a name."""
    return moment - datetime.fromtimestamp(status.st_ctime, UTC)
