"""Files of videos that requests hold."""

from __future__ import annotations

from panope_backends.errors import InvalidInputError
from panope_server.config import Limits


def check_video_size(size: int, limits: Limits) -> None:
    """Refuses a file that is too large, however much of it has come.

    Raises:
        InvalidInputError: the field is `video`.
    """
    limit = limits.media.max_video_bytes
    if size > limit:
        raise InvalidInputError.at(
            "video", "{field} has {size:,} bytes; the limit is {limit:,}", size=size, limit=limit
        )
