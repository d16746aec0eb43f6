"""The hub and the downloader that the settings describe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from panope_backends.errors import PermissionDeniedError
from panope_registry.names import parse_model_name, shown
from panope_server.config import Settings
from panope_server.config.hub_environment import hub_environment

if TYPE_CHECKING:
    from panope_registry.download import Downloader
    from panope_registry.session import RegistrySession
    from panope_registry.sources.source import Source


def source_for(settings: Settings) -> Source:
    """The hub of the settings, or of Hugging Face's variables; with the cache of its client, or that alone."""
    from panope_registry.sources.cache import CachedSource, HubCache, OfflineSource
    from panope_registry.sources.hub import HubSource  # brings the HTTP client, which the server does not need

    found = hub_environment(settings)
    if found.offline:
        return OfflineSource(HubCache(found.cache or settings.home_path / "no-cache"), found.endpoint)
    hub = HubSource(found.endpoint, found.token or None)
    return hub if found.cache is None else CachedSource(hub, HubCache(found.cache))


def downloader_for(settings: Settings, session: RegistrySession) -> Downloader:
    """Downloads into the session's store; when a file does not fit, what was used least recently makes room."""
    from panope_registry.download import Downloader

    return Downloader(
        session.store,
        free_space_floor_bytes=settings.hub.min_free_bytes,
        space=session.space,
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
    allowed = settings.hub.allowed_vendors
    if allowed and vendor.casefold() not in {name.casefold() for name in allowed}:
        raise PermissionDeniedError(
            f"models of `{shown(vendor)}` may not be registered here; the setting `hub.allowed_vendors` lists those "
            "that may",
            reason="vendor_not_allowed",
            field="model",
        )
