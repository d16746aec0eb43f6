"""Limits, as the server's event loop asks for them; and what keeps its copies and its slices true."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from panope_backends.errors import PanopeError
from panope_registry.access.budgets import Budgets, Demand, Grant
from panope_registry.access.limits import Limit
from panope_registry.access.model_limits import ModelLimits
from panope_server.access.limiter import FLUSH_SECONDS, Limiter
from panope_server.runtime.async_registry.threads import call_access
from panope_server.runtime.safe_callbacks import contained_turn

_log = structlog.get_logger("panope.access")

STOP_SECONDS = 2.0


class AsyncLimits:
    """The limits of models, a second old at most, and the limiter, which asks the registry in a thread.

    Attributes:
        limiter: lets calls in.
        by_model: the limits of models that have some.
    """

    def __init__(self, budgets: Budgets, models: ModelLimits) -> None:
        self._budgets = budgets
        self._models = models
        self._token = -1
        self._is_away = False
        self._task: asyncio.Task[None] | None = None
        self.limiter = Limiter(self._take)
        self.by_model: Mapping[str, Sequence[Limit]] = {}

    async def start(self) -> None:
        """Begins to follow the registry; AvailabilityError when it does not answer now."""
        await self._refresh()
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Gives back what is left of slices, and tells what was spent, if the database answers."""
        if self._task is not None:
            self._task.cancel()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self.limiter.flush(everything=True)
        except (PanopeError, TimeoutError) as error:
            _log.warning("limits_not_returned", error=type(error).__name__)

    async def _take(self, demands: Sequence[Demand]) -> Sequence[Grant]:
        return await call_access(self._budgets.take, demands)

    async def _refresh(self) -> None:
        if await call_access(self._models.change_token) != self._token:
            self._token, found = await call_access(self._models.read)
            self.by_model = dict(found)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await contained_turn(self._turn)

    async def _turn(self) -> None:
        try:
            await self.limiter.flush()
            await self._refresh()
        except PanopeError as error:
            if not self._is_away:
                _log.warning("limits_unreachable", reason=error.reason)
            self._is_away = True
            return
        self._is_away = False
