from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from panope_backends.errors import AvailabilityError, PanopeError, PreconditionError
from panope_registry.retention.types import Lease
from panope_server.runtime.async_registry import leases
from panope_server.runtime.async_registry.leases import ModelLeases

MODEL = "acme/tiny"


class FakeRetention:
    """Writes down what was asked of it; `failure` is raised at the next renewal."""

    def __init__(self) -> None:
        self.held: list[int] = []
        self.renewed: asyncio.Queue[int] = asyncio.Queue()
        self.failure: PanopeError | None = None
        self._numbers = iter(range(1, 1000))
        self._loop = asyncio.get_running_loop()

    def lease(self, variant_digest: str, owner: str, seconds: float) -> Lease:
        lease = Lease(next(self._numbers), variant_digest, owner, datetime.now(UTC))
        self.held.append(lease.id)
        return lease

    def renew(self, lease: Lease, seconds: float) -> Lease:
        self._loop.call_soon_threadsafe(self.renewed.put_nowait, lease.id)
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure
        return lease

    def release(self, lease: Lease) -> None:
        self.held.remove(lease.id)


@pytest.fixture
async def retention() -> FakeRetention:
    return FakeRetention()


@pytest.fixture
async def held(retention: FakeRetention, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ModelLeases]:
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.001)
    made = ModelLeases(retention)  # type: ignore[arg-type]  # a stand-in
    yield made
    await made.close()


async def test_a_lease_is_renewed_until_it_is_given_back(held: ModelLeases, retention: FakeRetention) -> None:
    await held.hold(MODEL, "ab")
    assert [await retention.renewed.get() for _ in range(3)] == [1, 1, 1]
    await held.release(MODEL)
    await held.release(MODEL)
    assert retention.held == []


async def test_another_variant_takes_the_place_of_the_former(held: ModelLeases, retention: FakeRetention) -> None:
    await held.hold(MODEL, "ab")
    await held.hold(MODEL, "cd")
    assert retention.held == [2]


async def test_a_lease_that_ran_out_is_taken_anew(held: ModelLeases, retention: FakeRetention) -> None:
    retention.failure = PreconditionError("over", reason="lease_lost")
    await held.hold(MODEL, "ab")
    while await retention.renewed.get() != 2:
        pass
    assert retention.held == [1, 2]  # the first is over: there is nothing to give back


async def test_a_database_that_is_away_costs_one_renewal_and_no_lease(
    held: ModelLeases, retention: FakeRetention
) -> None:
    retention.failure = AvailabilityError("away", reason="database_unavailable")
    await held.hold(MODEL, "ab")
    assert [await retention.renewed.get() for _ in range(3)] == [1, 1, 1]


async def test_the_end_of_the_server_gives_every_lease_back(retention: FakeRetention) -> None:
    made = ModelLeases(retention)  # type: ignore[arg-type]  # a stand-in
    await made.hold(MODEL, "ab")
    await made.hold("acme/other", "ab")
    await made.close()
    assert retention.held == []
