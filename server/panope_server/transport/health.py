"""grpc.health.v1: one service name for the server (empty), one for each service, one for each model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from panope_backends.errors import NotFoundError, ShuttingDownError
from panope_server.access.principal import current_principal
from panope_server.runtime.status import ModelState
from panope_server.transport.interceptors.context import Context
from panope_server.transport.running_calls import RunningCalls

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # the library's class has no types
    """Serves the health service and keeps it in step with the models.

    The server itself serves as long as it takes calls. A model serves while one of its instances does; a model that was
    never loaded is unknown to the health service until it is. An alias is as well as what it points to; one with
    several targets serves while one of them does.

    The library's own servicer knows no List, and its Watch never ends.

    Args:
        services: the names of the gRPC services.
        calls: tells when watching ends.
    """

    def __init__(self, services: list[str], calls: RunningCalls | None = None) -> None:
        self._services = services
        self._calls = calls or RunningCalls()
        self._statuses: dict[str, health_pb2.HealthCheckResponse.ServingStatus.ValueType] = {}
        self._changed = asyncio.Event()
        self._stopping = False
        self._states: dict[str, health_pb2.HealthCheckResponse.ServingStatus.ValueType] = {}
        self._aliases: Mapping[str, Sequence[str]] = {}

    def add_to(self, server: grpc.aio.Server) -> None:
        """Adds the health service to a server."""
        health_pb2_grpc.add_HealthServicer_to_server(self, server)

    def start(self) -> None:
        """Says that the server and its services serve."""
        for service in ("", *self._services):
            self._set(service, _SERVING)

    def model_changed(self, model: str, state: ModelState) -> None:
        """Takes over a model's state."""
        self._states[model] = _SERVING if state is ModelState.SERVING else _NOT_SERVING
        self._set(model, self._states[model])
        for alias, targets in self._aliases.items():
            if model in targets:
                self._set(alias, self._best_of(targets))

    def aliases_changed(self, aliases: Mapping[str, Sequence[str]]) -> None:
        """Takes over where all aliases point: alias -> the names of what was told by `model_changed`."""
        before, self._aliases = self._aliases, dict(aliases)
        for alias in before.keys() | aliases.keys():
            if before.get(alias) != aliases.get(alias) and alias not in self._states:
                self._set(alias, self._best_of(aliases.get(alias, ())))

    def _best_of(self, targets: Sequence[str]) -> health_pb2.HealthCheckResponse.ServingStatus.ValueType:
        statuses = [self._states[target] for target in targets if target in self._states]
        return _SERVING if _SERVING in statuses else statuses[0] if statuses else _UNKNOWN

    def stop(self) -> None:
        """Says NOT_SERVING everywhere, for good, so that balancers send nothing new."""
        for service in [*self._statuses]:
            self._set(service, _NOT_SERVING)
        self._stopping = True

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Context) -> health_pb2.HealthCheckResponse:
        """Tells the status of one name; NOT_FOUND for one that is not known."""
        status = self._statuses.get(request.service) if self._is_seen(request.service) else None
        if status is None:
            raise NotFoundError("the health service knows no such name", field="service")
        return health_pb2.HealthCheckResponse(status=status)

    async def List(self, request: health_pb2.HealthListRequest, context: Context) -> health_pb2.HealthListResponse:
        """Tells the status of every name."""
        statuses = {
            name: health_pb2.HealthCheckResponse(status=status)
            for name, status in self._statuses.items()
            if self._is_seen(name)
        }
        return health_pb2.HealthListResponse(statuses=statuses)

    async def Watch(
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """Tells the status of one name now and whenever it changes; UNAVAILABLE when the server stops."""
        told: object = None
        while not self._calls.streams_end:
            changed = self._changed
            status = self._statuses.get(request.service, _UNKNOWN) if self._is_seen(request.service) else _UNKNOWN
            if status != told:
                told = status
                yield health_pb2.HealthCheckResponse(status=status)
            await _first_of(changed.wait(), self._calls.until_streams_end())
        raise ShuttingDownError("the server is stopping")

    def _is_seen(self, name: str) -> bool:
        """Whether the caller may know of it: of the server and its services everybody, of models who sees them."""
        if not name or name in self._services:
            return True
        principal = current_principal()
        targets = self._aliases.get(name, ())
        return principal.sees(name) or (
            bool(targets) and all(principal.sees(target.partition("@")[0]) for target in targets)
        )

    def _set(self, name: str, status: health_pb2.HealthCheckResponse.ServingStatus.ValueType) -> None:
        if self._stopping:
            return
        if status == _UNKNOWN:
            self._statuses.pop(name, None)
        else:
            self._statuses[name] = status
        # Who waits has the old event; who comes now gets the new one.
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


async def _first_of(*waits: Coroutine[Any, Any, object]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
