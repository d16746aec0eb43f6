"""Aliases as their callers may see and move them."""

from __future__ import annotations

from collections.abc import Sequence

from panope_registry.models.alias_types import AliasEntry, AliasEvent
from panope_registry.models.aliases import alias_not_found
from panope_registry.models.routes import Route
from panope_server.access.principal import Principal, current_principal
from panope_server.runtime.async_registry.aliases import AsyncAliases
from panope_server.runtime.async_registry.audit import AuditTrail
from panope_server.runtime.authorized.acquisition import check_taken
from panope_server.runtime.authorized.visibility import Visibility


class AuthorizedAliases:
    """The aliases that the caller sees by their names, or by the models that they point to."""

    def __init__(self, aliases: AsyncAliases, visibility: Visibility, audit: AuditTrail) -> None:
        self._aliases = aliases
        self._visibility = visibility
        self._audit = audit

    async def list(self, model: str = "") -> Sequence[AliasEntry]:
        """Aliases by name; only those of one model if it is named."""
        principal = current_principal()
        entries = await self._aliases.list(model)
        return [entry for entry in entries if _is_seen(principal, entry.name, entry.target_models)]

    async def history(self, alias: str) -> Sequence[AliasEvent]:
        """Every change that the caller may know of, the newest first; NotFoundError when there is none."""
        principal = current_principal()
        history = await self._aliases.history(alias)
        events = [event for event in history if _is_seen(principal, alias, event.target_models)]
        if not events:
            raise alias_not_found(alias)
        return events

    async def set(
        self, alias: str, model: str, *, variant: str = "", expected: str | None, principal: str, reason: str
    ) -> AliasEntry:
        """Points an alias to a model or to its variant; PermissionDeniedError for a name that the key does not take."""
        with self._audit.recording("aliases.set", f"{alias} -> {model}"):
            check_taken(alias, "alias")
            self._visibility.check(model)
            return await self._aliases.set(
                alias, model, variant=variant, expected=expected, principal=principal, reason=reason
            )

    async def set_route(
        self, alias: str, route: Route, *, expected: str | None, principal: str, reason: str
    ) -> AliasEntry:
        """Points an alias to several targets, as `set`; the caller must see the model of each."""
        with self._audit.recording("aliases.set", f"{alias} -> {route.text}"):
            check_taken(alias, "alias")
            for target in route.targets:
                self._visibility.check(target.model)
            return await self._aliases.set_route(alias, route, expected=expected, principal=principal, reason=reason)

    async def rollback(self, alias: str, *, expected: str | None, principal: str, reason: str) -> AliasEntry:
        """Points an alias to where it pointed before."""
        with self._audit.recording("aliases.rollback", alias):
            self._check(alias)
            return await self._aliases.rollback(alias, expected=expected, principal=principal, reason=reason)

    async def remove(self, alias: str, *, expected: str | None, principal: str, reason: str) -> None:
        """Forgets an alias; its history stays."""
        with self._audit.recording("aliases.delete", alias):
            self._check(alias)
            await self._aliases.remove(alias, expected=expected, principal=principal, reason=reason)

    def _check(self, alias: str) -> None:
        if not current_principal().sees(alias):
            raise alias_not_found(alias)


def _is_seen(principal: Principal, alias: str, models: Sequence[str]) -> bool:
    """By the alias's own name, or where every model is seen that its calls may get."""
    return principal.sees(alias) or all(map(principal.sees, models))
