"""Who makes a gRPC call, and whether it may: asked before anything of it is looked at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from panope_backends.errors import PanopeError, PermissionDeniedError
from panope_server.access.authentication import Authenticator
from panope_server.access.caller import Caller, set_caller
from panope_server.access.principal import NOBODY, Principal, set_principal
from panope_server.transport.interceptors.context import Context, caller_of
from panope_server.transport.interceptors.handlers import HandlerInterceptor, Streaming, Unary
from panope_server.transport.permissions import PERMISSIONS, Permission

OnDenied = Callable[[Principal, Permission], None]
"""Told who was refused what."""


class AuthInterceptor(HandlerInterceptor):
    """Lets a call in when its caller is known and may make it; the caller is then `current_principal()`.

    Args:
        authenticator: knows callers.
        on_denied: told of callers that are known and may not.
    """

    def __init__(
        self, authenticator: Authenticator, on_denied: OnDenied = lambda _principal, _permission: None
    ) -> None:
        super().__init__()
        self._authenticator = authenticator
        self._on_denied = on_denied

    def around_unary(self, handle: Unary, method: str) -> Unary:
        """Asks, then runs the method."""
        permission = PERMISSIONS.get(method)

        async def run(request: Any, context: Context) -> Any:
            await self._let_in(caller_of(context), permission)
            return await handle(request, context)

        return run

    def around_streaming(self, handle: Streaming, method: str) -> Streaming:
        """Asks, then runs the method."""
        permission = PERMISSIONS.get(method)

        async def run(request: Any, context: Context) -> AsyncIterator[Any]:
            await self._let_in(caller_of(context), permission)
            async for answer in handle(request, context):
                yield answer

        return run

    async def _let_in(self, caller: Caller, permission: Permission | None) -> None:
        set_caller(caller)
        set_principal(await admitted(self._authenticator, caller, permission, self._on_denied))


async def admitted(
    authenticator: Authenticator,
    caller: Caller,
    permission: Permission | None,
    on_denied: OnDenied = lambda _principal, _permission: None,
) -> Principal:
    """Who may do what is asked for; the one rule of all ways in.

    Args:
        authenticator: knows callers.
        caller: where the call comes from.
        permission: that it asks for; None, which nobody has, for what nobody has decided on.
        on_denied: told of callers that are known and may not.

    Raises:
        PanopeError: it is nobody who may.
    """
    try:
        principal = await authenticator.principal_of(caller)
    except PanopeError:
        if permission is None or not permission.is_public:
            raise
        return NOBODY  # what is public is so for callers with wrong keys too, and while no key can be looked up
    if permission is None:
        raise PermissionDeniedError("nobody may call this method", reason="scope_missing")
    try:
        permission.check(principal)
    except PermissionDeniedError:
        on_denied(principal, permission)
        raise
    return principal
