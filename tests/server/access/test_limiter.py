"""Limits of one server and of several: what is let in, what is told of it, and what happens without the registry."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from panope_backends.errors import AvailabilityError, PanopeError, QuotaError, RateLimitError
from panope_registry.access.budgets import Demand, Grant
from panope_registry.access.limits import Counted, Limit, Period
from panope_server.access.limiter import IDLE_SECONDS, Limiter, Reservation, duration_text

QUOTA = Limit(Counted.TOKENS, 1000, Period.DAY)
REQUESTS = Limit(Counted.REQUESTS, 100, Period.DAY)
RATE = Limit(Counted.REQUESTS, 10, Period.SECOND)


class Registry:
    """Budgets in memory, by the rule of `panope_registry.access.budgets`, which its own tests prove."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.used: dict[tuple[str, Limit], tuple[float, float]] = {}
        self.demands: list[Demand] = []
        self.is_away = False

    async def take(self, demands: Sequence[Demand]) -> Sequence[Grant]:
        await asyncio.sleep(0)
        if self.is_away:
            raise AvailabilityError("the registry's database does not answer", reason="database_unavailable")
        self.demands += demands
        return [self._take(demand) for demand in demands]

    def _take(self, demand: Demand) -> Grant:
        limit, key = demand.limit, (demand.subject, demand.limit)
        used, at = self.used.get(key, (0.0, self.seconds))
        if not limit.is_quota:
            used = max(0.0, used - (self.seconds - at) * limit.per_second)
        used = max(0.0, used + demand.spent)
        granted = min(demand.wanted, float(int(max(0.0, limit.amount - used))))
        self.used[key] = used + granted, self.seconds
        reset = 3600.0 if limit.is_quota else (used + granted) / limit.per_second
        return Grant(granted, max(0.0, limit.amount - used - granted), reset)

    def count(self, limit: Limit, subject: str = "key:a") -> float:
        return self.used[subject, limit][0]


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def server(registry: Registry) -> Callable[[], Limiter]:
    return lambda: Limiter(registry.take, lambda: registry.seconds)


async def admit(limiter: Limiter, *limits: Limit, tokens: int = 0) -> Reservation | None:
    try:
        return await limiter.admit(limiter.slices("key:a", limits), tokens, {})
    except (RateLimitError, QuotaError):
        return None


async def test_a_quota_lets_in_just_as_many_over_several_servers(
    registry: Registry, server: Callable[[], Limiter]
) -> None:
    servers = [server(), server(), server()]
    admitted = 0
    for turn in range(600):
        registry.seconds += 1.5  # so that a server with nothing asks again
        admitted += await admit(servers[turn % 3], REQUESTS) is not None
        if turn % 10 == 0:
            await asyncio.gather(*(limiter.flush() for limiter in servers))
    assert admitted == REQUESTS.amount


async def test_a_rate_lets_in_its_amount_at_once_and_then_as_many_as_time_brings(
    registry: Registry, server: Callable[[], Limiter]
) -> None:
    limiter = server()
    assert sum([await admit(limiter, RATE) is not None for _ in range(50)]) == RATE.amount
    later = 0
    for _ in range(100):
        registry.seconds += 0.05
        later += await admit(limiter, RATE) is not None
    assert later == pytest.approx(50, abs=1)


async def test_two_servers_keep_one_rate_together(registry: Registry, server: Callable[[], Limiter]) -> None:
    servers = [server(), server()]
    admitted = 0
    for turn in range(400):
        registry.seconds += 0.025
        admitted += await admit(servers[turn % 2], RATE) is not None
    assert admitted <= RATE.amount + 400 * 0.025 * RATE.amount
    assert admitted >= 0.9 * 400 * 0.025 * RATE.amount


async def test_calls_cost_no_question_while_a_slice_lasts(registry: Registry, server: Callable[[], Limiter]) -> None:
    limiter = server()
    many = Limit(Counted.REQUESTS, 100_000, Period.DAY)
    for _ in range(500):
        assert await admit(limiter, many) is not None
    assert len(registry.demands) == 1


async def test_calls_that_come_together_ask_once(registry: Registry, server: Callable[[], Limiter]) -> None:
    limiter = server()
    many = Limit(Counted.REQUESTS, 100_000, Period.DAY)
    assert all(await asyncio.gather(*(admit(limiter, many) for _ in range(50))))
    assert len(registry.demands) == 1


async def test_a_call_that_is_refused_takes_nothing_of_its_other_limits(
    registry: Registry, server: Callable[[], Limiter]
) -> None:
    limiter = server()
    while await admit(limiter, RATE, REQUESTS) is not None:
        pass
    await limiter.flush(everything=True)
    assert registry.count(REQUESTS) == RATE.amount


async def test_tokens_are_counted_as_they_were_used(registry: Registry, server: Callable[[], Limiter]) -> None:
    limiter = server()
    for used in (10, 90, 0):
        reservation = await admit(limiter, QUOTA, tokens=50)
        assert reservation is not None
        limiter.settle(reservation, used)
    await limiter.flush(everything=True)
    assert registry.count(QUOTA) == 100


