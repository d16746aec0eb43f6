"""Reads what answers have in common: JSON of a type, counts, log-probabilities. Anybody may have sent them."""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from panope_backends.engines.remote.refusals import failed_within, no_answer
from panope_backends.generation.sampling.logprobs import LOWEST

Count = Annotated[int, Meta(ge=0, lt=1 << 31)]
"""Of tokens and texts, and a token's id."""

_ROUNDING = 1e-3

T = TypeVar("T")


def decoded(data: bytes | memoryview, kind: type[T] | msgspec.json.Decoder[T]) -> T:
    """What JSON holds.

    Raises:
        AvailabilityError: it is none, or none of the type.
    """
    try:
        if isinstance(kind, msgspec.json.Decoder):
            return kind.decode(data)
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise no_answer() from error


def require_no_error(told: msgspec.Raw) -> None:
    """Refuses an event that tells of an error in the place of an answer; some have the field and nothing in it."""
    if bytes(told) not in (b"", b"null"):
        raise failed_within()


def checked_logprob(told: float) -> float:
    """A log-probability as ours are: at most 0, which some servers round above, and no infinity.

    Raises:
        AvailabilityError: it is none.
    """
    if not told <= _ROUNDING:  # NaN is no number either
        raise no_answer()
    return max(min(told, 0.0), LOWEST)
