"""Counts calls that run no model against their key's limits on requests; for those that do the pipeline counts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from panope_server.access.limiter import Limiter
from panope_server.access.principal import current_principal
from panope_server.transport.interceptors.answer_headers import headers_of
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interceptors.handlers import HandlerInterceptor, Streaming, Unary
from panope_server.transport.permissions import PERMISSIONS


class RateInterceptor(HandlerInterceptor):
    """Lets calls in; it follows `auth`, which knows the key.

    Args:
        limiter: of the keys' limits, the pipeline's too.
    """

    def __init__(self, limiter: Limiter) -> None:
        super().__init__()
        self._limiter = limiter

    def around_unary(self, handle: Unary, method: str) -> Unary:
        """Counts the call, then runs the method."""
        if not _is_counted(method):
            return handle

        async def run(request: Any, context: Context) -> Any:
            await self._let_in(context)
            return await handle(request, context)

        return run

    def around_streaming(self, handle: Streaming, method: str) -> Streaming:
        """Counts the call as one, then runs the method."""
        if not _is_counted(method):
            return handle

        async def run(request: Any, context: Context) -> AsyncIterator[Any]:
            await self._let_in(context)
            async for answer in handle(request, context):
                yield answer

        return run

    async def _let_in(self, context: Context) -> None:
        principal = current_principal()
        if not principal.limits:
            return
        slices = self._limiter.slices(f"key:{principal.key_id}", principal.limits)
        of_requests = [held for held in slices if not held.counts_tokens]
        if of_requests:
            await self._limiter.admit(of_requests, 0, headers_of(context))


def _is_counted(method: str) -> bool:
    permission = PERMISSIONS.get(method)
    return permission is not None and not (permission.is_public or permission.is_inference)
