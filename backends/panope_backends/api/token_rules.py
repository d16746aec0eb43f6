"""Which tokens may stand where in an answer, as Whisper needs it: suppressed tokens, and timestamps."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TimestampRules:
    """How timestamps stand in an answer; the ids from `first_id` on are timestamps, in rising order.

    The rules are those of OpenAI's Whisper: timestamps come in pairs, never fall, one stands first, and one is drawn
    where all of them together are likelier than every other token.

    Attributes:
        first_id: of the timestamp of 0 seconds.
        eos_id: the token that ends an answer; ids below it are text.
        max_initial: how far behind `first_id` the first one is at most; None for any.
    """

    first_id: int
    eos_id: int
    max_initial: int | None = None


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What may be drawn.

    Attributes:
        suppressed: token ids that are never drawn.
        suppressed_first: those that an answer does not begin with.
        allowed: the only ones that are drawn; empty for all.
        timestamps: how timestamps stand; None where they are tokens like others.
    """

    suppressed: tuple[int, ...] = ()
    suppressed_first: tuple[int, ...] = ()
    allowed: tuple[int, ...] = ()
    timestamps: TimestampRules | None = None
