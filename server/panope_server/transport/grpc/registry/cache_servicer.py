"""CacheService: translates and delegates."""

from __future__ import annotations

import grpc

from panope.v1 import cache_service_pb2 as pb
from panope.v1 import cache_service_pb2_grpc as pb_grpc
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import ResponseCache
from panope_server.transport.services import Services


class CacheServicer(pb_grpc.CacheServiceServicer):
    """Serves panope.v1.CacheService."""

    def __init__(self, cache: ResponseCache) -> None:
        self._cache = cache

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        pb_grpc.add_CacheServiceServicer_to_server(cls(services.cache), server)

    async def GetCacheStatistics(
        self, request: pb.GetCacheStatisticsRequest, context: Context
    ) -> pb.GetCacheStatisticsResponse:
        """Tells how well the cache does."""
        told = self._cache.statistics()
        return pb.GetCacheStatisticsResponse(
            entry_count=told.entries,
            size_bytes=told.size_bytes,
            max_bytes=told.max_bytes,
            shared=told.is_shared,
            models=[
                pb.ModelCacheStatistics(
                    model=name, hit_count=counts.hits, miss_count=counts.misses, joined_count=counts.joined
                )
                for name, counts in sorted(told.models.items())
            ],
            evicted_count=told.evictions.get("capacity", 0),
            expired_count=told.evictions.get("expired", 0),
            shared_failure_count=sum(told.shared_failures.values()),
            flush_count=told.flushes,
        )

    async def FlushCache(self, request: pb.FlushCacheRequest, context: Context) -> pb.FlushCacheResponse:
        """Forgets every answer."""
        return pb.FlushCacheResponse(flushed_count=await self._cache.flush())
