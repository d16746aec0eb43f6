"""How long a model stays loaded that nobody uses, as callers write it."""

from __future__ import annotations

import math

from panope_backends.errors import InvalidInputError
from panope_server.config.durations import KEEP_ALIVE_WORDS, parse_keep_alive

#: In the metadata of a call, or as a header of REST: for how long its model stays loaded unused after it.
KEEP_ALIVE = "x-panope-keep-alive"


def keep_alive_from(written: str | float, field: str) -> float | None:
    """Returns seconds; infinity for ever, None for an empty text, which says nothing.

    Args:
        written: seconds, or a duration such as `5m`.
        field: where it stands, for the message.

    Raises:
        InvalidInputError: it is neither.
    """
    try:
        return parse_keep_alive(written, field)
    except ValueError:
        raise InvalidInputError.at(field, "{field} must be {words}", words=KEEP_ALIVE_WORDS) from None


def recorded_keep_alive(written: str | float, field: str) -> float | None:
    """Returns seconds as a model's record has them: negative for ever; None and errors as of `keep_alive_from`."""
    return told_keep_alive(keep_alive_from(written, field))


def told_keep_alive(seconds: float | None) -> float | None:
    """Returns the time as callers are told it: a negative one is for ever, as they write it."""
    return -1.0 if seconds == math.inf else seconds
