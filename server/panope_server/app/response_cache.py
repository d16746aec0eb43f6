"""The cache of answers, as the settings say."""

from __future__ import annotations

from panope_server.config import Settings
from panope_server.observability.metrics import Metrics, panope_version
from panope_server.pipeline.cache.kept import KeptAnswers
from panope_server.pipeline.cache.step import Cache
from panope_server.pipeline.cache.stores.memory import MemoryStore
from panope_server.pipeline.cache.stores.store import Store
from panope_server.runtime.models.manager import ModelManager


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
    return memory


def build_cache(settings: Settings, store: Store, models: ModelManager, metrics: Metrics) -> Cache:
    """The step of the pipeline."""
    wanted = settings.response_cache
    kept = KeptAnswers(store, wanted.ttl_seconds)
    return Cache(wanted, kept, models.dispatcher, metrics, panope_version())
