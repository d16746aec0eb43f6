"""The admin port: metrics, health and status over plain HTTP, for people and for what watches the server."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal, NotRequired, TypedDict

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from panope_backends.errors import PreconditionError
from panope_server.access.authentication import AnonymousAccess, Authenticator
from panope_server.access.principal import current_principal
from panope_server.transport.error_json import ErrorFieldsJson, error_json
from panope_server.transport.http.admin_connections import Connections
from panope_server.transport.http.admin_guard import Guard
from panope_server.transport.http.exposition import metrics_response
from panope_server.transport.http.json import json_response
from panope_server.transport.interceptors.auth import OnDenied

_WORDS = {
    404: ("unknown_path", "there is nothing at this path"),
    405: ("method_not_allowed", "this path does not take this HTTP method; see the Allow header"),
}


class HealthJson(TypedDict):
    """The process answers."""

    status: Literal["ok"]


class WaitingJson(TypedDict):
    """A model that should serve and does not."""

    name: str
    reason: str


class ReadyJson(TypedDict):
    """Whether every model that should serve does; with an error when one does not.

    Attributes:
        not_ready: the models that should serve and do not; empty when the server is ready.
    """

    ready: bool
    not_ready: list[WaitingJson]
    error: NotRequired[ErrorFieldsJson]


def admin_app(
    *,
    exposition: Callable[[], bytes],
    not_ready: Callable[[], Mapping[str, str]],
    status: Callable[[], Awaitable[object]],
    openmetrics: Callable[[], bytes] | None = None,
    closed: Callable[[], str] = str,
    hosts: Sequence[str] = (),
    more: Sequence[BaseRoute] = (),
    authenticator: Authenticator | None = None,
    public_metrics: bool = False,
    on_denied: OnDenied = lambda _principal, _permission: None,
) -> Starlette:
    """The application behind the admin port.

    Args:
        exposition: all metrics in Prometheus's text format.
        not_ready: the models that should serve and do not, with the reason of each; empty when the server is ready.
        status: what /status tells.
        openmetrics: all metrics in OpenMetrics's format, for those that ask for it; None without that format.
        closed: why no call can reach the server now; empty when calls can.
        hosts: names that a Host header may have, such as `panope_envoy.options.hosts_for` gives; empty for every name.
        more: further routes, such as `panope_server.transport.http.files.file_routes` gives.
        authenticator: knows callers; None lets everybody in.
        public_metrics: whether metrics are told to everybody.
        on_denied: told of callers that are known and may not.
    """

    async def metrics(request: Request) -> Response:
        return metrics_response(request, exposition, openmetrics)

    async def health(_: Request) -> Response:
        return json_response(HealthJson(status="ok"))

    async def ready(_: Request) -> Response:
        why, waiting = closed(), not_ready()
        if not why and not waiting:
            return json_response(ReadyJson(ready=True, not_ready=[]))
        principal = current_principal()
        models = [WaitingJson(name=name, reason=reason) for name, reason in waiting.items() if principal.sees(name)]
        told = why or ", ".join(model["name"] for model in models) or "a model does not serve yet"
        error = error_json(f"not ready: {told}", "server_error", "not_ready")["error"]
        return json_response(ReadyJson(error=error, ready=False, not_ready=models), 503)

    async def tell_status(_: Request) -> Response:
        return json_response(await status())

    async def openapi(_: Request) -> Response:
        return Response(await asyncio.to_thread(_openapi), media_type="application/json")

    app = Starlette(
        routes=[
            Route("/openapi.json", openapi),
            Route("/metrics", metrics),
            Route("/v1/metrics", metrics),
            Route("/health", health),
            Route("/ready", ready),
            Route("/status", tell_status),
            *more,
        ],
        exception_handlers={HTTPException: _refuse},
    )
    # A redirect names a host, and through Envoy it would be another one than the caller's.
    app.router.redirect_slashes = False
    mounts = [route.path for route in more if isinstance(route, Mount)]
    app.add_middleware(
        Guard,
        authenticator=authenticator or AnonymousAccess(),
        hosts=hosts,
        mounts=mounts,
        public_metrics=public_metrics,
        on_denied=on_denied,
    )
    return app


@cache
def _openapi() -> bytes:
    """The description of every route, made by docs/generate.py."""
    return files("panope_server").joinpath("transport/openapi.json").read_bytes()


class AdminServer:
    """Serves an application in the running event loop, on a TCP port and, for Envoy, on a Unix socket.

    Args:
        app: what to serve.
        host: an address of this machine.
        port: 0 takes any free one.
        connections: the limits of its connections.
        tls: of the TCP port; None for none.
        socket_path: of the Unix socket; None for none.
    """

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        connections: Connections | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        socket_path: Path | None = None,
    ) -> None:
        connections = connections or Connections()
        self._public = _Server(_config(app, connections, tls))
        self._edge = _Server(_config(app, connections, None))
        self._address = ("127.0.0.1" if host == "localhost" else host, port)
        self._socket_path = socket_path
        self._tasks: list[asyncio.Task[None]] = []
        self.port = port

    async def start(self) -> None:
        """Begins to serve.

        Raises:
            PreconditionError: the port is taken, or the host is no address.
        """
        listener = _listen(*self._address)
        self.port = listener.getsockname()[1]
        self._tasks.append(asyncio.create_task(self._public.serve([listener])))
        if self._socket_path is not None:
            self._tasks.append(asyncio.create_task(self._edge.serve([_listen_privately(self._socket_path)])))

    @property
    def is_answering(self) -> bool:
        """Whether an answer is under way."""
        return any(server.server_state.tasks for server in (self._public, self._edge))

    async def stop(self) -> None:
        """Lets answers under way end, for at most a second."""
        self._public.should_exit = self._edge.should_exit = True
        await asyncio.gather(*self._tasks)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to the program."""
        yield


def _config(app: ASGIApp, connections: Connections, tls: ssl.SSLContext | None) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        http=connections.protocol,  # type: ignore[arg-type]  # uvicorn calls it as it does a class
        # Envoy and watchers keep connections open; they are closed when the server stops.
        timeout_graceful_shutdown=1,
    )
    config.load()
    config.ssl = tls
    return config


async def _refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code, message = _WORDS.get(error.status_code, ("invalid_request", "the request cannot be served"))
    return json_response(error_json(message, "invalid_request_error", code), error.status_code, error.headers)


def _listen_privately(path: Path) -> socket.socket:
    """A Unix socket in a folder that our user alone may enter."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()
    return listener


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
    except ValueError:
        raise PreconditionError(f"cannot listen on `{host}`: it is not an IP address") from None
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # Callers may connect from now on; they wait until the loop comes to them.
        listener.listen()
    except OSError as error:
        listener.close()
        raise PreconditionError(
            f"cannot listen for metrics and health on {host}:{port}: {os.strerror(error.errno or 0).lower()}",
            reason="port_taken",
        ) from None
    return listener
