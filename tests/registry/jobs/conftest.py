"""A table of jobs, a clock that moves when told, and the runner's side of the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection

from panope_registry.jobs import JOB_RETRIES, Jobs
from panope_registry.jobs.claims import Claims
from panope_registry.tables.database import Database, open_engine

LEASE_SECONDS = 30.0


class SetClock:
    """Tells the moment that it is set to."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)

    def __call__(self, _connection: Connection) -> datetime:
        return self.moment

    def move(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(open_engine(database_url))
    yield database
    database.close()


@pytest.fixture
def jobs(database: Database, clock: SetClock) -> Jobs:
    return Jobs(database, clock=clock)


@pytest.fixture
def make_claims(database: Database, clock: SetClock) -> Callable[..., Claims]:
    """Makes a runner's side of the table; without jitter, the first wait after a failure is 2 s."""

    def make(owner: str = "a", store: str | None = None) -> Claims:
        retry_policy = replace(JOB_RETRIES, random=lambda: 1.0)
        return Claims(database, clock, owner=owner, lease_seconds=LEASE_SECONDS, retry_policy=retry_policy, store=store)

    return make


@pytest.fixture
def claims(make_claims: Callable[..., Claims]) -> Claims:
    return make_claims()
