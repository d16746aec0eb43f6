"""The number that each flush of kept answers raises."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from panope_registry.serving_records.cache_flushes import CacheFlushes
from panope_registry.tables.database import Database, open_engine


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(open_engine(database_url))
    yield made
    made.close()


def test_each_flush_raises_the_number_once_also_of_several_servers_at_once(database: Database) -> None:
    ours, others = CacheFlushes(database), CacheFlushes(database)
    assert (ours.count(), ours.record(), others.count()) == (0, 1, 1)
    with ThreadPoolExecutor(4) as threads:
        numbers = list(threads.map(lambda flushes: flushes.record(), [ours, others] * 4))
    assert sorted(numbers) == list(range(2, 10))
    assert ours.count() == 9
