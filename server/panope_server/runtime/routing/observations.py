"""What is observed of targets: counted here at once, added to the registry's sums in batches, off the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from panope_backends.errors import PanopeError
from panope_registry.models.routes import Metric
from panope_registry.serving_records.route_statistics import FAILURE, Moments, RouteId, StatisticKey, left_of
from panope_server.runtime.async_registry.threads import call_registry
from panope_server.runtime.names import NamedRoute
from panope_server.runtime.safe_callbacks import contained_turn

_log = structlog.get_logger("panope.routing")

FLUSH_SECONDS = 1.0
"""How old what other servers have observed is at most; what a process that is killed has counted since is lost."""
GOODBYE_SECONDS = 2.0
"""What stopping waits for a database that does not answer."""
FOLLOW_SECONDS = 0.5
"""What the first call of a route waits for what other servers know of it."""
IDLE_SECONDS = 600.0
"""A route that nobody has called for so long is read no more until somebody does."""

FAILED_FACTOR = 10.0
"""A call that failed counts as if it had taken so many times what calls of the route typically take, or it took."""
LEAST = 1e-6
"""What took less, in seconds, counts as much: clocks tell no less."""

_LOGARITHMS = (Metric.LATENCY, Metric.COST)


class Statistics(Protocol):
    """The registry's sums."""

    def add(self, observed: Mapping[StatisticKey, Moments], half_lives: Mapping[RouteId, float]) -> None:
        """Adds a batch; blocks."""

    def of(self, half_lives: Mapping[RouteId, float]) -> dict[StatisticKey, Moments]:
        """What is known of routes; blocks."""


class RouteObservations:
    """What is known of the targets of routes, of this server's calls at once and of others' within about a second.

    A batch that the database did not confirm is written again: it may count twice then, which moves an estimate less
    than losing what was observed while a target failed.

    Args:
        statistics: where sums are kept.
        clock: seconds, of any beginning.
    """

    def __init__(self, statistics: Statistics, clock: Callable[[], float] = time.monotonic) -> None:
        self._statistics = statistics
        self._clock = clock
        self._half_lives: dict[RouteId, float] = {}
        self._known: dict[StatisticKey, Moments] = {}  # as the registry told at `_known_at`
        self._known_at = clock()
        self._pending: dict[StatisticKey, Moments] = {}
        self._writing: dict[StatisticKey, Moments] = {}
        self._revisions: dict[RouteId, int] = {}
        self._called_at: dict[RouteId, float] = {}
        self._flushing = asyncio.Lock()
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to write and to read."""
        self._loop = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Writes what waits, if the database takes it."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.wait([self._loop])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self.flush()

    async def follow(self, named: NamedRoute) -> None:
        """Reads what is known of a route that nobody has called here yet; without a quick answer it knows nothing yet.

        The next turn reads it in any case, so no call waits for a database that hangs.
        """
        self._called_at[named.id] = self._clock()
        if named.id in self._half_lives:
            return
        self._half_lives[named.id] = named.route.policy.half_life_seconds
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FOLLOW_SECONDS):
                await self._read_or_say({named.id: named.route.policy.half_life_seconds})

    def observe(self, named: NamedRoute, target: str, metric: Metric, value: float) -> None:
        """Counts seconds, costs or a reward of a call that was answered; never waits."""
        self._add(named, target, metric, self._learned(metric, value))

    def observe_end(self, named: NamedRoute, target: str, *, failed: bool) -> None:
        """Counts a call; never waits."""
        self._add(named, target, FAILURE, float(failed))

    def observe_failure(self, named: NamedRoute, target: str, metric: Metric, value: float) -> None:
        """Counts a call that failed after so many seconds, at such costs, as one that was far worse than others."""
        if metric is Metric.REWARD:
            self._add(named, target, metric, 0.0)
            return
        typical = Moments()
        for moments in self.of(named, metric).values():
            typical.add(moments)
        worse = max(math.log(max(LEAST, value)), typical.mean if typical.calls else -math.inf) + math.log(FAILED_FACTOR)
        self._add(named, target, metric, worse)

    def of(self, named: NamedRoute, metric: str) -> dict[str, Moments]:
        """What is known of each target now, by its text; of latency and cost, natural logarithms."""
        part = left_of(self._clock() - self._known_at, named.route.policy.half_life_seconds)
        found = {}
        for target in named.route.targets:
            key = StatisticKey(named.id, target.text, metric)
            moments = self._known.get(key, Moments()).aged(part)
            for batch in (self._writing, self._pending):
                if key in batch:
                    moments.add(batch[key])
            found[target.text] = moments
        return found

    def revision(self, named: NamedRoute) -> int:
        """A number that every observation of a route raises, here at once."""
        return self._revisions.get(named.id, 0)

    async def flush(self) -> None:
        """Writes what was observed here, and reads what all servers have."""
        async with self._flushing:
            self._forget_idle()
            if self._pending and not self._writing:
                self._writing, self._pending = self._pending, {}
            if self._writing:
                half_lives = {key.route: self._half_lives.get(key.route, 0.0) for key in self._writing}
                await call_registry(self._statistics.add, self._writing, half_lives)
                self._take_over(self._writing)
                self._writing = {}
            known = await call_registry(self._statistics.of, dict(self._half_lives))
            self._known, self._known_at = known, self._clock()
            for key in known:
                self._raise(key.route)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            if self._half_lives or self._pending:
                await contained_turn(self._flush_or_say)

    async def _flush_or_say(self) -> None:
        try:
            await asyncio.shield(self.flush())
        except PanopeError as error:
            _log.warning("route_statistics_failed", reason=error.reason)

    async def _read_or_say(self, half_lives: Mapping[RouteId, float]) -> None:
        try:
            found = await call_registry(self._statistics.of, half_lives)
        except PanopeError as error:
            _log.warning("route_statistics_failed", reason=error.reason)
            return
        self._take_over({key: moments for key, moments in found.items() if key not in self._known})

    def _take_over(self, fresh: Mapping[StatisticKey, Moments]) -> None:
        """Counts what the registry has too, as if it had been read with all the rest."""
        for key, moments in fresh.items():
            part = left_of(self._clock() - self._known_at, self._half_lives.get(key.route, 0.0))
            self._known.setdefault(key, Moments()).add(moments.aged(1 / max(part, LEAST)))
            self._raise(key.route)

    def _add(self, named: NamedRoute, target: str, metric: str, value: float) -> None:
        self._half_lives.setdefault(named.id, named.route.policy.half_life_seconds)
        self._pending.setdefault(StatisticKey(named.id, target, metric), Moments()).observe(value)
        self._called_at.setdefault(named.id, self._clock())
        self._raise(named.id)

    def _raise(self, route: RouteId) -> None:
        self._revisions[route] = self._revisions.get(route, 0) + 1

    def _learned(self, metric: Metric, value: float) -> float:
        return math.log(max(LEAST, value)) if metric in _LOGARITHMS else value

    def _forget_idle(self) -> None:
        busy = {key.route for batch in (self._pending, self._writing) for key in batch}
        since = self._clock() - IDLE_SECONDS
        for route in [each for each in self._half_lives if self._called_at[each] < since and each not in busy]:
            for known in (self._half_lives, self._called_at, self._revisions):
                known.pop(route, None)
