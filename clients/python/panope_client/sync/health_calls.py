# Generated from panope_client/aio/health_calls.py by clients/python/generate.py; do not edit.
"""Calls on the health of a server and its models."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health_pb2

from panope_client.arguments import request_of
from panope_client.errors import DeadlineError
from panope_client.results import Health
from panope_client.retry import Attempts
from panope_client.status import not_ready
from panope_client.sync.concurrency import RpcError, failure_of
from panope_client.sync.connection import Connection

#: Before a new look at a server that went away while its health was followed.
WATCH_PAUSE_SECONDS = 0.1


class HealthCalls(Connection):
    """The calls of `Client` on health."""

    def health(self, model: str = "", *, timeout: float | None = None) -> Health:
        """Returns whether a model serves; with no name, whether the server does.

        Raises:
            NotFoundError: no such model.
        """
        request = request_of(health_pb2.HealthCheckRequest, service=model)
        response = self._call(self._health.Check, request, timeout)
        return Health(health_pb2.HealthCheckResponse.ServingStatus.Name(response.status))

    def wait_ready(self, timeout: float = 60.0, *, model: str = "") -> None:
        """Waits until a model, or with no name the server, serves; the server need not run yet.

        Raises:
            DeadlineError: it does not within `timeout` seconds.
        """
        attempts = self._retries.start(timeout)
        try:
            while not self._watch_until_serving(model, attempts):
                self._sleep(WATCH_PAUSE_SECONDS)
        except DeadlineError:
            raise not_ready(model, timeout) from None

    def _watch_until_serving(self, model: str, attempts: Attempts) -> bool:
        """Follows the health of one server; False when that server went away."""
        request = request_of(health_pb2.HealthCheckRequest, service=model)
        watch = self._health.Watch(request, timeout=attempts.timeout(), metadata=self._metadata, wait_for_ready=True)
        try:
            for response in watch:
                if response.status == health_pb2.HealthCheckResponse.SERVING:
                    return True
        except RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                raise failure_of(error) from error
        finally:
            watch.cancel()
        return False
