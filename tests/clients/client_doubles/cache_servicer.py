"""A response cache, made up."""

# ruff: noqa: N802 -- gRPC names the methods

from __future__ import annotations

from client_doubles.calls import Calls, Context
from panope.v1 import cache_service_pb2 as cache_pb
from panope.v1 import cache_service_pb2_grpc as cache_grpc


class CacheServicer(Calls, cache_grpc.CacheServiceServicer):
    """Three answers."""

    async def GetCacheStatistics(
        self, request: cache_pb.GetCacheStatisticsRequest, context: Context
    ) -> cache_pb.GetCacheStatisticsResponse:
        await self.enter(request, context)
        models = [cache_pb.ModelCacheStatistics(model="acme/tiny", hit_count=2, miss_count=3)]
        return cache_pb.GetCacheStatisticsResponse(entry_count=3, models=models)

    async def FlushCache(self, request: cache_pb.FlushCacheRequest, context: Context) -> cache_pb.FlushCacheResponse:
        await self.enter(request, context)
        return cache_pb.FlushCacheResponse(flushed_count=3)
