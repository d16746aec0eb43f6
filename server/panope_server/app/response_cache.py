"""The cache of answers, as the settings say."""

from __future__ import annotations

import os
from dataclasses import dataclass

from panope_server.config import ResponseCacheSettings, Settings
from panope_server.observability.metrics import Metrics, panope_version
from panope_server.pipeline.cache.kept import KeptAnswers
from panope_server.pipeline.cache.statistics import CacheCounts, CacheStatistics
from panope_server.pipeline.cache.step import Cache
from panope_server.pipeline.cache.stores.memory import MemoryStore
from panope_server.pipeline.cache.stores.redis import RedisStore, connect
from panope_server.pipeline.cache.stores.store import Store
from panope_server.pipeline.cache.stores.tiered import TieredStore
from panope_server.runtime.async_registry.cache_flushes import FlushCounter, SharedFlushes
from panope_server.runtime.models.manager import ModelManager

#: By which servers that share answers know them for their own.
SECRET = "PANOPE_RESPONSE_CACHE_SECRET"  # noqa: S105 - a variable's name


@dataclass(frozen=True)
class ResponseCache:
    """Where answers are kept, and what is counted of it.

    Attributes:
        store: of the answers.
        memory: this process's part of it.
        counts: of hits and the rest.
        step: of the pipeline.
        flushes: by this server and by others.
        max_bytes: of the memory.
    """

    store: Store
    memory: MemoryStore
    counts: CacheCounts
    step: Cache
    flushes: SharedFlushes
    max_bytes: int

    def statistics(self) -> CacheStatistics:
        """How well it does."""
        counts = self.counts
        return CacheStatistics(
            entries=len(self.memory),
            size_bytes=self.memory.size_bytes,
            max_bytes=self.max_bytes,
            is_shared=self.store is not self.memory,
            models=counts.models,
            evictions=counts.evictions,
            shared_failures=counts.shared_failures,
            flushes=counts.flushes,
        )

    async def flush(self) -> int:
        """Forgets every answer, here and on the other servers of the database; as `SharedFlushes.flush`."""
        return await self.flushes.flush()


def build_cache(
    settings: Settings, models: ModelManager, metrics: Metrics, counter: FlushCounter
) -> ResponseCache | None:
    """The cache; None when the settings ask for none. `counter` is that of the database's flushes."""
    wanted = settings.response_cache
    if not wanted.enabled:
        return None
    counts = CacheCounts(metrics)
    memory = MemoryStore(wanted.size, wanted.entry_size, wanted.ttl_seconds, counts.evicted)
    metrics.response_cache_bytes.set_function(lambda: memory.size_bytes)
    metrics.response_cache_entries.set_function(lambda: len(memory))
    store: Store = TieredStore(memory, _shared(wanted, counts)) if wanted.redis_url else memory
    kept = KeptAnswers(store, wanted.ttl_seconds)
    step = Cache(wanted, kept, models.dispatcher, counts, panope_version())
    return ResponseCache(store, memory, counts, step, SharedFlushes(counter, step.flush), wanted.size)


def _shared(wanted: ResponseCacheSettings, counts: CacheCounts) -> RedisStore:
    timeout = wanted.redis_timeout_ms / 1000
    return RedisStore(
        connect(wanted.redis_url, timeout),
        timeout_seconds=timeout,
        max_entry_bytes=wanted.entry_size,
        ttl_seconds=wanted.ttl_seconds,
        secret=os.environ.get(SECRET, "").encode(),
        failed=counts.shared_failed,
    )
