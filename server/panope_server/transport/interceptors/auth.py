"""Who makes a gRPC call, asked before anything of it is looked at."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from panope_server.access.authentication import Authenticator
from panope_server.access.principal import set_principal
from panope_server.transport.interceptors.context import Context, metadata_of
from panope_server.transport.interceptors.handlers import HandlerInterceptor, Streaming, Unary


class AuthInterceptor(HandlerInterceptor):
    """Lets a call in when the authenticator knows its caller, who is then `current_principal()`."""

    def __init__(self, authenticator: Authenticator) -> None:
        super().__init__()
        self._authenticator = authenticator

    def around_unary(self, handle: Unary, method: str) -> Unary:
        """Asks, then runs the method."""

        async def run(request: Any, context: Context) -> Any:
            set_principal(await self._authenticator.principal_of(metadata_of(context)))
            return await handle(request, context)

        return run

    def around_streaming(self, handle: Streaming, method: str) -> Streaming:
        """Asks, then runs the method."""

        async def run(request: Any, context: Context) -> AsyncIterator[Any]:
            set_principal(await self._authenticator.principal_of(metadata_of(context)))
            async for answer in handle(request, context):
                yield answer

        return run
