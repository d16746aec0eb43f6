# Generated from panope_client/aio/cache_calls.py by clients/python/generate.py; do not edit.
"""Calls on the server's response cache."""

from __future__ import annotations

from panope.v1.cache_service_pb2 import (
    FlushCacheRequest,
    GetCacheStatisticsRequest,
    GetCacheStatisticsResponse,
)
from panope_client.sync.connection import Connection


class CacheCalls(Connection):
    """The calls of `Client` on the response cache; they reach the server's gRPC port alone, not Envoy's."""

    def cache_statistics(self, *, timeout: float | None = None) -> GetCacheStatisticsResponse:
        """Tells how well the cache does, for the models that the caller sees.

        Raises:
            PreconditionError: the server keeps no answers.
        """
        return self._call(self._cache.GetCacheStatistics, GetCacheStatisticsRequest(), timeout)

    def flush_cache(self, *, timeout: float | None = None) -> int:
        """Forgets every answer, in the server's memory and in the store that servers share; how many the memory held.

        Raises:
            PreconditionError: the server keeps no answers.
            PermissionDeniedError: the caller does not see every model.
        """
        return (self._call(self._cache.FlushCache, FlushCacheRequest(), timeout)).flushed_count