@pytest.mark.parametrize("used", [40, 400])
async def test_what_a_long_call_did_not_use_goes_back_and_what_it_used_more_is_counted(
    registry: Registry, server: Callable[[], Limiter], used: int
) -> None:
    limiter = server()
    reservation = await admit(limiter, QUOTA, tokens=300)
    assert reservation is not None
    for _ in range(300):
        registry.seconds += 1
        await limiter.flush()
    limiter.settle(reservation, used)
    registry.seconds += 1
    await limiter.flush()
    registry.seconds += IDLE_SECONDS
    await limiter.flush()
    assert registry.count(QUOTA) == used


async def test_what_calls_did_not_use_is_there_for_other_servers_at_once(
    registry: Registry, server: Callable[[], Limiter]
) -> None:
    one, other = server(), server()
    large = Limit(Counted.TOKENS, 1000, Period.HOUR)
    reservation = await admit(one, large, tokens=1000)
    assert reservation is not None
    one.settle(reservation, 10)
    await one.flush()
    registry.seconds += 1
    assert await admit(other, large, tokens=700) is not None


async def test_an_estimate_that_was_too_high_lets_in_no_more_at_once_than_the_rate(
    registry: Registry, server: Callable[[], Limiter]
) -> None:
    limiter = server()
    rate = Limit(Counted.TOKENS, 600, Period.MINUTE)
    reservation = await admit(limiter, rate, tokens=600)
    assert reservation is not None
    for _ in range(60):  # by then all of it has refilled
        registry.seconds += 1
        await limiter.flush()
    limiter.settle(reservation, 0)
    await limiter.flush()
    assert sum([await admit(limiter, rate, tokens=10) is not None for _ in range(200)]) <= 60 + 60 // 4


async def test_the_last_of_a_quota_can_be_used_and_an_answer_beyond_it_is_the_last(
    registry: Registry, server: Callable[[], Limiter]
) -> None:
    limiter = server()
    first = await admit(limiter, QUOTA, tokens=995)
    last = await admit(limiter, QUOTA, tokens=500)
    assert first is not None
    assert last is not None
    limiter.settle(first, 995)
    limiter.settle(last, 40)
    await limiter.flush()
    assert registry.count(QUOTA) == 1035
    registry.seconds += 2
    assert await admit(limiter, QUOTA, tokens=1) is None


async def test_what_nobody_uses_goes_back(registry: Registry, server: Callable[[], Limiter]) -> None:
    limiter = server()
    many = Limit(Counted.REQUESTS, 100_000, Period.DAY)
    await admit(limiter, many)
    await limiter.flush()
    assert registry.count(many) > 1
    registry.seconds += IDLE_SECONDS
    await limiter.flush()
    assert registry.count(many) == 1


@pytest.mark.parametrize(("limit", "kind"), [(RATE, RateLimitError), (REQUESTS, QuotaError)])
async def test_a_refusal_says_which_limit_it_is_and_whether_to_come_back(
    registry: Registry, server: Callable[[], Limiter], limit: Limit, kind: type[PanopeError]
) -> None:
    limiter = server()
    while await admit(limiter, limit) is not None:
        pass
    headers: dict[str, str] = {}
    with pytest.raises(kind) as caught:
        await limiter.admit(limiter.slices("key:a", [limit]), 0, headers)
    assert f"{limit.amount} requests a {limit.period}" in caught.value.message
    assert headers["x-ratelimit-limit-requests"] == str(limit.amount)
    assert headers["x-ratelimit-remaining-requests"] == "0"
    assert caught.value.retry_after_seconds == (None if limit.is_quota else pytest.approx(0.1))


async def test_callers_are_told_of_the_limit_of_each_kind_that_is_nearest_to_its_end(
    registry: Registry, server: Callable[[], Limiter]
) -> None:
    headers: dict[str, str] = {}
    limiter = server()
    slices = [*limiter.slices("key:a", [REQUESTS, RATE]), *limiter.slices("model:m", [QUOTA])]
    await limiter.admit(slices, 100, headers)
    assert headers == {
        "x-ratelimit-limit-requests": "10",
        "x-ratelimit-remaining-requests": "9",
        "x-ratelimit-reset-requests": "200ms",
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "900",
        "x-ratelimit-reset-tokens": "1h0m0s",
    }


async def test_without_the_registry_a_server_keeps_rates_by_itself_and_tells_later_what_it_gave(
    registry: Registry, server: Callable[[], Limiter]
) -> None:
    limiter = server()
    registry.is_away = True
    admitted = 0
    for _ in range(100):
        registry.seconds += 0.05
        admitted += await admit(limiter, RATE, REQUESTS) is not None
    assert 0 < admitted <= RATE.amount + 5 * RATE.amount
    registry.is_away = False
    registry.seconds += 2
    await limiter.flush(everything=True)
    assert registry.count(REQUESTS) == admitted


async def test_without_the_registry_no_more_of_a_quota_is_given_than_was_left(
    registry: Registry, server: Callable[[], Limiter]
) -> None:
    limiter = server()
    await admit(limiter, REQUESTS)
    registry.is_away = True
    admitted = sum([await admit(limiter, REQUESTS) is not None for _ in range(300)])
    assert admitted == REQUESTS.amount - 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0ms"), (0.0591, "59ms"), (1.5, "1.5s"), (20, "20s"), (360, "6m0s"), (43_261, "12h1m1s"), (-3, "0ms")],
)
def test_times_are_written_as_openai_does(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
