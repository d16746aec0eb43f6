"""The hub and the downloader that the settings describe."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from panope_backends.errors import PermissionDeniedError
from panope_registry.names import parse_model_name, shown
from panope_server.config import Settings
from panope_server.opening import care_for

if TYPE_CHECKING:
    from panope_registry.database import Database
    from panope_registry.download import Downloader
    from panope_registry.sources.hub import HubSource

#: Where the token is, by the hub's own convention; it is in no setting, so that no file and no log holds it.
TOKEN_VARIABLE = "HF_TOKEN"  # noqa: S105 - a variable's name


def source_for(settings: Settings) -> HubSource:
    """The hub of the settings."""
    from panope_registry.sources.hub import HubSource  # brings the HTTP client, which the server does not need

    return HubSource(settings.hub.endpoint, os.environ.get(TOKEN_VARIABLE) or None)


def downloader_for(settings: Settings, database: Database) -> Downloader:
    """Downloads into the store of the home; when a file does not fit, what was used least recently makes room."""
    from panope_registry.care.room import StoreRoom
    from panope_registry.download import Downloader
    from panope_registry.store import Store

    store = Store(settings.home_path / "store")
    room = StoreRoom(care_for(settings, database, store), store)
    return Downloader(
        store,
        free_space_floor_bytes=settings.hub.free_space_bytes,
        room=room,
        concurrency=settings.hub.parallel_downloads,
    )


def check_vendor(settings: Settings, model: str) -> None:
    """Refuses vendors that the settings do not allow.

    Raises:
        InvalidInputError: the name is none.
        PermissionDeniedError: the vendor is not on the list.
    """
    name = parse_model_name(model, "model")
    vendor = name.vendor or name.name
    allowed = settings.hub.vendors
    if allowed and vendor.casefold() not in {name.casefold() for name in allowed}:
        raise PermissionDeniedError(
            f"models of `{shown(vendor)}` may not be registered here; the setting `hub.vendors` lists those that may",
            reason="vendor_not_allowed",
            field="model",
        )
