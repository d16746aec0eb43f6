"""An issuer's public keys for Envoy, which fetches them anew every few seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from panope_envoy.options import TOKEN_KEYS_PATH


def token_key_routes(read: Callable[[], bytes] | None) -> list[Route]:
    """The route of the keys; none where they are in no file.

    Args:
        read: gives them as JSON; called in a thread.
    """
    if read is None:
        return []

    async def keys(_: Request) -> Response:
        return Response(await asyncio.to_thread(read), media_type="application/json")

    return [Route(TOKEN_KEYS_PATH, keys)]
