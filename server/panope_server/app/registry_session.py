"""The registry and the retention of its store, as the settings describe them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from panope_registry.events import EventSink, no_events
from panope_server.config import Settings

if TYPE_CHECKING:
    from panope_registry.registry import Registry
    from panope_registry.retention.retention import RetentionManager
    from panope_registry.retention.types import Quota
    from panope_registry.shared_store.location import RemoteLocation
    from panope_registry.store.store import Store, VerifyPolicy
    from panope_registry.tables.database import Database


def open_registry(settings: Settings, emit: EventSink = no_events) -> Registry:
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
        emit=emit,
        shared=place.id if place else "",
    )
    registry.keep_reserve()
    return registry


def retention_for(settings: Settings, database: Database, store: Store) -> RetentionManager:
    """Care of a store within the settings' limits."""
    from panope_registry.retention.retention import RetentionManager

    return RetentionManager(database, store, quota=quota_of(settings))


def quota_of(settings: Settings) -> Quota:
    """How much the store may take."""
    from panope_registry.retention.types import Quota

    return Quota(settings.store.max_size, free_floor_bytes=settings.hub.min_free_bytes)


def remote_place(settings: Settings) -> RemoteLocation | None:
    """Where the shared store is; None when there is none."""
    from panope_registry.shared_store.location import RemoteLocation

    shared = settings.shared_store
    return RemoteLocation.parse(shared.url, shared.endpoint, shared.region) if shared.url else None


def verify_policy(settings: Settings) -> VerifyPolicy:
    """When files are hashed again before they are used."""
    from panope_registry.store.store import VerifyPolicy

    return VerifyPolicy(settings.store.verify)
