"""Aliases, as the server's event loop asks for them."""

from __future__ import annotations

from collections.abc import Sequence

from panope_registry.models.alias_types import AliasEntry, AliasEvent
from panope_registry.models.aliases import Aliases
from panope_registry.models.routes import Route
from panope_server.runtime.async_registry.threads import call_registry


class AsyncAliases:
    """Aliases without blocking: every question to the database runs in a thread."""

    def __init__(self, aliases: Aliases) -> None:
        self._aliases = aliases

    async def list(self, model: str = "") -> Sequence[AliasEntry]:
        """Aliases by name; only those of one model if it is named."""
        return await call_registry(lambda: self._aliases.list(target_model=model))

    async def history(self, alias: str) -> Sequence[AliasEvent]:
        """Every change, the newest first; NotFoundError when there never was such an alias."""
        return await call_registry(self._aliases.history, alias)

    async def set(
        self, alias: str, model: str, *, variant: str = "", expected: str | None, principal: str, reason: str
    ) -> AliasEntry:
        """Points an alias to a model or to its variant of this digest; `Aliases.set` tells of the errors."""
        return await call_registry(
            lambda: self._aliases.set(
                alias, model, variant_digest=variant, expected=expected, principal=principal, reason=reason
            )
        )

    async def set_route(
        self, alias: str, route: Route, *, expected: str | None, principal: str, reason: str
    ) -> AliasEntry:
        """Points an alias to several targets; `Aliases.set_route` tells of the errors."""
        return await call_registry(
            lambda: self._aliases.set_route(alias, route, expected=expected, principal=principal, reason=reason)
        )

    async def rollback(self, alias: str, *, expected: str | None, principal: str, reason: str) -> AliasEntry:
        """Points an alias to where it pointed before."""
        return await call_registry(lambda: self._aliases.rollback(alias, principal, reason, expected=expected))

    async def remove(self, alias: str, *, expected: str | None, principal: str, reason: str) -> None:
        """Forgets an alias."""
        await call_registry(lambda: self._aliases.remove(alias, principal, reason, expected=expected))
