"""The registry and the care of its store, as the settings describe them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from panope_registry.job_handlers.events import Event, ignore
from panope_server.config import Settings

if TYPE_CHECKING:
    from panope_registry.registry import Registry
    from panope_registry.retention.retention import StoreCare
    from panope_registry.retention.types import Quota
    from panope_registry.shared_store.location import RemotePlace
    from panope_registry.store.store import Store, VerifyPolicy
    from panope_registry.tables.database import Database


def open_registry(settings: Settings, tell: Event = ignore) -> Registry:
    """As `Registry.open`; it raises what that raises. `tell` is told of grants that let a model in."""
    from panope_registry.registry import Registry
    from panope_server.config.grants import grants_for

    place = remote_place(settings)
    registry = Registry.open(
        settings.database,
        settings.home_path,
        verify=verify_policy(settings),
        quota=quota_of(settings),
        grants=grants_for(settings),
        tell=tell,
        shared=place.id if place else "",
    )
    registry.keep_reserve()
    return registry


def care_for(settings: Settings, database: Database, store: Store) -> StoreCare:
    """Care of a store within the settings' limits."""
    from panope_registry.retention.retention import StoreCare

    return StoreCare(database, store, quota=quota_of(settings))


def quota_of(settings: Settings) -> Quota:
    """How much the store may take."""
    from panope_registry.retention.types import Quota

    return Quota(settings.store.max_size, free_floor_bytes=settings.hub.free_space_bytes)


def remote_place(settings: Settings) -> RemotePlace | None:
    """Where the shared store is; None when there is none."""
    from panope_registry.shared_store.location import RemotePlace

    store = settings.store
    return RemotePlace.parse(store.remote, store.remote_endpoint, store.remote_region) if store.remote else None


def verify_policy(settings: Settings) -> VerifyPolicy:
    """When files are hashed again before they are used."""
    from panope_registry.store.store import VerifyPolicy

    return VerifyPolicy(settings.store.verify)
