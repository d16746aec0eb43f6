"""The verified files of what is about to be loaded, with leases by which they stay."""

from __future__ import annotations

from pathlib import Path

from panope_backends.errors import PreconditionError
from panope_registry.registry import Registry
from panope_server.runtime.async_registry.leases import ModelLeases
from panope_server.runtime.async_registry.threads import call_store


class HeldFiles:
    """Lays files out and holds them.

    Args:
        registry: of the files.
        leases: taken on them; None when nothing will be loaded, as for `panope doctor`.
    """

    def __init__(self, registry: Registry, leases: ModelLeases | None) -> None:
        self._registry = registry
        self._leases = leases

    async def folder(self, key: str, digest: str) -> Path:
        """The variant's verified files, with a lease on them so that they stay."""
        if self._leases is not None:
            try:
                await self._leases.hold(key, digest)
            except PreconditionError:
                # A file is not here: laying out says which, and whether it can be had again.
                await call_store(self._registry.materialize, digest)
                await self._leases.hold(key, digest)
        return await call_store(self._registry.materialize, digest)
