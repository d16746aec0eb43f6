"""What was used as JSON, and the words that ask for it: for REST and for the command line."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Literal, TypedDict

from panope_backends.errors import InvalidInputError
from panope_registry.serving_records.usage import Dimension, UsageSum
from panope_registry.tables.columns import now

PeriodJson = Literal["day", "hour"]

_AGO = re.compile(r"([1-9]\d{0,5})([hd])", re.ASCII)
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1)}


class UsageSumJson(TypedDict):
    """What was used; `period`, `key`, `model` and `task` are null unless sums are told by them.

    Attributes:
        period: the day, such as `2026-01-02`, or the hour in RFC 3339, in UTC.
        key: the caller's name; empty for callers that nobody knows.
        device_seconds: the calls' share of the time that devices were busy.
    """

    period: str | None
    key: str | None
    model: str | None
    task: str | None
    requests: int
    failed_requests: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    input_bytes: int
    output_bytes: int
    device_seconds: float


class UsageSumsJson(TypedDict):
    """Sums by time, caller, model and task; a page of them, after which there may be more."""

    usage: list[UsageSumJson]
    has_more: bool


def usage_sum_json(found: UsageSum) -> UsageSumJson:
    """One sum."""
    counts = found.counts
    return {
        "period": found.period or None,
        "key": found.principal,
        "model": found.model,
        "task": found.task,
        "requests": counts.requests,
        "failed_requests": counts.failed_requests,
        "input_tokens": counts.input_tokens,
        "cached_tokens": counts.cached_tokens,
        "output_tokens": counts.output_tokens,
        "input_bytes": counts.input_bytes,
        "output_bytes": counts.output_bytes,
        "device_seconds": counts.device_microseconds / 1e6,
    }


def dimensions_of(text: str, field: str = "by") -> list[Dimension]:
    """The dimensions that a text names, with commas between them.

    Raises:
        InvalidInputError: one is none.
    """
    try:
        return [Dimension(name.strip()) for name in text.split(",") if name.strip()]
    except ValueError:
        known = ", ".join(f"`{dimension.value}`" for dimension in Dimension)
        raise InvalidInputError.at(field, "{field} must be some of " + known + ", with commas between them") from None


def moment_of(text: str, field: str, clock: Callable[[], datetime] = now) -> datetime | None:
    """The moment that a text means: RFC 3339, a day such as `2026-01-02`, or so long ago such as `36h` or `7d`.

    Without a zone it is UTC; None for an empty text.

    Raises:
        InvalidInputError: it is none.
    """
    if not text:
        return None
    try:
        if (ago := _AGO.fullmatch(text)) is not None:
            return clock() - int(ago[1]) * _UNITS[ago[2]]
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidInputError.at(
            field,
            "{field} must be a day such as `2026-01-02`, a moment of RFC 3339, or so long ago such as `36h` or `7d`",
        ) from None
