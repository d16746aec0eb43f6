"""The gRPC server: two ports with the same services."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import grpc

from panope_backends.errors import PreconditionError
from panope_server.transport.grpc.options import server_options
from panope_server.transport.grpc.services import add_services
from panope_server.transport.services import Services

#: When no call has run for so long, what is left on the connections is half-sent.
QUIET_SECONDS = 1.0


class GrpcServer:
    """Serves every gRPC method of Panope on a TCP port and, for Envoy, on a Unix socket.

    Args:
        services: what the servicers stand on.
        interceptors: around every method, the outermost first.
        credentials: of the TCP port; None for no TLS.
    """

    def __init__(
        self,
        services: Services,
        interceptors: Sequence[grpc.aio.ServerInterceptor],
        credentials: grpc.ServerCredentials | None = None,
    ) -> None:
        self._credentials = credentials
        self._settings = services.settings
        self._health = services.health
        self._calls = services.calls
        options = server_options(services.settings.limits.max_message_bytes)
        # Two servers, for they end at different times: Envoy's when Envoy has nothing more to pass on.
        self._public = grpc.aio.server(interceptors=interceptors, options=options)
        self._edge = grpc.aio.server(interceptors=interceptors, options=options)
        for server in (self._public, self._edge):
            add_services(server, services)

    async def start(self, socket_path: Path) -> None:
        """Begins to serve.

        Raises:
            PreconditionError: the TCP port is not free.
        """
        address = f"{self._settings.host}:{self._settings.grpc_port}"
        try:
            if self._credentials is None:
                bound = self._public.add_insecure_port(address)
            else:
                bound = self._public.add_secure_port(address, self._credentials)
        except RuntimeError:
            bound = 0
        if bound == 0:
            raise PreconditionError(
                f"cannot listen for gRPC on {address}: the port is taken or the address is not ours",
                reason="port_taken",
            )
        self._edge.add_insecure_port(f"unix:{socket_path}")
        await self._public.start()
        await self._edge.start()
        self._health.start()

    async def drain(self, grace_seconds: float) -> None:
        """Closes the TCP port, tells its connections to end (GOAWAY) and returns when the last call has ended.

        Args:
            grace_seconds: the longest time; calls that take longer are cancelled.
        """
        ending = asyncio.ensure_future(self._public.stop(grace_seconds))
        quiet = asyncio.ensure_future(self._calls.quiet(QUIET_SECONDS))
        await asyncio.wait((ending, quiet), return_when=asyncio.FIRST_COMPLETED)
        quiet.cancel()
        # What is left then are half-sent requests.
        await self._public.stop(None)
        await ending

    async def stop(self) -> None:
        """Ends at once what is left."""
        await self._public.stop(None)
        await self._edge.stop(None)
