"""Calls on the health of a server and its models."""

# ruff: noqa: ASYNC109 -- `timeout` is the call's deadline, which the server must know; cancelling here would not tell it

from __future__ import annotations

import grpc
from grpc_health.v1 import health_pb2

from panope_client.aio.concurrency import RpcError, failure_of
from panope_client.aio.connection import AsyncConnection
from panope_client.arguments import request_of
from panope_client.errors import DeadlineError
from panope_client.results import Health
from panope_client.retry import Attempts
from panope_client.status import not_ready

#: Before a new look at a server that went away while its health was followed.
WATCH_PAUSE_SECONDS = 0.1


class AsyncHealthCalls(AsyncConnection):
    """The calls of `AsyncClient` on health."""

    async def health(self, model: str = "", *, timeout: float | None = None) -> Health:
        """Returns whether a model serves; with no name, whether the server does.

        Raises:
            NotFoundError: no such model.
        """
        request = request_of(health_pb2.HealthCheckRequest, service=model)
        response = await self._call(self._health.Check, request, timeout)
        return Health(health_pb2.HealthCheckResponse.ServingStatus.Name(response.status))

    async def wait_ready(self, timeout: float = 60.0, *, model: str = "") -> None:
        """Waits until a model, or with no name the server, serves; the server need not run yet.

        Raises:
            DeadlineError: it does not within `timeout` seconds.
        """
        attempts = self._retries.start(timeout)
        try:
            while not await self._watch_until_serving(model, attempts):
                await self._sleep(WATCH_PAUSE_SECONDS)
        except DeadlineError:
            raise not_ready(model, timeout) from None

    async def _watch_until_serving(self, model: str, attempts: Attempts) -> bool:
        """Follows the health of one server; False when that server went away."""
        request = request_of(health_pb2.HealthCheckRequest, service=model)
        watch = self._health.Watch(request, timeout=attempts.timeout(), metadata=self._metadata, wait_for_ready=True)
        try:
            async for response in watch:
                if response.status == health_pb2.HealthCheckResponse.SERVING:
                    return True
        except RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                raise failure_of(error) from error
        finally:
            watch.cancel()
        return False
