"""What callers may know of the cache and do to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from panope_backends.errors import PermissionDeniedError, PreconditionError
from panope_server.access.principal import current_principal
from panope_server.pipeline.cache.statistics import CacheStatistics
from panope_server.runtime.async_registry.audit import AuditTrail


class CacheSource(Protocol):
    """The cache."""

    def statistics(self) -> CacheStatistics:
        """How well it does."""

    async def flush(self) -> int:
        """Forgets every answer; how many this server's memory held."""


class AuthorizedCache:
    """The cache as callers may see it.

    Args:
        source: the cache; None on a server without one.
        audit: records what is done.
    """

    def __init__(self, source: CacheSource | None, audit: AuditTrail) -> None:
        self._source = source
        self._audit = audit

    def statistics(self) -> CacheStatistics:
        """How well it does, for the models that the caller sees; PreconditionError where there is none."""
        principal, told = current_principal(), self._on().statistics()
        return replace(told, models={name: counts for name, counts in told.models.items() if principal.sees(name)})

    async def flush(self) -> int:
        """Forgets every answer; how many this server's memory held.

        Raises:
            PreconditionError: there is no cache.
            PermissionDeniedError: the caller does not see every model.
            AvailabilityError: the store that servers share still has some.
        """
        with self._audit.recording("cache.flush"):
            source = self._on()
            if not current_principal().models.are_all:
                raise PermissionDeniedError(
                    "the cache holds answers of models that the caller does not see", reason="models_hidden"
                )
            return await source.flush()

    def _on(self) -> CacheSource:
        if self._source is None:
            raise PreconditionError(
                "the server keeps no answers (`response_cache.enabled` is false)", reason="cache_off"
            )
        return self._source
