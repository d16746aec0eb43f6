"""grpc.health.v1: one service name for the server (empty), one for each service, one for each model."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio

from panope_server.runtime.views import ModelState

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class Health:
    """Keeps the health service in step with the models; `servicer` is what gRPC serves.

    The server itself serves as long as it takes calls. A model serves while one of its instances does; a model that was
    never loaded is unknown to the health service until it is. An alias is as well as what it points to.
    """

    def __init__(self, services: list[str]) -> None:
        self.servicer = aio.HealthServicer()
        self._services = services
        self._updates: set[asyncio.Task[None]] = set()
        self._states: dict[str, health_pb2.HealthCheckResponse.ServingStatus] = {}
        self._aliases: Mapping[str, str] = {}

    async def start(self) -> None:
        """Says that the server and its services serve."""
        for service in ("", *self._services):
            await self.servicer.set(service, _SERVING)

    def model_changed(self, model: str, state: ModelState) -> None:
        """Takes over a model's state."""
        self._states[model] = _SERVING if state is ModelState.SERVING else _NOT_SERVING
        self._set(model, self._states[model])
        for alias, target in self._aliases.items():
            if target == model:
                self._set(alias, self._states[model])

    def aliases_changed(self, aliases: Mapping[str, str]) -> None:
        """Takes over where all aliases point: alias -> the name of what was told by `model_changed`."""
        before, self._aliases = self._aliases, dict(aliases)
        for alias in before.keys() | aliases.keys():
            if before.get(alias) != aliases.get(alias) and alias not in self._states:
                self._set(alias, self._states.get(aliases.get(alias, ""), _UNKNOWN))

    def _set(self, service: str, status: health_pb2.HealthCheckResponse.ServingStatus) -> None:
        update = asyncio.ensure_future(self.servicer.set(service, status))
        self._updates.add(update)
        update.add_done_callback(self._updates.discard)

    async def stop(self) -> None:
        """Says NOT_SERVING everywhere, for good, so that balancers send nothing new."""
        await self.servicer.enter_graceful_shutdown()
