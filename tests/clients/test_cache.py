"""The response cache, through either client."""

from __future__ import annotations

from typing import Any


async def test_the_cache_is_told_of_and_flushed(client: Any, fake: Any) -> None:
    told = await client.cache_statistics()
    assert (told.entry_count, [(each.model, each.hit_count) for each in told.models]) == (3, [("acme/tiny", 2)])
    assert await client.flush_cache() == 3
    assert [type(request).__name__ for request in fake.requests] == ["GetCacheStatisticsRequest", "FlushCacheRequest"]
