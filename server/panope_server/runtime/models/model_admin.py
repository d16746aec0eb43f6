"""What stays and what goes: models are kept loaded, pinned, unpinned and deleted."""

from __future__ import annotations

import math
from functools import partial

from panope_registry.models.variant_digest import find_variant
from panope_registry.registry import Registry
from panope_registry.retention.retention import RetentionManager
from panope_registry.retention.types import RemovalResult
from panope_server.runtime.async_registry.threads import call_registry, call_store
from panope_server.runtime.models.manager import ModelManager
from panope_server.runtime.status import ModelView


class ModelAdmin:
    """Updates, pins and deletes models without blocking: every question to the database runs in a thread."""

    def __init__(self, retention: RetentionManager, registry: Registry, manager: ModelManager) -> None:
        self._retention = retention
        self._registry = registry
        self._manager = manager

    async def update(self, model: str, *, keep_alive: float | None) -> ModelView:
        """Records how long a model stays loaded unused: infinity for ever, None leaves it to the settings.

        Raises:
            NotFoundError: there is no such model.
        """
        recorded = -1.0 if keep_alive == math.inf else keep_alive
        await call_registry(self._registry.set_keep_alive, model, recorded)
        await self._manager.refresh()
        return await self._manager.status.fresh(model)

    async def pin(self, model: str, variant: str = "", *, principal: str, reason: str) -> ModelView:
        """Keeps the files of one variant, or of all that the model has.

        Raises:
            NotFoundError: there is no such model or variant.
            InvalidInputError: `variant` is not the beginning of one digest.
        """
        for digest in await self._digests(model, variant):
            await call_registry(partial(self._retention.pin, digest, principal=principal, reason=reason))
        return await self._manager.status.fresh(model)

    async def unpin(self, model: str, variant: str = "") -> ModelView:
        """Lets the files of one variant, or of all, go again when room is needed; errors as of `pin`."""
        for digest in await self._digests(model, variant):
            await call_registry(self._retention.unpin, digest)
        return await self._manager.status.fresh(model)

    async def delete(self, model: str) -> RemovalResult:
        """Deletes a model and the files that nothing else needs.

        Raises:
            NotFoundError: there is no such model.
            PreconditionError: it is loaded, pinned, in the hands of a job (`in_use`), or what an alias points to
                (`has_aliases`); nothing was changed.
        """
        self._manager.loader.refuse_if_loaded(model)
        removed = await call_store(self._retention.remove_model, model)
        await self._manager.refresh()
        return removed

    async def _digests(self, model: str, variant: str) -> list[str]:
        entry = await call_registry(self._registry.model, model)
        return [find_variant(entry, variant).digest] if variant else [known.digest for known in entry.variants]
