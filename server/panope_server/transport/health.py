"""grpc.health.v1: one service name for the server (empty), one for each service, one for each model."""

from __future__ import annotations

import asyncio

from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio

from panope_server.runtime.views import ModelState

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Health:
    """Keeps the health service in step with the models; `servicer` is what gRPC serves.

    The server itself serves as long as it takes calls. A model serves while one of its instances does; a model that was
    never loaded is unknown to the health service until it is.
    """

    def __init__(self, services: list[str]) -> None:
        self.servicer = aio.HealthServicer()
        self._services = services
        self._updates: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Says that the server and its services serve."""
        for service in ("", *self._services):
            await self.servicer.set(service, _SERVING)

    def model_changed(self, model: str, state: ModelState) -> None:
        """Takes over a model's state."""
        update = asyncio.ensure_future(
            self.servicer.set(model, _SERVING if state is ModelState.SERVING else _NOT_SERVING)
        )
        self._updates.add(update)
        update.add_done_callback(self._updates.discard)

    async def stop(self) -> None:
        """Says NOT_SERVING everywhere, for good, so that balancers send nothing new."""
        await self.servicer.enter_graceful_shutdown()
