"""Bodies of requests to the admin port."""

from __future__ import annotations

from google.api.httpbody_pb2 import HttpBody
from starlette.requests import Request

from panope_backends.errors import InvalidInputError
from panope_server.transport.errors import HTTP_STATUS

MAX_BODY_BYTES = 64 << 10


async def body_of(request: Request) -> HttpBody:
    """A request's body, as the readers of JSON take it; InvalidInputError for one that is too large."""
    data = b""
    async for piece in request.stream():
        data += piece
        if len(data) > MAX_BODY_BYTES:
            raise InvalidInputError(
                f"the body is larger than {MAX_BODY_BYTES:,} bytes",
                reason="request_too_large",
                details={HTTP_STATUS: "413"},
            )
    return HttpBody(content_type=request.headers.get("content-type", ""), data=data)
