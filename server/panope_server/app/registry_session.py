"""The registry as the settings describe it: opened once in each process, for all that use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from panope_registry.events import EventSink, no_events
from panope_server.config import Settings

if TYPE_CHECKING:
    from panope_registry.session import RegistrySession
    from panope_registry.shared_store.location import RemoteLocation


def open_registry_session(settings: Settings, emit: EventSink = no_events) -> RegistrySession:
    """Opens the registry, and keeps room for its database on the disk.

    Args:
        settings: of the home.
        emit: called when a model is let in by a grant (`grant_used`).

    Raises:
        PanopeError: as `RegistrySession.open`.
    """
    from panope_registry.retention.types import Quota
    from panope_registry.session import RegistrySession
    from panope_registry.store.store import VerifyPolicy
    from panope_server.config.grants import grants_for

    location = shared_store_location(settings)
    session = RegistrySession.open(
        settings.database,
        settings.home_path,
        verify=VerifyPolicy(settings.store.verify),
        quota=Quota(settings.store.max_size, free_floor_bytes=settings.hub.min_free_bytes),
        grants=grants_for(settings),
        emit=emit,
        shared_store_id=location.id if location else "",
    )
    session.database.keep_reserve()
    return session


def shared_store_location(settings: Settings) -> RemoteLocation | None:
    """Where the shared store is; None when there is none."""
    from panope_registry.shared_store.location import RemoteLocation

    shared = settings.shared_store
    return RemoteLocation.parse(shared.url, shared.endpoint, shared.region) if shared.url else None
