"""Routes of aliases as their callers may see them, and tell of their targets."""

from __future__ import annotations

import math

from panope_backends.errors import InvalidInputError, NotFoundError, PermissionDeniedError, PreconditionError
from panope_registry.access.scopes import RUN
from panope_registry.models.aliases import alias_not_found
from panope_registry.models.routes import Metric
from panope_registry.names import checked_text, shown
from panope_server.access.principal import current_principal
from panope_server.runtime.authorized.visibility import Directory, Visibility
from panope_server.runtime.models.directory import ResolvedModel
from panope_server.runtime.names import NamedRoute
from panope_server.runtime.routing.explanation import Explanation, explain
from panope_server.runtime.routing.observations import RouteObservations
from panope_server.runtime.routing.router import Router, Targets, Unit

MAX_UNIT = 256


class AuthorizedRoutes:
    """The routes of the aliases that the caller sees.

    Args:
        directory: knows the aliases.
        visibility: knows which of them the caller sees.
        observations: what is known of targets.
        targets: tells which serve.
    """

    def __init__(
        self, directory: Directory, visibility: Visibility, observations: RouteObservations, targets: Targets
    ) -> None:
        self._directory = directory
        self._visibility = visibility
        self._observations = observations
        self._targets = targets
        self._router = Router(observations)  # whom it forecasts for calls nothing, so nothing is to be loaded

    async def explain(self, alias: str, *, user: str, request_id: str) -> Explanation:
        """Which target a user, or a request, gets, and why; PreconditionError for an alias of one target."""
        checked_text(user, "user", MAX_UNIT)
        checked_text(request_id, "request_id", MAX_UNIT)
        if user and request_id:
            raise InvalidInputError.at("request_id", "{field} and `user` exclude each other")
        _, named = await self._route(alias)
        await self._observations.follow(named)
        states = {text: self._targets.why_not_serving(resolved) for text, resolved in named.targets.items()}
        unit = Unit("user", user) if user else Unit("request", request_id)
        return explain(named, unit, self._observations, self._router, states)

    async def report_reward(self, alias: str, target: str, reward: float) -> None:
        """Counts how good an answer of a target was, 0 to 1.

        Raises:
            InvalidInputError: it is no such number, or the target is none of the alias's.
            PreconditionError: the alias has one target.
            PermissionDeniedError: the caller may not run its task.
        """
        if not (math.isfinite(reward) and 0 <= reward <= 1):
            raise InvalidInputError.at("reward", "{field} must be from 0 to 1")
        model, named = await self._route(alias)
        if not current_principal().may_use(model.task, RUN):
            raise PermissionDeniedError(
                f"the key has no scope for this: it needs `{model.task}:{RUN}`", reason="scope_missing"
            )
        keys = {resolved.key: text for text, resolved in named.targets.items()}
        text = target if target in named.targets else keys.get(target)
        if text is None:
            raise InvalidInputError.at(
                "target",
                "{field} is `{target}`, and the targets of `{alias}` are {known}",
                target=shown(target),
                alias=alias,
                known=", ".join(f"`{key}`" for key in keys),
            )
        await self._observations.follow(named)
        self._observations.observe(named, text, Metric.REWARD, reward)

    async def _route(self, alias: str) -> tuple[ResolvedModel, NamedRoute]:
        if not self._visibility.sees(alias):
            raise alias_not_found(alias)
        try:
            model = await self._directory.resolve(alias)
        except NotFoundError:
            raise alias_not_found(alias) from None
        if model.route is None:
            raise PreconditionError(
                f"`{shown(alias)}` has one target, so nothing is chosen", reason="no_route", field="alias"
            )
        return model, model.route
