"""Leases, pins and last use."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import event, func, select

from panope_backends.errors import NotFoundError, PreconditionError
from panope_registry.registry import VariantEntry
from panope_registry.retention.retention import RetentionManager
from panope_registry.retention.types import RetentionReason
from panope_registry.tables.database import Database
from panope_registry.tables.retention_tables import lease

AddModel = Callable[..., VariantEntry]
PassTime = Callable[..., None]
NOBODY = "0" * 64


@pytest.fixture
def digest(add_model: AddModel) -> str:
    return add_model("v/a", 1).digest


def _kept_by(retention: RetentionManager, digest: str) -> tuple[RetentionReason, ...]:
    (found,) = [variant.kept_by for variant in retention.usage().variants if variant.digest == digest]
    return found


def test_a_lease_keeps_a_variant_until_it_is_given_back(retention: RetentionManager, digest: str) -> None:
    first, second = retention.lease(digest, "server-1", 60), retention.lease(digest, "server-1", 60)
    retention.release(first)
    assert _kept_by(retention, digest) == (RetentionReason.LEASED,)
    retention.release(second)
    assert _kept_by(retention, digest) == ()
    retention.release(second)


def test_a_lease_keeps_a_variant_until_it_is_over(
    retention: RetentionManager, digest: str, pass_time: PassTime
) -> None:
    held = retention.lease(digest, "server-1", 60)
    pass_time(seconds=50)
    held = retention.renew(held, 60)
    pass_time(seconds=59)
    assert _kept_by(retention, digest) == (RetentionReason.LEASED,)
    pass_time(seconds=1)
    assert _kept_by(retention, digest) == ()
    with pytest.raises(PreconditionError) as caught:
        retention.renew(held, 60)
    assert caught.value.reason == "lease_lost"


def test_leases_that_are_over_leave_no_rows(
    retention: RetentionManager, digest: str, pass_time: PassTime, database: Database
) -> None:
    for _ in range(3):
        retention.lease(digest, "server-1", 60)
        pass_time(seconds=61)
    held = retention.lease(digest, "server-1", 60)
    with database.read() as connection:
        assert connection.execute(select(lease.c.id)).scalars().all() == [held.id]


def test_what_is_not_here_cannot_be_leased(retention: RetentionManager, digest: str) -> None:
    retention.evict(variants=[digest])
    with pytest.raises(PreconditionError) as caught:
        retention.lease(digest, "server-1", 60)
    assert caught.value.reason == "not_downloaded"
    with pytest.raises(NotFoundError):
        retention.lease(NOBODY, "server-1", 60)


def test_a_pin_keeps_a_variant_until_it_is_taken_out(
    retention: RetentionManager, digest: str, pass_time: PassTime
) -> None:
    retention.pin(digest, principal="alice", reason="demo on Monday")
    retention.pin(digest, principal="bob")
    pass_time(days=365)
    assert _kept_by(retention, digest) == (RetentionReason.PINNED,)
    retention.unpin(digest)
    assert _kept_by(retention, digest) == ()
    retention.unpin(digest)
    with pytest.raises(NotFoundError):
        retention.pin(NOBODY, principal="alice")


def test_a_use_is_written_at_most_once_a_minute_by_any_process(
    retention: RetentionManager,
    make_retention: Callable[[], RetentionManager],
    digest: str,
    database: Database,
    pass_time: PassTime,
) -> None:
    def last_use() -> object:
        return retention.usage().variants[0].last_used_at

    retention.touch(digest)
    first = last_use()
    pass_time(seconds=59)
    make_retention().touch(digest)
    assert last_use() == first
    pass_time(seconds=1)
    make_retention().touch(digest)
    assert last_use() != first

    statements: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    pass_time(seconds=61)
    for _ in range(1000):
        retention.touch(digest)
    assert 0 < len(statements) < 10


def test_a_lease_is_no_change_to_those_who_follow_the_registry_and_a_pin_is_one(
    retention: RetentionManager, digest: str, database: Database
) -> None:
    token = database.change_token()
    held = retention.renew(retention.lease(digest, "server-1", 60), 60)
    retention.release(held)
    assert database.change_token() == token
    retention.pin(digest, principal="alice")
    assert database.change_token() > token, "what is pinned is shown"
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(lease)).scalar_one() == 0
