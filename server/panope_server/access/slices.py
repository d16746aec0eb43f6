"""A server's slice of one limit: what it was handed of it and has not given out yet."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from panope_registry.access.budgets import Grant
from panope_registry.access.limits import Counted, Limit

#: A slice is what this time would bring of a rate, but never more than a part of the limit, for others want some too.
SLICE_SECONDS = 5.0
PART_OF_RATE = 4
PART_OF_QUOTA = 100
#: Of what is left of a quota, so that near its end no server sits on what another needs.
PART_OF_REST = 16
#: The least time before an empty limit is asked for again.
MIN_PAUSE_SECONDS = 0.02
MAX_PAUSE_SECONDS = 1.0


@dataclass(slots=True)
class Slice:
    """What is here of one limit.

    Attributes:
        subject: whose limit it is: `key:ID` or `model:NAME`.
        held: what may be given out.
        spent: what was given out without having been handed out: while the database was away, or by answers that were
            longer than their estimates; less than 0 for what goes back, from answers that were shorter.
        rest: what was left of the limit, for everybody, when it was asked for last.
        whole_at: when all of it will be there again, on the monotonic clock.
        empty_until: when it pays to ask again, on the same clock.
        used_at: when something was given out last.
        open_calls: which took something by estimate and have not ended yet.
        asking: held by who asks the registry, so that the others wait for the answer.
        is_quota: as the limit says, here because each call asks for it several times.
        counts_tokens: likewise.
        amount_text: of the limit, as headers have it.
    """

    subject: str
    limit: Limit
    held: float = 0.0
    spent: float = 0.0
    rest: float = 0.0
    whole_at: float = 0.0
    empty_until: float = 0.0
    used_at: float = 0.0
    open_calls: int = 0
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    is_quota: bool = field(init=False)
    counts_tokens: bool = field(init=False)
    amount_text: str = field(init=False)

    def __post_init__(self) -> None:
        self.is_quota = self.limit.is_quota
        self.counts_tokens = self.limit.counted is Counted.TOKENS
        self.amount_text = str(self.limit.amount)

    def need(self, tokens: int) -> float:
        """What a call needs of it at once: of a quota of tokens any, for the last of it is there to be used."""
        if not self.counts_tokens or self.is_quota:
            return 1.0
        return float(max(1, min(tokens, self.limit.amount)))

    def share(self, tokens: int) -> float:
        """What a call takes of it until it has ended."""
        if not self.counts_tokens:
            return 1.0
        return min(float(tokens), self.held) if self.is_quota else self.need(tokens)

    def wanted(self, tokens: int) -> float:
        """What to ask the registry for."""
        least = (tokens if self.counts_tokens else 1) if self.is_quota else int(self.need(tokens))
        return float(max(1, least, int(self._part)))

    @property
    def _part(self) -> float:
        """What one server may have of it for a while."""
        limit = self.limit
        if self.is_quota:
            return min(limit.amount / PART_OF_QUOTA, (self.rest or limit.amount) / PART_OF_REST)
        return min(limit.per_second * SLICE_SECONDS, limit.amount / PART_OF_RATE)

    def take_over(self, grant: Grant, moment: float, tokens: int) -> None:
        """The registry has answered."""
        self.held += grant.granted
        self.rest = grant.remaining
        self.whole_at = moment + grant.reset_seconds
        if self.held < self.need(tokens):
            self.empty_until = moment + min(MAX_PAUSE_SECONDS, max(MIN_PAUSE_SECONDS, self.missing_seconds(tokens)))

    def missing_seconds(self, tokens: int) -> float:
        """How long a rate takes to bring what a call needs."""
        if self.is_quota:
            return MAX_PAUSE_SECONDS
        return (self.need(tokens) - self.held) / self.limit.per_second

    def give_out(self, amount: float, moment: float) -> None:
        """A call takes something; what is not there is counted as spent."""
        self.used_at = moment
        self.held -= amount
        if self.held < 0:
            self.spent -= self.held
            self.held = 0.0

    def settle(self, share: float, used: float, moment: float) -> None:
        """A call has ended that took a share by estimate.

        More of what comes back than one server may have goes to the registry: for others, and since a rate has refilled
        while the call ran, so that the call's share on top of that would be more at once than the rate.
        """
        self.open_calls -= 1
        self.give_out(used - share, moment)
        if used >= share:
            return
        surplus = self.held - max(1.0, self._part)
        if surplus > 0:
            self.held -= surplus
            self.spent -= surplus

    def remaining(self) -> float:
        """What is left of the limit, as far as it is known here."""
        return max(0.0, self.rest + self.held - self.spent)
