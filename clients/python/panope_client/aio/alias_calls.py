"""Calls on aliases, and on how the calls of one with several targets are split."""

# ruff: noqa: ASYNC109 -- `timeout` is the call's deadline, which the server must know; cancelling here would not tell it

from __future__ import annotations

from collections.abc import Mapping, Sequence

from panope.v1.alias_service_pb2 import (
    Alias,
    ExplainRouteRequest,
    ExplainRouteResponse,
    ReportRewardRequest,
    SetAliasRequest,
)
from panope_client.aio.connection import AsyncConnection
from panope_client.arguments import request_of
from panope_client.messages.alias import Metric, route_fields


class AsyncAliasCalls(AsyncConnection):
    """The calls of `AsyncClient` on aliases."""

    async def set_alias(
        self,
        alias: str,
        targets: str | Mapping[str, float] | Sequence[str],
        *,
        metric: Metric | None = None,
        sticky: bool = False,
        seed: int = 0,
        half_life_seconds: float | None = None,
        expected: str | None = None,
        reason: str = "",
        timeout: float | None = None,
    ) -> Alias:
        """Points an alias to a model, or to several among which its calls are split.

        Args:
            alias: its name.
            targets: a model, perhaps with `@DIGEST` of one variant; models with their weights; or those of a bandit.
            metric: what a bandit learns from: `latency`, `cost` or `reward`.
            sticky: whether calls of one user go to one model.
            seed: another one splits the calls otherwise.
            half_life_seconds: after which an observation counts half; None for a day.
            expected: where the alias must point now, empty when it must not exist; None for wherever it points.
            reason: why, for people.
            timeout: see the class.

        Raises:
            PreconditionError: it points elsewhere; nothing was changed.
        """
        fields = route_fields(targets, metric, sticky=sticky, seed=seed, half_life_seconds=half_life_seconds)
        request = request_of(SetAliasRequest, alias=alias, expected=expected, reason=reason, **fields)
        return (await self._call(self._aliases.SetAlias, request, timeout)).alias

    async def explain_route(
        self, alias: str, *, user: str = "", request_id: str = "", timeout: float | None = None
    ) -> ExplainRouteResponse:
        """Tells which target of an alias a user or a request gets, why, and what was observed of each.

        Raises:
            PreconditionError: the alias has one target.
        """
        request = request_of(ExplainRouteRequest, alias=alias, user=user, request_id=request_id)
        return await self._call(self._aliases.ExplainRoute, request, timeout)

    async def report_reward(self, alias: str, target: str, reward: float, *, timeout: float | None = None) -> None:
        """Tells how good an answer was, from which a bandit on rewards learns.

        Args:
            alias: that was called.
            target: that answered, as the answer's `model` tells it.
            reward: 0 for useless to 1 for perfect.
            timeout: see the class.
        """
        request = request_of(ReportRewardRequest, alias=alias, target=target, reward=reward)
        await self._call(self._aliases.ReportReward, request, timeout)
