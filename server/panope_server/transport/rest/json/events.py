"""Server-sent events: `data: …` for each, `data: [DONE]` at a good end, an error event and no `[DONE]` at a bad one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import orjson
import structlog

from panope_backends.errors import InternalError, PanopeError
from panope_server.transport.error_json import ErrorFieldsJson
from panope_server.transport.errors import field_of, message_of, openai_type_of

_log = structlog.get_logger("panope.transport")

EVENTS = "text/event-stream; charset=utf-8"
DONE = b"data: [DONE]\n\n"
#: A comment, which readers pass over; it keeps a connection open on which nothing happens.
PING = b": ping\n\n"


def event(value: object) -> bytes:
    """One event."""
    return b"data: " + orjson.dumps(value) + b"\n\n"


async def until_done(events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The events and how they ended; an error before the first is raised, for there is still a status to send it in."""
    begun = False
    try:
        async for data in events:
            begun = True
            yield data
    except Exception as error:  # the boundary: whatever it is must not look like a good end
        if not begun:
            raise
        yield event({"error": error_fields(known_error(error))})
        return
    yield DONE


def known_error(error: Exception) -> PanopeError:
    """The error as it may be told; an unexpected one is logged and told without its text."""
    if isinstance(error, PanopeError):
        return error
    _log.error("unexpected_error", exc_info=error)
    return InternalError("internal error; the server's log has it")


def error_fields(error: PanopeError) -> ErrorFieldsJson:
    """An error inside a stream, in the shape of every error."""
    return {
        "message": message_of(error),
        "type": openai_type_of(error),
        "param": field_of(error) or None,
        "code": error.reason,
    }
