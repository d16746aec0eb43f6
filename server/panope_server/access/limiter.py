"""Lets calls in as far as the limits of their keys and models go, out of slices that the registry hands out.

A call costs no question to the database while its slices last. While the database is away rates are kept by each server
for itself, and what is given out is counted when it is back: a limit must not end what a lost database does not.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from panope_backends.errors import AvailabilityError, PanopeError, QuotaError, RateLimitError
from panope_registry.access.budgets import Demand, Grant
from panope_registry.access.limits import Counted, Limit
from panope_server.access.slices import Slice

#: What a call waits for a database that hangs; for a while no other waits then.
ANSWER_SECONDS = 2.0
AWAY_SECONDS = 5.0
#: A slice that nobody uses goes back after so long, for other servers' callers.
IDLE_SECONDS = 5.0
#: How often what should be told is told.
FLUSH_SECONDS = 1.0

#: Of requests and of tokens; made once, for each answer has them.
_HEADERS = [
    tuple(f"x-ratelimit-{what}-{counted}" for what in ("limit", "remaining", "reset"))
    for counted in (Counted.REQUESTS, Counted.TOKENS)
]

Take = Callable[[Sequence[Demand]], Awaitable[Sequence[Grant]]]


@dataclass(slots=True)
class Reservation:
    """What one call has of its limits on tokens until it ends."""

    shares: Sequence[tuple[Slice, float]]


class Limiter:
    """The limits of all callers of one server.

    Args:
        take: asks the registry for slices.
        clock: of seconds that only go forward.
    """

    def __init__(self, take: Take, clock: Callable[[], float] = time.monotonic) -> None:
        self._take = take
        self._clock = clock
        self._slices: dict[tuple[str, Limit], Slice] = {}
        self._by_subject: dict[str, tuple[Sequence[Limit], Sequence[Slice]]] = {}
        self._away_until = 0.0

    def slices(self, subject: str, limits: Sequence[Limit]) -> Sequence[Slice]:
        """What is here of somebody's limits, which are looked up one by one only when they have changed.

        Args:
            subject: whose limits they are: `key:ID` or `model:NAME`.
            limits: the same object for as long as they are the same.
        """
        known = self._by_subject.get(subject)
        if known is None or known[0] is not limits:
            known = self._by_subject[subject] = limits, [self._slice(subject, limit) for limit in limits]
        return known[1]

    async def admit(self, slices: Sequence[Slice], tokens: int, headers: dict[str, str]) -> Reservation:
        """Lets a call in.

        Args:
            slices: of the limits that it is under.
            tokens: that it will use, by estimate.
            headers: of its answer, which are told what is left, whether it is let in or not.

        Raises:
            RateLimitError: a rate is used up; it says when to come back.
            QuotaError: a quota is used up.
        """
        if _lacking(slices, tokens):
            for held in slices:
                if held.held < held.need(tokens):
                    await self._ask(held, tokens)
            lacking = _lacking(slices, tokens)
            if lacking:
                tell(slices, self._clock(), headers)
                raise _refusal(lacking, tokens)
        moment = self._clock()
        shares = []
        for held in slices:  # nothing was awaited since they were looked at
            share = held.share(tokens)
            held.give_out(share, moment)
            if held.counts_tokens:
                held.open_calls += 1
                shares.append((held, share))
        tell(slices, moment, headers)
        return Reservation(shares)

    def settle(self, reservation: Reservation, tokens: int) -> None:
        """A call has ended: counts what it used in place of what was estimated; less than that goes back."""
        moment = self._clock()
        for held, share in reservation.shares:
            held.settle(share, tokens, moment)

    async def flush(self, *, everything: bool = False) -> None:
        """Gives back what nobody uses and tells what was spent; raises what the registry does."""
        moment = self._clock()
        told: list[tuple[Slice, float, float]] = []
        for held in self._slices.values():
            is_idle = everything or moment - held.used_at >= IDLE_SECONDS
            back = held.held if is_idle else 0.0
            if back or held.spent:
                told.append((held, back, held.spent))
                held.held -= back
                held.spent = 0.0
        if not told:
            self._forget(moment)
            return
        try:
            await self._take([Demand(held.subject, held.limit, 0.0, spent - back) for held, back, spent in told])
        except BaseException:
            for held, back, spent in told:
                held.held += back
                held.spent += spent
            raise

    def _slice(self, subject: str, limit: Limit) -> Slice:
        held = self._slices.get((subject, limit))
        if held is None:
            held = self._slices[subject, limit] = Slice(subject, limit, used_at=self._clock())
        return held

    async def _ask(self, held: Slice, tokens: int) -> None:
        """Asks for more, unless another call does, or it is too soon."""
        async with held.asking:
            moment = self._clock()
            if held.held >= held.need(tokens) or moment < held.empty_until:
                return
            demand = Demand(held.subject, held.limit, held.wanted(tokens), held.spent)
            told, held.spent = held.spent, 0.0
            try:
                grant = await self._grant(demand)
            except (PanopeError, TimeoutError):
                held.spent += told
                self._away_until = self._clock() + AWAY_SECONDS
                self._lend(held, demand)
                return
            except BaseException:
                held.spent += told
                raise
            held.take_over(grant, self._clock(), tokens)

    async def _grant(self, demand: Demand) -> Grant:
        if self._clock() < self._away_until:
            raise AvailabilityError("the registry's database does not answer", reason="database_unavailable")
        async with asyncio.timeout(ANSWER_SECONDS):
            return (await self._take([demand]))[0]

    def _lend(self, held: Slice, demand: Demand) -> None:
        """What the registry would hand out, without it: of a rate so much for so long, of a quota as much as was left.

        A quota of which nothing is known yet is taken for whole.
        """
        lent = demand.wanted
        if held.is_quota:
            rest = held.rest if held.whole_at else float(held.limit.amount)
            lent = float(int(max(0.0, min(lent, rest - held.spent))))
        else:
            held.empty_until = self._clock() + lent / held.limit.per_second
        held.held += lent
        held.spent += lent

    def _forget(self, moment: float) -> None:
        """Of what is forgotten nothing could be counted any more: calls may last for longer than a slice is idle."""
        for key, held in list(self._slices.items()):
            is_used = held.open_calls or held.asking.locked() or held.spent
            if not is_used and moment - held.used_at > 10 * IDLE_SECONDS:
                del self._slices[key]
                self._by_subject.pop(held.subject, None)


def tell(slices: Sequence[Slice], moment: float, headers: dict[str, str]) -> None:
    """Sets the headers that OpenAI's clients read: `x-ratelimit-limit-requests` and its kin.

    Of several limits on the same the one that is nearest to its end is told.
    """
    nearest = [math.inf, math.inf]
    for held in slices:
        remaining = held.remaining()
        part = remaining / held.limit.amount
        if part < nearest[held.counts_tokens]:
            nearest[held.counts_tokens] = part
            limit_name, remaining_name, reset_name = _HEADERS[held.counts_tokens]
            headers[limit_name] = held.amount_text
            headers[remaining_name] = str(int(remaining))
            headers[reset_name] = duration_text(held.whole_at - moment)


def duration_text(seconds: float) -> str:
    """A time as OpenAI writes it: `59ms`, `1.5s`, `6m0s`, `12h0m0s`."""
    if seconds < 1:
        return f"{max(0, round(seconds * 1000))}ms"
    if seconds < 60:
        return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{rest}s" if hours else f"{minutes}m{rest}s"


def _lacking(slices: Sequence[Slice], tokens: int) -> Slice | None:
    """The first that has less than a call needs."""
    for held in slices:
        if held.held < held.need(tokens):
            return held
    return None


def _refusal(held: Slice, tokens: int) -> PanopeError:
    limit = held.limit
    whose = "the model" if held.subject.startswith("model:") else "the key"
    what = f"{whose} has a limit of {limit.amount:,} {limit.counted} a {limit.period}"
    if limit.is_quota:
        return QuotaError(f"{what}, and they are used up")
    return RateLimitError(what, retry_after_seconds=max(0.001, held.missing_seconds(tokens)))
