"""The words of calls on usage as messages."""

from __future__ import annotations

from collections.abc import Sequence

from panope.v1.usage_service_pb2 import ListUsageRequest
from panope_client.errors import InvalidArgumentError

_DIMENSIONS = {
    "key": ListUsageRequest.DIMENSION_KEY,
    "model": ListUsageRequest.DIMENSION_MODEL,
    "task": ListUsageRequest.DIMENSION_TASK,
    "day": ListUsageRequest.DIMENSION_DAY,
    "hour": ListUsageRequest.DIMENSION_HOUR,
}


def dimensions_of(words: Sequence[str]) -> list[ListUsageRequest.Dimension.ValueType]:
    """The dimensions that words name.

    Raises:
        InvalidArgumentError: a word names none.
    """
    if isinstance(words, str) or not all(word in _DIMENSIONS for word in words):
        known = ", ".join(_DIMENSIONS)
        raise InvalidArgumentError(f"`by` must be a list of some of {known}; got {words!r}", field="by")
    return [_DIMENSIONS[word] for word in words]
