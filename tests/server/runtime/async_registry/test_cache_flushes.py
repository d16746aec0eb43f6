"""A flush on one server is a point in time for all of them."""

from __future__ import annotations

import pytest

from panope_backends.errors import AvailabilityError
from panope_server.runtime.async_registry import cache_flushes
from panope_server.runtime.async_registry.cache_flushes import SharedFlushes


class Counter:
    """The database's number."""

    def __init__(self) -> None:
        self.number = 0
        self.is_away = False

    def count(self) -> int:
        if self.is_away:
            raise AvailabilityError("away")
        return self.number

    def record(self) -> int:
        self.number = self.count() + 1
        return self.number


class Server:
    """What it forgot."""

    def __init__(self, counter: Counter) -> None:
        self.forgot = 0
        self.is_stuck = False
        self.flushes = SharedFlushes(counter, self._forget)

    async def _forget(self) -> int:
        self.forgot += 1
        if self.is_stuck:
            raise AvailabilityError("the shared store does not answer")
        return 7


@pytest.fixture
async def two(monkeypatch: pytest.MonkeyPatch) -> tuple[Counter, Server, Server]:
    monkeypatch.setattr(cache_flushes, "ASK_SECONDS", 3600)  # they look when they are told to
    counter = Counter()
    counter.number = 5
    servers = Server(counter), Server(counter)
    for server in servers:
        await server.flushes.start()
        await server.flushes.look()
    return counter, *servers


async def test_every_server_forgets_once_what_one_is_told_to(two: tuple[Counter, Server, Server]) -> None:
    _, one, other = two
    assert (one.forgot, other.forgot) == (0, 0), "what was flushed before they started is none of their business"
    assert await one.flushes.flush() == 7
    for _ in range(2):
        for server in (one, other):
            await server.flushes.look()
    assert (one.forgot, other.forgot) == (1, 1)


async def test_flushes_on_several_servers_at_once_reach_each_of_them(two: tuple[Counter, Server, Server]) -> None:
    _, one, other = two
    await one.flushes.flush()
    await other.flushes.flush()  # before it has heard of the other's, which may have ended before
    for server in (one, other):
        await server.flushes.look()
    assert (one.forgot, other.forgot) == (2, 2)


async def test_a_server_that_has_not_reached_the_database_forgets_when_it_does(
    two: tuple[Counter, Server, Server],
) -> None:
    counter, one, other = two
    await one.flushes.flush()
    counter.is_away = True
    await other.flushes._look_or_say()
    assert other.forgot == 0
    counter.is_away = False
    await other.flushes._look_or_say()
    assert other.forgot == 1


async def test_a_flush_of_which_nobody_else_hears_is_an_error_and_has_emptied_what_it_reached(
    two: tuple[Counter, Server, Server],
) -> None:
    counter, one, _ = two
    counter.is_away = True
    with pytest.raises(AvailabilityError):
        await one.flushes.flush()
    assert one.forgot == 1


async def test_a_shared_store_that_is_away_is_an_error_and_the_others_are_told_all_the_same(
    two: tuple[Counter, Server, Server],
) -> None:
    _, one, other = two
    one.is_stuck = other.is_stuck = True
    with pytest.raises(AvailabilityError, match="shared store"):
        await one.flushes.flush()
    await other.flushes._look_or_say()
    other.is_stuck = False
    await other.flushes._look_or_say()
    await other.flushes._look_or_say()
    assert other.forgot == 2, "what it could not forget it forgets later"
