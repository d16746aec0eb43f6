"""From an alias with several targets to the one that this call gets, and back to what is learned of it."""

from __future__ import annotations

import time
from typing import Protocol

from panope_backends.errors import (
    CallerError,
    LoadingError,
    PanopeError,
    PreconditionError,
    QuotaError,
    RateLimitError,
    ShuttingDownError,
)
from panope_registry.models.routes import Metric
from panope_registry.registry import ModelEntry
from panope_server.access.principal import current_principal
from panope_server.observability.metrics import Metrics
from panope_server.pipeline.call import Call
from panope_server.pipeline.step import Next
from panope_server.runtime.models.directory import ResolvedModel
from panope_server.runtime.names import NamedRoute
from panope_server.runtime.routing.observations import RouteObservations
from panope_server.runtime.routing.router import Decision, Router, Unit, shown

TARGET, REASON = "x-panope-target", "x-panope-route"
"""The headers that tell which target answers, and why."""

#: Errors that say nothing of the target.
_NOT_ITS_FAULT = (CallerError, RateLimitError, QuotaError, ShuttingDownError, LoadingError)


class Entries(Protocol):
    """Knows models."""

    async def entry(self, model: str) -> ModelEntry:
        """A model as the registry knows it; NotFoundError when there is none of that name."""


class RouteStep:
    """The step that chooses a target; it follows Authorise, which every target's callers have passed alike.

    All targets of an alias have one task, and who may not see every one of them has not found the alias. What comes
    behind, limits, kept answers and downloads, is of the chosen model.

    Args:
        router: chooses.
        observations: are told how it went.
        entries: knows the targets.
        metrics: where choices are counted.
    """

    def __init__(self, router: Router, observations: RouteObservations, entries: Entries, metrics: Metrics) -> None:
        self._router = router
        self._observations = observations
        self._entries = entries
        self._metrics = metrics

    async def __call__(self, call: Call, forward: Next) -> None:
        """Forwards the call to its target."""
        model = call.resolved
        assert model is not None, "the step Resolve comes before"
        named = model.route
        if named is None:
            await forward(call)
            return
        await self._observations.follow(named)
        decision = self._router.decide(named, _unit_of(call, sticky=named.route.policy.sticky), call.hardware)
        entry = await self._entries.entry(decision.resolved.model)
        if entry.task != model.task:
            raise _other_task(entry, model)
        call.resolved = ResolvedModel(decision.resolved, entry, named)
        call.resolved_model = decision.resolved.key
        skipped = "; ".join(f"{shown(target)} is {reason}" for target, reason in decision.skipped)
        call.route = f"{decision.reason}: {skipped}" if skipped else decision.reason
        call.headers[TARGET], call.headers[REASON] = decision.resolved.key, decision.reason
        self._metrics.route_decisions.labels(named.alias, decision.resolved.key).inc()
        await self._observed(call, forward, named, decision)

    async def _observed(self, call: Call, forward: Next, named: NamedRoute, decision: Decision) -> None:
        started = time.monotonic()
        try:
            await forward(call)
        except PanopeError as error:
            if not isinstance(error, _NOT_ITS_FAULT):
                self._failed(call, named, decision, time.monotonic() - started)
            raise
        except Exception:
            self._failed(call, named, decision, time.monotonic() - started)
            raise
        if call.cache_status == "hit":
            return  # it says nothing of what the target takes
        target, observe = decision.target, self._observations
        observe.observe_end(named, target, failed=False)
        observe.observe(named, target, Metric.LATENCY, time.monotonic() - started)
        if call.placement.device_microseconds:
            observe.observe(named, target, Metric.COST, _cost(call, named, target))

    def _failed(self, call: Call, named: NamedRoute, decision: Decision, seconds: float) -> None:
        target, observe = decision.target, self._observations
        observe.observe_end(named, target, failed=True)
        observe.observe_failure(named, target, Metric.LATENCY, seconds)
        observe.observe_failure(named, target, Metric.COST, _cost(call, named, target))
        observe.observe_failure(named, target, Metric.REWARD, 0.0)


def _other_task(entry: ModelEntry, model: ResolvedModel) -> PanopeError:
    """For a model that got another task after it became a target."""
    return PreconditionError(
        f"the target `{entry.name}` has the task `{entry.task}` by now, and `{model.entry.name}` has `{model.task}`",
        reason="task_mismatch",
        field="model",
    )


def _cost(call: Call, named: NamedRoute, target: str) -> float:
    price = next(each.price for each in named.route.targets if each.text == target)
    return price * call.placement.device_microseconds / 1e6


def _unit_of(call: Call, *, sticky: bool) -> Unit:
    """Whose calls go to one target: the user's whom the call names, else its key's; else each by itself."""
    if sticky and call.user:
        return Unit("user", call.user)
    if sticky and (flow := current_principal().flow):
        return Unit("key", flow)
    return Unit("request", call.request_id)
