"""Aliases in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from rest_doubles.models import EMBEDDER, TENSORS

from panope_backends.errors import InvalidInputError, NotFoundError, PreconditionError
from panope_registry.models.alias_types import AliasAction, AliasEntry, AliasEvent
from panope_registry.models.routes import Route, RouteTarget, check_route
from panope_server.runtime.names import NamedRoute
from panope_server.runtime.routing.explanation import Explanation, KnownSums, explain
from panope_server.runtime.routing.router import Router, Unit


@dataclass
class FakeAliases:
    """Aliases in memory; `embed` points to the embedder, and `split` to it and the tensors."""

    events: list[AliasEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._add("embed", EMBEDDER, AliasAction.SET, "", "")
        targets = RouteTarget(EMBEDDER, weight=90), RouteTarget(TENSORS, weight=10)
        self._add("split", EMBEDDER, AliasAction.SET, "", "", route=Route(targets))

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

    async def set_route(
        self, alias: str, route: Route, *, expected: str | None, principal: str, reason: str
    ) -> AliasEntry:
        check_route(route)
        return self._add(alias, route.targets[0].model, AliasAction.SET, principal, reason, route=route)

    async def rollback(self, alias: str, *, expected: str | None, principal: str, reason: str) -> AliasEntry:
        history = await self.history(alias)
        return self._add(alias, history[-1].target_model, AliasAction.ROLLED_BACK, principal, reason)

    async def remove(self, alias: str, *, expected: str | None, principal: str, reason: str) -> None:
        await self.history(alias)
        self._add(alias, "", AliasAction.DELETED, principal, reason)

    def _add(
        self,
        alias: str,
        model: str,
        action: AliasAction,
        principal: str,
        reason: str,
        variant: str = "",
        route: Route | None = None,
    ) -> AliasEntry:
        version = sum(event.alias == alias for event in self.events) + 1
        at = datetime(2026, 1, 2, tzinfo=UTC)
        self.events.append(AliasEvent(alias, version, action, model, variant, principal, reason, at, route))
        return _entry(self.events[-1])


def _entry(event: AliasEvent) -> AliasEntry:
    return AliasEntry(
        event.alias, event.target_model, event.variant_digest, event.version, event.created_at, event.route
    )


class FakeRoutes:
    """The routes of aliases in memory, of which nothing was observed but the rewards that are reported."""

    def __init__(self, aliases: FakeAliases) -> None:
        self._aliases = aliases
        self.rewards: list[tuple[str, str, float]] = []

    async def explain(self, alias: str, *, user: str, request_id: str) -> Explanation:
        named = await self._named(alias)
        unit = Unit("user", user) if user else Unit("request", request_id)
        return explain(named, unit, KnownSums({}), Router(KnownSums({})), {})

    async def report_reward(self, alias: str, target: str, reward: float) -> None:
        named = await self._named(alias)
        if target not in named.targets:
            raise InvalidInputError.at("target", "{field} is no target")
        self.rewards.append((alias, target, reward))

    async def _named(self, alias: str) -> NamedRoute:
        event = (await self._aliases.history(alias))[0]
        if event.route is None:
            raise PreconditionError(f"`{alias}` has one target", reason="no_route", field="alias")
        return NamedRoute(alias, event.version, event.route)
