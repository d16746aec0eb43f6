"""Aliases in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from rest_doubles.models import EMBEDDER

from panope_backends.errors import NotFoundError, PreconditionError
from panope_registry.models.alias_types import AliasAction, AliasEntry, AliasEvent


@dataclass
class FakeAliases:
    """Aliases in memory; `embed` points to the embedder."""

    events: list[AliasEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._add("embed", EMBEDDER, AliasAction.SET, "", "")

    async def list(self, model: str = "") -> list[AliasEntry]:
        newest = {event.alias: event for event in self.events}
        return [_entry(event) for event in newest.values() if event.target_model and model in {"", event.target_model}]

    async def history(self, alias: str) -> list[AliasEvent]:
        found = [event for event in reversed(self.events) if event.alias == alias]
        if not found:
            raise NotFoundError(f"alias `{alias}` does not exist", reason="alias_not_found", field="alias")
        return found

    async def set(
        self, alias: str, model: str, *, variant: str = "", expected: str | None, principal: str, reason: str
    ) -> AliasEntry:
        now = next((entry.target_model for entry in await self.list() if entry.name == alias), "")
        if expected not in {None, now}:
            raise PreconditionError("it points elsewhere", reason="alias_moved", field="expected")
        return self._add(alias, model, AliasAction.SET, principal, reason, variant)

    async def rollback(self, alias: str, *, expected: str | None, principal: str, reason: str) -> AliasEntry:
        history = await self.history(alias)
        return self._add(alias, history[-1].target_model, AliasAction.ROLLED_BACK, principal, reason)

    async def remove(self, alias: str, *, expected: str | None, principal: str, reason: str) -> None:
        await self.history(alias)
        self._add(alias, "", AliasAction.DELETED, principal, reason)

    def _add(
        self, alias: str, model: str, action: AliasAction, principal: str, reason: str, variant: str = ""
    ) -> AliasEntry:
        version = sum(event.alias == alias for event in self.events) + 1
        at = datetime(2026, 1, 2, tzinfo=UTC)
        self.events.append(AliasEvent(alias, version, action, model, variant, principal, reason, at))
        return _entry(self.events[-1])


def _entry(event: AliasEvent) -> AliasEntry:
    return AliasEntry(event.alias, event.target_model, event.variant_digest, event.version, event.created_at)
