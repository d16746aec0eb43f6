"""Loads a model until a line comes on standard input, then answers; prints its port, and the time that a call has."""

# ruff: noqa: N802 -- gRPC names the methods

from __future__ import annotations

import asyncio
import sys
from typing import Any

import grpc

from panope.v1 import embed_service_pb2, embed_service_pb2_grpc
from panope.v1 import registry_service_pb2 as pb
from panope.v1 import registry_service_pb2_grpc as pb_grpc
from panope.v1.model_pb2 import Model


class Registry(pb_grpc.RegistryServiceServicer):
    """Knows a model that loads."""

    async def GetModel(self, request: pb.GetModelRequest, _: Any) -> pb.GetModelResponse:
        return pb.GetModelResponse(
            model=Model(name=request.model, state=Model.STATE_LOADING, state_reason="converted for a backend")
        )


class Embedder(embed_service_pb2_grpc.EmbedServiceServicer):
    """Answers once it is told to."""

    async def Embed(self, request: embed_service_pb2.EmbedRequest, context: Any) -> Any:
        _print(context.time_remaining())
        await asyncio.to_thread(sys.stdin.readline)
        return embed_service_pb2.EmbedResponse(
            model=request.model, count=1, dimensions=1, vectors=bytes(4), token_counts=[1]
        )


def _print(line: object) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main() -> None:
    server = grpc.aio.server()
    pb_grpc.add_RegistryServiceServicer_to_server(Registry(), server)
    embed_service_pb2_grpc.add_EmbedServiceServicer_to_server(Embedder(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    _print(port)
    await server.wait_for_termination()


asyncio.run(main())
