"""Which target of an alias a call gets, and why."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from panope_registry.models.routes import OnUnready, PolicyKind
from panope_registry.models.variant_digest import SHOWN_DIGITS
from panope_registry.serving_records.route_statistics import Moments
from panope_server.runtime.names import NamedRoute, ResolvedName
from panope_server.runtime.routing.bandit import parts_of
from panope_server.runtime.routing.splitting import split_order

LEARN_SECONDS = 1.0
"""The parts of a bandit are computed anew after so long, or when there are a twentieth more observations."""
_GROWTH = 1.05


class Sums(Protocol):
    """What was observed of targets."""

    def of(self, named: NamedRoute, metric: str) -> dict[str, Moments]:
        """What is known of each target now, by its text; of latency and cost, natural logarithms."""

    def revision(self, named: NamedRoute) -> int:
        """A number that every observation of a route raises."""


class Targets(Protocol):
    """What runs here."""

    def why_not_serving(self, resolved: ResolvedName) -> str:
        """Why something does not answer calls now, for people; empty where it does."""

    def backend_of(self, resolved: ResolvedName) -> str:
        """On which backend something answers calls now; empty where it does not."""

    def begin_load(self, resolved: ResolvedName) -> None:
        """Begins to load it, where calls may load models."""


@dataclass(frozen=True)
class Unit:
    """Whose calls go to one target.

    Attributes:
        kind: `user`, `key` or `request`.
        name: that of the user, the key or the request.
    """

    kind: str
    name: str


@dataclass(frozen=True)
class Decision:
    """The target that a call gets.

    Attributes:
        target: its text.
        resolved: what it means.
        parts: of the calls, that the targets get; all together 1.
        reason: for whoever calls.
        skipped: the targets that the call would have got before, each with why it did not.
    """

    target: str
    resolved: ResolvedName
    parts: Mapping[str, float]
    reason: str
    skipped: Sequence[tuple[str, str]] = ()


@dataclass
class _Learned:
    parts: Mapping[str, float]
    revision: int
    moment: float


class Router:
    """Chooses among targets.

    Args:
        sums: what is known of them.
        targets: tells which serve; every one does where it is None, as for a forecast.
        clock: seconds, of any beginning.
    """

    def __init__(
        self,
        sums: Sums,
        targets: Targets | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sums = sums
        self._targets = targets
        self._clock = clock
        self._learned: dict[str, tuple[int, _Learned]] = {}

    def parts(self, named: NamedRoute) -> Mapping[str, float]:
        """The part of the calls that each target gets, all together 1."""
        policy = named.route.policy
        if policy.kind is PolicyKind.WEIGHTS:
            whole = sum(target.weight for target in named.route.targets)
            return {target.text: target.weight / whole for target in named.route.targets}
        version, learned = self._learned.get(named.alias, (0, None))
        revision, moment = self._sums.revision(named), self._clock()
        if version == named.version and learned is not None:
            is_young = revision < learned.revision * _GROWTH + 1 and moment - learned.moment < LEARN_SECONDS
            if revision == learned.revision or is_young:
                return learned.parts
        assert policy.metric is not None, "bandits have one"
        moments = self._sums.of(named, policy.metric)
        parts = parts_of(policy.metric, moments, policy.seed, named.alias)
        self._learned[named.alias] = named.version, _Learned(parts, revision, moment)
        return parts

    def decide(self, named: NamedRoute, unit: Unit, backends: Sequence[str] = ()) -> Decision:
        """The target for a unit: that which its hash falls to, or the next that serves, as the policy says.

        Args:
            named: the route.
            unit: whose calls belong together.
            backends: that the call asks for, the most wanted first: a target that serves on one comes before others.
        """
        parts = self.parts(named)
        order = split_order(parts, named.route.policy.seed, named.alias, f"{unit.kind}:{unit.name}")
        for backend in backends:
            if (found := self._first_on(named, order, backend)) is not None:
                chosen, skipped = found
                reason = f"{_reason(named, chosen, parts, unit, ())}; on `{backend}`, as the call asks"
                return Decision(chosen, named.targets[chosen], parts, reason, skipped)
        chosen, skipped = self._first_ready(named, order)
        return Decision(chosen, named.targets[chosen], parts, _reason(named, chosen, parts, unit, skipped), skipped)

    def _first_on(
        self, named: NamedRoute, order: Sequence[str], backend: str
    ) -> tuple[str, Sequence[tuple[str, str]]] | None:
        """The first that serves on a backend, with those before it; nothing is loaded for it."""
        if self._targets is None:
            return None
        skipped: list[tuple[str, str]] = []
        for target in order:
            if self._targets.backend_of(named.targets[target]) == backend:
                return target, skipped
            skipped.append((target, f"not on `{backend}`"))
        return None

    def _first_ready(self, named: NamedRoute, order: Sequence[str]) -> tuple[str, Sequence[tuple[str, str]]]:
        """The first that serves, with those before it; the first of all where none does, or calls are to wait."""
        if self._targets is None or named.route.policy.on_unready is OnUnready.WAIT:
            return order[0], ()
        skipped: list[tuple[str, str]] = []
        meant = named.targets
        for target in order:
            reason = self._targets.why_not_serving(meant[target])
            if not reason:
                for other, _ in skipped:
                    self._targets.begin_load(meant[other])
                return target, skipped
            skipped.append((target, reason))
        return order[0], ()


def _reason(
    named: NamedRoute, chosen: str, parts: Mapping[str, float], unit: Unit, skipped: Sequence[tuple[str, str]]
) -> str:
    policy = named.route.policy
    how = "weights" if policy.metric is None else f"bandit on {policy.metric}"
    told = f"{how}, version {named.version}: {shown(chosen)} has {parts[chosen]:.1%} of the calls, split by {unit.kind}"
    return f"{told}; {len(skipped)} skipped that did not serve" if skipped else told  # whose names are not the caller's


def shown(target: str) -> str:
    """A target with the first digits of its variant."""
    model, at, digest = target.partition("@")
    return f"{model}{at}{digest[:SHOWN_DIGITS]}"
