"""What callers have used, made up."""

# ruff: noqa: N802 -- gRPC names the methods

from __future__ import annotations

from client_doubles.calls import Calls, Context
from panope.v1 import usage_service_pb2 as usage_pb
from panope.v1 import usage_service_pb2_grpc as usage_grpc


class UsageServicer(Calls, usage_grpc.UsageServiceServicer):
    """Two pages of one sum each."""

    async def ListUsage(self, request: usage_pb.ListUsageRequest, context: Context) -> usage_pb.ListUsageResponse:
        await self.enter(request, context)
        first = not request.page_token
        return usage_pb.ListUsageResponse(
            usage=[usage_pb.Usage(model="acme/a" if first else "acme/b", requests=3)],
            next_page_token="more" if first else "",
        )
