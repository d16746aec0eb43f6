"""Aliases, made up."""

# ruff: noqa: N802 -- gRPC names the methods

from __future__ import annotations

from client_doubles.calls import Calls, Context
from panope.v1 import alias_service_pb2 as pb
from panope.v1 import alias_service_pb2_grpc as pb_grpc


class AliasServicer(Calls, pb_grpc.AliasServiceServicer):
    """Does whatever it is told."""

    async def SetAlias(self, request: pb.SetAliasRequest, context: Context) -> pb.SetAliasResponse:
        await self.enter(request, context)
        alias = pb.Alias(name=request.alias, model=request.model, targets=request.targets, policy=request.policy)
        return pb.SetAliasResponse(alias=alias)

    async def ExplainRoute(self, request: pb.ExplainRouteRequest, context: Context) -> pb.ExplainRouteResponse:
        await self.enter(request, context)
        return pb.ExplainRouteResponse(target="acme/a", reason=f"for {request.user}")

    async def ReportReward(self, request: pb.ReportRewardRequest, context: Context) -> pb.ReportRewardResponse:
        await self.enter(request, context)
        return pb.ReportRewardResponse()
