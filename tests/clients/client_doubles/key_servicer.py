"""API keys, made up."""

# ruff: noqa: N802 -- gRPC names the methods

from __future__ import annotations

from client_doubles.calls import Calls, Context
from panope.v1 import key_service_pb2 as key_pb
from panope.v1 import key_service_pb2_grpc as key_grpc


class KeyServicer(Calls, key_grpc.KeyServiceServicer):
    """Two pages of one key each."""

    async def ListKeys(self, request: key_pb.ListKeysRequest, context: Context) -> key_pb.ListKeysResponse:
        await self.enter(request, context)
        first = not request.page_token
        return key_pb.ListKeysResponse(
            keys=[key_pb.Key(name="a" if first else "b")], next_page_token="more" if first else ""
        )

    async def GetKey(self, request: key_pb.GetKeyRequest, context: Context) -> key_pb.GetKeyResponse:
        await self.enter(request, context)
        return key_pb.GetKeyResponse(key=key_pb.Key(name=request.key))

    async def CreateKey(self, request: key_pb.CreateKeyRequest, context: Context) -> key_pb.CreateKeyResponse:
        await self.enter(request, context)
        return key_pb.CreateKeyResponse(key=key_pb.Key(name=request.name), api_key="panope_made")

    async def RotateKey(self, request: key_pb.RotateKeyRequest, context: Context) -> key_pb.RotateKeyResponse:
        await self.enter(request, context)
        return key_pb.RotateKeyResponse(key=key_pb.Key(name=request.key), api_key="panope_rotated")

    async def RevokeKey(self, request: key_pb.RevokeKeyRequest, context: Context) -> key_pb.RevokeKeyResponse:
        await self.enter(request, context)
        return key_pb.RevokeKeyResponse(key=key_pb.Key(name=request.key, state=key_pb.Key.STATE_REVOKED))
