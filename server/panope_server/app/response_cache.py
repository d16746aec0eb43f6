"""The cache of answers, as the settings say."""

from __future__ import annotations

import os

from panope_server.config import ResponseCacheSettings, Settings
from panope_server.observability.metrics import Metrics, panope_version
from panope_server.pipeline.cache.kept import KeptAnswers
from panope_server.pipeline.cache.step import Cache
from panope_server.pipeline.cache.stores.memory import MemoryStore
from panope_server.pipeline.cache.stores.redis import RedisStore, connect
from panope_server.pipeline.cache.stores.store import Store
from panope_server.pipeline.cache.stores.tiered import TieredStore
from panope_server.runtime.models.manager import ModelManager

#: By which servers that share answers know them for their own.
SECRET = "PANOPE_RESPONSE_CACHE_SECRET"  # noqa: S105 - a variable's name


def build_store(settings: Settings, metrics: Metrics) -> Store | None:
    """Where answers are kept; None when none are."""
    wanted = settings.response_cache
    if not wanted.enabled:
        return None

    def evicted(reason: str) -> None:
        metrics.response_cache_evictions.labels(reason).inc()

    memory = MemoryStore(wanted.size, wanted.entry_size, wanted.ttl_seconds, evicted)
    metrics.response_cache_bytes.set_function(lambda: memory.size_bytes)
    metrics.response_cache_entries.set_function(lambda: len(memory))
    return TieredStore(memory, _shared(wanted, metrics)) if wanted.redis_url else memory


def _shared(wanted: ResponseCacheSettings, metrics: Metrics) -> RedisStore:
    def failed(reason: str) -> None:
        metrics.response_cache_shared_failures.labels(reason).inc()

    timeout = wanted.redis_timeout_ms / 1000
    return RedisStore(
        connect(wanted.redis_url, timeout),
        timeout_seconds=timeout,
        max_entry_bytes=wanted.entry_size,
        ttl_seconds=wanted.ttl_seconds,
        secret=os.environ.get(SECRET, "").encode(),
        failed=failed,
    )


def build_cache(settings: Settings, store: Store, models: ModelManager, metrics: Metrics) -> Cache:
    """The step of the pipeline."""
    wanted = settings.response_cache
    kept = KeptAnswers(store, wanted.ttl_seconds)
    return Cache(wanted, kept, models.dispatcher, metrics, panope_version())
