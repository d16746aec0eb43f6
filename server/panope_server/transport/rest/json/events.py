"""Server-sent events: `data: …` for each, `data: [DONE]` at a good end, an error event and no `[DONE]` at a bad one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import orjson
import structlog

from panope_backends.errors import InternalError, PanopeError
from panope_server.transport.errors import field_of, message_of, openai_type_of

_log = structlog.get_logger("panope.transport")

EVENTS = "text/event-stream; charset=utf-8"
DONE = b"data: [DONE]\n\n"


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
        if not isinstance(error, PanopeError):
            _log.error("unexpected_error", exc_info=error)
            error = InternalError("internal error; the server's log has it")
        yield event({"error": _told(error)})
        return
    yield DONE


def _told(error: PanopeError) -> dict[str, object]:
    return {
        "message": message_of(error),
        "type": openai_type_of(error),
        "param": field_of(error) or None,
        "code": error.reason,
    }
